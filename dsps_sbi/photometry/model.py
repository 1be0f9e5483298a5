"""The forward model of a galaxy: parameters and redshift to fluxes, exact and differentiable."""

from dataclasses import dataclass, field
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np

from ..arrays import plain
from ..components import constant, named, pytree
from ..cosmology import Cosmology
from ..dust import LAWS, Calzetti, DustLaw, birth_age, free_names, is_plain
from ..errors import UserError
from ..instruments.coverage import USABLE, always_complete, covered_share
from ..instruments.filters import FilterSet
from ..kernels import photometry as phot
from ..kernels.full_precision import matmul
from ..priors import Prior
from ..sfh import FAMILIES, DelayedTau, StarFormationHistory, age_edges
from ..ssp import SSPGrid, load
from .band_table import BandTable, build_table, shape_fluxes, split_shape
from .band_weights import band_weights, igm_of
from .checks import check_ages, check_gas, check_share, check_values
from .emitted import FREE, gas_of_log_u, lines_of, rest_light, stars_and_gas
from .model_error import ModelError
from .prior import photometry_prior

# Parameters that every model has besides those of its star formation history and dust law
COMMON = ("metallicity", "av", "log_mass_formed")


@pytree(
    arrays=(
        "filters",
        "cosmology",
        "light",
        "gas",
        "rest_aa",
        "pixel_edges_aa",
        "edges",
        "nodes",
        "log_u_nodes",
        "error",
    ),
    static=(
        "prior",
        "sfh",
        "dust",
        "log_u",
        "lya_escape",
        "n_sub",
        "n_wave",
        "n_age",
        "n_young",
        "parts",
        "sees_all",
    ),
    aside=("ssp",),
)
@dataclass(frozen=True, eq=False)
class GalaxyModel:
    """SSPs + star formation history + dust screen + nebular emission + IGM, seen through filters; a pytree.

    Parameters
    ----------
    ssp : SSPGrid
    filters : FilterSet
    prior : Prior
        Its names must be those of the SFH followed by ``metallicity``, ``av``, those of the dust law
        if it has any, ``log_u`` if that is free, and ``log_mass_formed``.
    sfh : StarFormationHistory
    dust : DustLaw
        Called with rest wavelengths [Angstrom], returns A(lambda) / A_V; may have free parameters
        and a second screen before young stars.
    cosmology : Cosmology
    log_u : float, "free" or None
        Ionisation parameter of the nebular emission, the same for all galaxies, or a parameter of
        each; None leaves nebular emission out.
    lya_escape : float
        Share of the Lyman alpha photons of recombination that leave the galaxy, 0 to 1: scattering and dust
        leave little of the line in most galaxies (see :mod:`~dsps_sbi.photometry.emitted`).
    error : ModelError or None
        Errors of the SSPs that bands share, for simulator and likelihood; :meth:`predict` is without them.
    n_sub : int or None
        Wavelengths of each filter at which the fast path evaluates the dust screen
        (:mod:`dsps_sbi.kernels.screen`); None for 5, or 8 for laws with free parameters or two screens,
        which are interpolated in wavelength and may have a bump.

    Raises
    ------
    UserError
        If prior and SFH do not name the same parameters, the SSPs carry no nebular grid or not this
        log U, or they end before the age of the Universe.

    Notes
    -----
    Not modelled: dust and PAH emission (rest > 3 micron: F444W and redder at z < 0.5), AGN,
    metallicity histories, and scatter of the IGM between sight lines.
    """

    ssp: SSPGrid
    filters: FilterSet
    prior: Prior
    sfh: StarFormationHistory = field(default_factory=DelayedTau)
    dust: DustLaw = field(default_factory=Calzetti)
    cosmology: Cosmology = field(default_factory=Cosmology.from_astropy)
    log_u: float | str | None = -2.0
    lya_escape: float = 1.0
    error: ModelError | None = None
    n_sub: int | None = None

    def __post_init__(self):
        gas = ("log_u",) if self.log_u == FREE else ()
        expected = (*self.sfh.names, *COMMON[:2], *free_names(self.dust), *gas, *COMMON[2:])
        if self.prior.names != expected:
            given = ", ".join(self.prior.names)
            raise UserError(f"prior of {given}; this model needs one of {', '.join(expected)}")
        if self.log_u is not None:
            check_gas(self.ssp, None if self.log_u == FREE else self.log_u)
        check_share(self.lya_escape, "lya_escape")
        check_ages(self.ssp, self.prior.z[0], self.cosmology.age(self.prior.z[0]))
        if self.n_sub is not None and self.n_sub < 1:
            raise UserError(f"n_sub is {self.n_sub}: give each filter at least one wavelength, better 5")

    @classmethod
    def preset(
        cls,
        name: str = "jades-pixels",
        ssp: SSPGrid | None = None,
        *,
        sfh: StarFormationHistory | str = "delayed_tau",
        dust: DustLaw | str = "calzetti",
        log_u: float | str | None = -2.0,
        lya_escape: float = 1.0,
        error: ModelError | None = None,
    ) -> "GalaxyModel":
        """A model of the literature by name; ``jades-pixels`` is that of arXiv:2506.04336.

        Parameters
        ----------
        name : str
        ssp : SSPGrid or None
            Default: the BC03-MILES grid in the cache.
        sfh : StarFormationHistory or str
            A family, or its name in :data:`dsps_sbi.sfh.FAMILIES`: ``dirichlet`` is the paper's other
            one (alpha = 1, t25, t50 and t75). The prior follows.
        dust : DustLaw or str
            A law, or its name in :data:`dsps_sbi.dust.LAWS`.
        log_u : float, "free" or None
        lya_escape : float
        error : ModelError or None

        Raises
        ------
        UserError
            For an unknown name, or when the SSP grid has not been fetched.
        """
        if name != "jades-pixels":
            raise UserError(f"model preset {name!r} is unknown: use 'jades-pixels'")
        sfh, dust = named(sfh, FAMILIES, "star formation history"), named(dust, LAWS, "dust law")
        prior = photometry_prior(sfh, dust, free_log_u=log_u == FREE)
        ssp = load() if ssp is None else ssp
        more = {"log_u": log_u, "lya_escape": lya_escape, "error": error}
        return cls(ssp, FilterSet.from_names(), prior, sfh=sfh, dust=dust, **more)

    @property
    def names(self) -> tuple[str, ...]:
        """Parameter names, the order of theta's last axis."""
        return self.prior.names

    @cached_property
    def edges_gyr(self) -> np.ndarray:
        """Edges (Age + 1,) of the SSPs' age bins [Gyr]."""
        return age_edges(self.ssp.age_gyr)

    @cached_property
    def n_wave(self) -> int:
        """Number of wavelengths; emission lines come after them."""
        return len(self.ssp.wave_aa)

    @cached_property
    def n_age(self) -> int:
        """Number of age bins that begin before the age of the Universe at the lowest redshift."""
        # a number also where something is being compiled
        with jax.ensure_compile_time_eval():
            oldest = float(self.cosmology.age(self.prior.z[0]))
        return int(np.searchsorted(self.edges_gyr[:-1], oldest))

    @cached_property
    def n_young(self) -> int:
        """Number of age bins that begin before the age of the dust law's birth clouds; 0 without such."""
        birth = birth_age(self.dust)
        return 0 if birth is None else int(np.searchsorted(self.edges_gyr, birth))

    @cached_property
    def parts(self) -> tuple[int, ...] | None:
        """Age bins at which the ranges of ages of :attr:`error` begin; None without such."""
        return None if self.error is None else self.error.age_bins(self.edges_gyr)

    @cached_property
    def n_screen(self) -> int:
        """Wavelengths of each filter at which the fast path evaluates the dust screen."""
        return self.n_sub or (5 if is_plain(self.dust) else 8)

    @cached_property
    def edges(self) -> jax.Array:
        """:attr:`edges_gyr` as float32."""
        return constant(self.edges_gyr)

    @cached_property
    def nodes(self) -> jax.Array:
        """Metallicities [M/H] (Met,) of the SSPs."""
        return constant(self.ssp.metallicity)

    @cached_property
    def light(self) -> jax.Array:
        """(Met, Age, Wave + Line): L_lambda [Lsun/A] then line luminosities [Lsun], per Msun formed."""
        return constant(stars_and_gas(self.ssp, self.log_u, self.lya_escape))

    @cached_property
    def gas(self) -> jax.Array | None:
        """(LogU * Met, Age, Wave + Line): what each log U adds to ``light``, for the ages with gas."""
        return constant(gas_of_log_u(self.ssp, self.lya_escape)) if self.log_u == FREE else None

    @cached_property
    def rest_aa(self) -> jax.Array:
        """(Wave + Line,) rest wavelengths of the entries of ``light`` [Angstrom]."""
        return constant(np.concatenate([self.ssp.wave_aa, lines_of(self.ssp, self.log_u)]))

    @cached_property
    def pixel_edges_aa(self) -> jax.Array:
        """Edges (Wave + 1,) of the SSPs' pixels at rest [Angstrom]."""
        return constant(phot.pixel_edges(self.ssp.wave_aa))

    @cached_property
    def log_u_nodes(self) -> jax.Array | None:
        """Ionisation parameters (LogU,) between which that of a galaxy lies; None where it is fixed."""
        return constant(self.ssp.nebular.log_u) if self.log_u == FREE else None

    @cached_property
    def sees_all(self) -> bool:
        """Whether every band is complete at all redshifts of the prior."""
        return always_complete(
            self.filters.running, *phot.pixel_edges(self.ssp.wave_aa)[[0, -1]], self.prior.z
        )

    def band_weights(self, z):
        """Weights (Band, Wave + Line) from light to f_nu in uJy, IGM included."""
        return band_weights(self.filters, self.cosmology, self.pixel_edges_aa, self.rest_aa, z)

    def coverage(self, z):
        """Share (..., Band) of each filter within the SSPs' wavelengths at redshift z (...).

        A band of less than 0.99 is missing: its fluxes are NaN. From 0.99 to 0.999 the part inside
        stands for the whole, and a fit that uses the band is flagged; see
        :mod:`dsps_sbi.instruments.coverage` for the rule.
        """
        z = plain(z, "redshift")
        return covered_share(self.filters.curves, self.pixel_edges_aa[0], self.pixel_edges_aa[-1], z)

    def _without_missing(self, flux, z):
        """Fluxes (..., Band), NaN for the bands that are missing at z."""
        return jnp.where(self.coverage(z) >= 1.0 - USABLE, flux, jnp.nan)

    def split(self, theta):
        """SFH parameters, [M/H], A_V and log formed mass out of theta (..., Param).

        For a dust law with n free parameters A_V comes with these, as (..., 1 + n).
        """
        return *split_shape(theta, self.sfh, self.dust), theta[..., -1]

    def predict_fast(self, theta, table: BandTable):
        """Band fluxes of many galaxies at the redshift of a band table.

        Parameters
        ----------
        theta : array (Object, Param)
        table : BandTable

        Returns
        -------
        array (Object, Band)
            f_nu [uJy]; NaN for bands that are missing, see :meth:`coverage`.
        """
        theta = self.prior.as_theta(theta, 2)
        flux = shape_fluxes(table, self.sfh, theta[:, :-1], self.log_u_nodes) * 10.0 ** theta[:, -1:]
        return flux if self.sees_all else self._without_missing(flux, table.z)

    def predict_parts(self, theta, table: BandTable):
        """As :meth:`predict_fast`, the light of stars of each range of ages of :attr:`error` by itself.

        Returns
        -------
        array (Object, Part, Band)
            f_nu [uJy], the youngest stars first; their sum is that of :meth:`predict_fast`.
        """
        theta = self.prior.as_theta(theta, 2)
        flux = shape_fluxes(table, self.sfh, theta[:, :-1], self.log_u_nodes, self.parts)
        flux = flux * 10.0 ** theta[:, -1:, None]
        return flux if self.sees_all else self._without_missing(flux, table.z)

    def band_errors(self, z):
        """Relative errors (Mode, Part, Band) of :attr:`error` at redshift z, of unit normal amplitudes."""
        return self.error.at(self.filters.pivots / (1.0 + z))

    def predict(self, theta, z):
        """Band fluxes at full wavelength resolution, any redshift; use ``jax.vmap`` over objects.

        Nothing is refused here, so that it can be compiled and differentiated: see :meth:`check`.

        Parameters
        ----------
        theta : array (Param,)
            In the order of :attr:`names`.
        z : scalar

        Returns
        -------
        array (Band,)
            f_nu [uJy]; NaN, with a gradient of zero, for bands that are missing, see :meth:`coverage`.
        """
        z = jnp.asarray(plain(z, "redshift"), float)
        return _predicted(self, self.prior.as_theta(theta, 1), z)

    def check(self, theta, z):
        """Refuse values that the model does not stand for, and that :meth:`predict` would take as they are.

        Parameters
        ----------
        theta : array (..., Param)
        z : array (...)

        Raises
        ------
        UserError
            For a wrong shape, values that are not finite or outside the prior, stars younger than the
            youngest SSP, or a redshift at which no band lies within the SSPs' wavelengths.
        """
        check_values(self, theta, z)

    def spectrum(self, theta, z):
        """Observed spectrum at the SSPs' resolution; lines fill the pixel that they fall in.

        Parameters
        ----------
        theta : array (Param,)
        z : scalar

        Returns
        -------
        wave_aa : array (Wave,)
            Observed wavelength [Angstrom], in the medium of the SSP grid.
        flux_ujy : array (Wave,)
            f_nu [uJy].
        """
        z = jnp.asarray(plain(z, "redshift"), float)
        light, log_mass = rest_light(self, self.prior.as_theta(theta, 1), z)
        light = light * igm_of(self.rest_aa, self.n_wave, z)
        n, edges = self.n_wave, self.pixel_edges_aa
        pixel = jnp.clip(jnp.searchsorted(edges, self.rest_aa[n:]) - 1, 0, n - 1)
        density = light[:n].at[pixel].add(light[n:] / (edges[pixel + 1] - edges[pixel]))
        wave = self.rest_aa[:n] * (1.0 + z)
        scale = phot.flux_scale_ujy(z, self.cosmology.distance_mpc(z), wave)
        return wave, density * scale * 10.0**log_mass

    def band_table(self, z, *, trim: bool = True) -> BandTable:
        """SSPs through every band at one redshift; exact there but for the dust within a band.

        Parameters
        ----------
        z : float
        trim : bool
            Leave out the SSPs that are older than the Universe at z; tables of several redshifts,
            which share one shape, keep those that are not at the lowest one of the prior.

        Raises
        ------
        UserError
            If z lies outside the prior's range.
        """
        low, high = self.prior.z
        if not low <= float(z) <= high:
            raise UserError(f"redshift {float(z):g} is outside the model's range {low:g}-{high:g}: mend it")
        table = build_table(self, jnp.asarray(z, jnp.float32))
        return table.trimmed() if trim else table


@jax.jit
def _predicted(model: GalaxyModel, theta, z):
    """:meth:`GalaxyModel.predict`, compiled: its operations one by one, or their slopes, are hundreds."""
    light, log_mass = rest_light(model, theta, z)
    return model._without_missing(matmul(model.band_weights(z), light) * 10.0**log_mass, z)
