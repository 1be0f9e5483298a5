"""The amortised posterior of photometry: fluxes in, draws of parameters and derived quantities out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from ..arrays import plain
from ..bundle.verified import verified
from ..components import pytree
from ..dust import Calzetti, DustLaw
from ..errors import UserError
from ..inference.derived import MassTable, quantities_of
from ..inference.edges import edges_of_normal, limits
from ..inference.engine import check_numbers, padded
from ..inference.importance import network_draws
from ..inference.protocol import Posterior
from ..instruments.coverage import covered_bands
from ..instruments.filter_names import canonical_filter
from ..instruments.filters import FilterSet
from ..instruments.jades import SNR_BANDS
from ..io.cube import PixelCube
from ..noise import BandMasks, DepthNoise, UpperLimits
from ..ssp import load
from .data import PhotometryData
from .error_scale import scaled
from .fingerprint import check_match
from .held_out import held_out
from .images import FEWEST_BANDS, infer_cube
from .likelihood import PhotometryLikelihood
from .model import GalaxyModel
from .model_error import GreyScatter, ModelError
from .network import PhotometryNetwork
from .prepare import check_redshifts, prepare
from .quantities import derived, log_density, theta_of
from .redshift.infer import infer_galaxies
from .simulator import PhotometrySimulator
from .typicality import Typicality


@pytree(
    arrays=("network", "weights", "noise", "mass_table", "typicality", "snr_bands", "error"),
    static=("filters", "dust", "log_u", "limits", "lya_escape"),
    aside=("meta",),
)
@dataclass(frozen=True, eq=False)
class PhotometryPosterior(Posterior):
    """A trained network for photometry with all that inference needs; no SSP grid among it; a pytree.

    Parameters
    ----------
    network : PhotometryNetwork
    weights : pytree
    filters : tuple of str
        astro-sedpy names, the order of the ``Band`` axis.
    noise : DepthNoise
        The noise that it was trained for.
    mass_table : MassTable
    meta : mapping
        Provenance: SSPs, IMF, tracks, versions, seed, command, validation.
    dust : DustLaw
    log_u : float, "free" or None
        Those of the :class:`~dsps_sbi.photometry.model.GalaxyModel`; inference does not need them.
    typicality : Typicality or None
        What tells how usual data are without SSPs.
    limits : UpperLimits
        Those that it was trained for.
    lya_escape : float
    error : ModelError or None
        Those of the :class:`~dsps_sbi.photometry.model.GalaxyModel`. With an error, masses and rates of star
        formation have the scatter of the SSPs' mass-to-light ratio (``error.grey_dex``) beside what the data
        say.
    """

    kind: ClassVar[str] = "photometry"
    data_words: ClassVar[str] = "images"
    # of bands beside the floor
    extra = None

    network: PhotometryNetwork
    weights: object
    filters: tuple[str, ...]
    noise: DepthNoise
    mass_table: MassTable
    meta: Mapping
    dust: DustLaw = field(default_factory=Calzetti)
    log_u: float | str | None = -2.0
    typicality: Typicality | None = None
    limits: UpperLimits = UpperLimits()
    lya_escape: float = 1.0
    error: ModelError | None = None

    @property
    def components(self) -> tuple:
        """Parts of the model that have a publication of their own: history, dust law."""
        return self.network.sfh, self.dust

    @property
    def quantities(self) -> tuple[str, ...]:
        """Parameters and derived quantities, the order of :meth:`quantity_draws`' last axis."""
        return quantities_of(self.names)

    @cached_property
    def snr_bands(self) -> jax.Array:
        """Which bands (Band,) the signal-to-noise cut is made on."""
        with jax.ensure_compile_time_eval():
            return jnp.array([name in SNR_BANDS for name in self.filters])

    @property
    def grey(self) -> GreyScatter | None:
        """Scatter of the SSPs' mass-to-light ratio [dex]; None where nothing is said about it."""
        return None if self.error is None else self.error.grey

    def check_redshifts(self, z):
        """Refuse redshifts (Object,), see :func:`dsps_sbi.photometry.prepare.check_redshifts`."""
        check_redshifts(self, z)

    def coverage(self, z) -> tuple[np.ndarray, np.ndarray]:
        """Which bands (..., Band) the SSPs of the training covered at redshifts z (...).

        Returns
        -------
        complete, usable : bool ndarray
            See :mod:`dsps_sbi.instruments.coverage`; all True where the bundle says nothing about it.
        """
        return covered_bands(self.meta.get("coverage"), len(self.filters), z)

    def align(self, filters, *arrays):
        """Put columns (Object, Band) of given filters in the network's order, NaN for absent bands.

        Raises
        ------
        UserError
            For filters that the network does not know.
        """
        names = [canonical_filter(name) for name in filters]
        unknown = [name for name in names if name not in self.filters]
        if unknown:
            raise UserError(
                f"bands {', '.join(unknown)} are unknown to the bundle, which has {', '.join(self.filters)}: "
                "leave them out"
            )
        where = [self.filters.index(name) for name in names]
        out = [np.full((len(array), len(self.filters)), np.nan, np.float32) for array in arrays]
        for full, array in zip(out, arrays, strict=True):
            full[:, where] = array
        return tuple(out)

    def prepared(self, flux_ujy, sigma_ujy, z, valid=None, upper=None):
        """What the network takes.

        Parameters
        ----------
        flux_ujy, sigma_ujy, z, valid, upper
            As for :meth:`sample`.

        Raises
        ------
        UserError
            See :func:`dsps_sbi.photometry.prepare.prepare`.
        """
        return prepare(self, flux_ujy, sigma_ujy, z, valid, upper)

    def in_range(self, data: PhotometryData) -> np.ndarray:
        """Whether bands (at least 3), errors and upper limits of objects (Object,) are as in training."""
        odd = (self.odd_depths(data) | self.odd_limits(data)).any(axis=1)
        return ~odd & (np.asarray(data.valid).sum(axis=1) >= FEWEST_BANDS)

    def odd_depths(self, data: PhotometryData) -> np.ndarray:
        """Bands (Object, Band) whose error is outside the trained range."""
        return np.asarray(data.valid) & ~self.noise.covers(np.asarray(data.sigma))

    def odd_limits(self, data: PhotometryData) -> np.ndarray:
        """Upper limits (Object, Band) of more or fewer sigmas than in training."""
        return np.asarray(data.upper) & ~self.limits.covers(np.asarray(data.flux), np.asarray(data.sigma))

    def model(self, ssp=None, filters: FilterSet | None = None) -> GalaxyModel:
        """The model that it was trained on, made again of its configuration.

        Parameters
        ----------
        ssp : SSPGrid or None
            By default the grid in the cache whose name the bundle holds.
        filters : FilterSet or None
            By default those that astro-sedpy has under the bundle's names; needed where it has none.

        Raises
        ------
        UserError
            If the SSP grid is not at hand, or is another one, see :meth:`check_match`.
        """
        network = self.network
        model = GalaxyModel(
            load(self.grids[0]) if ssp is None else ssp,
            FilterSet.from_names(self.filters) if filters is None else filters,
            network.prior,
            sfh=network.sfh,
            dust=self.dust,
            cosmology=network.cosmology,
            log_u=self.log_u,
            lya_escape=self.lya_escape,
            error=self.error,
        )
        if ssp is None and filters is None:
            compared = self.filters, self.names, self.meta.get("reference"), model
            verified(lambda: self.check_match(model), *compared)
        else:
            self.check_match(model)
        return model

    def check_match(self, model: GalaxyModel) -> float:
        """Refuse a model that it was not trained on; see :mod:`dsps_sbi.photometry.fingerprint`."""
        return check_match(self, model)

    def likelihood_of(self, model: GalaxyModel) -> PhotometryLikelihood:
        """The exact likelihood under a model that matches."""
        return PhotometryLikelihood(self, model)

    def simulator(self, model: GalaxyModel) -> PhotometrySimulator:
        """Mocks as those of the training."""
        return PhotometrySimulator(model, self.noise, BandMasks.jades(self.filters), self.limits)

    def held_out(self, model, n, key, on_chunk=None):
        """Mocks in slices, see :func:`dsps_sbi.photometry.held_out.held_out`."""
        return held_out(self.simulator(model), n, key, on_chunk)

    def summary(self) -> str:
        """What it takes and where it holds, in a few words."""
        low, high = self.network.prior.z
        return f"{len(self.filters)} bands, z {low:g}-{high:g}, SSPs {', '.join(self.grids) or 'unknown'}"

    def prior_limits(self, posteriors, z):
        """Edges of the prior and limits (Object, Param), see :mod:`dsps_sbi.inference.edges`.

        Parameters
        ----------
        posteriors : Posteriors
        z : array (Object,)
        """
        edge, limit = limits(posteriors.u, edges_of_normal(posteriors.u), posteriors.ess)
        # of few sizes: few compilations
        n, n_param = limit.shape
        u = np.resize(np.float32(limit), (padded(n), 1, n_param))
        theta = np.asarray(theta_of(self.network, None, u, np.resize(z, padded(n))))
        return edge, np.where(edge == 0, np.nan, theta[:n, 0])

    def derived_draws(self, u, z, quantities=None):
        """Quantities (Quantity, Object, Draw) of draws u (Object, Draw, Param) at redshifts z (Object,)."""
        wanted = quantities_of(self.names, quantities)
        return derived(
            self.network, self.mass_table, self.grey, jnp.asarray(u), jnp.asarray(z), wanted=wanted
        )

    def sample(self, flux_ujy, sigma_ujy, z, *, n_draws=500, seed=0, valid=None, upper=None, ids=None):
        """Draws of the parameters.

        Parameters
        ----------
        flux_ujy, sigma_ujy : array (Object, Band)
            Fluxes and reported sky sigmas [uJy] in the order of :attr:`filters`; not finite, or an
            error that is not positive, means missing.
        z : float or array (Object,)
        n_draws, seed : int
        valid : bool array (Object, Band) or None
        upper : bool array (Object, Band) or None
            Where the flux is an upper limit of flux / sky sigmas.
        ids : int array (Object,) or None
            Draws depend on an object's id, not on its place in the batch.

        Returns
        -------
        array (Object, Draw, Param)
        """
        u, z = self._drawn(flux_ujy, sigma_ujy, z, valid, upper, ids, seed, n_draws)
        return theta_of(self.network, self.grey, u, z)

    def quantity_draws(
        self,
        flux_ujy,
        sigma_ujy,
        z,
        *,
        n_draws=500,
        seed=0,
        valid=None,
        upper=None,
        ids=None,
        quantities=None,
    ):
        """Draws (Quantity, Object, Draw) of some quantities, by default all :attr:`quantities`.

        Other arguments as for :meth:`sample`.

        Parameters
        ----------
        quantities : sequence of str or None
            Further ones are formation times such as ``t10``, ``t90_lookback``, ``t25_fraction``; see
            :func:`dsps_sbi.inference.derived.quantities_of`.
        """
        return self.derived_draws(
            *self._drawn(flux_ujy, sigma_ujy, z, valid, upper, ids, seed, n_draws), quantities
        )

    def _drawn(self, flux_ujy, sigma_ujy, z, valid, upper, ids, seed, n_draws):
        check_numbers(n_draws, seed, "object")
        data = self.prepared(flux_ujy, sigma_ujy, z, valid, upper)
        ids = np.arange(len(data.z)) if ids is None else np.asarray(ids)
        ids, key = ids.astype(np.uint32), jax.random.key(seed)
        return network_draws(self.network, self.weights, data, ids, key, n_draws=n_draws), data.z

    def log_prob(self, theta, flux_ujy, sigma_ujy, z, *, valid=None, upper=None):
        """Log density of parameters under the flow, per unit of normal coordinates u.

        An object's data are looked at once: give many draws of it along an axis of their own.

        Parameters
        ----------
        theta : array (Object, Param) or (Object, Draw, Param)
        flux_ujy, sigma_ujy, z, valid, upper
            As for :meth:`sample`.

        Returns
        -------
        array (Object,) or (Object, Draw)
        """
        data = self.prepared(flux_ujy, sigma_ujy, z, valid, upper)
        theta, n = plain(theta, "theta", dtype=np.float32), len(data.z)
        if theta.ndim not in (2, 3) or (theta.shape[0], theta.shape[-1]) != (n, len(self.names)):
            raise UserError(
                f"theta has shape {theta.shape}: expected ({n}, {len(self.names)}) or ({n}, draws, "
                f"{len(self.names)}), objects by {', '.join(self.names)}; give that"
            )
        return log_density(self.network, self.weights, jnp.asarray(theta), data)

    def infer(
        self,
        data,
        *,
        weigh: bool = True,
        refine: bool = False,
        model="auto",
        n_draws: int = 500,
        seed: int = 0,
        progress: bool = False,
        error_scale=None,
        **options,
    ):
        """Posteriors of the pixels of an image, or of the galaxies of a catalogue.

        Parameters
        ----------
        data : PixelCube or Catalogue, or a table for :func:`dsps_sbi.read_catalogue`
        weigh : bool
            Weigh the draws with the exact likelihood where the SSPs are at hand, else (or without them) they
            are the network's own and every answer is ``unchecked``.
        refine : bool
            Repair what weighing leaves untrusted, see :mod:`dsps_sbi.inference.repair`.
        model : GalaxyModel or "auto"
            What the draws are weighed with; "auto" makes the bundle's model again if its SSPs are in the
            cache.
        n_draws : int
            Of each object. With weights, fewer than 100 cannot be worth the 100 effective draws that trust
            asks for.
        seed : int
            The draws of an object depend on the seed and on its number alone.
        progress : bool
            Show a bar.
        error_scale : float or "fit", optional
            What to multiply the stated errors by before anything else, the cut in S/N included; "fit": by
            what makes the median of the predictive p-values a half. The fluxes of upper limits stay.
        **options
            Of images ``snr_min``, ``quantities`` and ``draws_path``, see
            :func:`dsps_sbi.photometry.images.infer_cube`; of catalogues ``quantities``; of both ``redshift``,
            what :func:`dsps_sbi.redshift_prior` gives, of an image for one galaxy.

        Returns
        -------
        ImageResult or CatalogueResult

        Raises
        ------
        UserError
            For redshifts outside the trained range, unknown bands, a model that is not the bundle's, if there
            is none to refine with, or if a scale of the errors cannot be fitted.
        """
        run = infer_cube if isinstance(data, PixelCube) else infer_galaxies
        likelihood = self.weighed_by(model, weigh, refine)
        common = {"refine": refine, "n_draws": n_draws, "seed": seed, "progress": progress}
        if error_scale is not None:
            check_numbers(n_draws, seed, "object")
            fitting = {"n_draws": n_draws, "seed": seed, "snr_min": options.get("snr_min", 5.0)}
            data, common["error_scale"] = scaled(self, data, likelihood, error_scale, **fitting)
        return run(self, data, likelihood, **common, **options)
