"""The amortised posterior of photometry in any filters: made for a set of filters when that is first seen."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from astropy.table import Table

from ...bundle.verified import verified
from ...dust import Calzetti, DustLaw
from ...errors import UserError
from ...inference.derived import MassTable
from ...inference.protocol import Posterior
from ...instruments.coverage import covered_share, is_starlight, redshift_ranges
from ...instruments.filter_names import JADES_BANDS, canonical_filters
from ...instruments.filters import FilterSet, has_curves
from ...io import Catalogue, PixelCube
from ...io.tables.layout import UNKNOWN
from ...noise import UpperLimits
from ...noise.any_depth import AnyDepth
from ...ssp import load
from ..band_floors import floors_of
from ..catalogue import read_table
from ..fingerprint import check_match
from ..images import FEWEST_BANDS
from ..likelihood import PhotometryLikelihood
from ..model import GalaxyModel
from ..model_error import ModelError
from ..redshift.given import with_redshifts
from ..redshift.prior import check_one
from .network import UniversalNetwork
from .survey_network import SurveyNetwork
from .survey_posterior import SurveyPosterior
from .typicality import UniversalTypicality
from .weight_basis import with_filters

# Relative error of the model's fluxes unless the user gives one
FLOOR = 0.05
# Sets of filters whose posteriors are kept, what was made first goes first
_MOST_SURVEYS = 8


@dataclass(frozen=True, eq=False)
class UniversalPosterior(Posterior):
    """A trained network for photometry in any filters, with all that inference needs but the SSP grid.

    Parameters
    ----------
    network : UniversalNetwork
    weights : pytree
    noise : AnyDepth
        The noise that it was trained for.
    mass_table : MassTable
    meta : mapping
        Provenance: SSPs, IMF, tracks, versions, seed, command, validation.
    dust : DustLaw
    log_u : float, "free" or None
    limits : UpperLimits
    lya_escape : float
    error : ModelError or None
        As for :class:`~dsps_sbi.photometry.posterior.PhotometryPosterior`.
    typicality : UniversalTypicality or None
        What tells how usual data are without SSPs, whatever their filters.
    """

    kind: ClassVar[str] = "photometry-any"
    data_words: ClassVar[str] = "images"
    # any: tables may have all that are known
    filters: ClassVar[None] = None

    network: UniversalNetwork
    weights: object
    noise: AnyDepth
    mass_table: MassTable
    meta: Mapping
    dust: DustLaw = field(default_factory=Calzetti)
    log_u: float | str | None = -2.0
    limits: UpperLimits = UpperLimits()
    lya_escape: float = 1.0
    error: ModelError | None = None
    typicality: UniversalTypicality | None = None

    @property
    def components(self) -> tuple:
        """Parts of the model that have a publication of their own: history, dust law."""
        return self.network.sfh, self.dust

    def for_filters(self, filters, floor: float | Mapping[str, float] = FLOOR) -> SurveyPosterior:
        """The posterior for a set of filters; made once for equal curves, the last ones are kept.

        Parameters
        ----------
        filters : FilterSet, sequence of str, or what :meth:`dsps_sbi.FilterSet.of` takes
            Curves, or names of those of astro-sedpy in any usual spelling.
        floor : float, or mapping of str to float
            Relative error of the model's fluxes, beside the errors that bands share: 0.01 to 0.2. Of a
            mapping of bands, ``others`` for the rest, the smallest is; see
            :mod:`dsps_sbi.photometry.band_floors`.

        Raises
        ------
        UserError
            For an unknown name, or a floor that the network does not know.
        """
        if not isinstance(filters, FilterSet):
            filters = FilterSet.of(filters) if has_curves(filters) else canonical_filters(filters)
        names = filters.names if isinstance(filters, FilterSet) else filters
        floor, extra = floors_of(floor, names, FLOOR)
        low, high = self.noise.floor
        if isinstance(floor, bool) or not np.isreal(floor) or not low <= floor <= high:
            raise UserError(
                f"error floor {floor!r}: the bundle was trained for {low:g} to {high:g}; give one in between"
            )
        kept = self.__dict__.setdefault("_kept_surveys", {})
        key = getattr(filters, "content", filters), float(floor), extra
        if key not in kept:
            curves = filters if isinstance(filters, FilterSet) else FilterSet.from_names(filters)
            post = self._bound(curves, float(floor))
            if extra is not None:
                post = replace(post, extra=extra)
            if len(kept) >= _MOST_SURVEYS:
                kept.pop(next(iter(kept)))
            kept[key] = post
        return kept[key]

    def _bound(self, filters, floor):
        network, edges = self.network, self.network.basis.pixel_edges_aa

        def share(z):
            inside = covered_share(filters.curves, edges[0], edges[-1], z)
            return jnp.where(is_starlight(filters.pivots, z), inside, 0.0)

        return SurveyPosterior(
            network=SurveyNetwork.of(network, filters, floor),
            weights=self.weights,
            filters=filters.names,
            noise=self.noise.for_bands(len(filters.names), floor),
            mass_table=self.mass_table,
            meta=dict(self.meta) | {"coverage": redshift_ranges(share, network.prior.z), "floor": floor},
            dust=self.dust,
            log_u=self.log_u,
            limits=self.limits,
            lya_escape=self.lya_escape,
            error=self.error,
            typicality=self.typicality,
            filter_set=filters,
            universal=self,
        )

    def infer(
        self,
        data,
        error=None,
        z=None,
        *,
        z_err=None,
        z_range=None,
        p_z=None,
        keep_p_z: bool = False,
        distance_mpc=None,
        filters=None,
        floor: float | Mapping[str, float] = FLOOR,
        upper=None,
        weigh: bool = True,
        refine: bool = False,
        model="auto",
        n_draws: int = 500,
        seed: int = 0,
        progress: bool = False,
        **options,
    ):
        """Posteriors of the galaxies of a catalogue, of fluxes in an array, or of the pixels of an image.

        Parameters
        ----------
        data : Catalogue, PixelCube, table, or array (Object, Band)
            Fluxes [uJy, or a Quantity] if an array; all others hold errors, redshifts and filters. Of tables
            see :func:`dsps_sbi.read_catalogue`.
        error : array (Object, Band), optional
            Their standard deviations.
        z : float or array (Object,), optional
            Redshifts.
        z_err : float or array (Object,), optional
            Standard deviations of redshifts that are not exact; draws then have redshifts of their own.
        z_range : (float, float), optional
            Redshifts between which nothing is known; those of a catalogue or image are not read. The pixels
            of an image share one redshift, which their summed light tells.
        p_z : (array (Z,), array (Z,) or (Object, Z)), optional
            Redshifts, and the density there up to a factor, from other data than these fluxes.
        keep_p_z : bool
            That density was made of these fluxes: it stays as it is, else they would count twice.
        distance_mpc : float or array (Object,), optional
            Luminosity distances [Mpc, or a Quantity] of galaxies at z < 0.1, instead of redshifts.
        filters : FilterSet, sequence of str, or what :meth:`dsps_sbi.FilterSet.of` takes, optional
            Curves, or names of those of astro-sedpy, of an array; a catalogue and an image have their own.
        floor : float, or mapping of str to float
            Relative error of the model's fluxes, 0.01 to 0.2; or of bands, as for :meth:`for_filters`.
        upper : bool array (Object, Band), optional
            Where a flux of an array is an upper limit of flux / error standard deviations.
        weigh, refine, model, n_draws, seed, progress, **options
            As for :meth:`dsps_sbi.PhotometryPosterior.infer`; the filters of a model do not count.

        Returns
        -------
        CatalogueResult or ImageResult

        Raises
        ------
        UserError
            For unknown filters, arrays that do not fit, redshifts as :func:`redshift_prior` and
            :func:`at_distance` do, and as :meth:`dsps_sbi.PhotometryPosterior.infer` does.
        """
        said = {"z_err": z_err, "z_range": z_range, "p_z": p_z}
        exact = check_one(z, **said, distance_mpc=distance_mpc)
        if isinstance(data, Table) or hasattr(data, "iloc"):
            data = read_table(self, data, None if exact or z_err is not None else UNKNOWN)
        if isinstance(data, Catalogue | PixelCube):
            if any(given is not None for given in (error, z, filters, upper)):
                raise UserError(
                    f"a {type(data).__name__} has errors, redshifts, filters and limits of its own: leave "
                    "out error=, z=, filters= and upper="
                )
            post = self.for_filters(getattr(data, "curves", None) or data.filters, floor)
        else:
            missing = {"error": error, "filters": filters}
            missing |= {"z": z} if exact or z_err is not None else {}
            words = ", ".join(name for name, value in missing.items() if value is None)
            if words:
                raise UserError(f"fluxes without {words}: give infer(flux, error, z, filters=...)")
            post = self.for_filters(filters, floor)
            data = Catalogue(data, error, post.filter_set, z, upper=upper)
        rest = {"keep_p_z": keep_p_z, "distance_mpc": distance_mpc}
        data, prior = with_redshifts(data, self.network, exact, **said, **rest)
        if prior is not None:
            options["redshift"] = prior
        given = {"weigh": weigh, "refine": refine, "n_draws": n_draws, "seed": seed, "progress": progress}
        return post.infer(data, model=self._behind(post, model), **given, **options)

    def _behind(self, post, model):
        """A model, or the likelihood under one that matches, behind the filters of a survey."""
        if isinstance(model, PhotometryLikelihood):
            if model.post is post:
                return model
            # parts of a table have the same one
            kept = post.__dict__.get("_kept_behind")
            if kept is None or kept[0] is not model:
                kept = model, post.likelihood_of(with_filters(model.model, post.filter_set))
                post.__dict__["_kept_behind"] = kept
            return kept[1]
        return with_filters(model, post.filter_set) if isinstance(model, GalaxyModel) else model

    def model(self, ssp=None, filters: FilterSet | None = None) -> GalaxyModel:
        """The model that it was trained on, made again of its configuration.

        Parameters
        ----------
        ssp : SSPGrid or None
            By default the grid in the cache whose name the bundle holds.
        filters : FilterSet or None
            By default the JADES bands, in which its fingerprint is.

        Raises
        ------
        UserError
            If the SSP grid is not at hand, or is another one, see :meth:`check_match`.
        """
        model, network = self.__dict__.get("_kept_model") if ssp is None else None, self.network
        if model is None:
            model = GalaxyModel(
                load(self.grids[0]) if ssp is None else ssp,
                FilterSet.from_names(JADES_BANDS),
                network.prior,
                sfh=network.sfh,
                dust=self.dust,
                cosmology=network.cosmology,
                log_u=self.log_u,
                lya_escape=self.lya_escape,
                error=self.error,
            )
            compared = JADES_BANDS, self.names, self.meta.get("reference"), model
            verified(lambda: self.check_match(model), *compared)
            if ssp is None:
                self.__dict__["_kept_model"] = model
        return model if filters is None else with_filters(model, filters)

    def check_match(self, model: GalaxyModel) -> float:
        """Refuse a model that it was not trained on, whatever its filters.

        Returns
        -------
        float
            Largest relative difference of the reference fluxes, in the JADES bands.
        """
        as_trained = SimpleNamespace(filters=JADES_BANDS, names=self.names, meta=self.meta)
        return check_match(as_trained, self.behind_reference(model))

    def behind_reference(self, model: GalaxyModel) -> GalaxyModel:
        """A model behind the JADES bands, in which the fingerprint is."""
        if model.filters.names == JADES_BANDS:
            return model
        return with_filters(model, FilterSet.from_names(JADES_BANDS))

    def likelihood_of(self, model: GalaxyModel) -> PhotometryLikelihood:
        """What :meth:`infer` puts behind the filters of data: holds a model that matches."""
        return PhotometryLikelihood(self, model)

    def in_range(self, data) -> np.ndarray:
        """Whether bands (at least 3), errors and upper limits of objects (Object,) are as in training."""
        valid, upper, flux, sigma = (np.asarray(a) for a in (data.valid, data.upper, data.flux, data.sigma))
        odd = (valid & ~self.noise.covers(sigma)) | (upper & ~self.limits.covers(flux, sigma))
        return ~odd.any(axis=1) & (valid.sum(axis=1) >= FEWEST_BANDS)

    def held_out(self, model, n, key, on_chunk=None):
        """Refused, always: mocks are of some filters, check what :meth:`for_filters` gives."""
        raise UserError(
            f"bundle {self.label} is for any filters, mocks are of given ones: check post.for_filters(...)"
        )

    def summary(self) -> str:
        """What it takes and where it holds, in a few words."""
        low, high = self.network.prior.z
        return f"any filters, z {low:g}-{high:g}, SSPs {', '.join(self.grids) or 'unknown'}"
