"""The forward model of a galaxy: parameters and redshift to fluxes, exact and differentiable."""

from dataclasses import dataclass, field
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np

from .band_table import BandTable, shape_fluxes, split_shape, table_builder
from .cosmology import Cosmology
from .dust import LAWS, Calzetti, DustLaw, birth_age, free_names, is_plain
from .errors import UserError
from .instruments.coverage import COMPLETE, USABLE, covered_share
from .instruments.filters import FilterSet
from .kernels import photometry as phot
from .kernels.csp import composite, metallicity_weights, outer
from .kernels.exact import matmul
from .kernels.igm import igm_transmission
from .model_checks import check_ages, check_gas, check_values
from .plain import named
from .prior import Prior
from .sfh import FAMILIES, DelayedTau, StarFormationHistory, age_edges, mass_weights
from .ssp import SSPGrid, load, with_nebular

# Parameters that every model has besides those of its star formation history and dust law
COMMON = ("metallicity", "av", "log_mass_formed")
# What ``log_u`` is set to for an ionisation parameter of each galaxy's own
FREE = "free"


@dataclass(frozen=True, eq=False)
class GalaxyModel:
    """SSPs + star formation history + dust screen + nebular emission + IGM, seen through filters.

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
    n_sub: int | None = None

    def __post_init__(self):
        gas = ("log_u",) if self.log_u == FREE else ()
        expected = (*self.sfh.names, *COMMON[:2], *free_names(self.dust), *gas, *COMMON[2:])
        if self.prior.names != expected:
            given = ", ".join(self.prior.names)
            raise UserError(f"prior of {given}; this model needs one of {', '.join(expected)}")
        if self.log_u is not None:
            check_gas(self.ssp, None if self.log_u == FREE else self.log_u)
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

        Raises
        ------
        UserError
            For an unknown name, or when the SSP grid has not been fetched.
        """
        if name != "jades-pixels":
            raise UserError(f"model preset {name!r} is unknown: use 'jades-pixels'")
        sfh, dust = named(sfh, FAMILIES, "star formation history"), named(dust, LAWS, "dust law")
        prior = Prior.jades_pixels(sfh, dust, free_log_u=log_u == FREE)
        ssp = load() if ssp is None else ssp
        return cls(ssp, FilterSet.from_names(), prior, sfh=sfh, dust=dust, log_u=log_u)

    @property
    def names(self) -> tuple[str, ...]:
        """Parameter names, the order of theta's last axis."""
        return self.prior.names

    @cached_property
    def edges_gyr(self) -> np.ndarray:
        """Edges (Age + 1,) of the SSPs' age bins [Gyr]."""
        return age_edges(self.ssp.age_gyr)

    @cached_property
    def _lines_aa(self) -> np.ndarray:
        return np.zeros(0) if self.log_u is None else self.ssp.nebular.line_wave_aa

    @cached_property
    def _light(self) -> jax.Array:
        """(Met, Age, Wave + Line): L_lambda [Lsun/A] then line luminosities [Lsun], per Msun formed."""
        with jax.ensure_compile_time_eval():
            if self.log_u is None:
                return jnp.asarray(self.ssp.flux)
            log_u = self.ssp.nebular.log_u[0] if self.log_u == FREE else self.log_u
            return jnp.asarray(np.concatenate(with_nebular(self.ssp, log_u), axis=-1))

    @cached_property
    def _gas(self) -> jax.Array | None:
        """(LogU * Met, Age, Wave + Line): what each log U adds to ``_light``, for the ages with gas."""
        if self.log_u != FREE:
            return None
        nebular = self.ssp.nebular
        n_young = int(np.searchsorted(self.ssp.age_gyr, nebular.age_gyr[-1] * 1.01))
        first = np.asarray(self._light)[:, :n_young]
        rows = [
            np.concatenate(with_nebular(self.ssp, u), axis=-1)[:, :n_young] - first for u in nebular.log_u
        ]
        with jax.ensure_compile_time_eval():
            return jnp.asarray(np.concatenate(rows))

    @cached_property
    def _rest_aa(self) -> np.ndarray:
        """(Wave + Line,) rest wavelengths of the entries of ``_light`` [Angstrom]."""
        return np.concatenate([self.ssp.wave_aa, self._lines_aa]).astype(np.float32)

    @cached_property
    def _pixel_edges_aa(self) -> np.ndarray:
        return phot.pixel_edges(self.ssp.wave_aa).astype(np.float32)

    def _igm(self, z):
        """Transmission (Wave + Line,); a line sees the mean of its two sides (Lya sits on an edge)."""
        wave = jnp.asarray(self._rest_aa)
        n = len(self.ssp.wave_aa)
        sides = [igm_transmission(wave[n:] * (1.0 + side), z) for side in (-1e-4, 1e-4)]
        return jnp.concatenate([igm_transmission(wave[:n], z), 0.5 * (sides[0] + sides[1])])

    def _band_weights(self, z):
        """Weights (Band, Wave + Line) from light to f_nu in uJy, IGM included."""
        rows = []
        lines_aa = jnp.asarray(self._lines_aa, jnp.float32)
        for curve in self.filters.running:
            curve_aa, density, cum = (jnp.asarray(a, jnp.float32) for a in curve)
            pixels = phot.pixel_weights(jnp.asarray(self._pixel_edges_aa), z, curve_aa, cum)
            lines = phot.line_weights(lines_aa, z, curve_aa, density)
            rows.append(jnp.concatenate([pixels, lines]))
        pivot_aa = jnp.asarray(self.filters.pivot_aa, jnp.float32)
        scale = phot.flux_scale_ujy(z, self.cosmology.distance_mpc(z), pivot_aa)
        # the part of a filter inside the SSPs' wavelengths stands for the whole, see coverage
        share = self.coverage(z)
        scale = scale / jnp.where(share >= 1.0 - USABLE, share, 1.0)
        return jnp.stack(rows) * self._igm(z) * scale[:, None]

    def coverage(self, z):
        """Share (..., Band) of each filter within the SSPs' wavelengths at redshift z (...).

        A band of less than 0.99 is missing: its fluxes are NaN. From 0.99 to 0.999 the part inside
        stands for the whole, and a fit that uses the band is flagged; see
        :mod:`dsps_sbi.instruments.coverage` for the rule.
        """
        return covered_share(self.filters.running, *self._pixel_edges_aa[[0, -1]], z)

    @cached_property
    def sees_all(self) -> bool:
        """Whether every band is complete at all redshifts of the prior."""
        # most is lost in the blue at the highest redshift, in the red at the lowest
        low, high = self._pixel_edges_aa[[0, -1]] * (1.0 + np.array(self.prior.z[::-1]))
        inside = [np.diff(np.interp([low, high], curve_aa, cum)) for curve_aa, _, cum in self.filters.running]
        return bool(np.min(inside) >= 1.0 - COMPLETE)

    def _without_missing(self, flux, z):
        """Fluxes (..., Band), NaN for the bands that are missing at z."""
        return jnp.where(self.coverage(z) >= 1.0 - USABLE, flux, jnp.nan)

    def split(self, theta):
        """SFH parameters, [M/H], A_V and log formed mass out of theta (..., Param).

        For a dust law with n free parameters A_V comes with these, as (..., 1 + n).
        """
        return *split_shape(theta, self.sfh, self.dust), theta[..., -1]

    @property
    def log_u_nodes(self) -> jax.Array | None:
        """Ionisation parameters (LogU,) between which that of a galaxy lies; None where it is fixed."""
        return jnp.asarray(self.ssp.nebular.log_u, jnp.float32) if self.log_u == FREE else None

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
        flux = shape_fluxes(table, self.sfh, theta[:, :-1], self.log_u_nodes) * 10.0 ** theta[:, -1:]
        return flux if self.sees_all else self._without_missing(flux, table.z)

    def _rest_light(self, theta, z):
        """(..., Wave + Line) attenuated light per Msun formed, and log formed mass."""
        params, metallicity, av, log_mass = self.split(theta)
        universe = self.cosmology.age(z)
        ages = mass_weights(self.sfh, params[..., None, :], self.edges_gyr, universe[..., None])
        mets = metallicity_weights(metallicity, jnp.asarray(self.ssp.metallicity, jnp.float32))
        rest_aa = jnp.asarray(self._rest_aa)
        nodes = self.log_u_nodes
        log_u = None if nodes is None else metallicity_weights(theta[..., -2], nodes)

        def mix(ages):
            light = composite(ages, mets, self._light)
            if log_u is None:
                return light
            return light + composite(ages[..., : self._gas.shape[1]], outer(log_u, mets), self._gas)

        if is_plain(self.dust):
            light = mix(ages)
            return light * 10.0 ** (-0.4 * av[..., None] * self.dust(rest_aa)), log_mass
        av, own = (av[..., :1], av[..., 1:]) if free_names(self.dust) else (av[..., None], None)
        screen = 10.0 ** (-0.4 * av * self.dust(rest_aa, own))
        birth = birth_age(self.dust)
        if birth is None:
            return mix(ages) * screen, log_mass
        edges = jnp.minimum(jnp.asarray(self.edges_gyr), birth)
        young = mass_weights(self.sfh, params[..., None, :], edges, universe[..., None])
        cloud = 10.0 ** (-0.4 * av * self.dust.birth(rest_aa, own))
        light = mix(ages - young) + mix(young) * cloud
        return light * screen, log_mass

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
        light, log_mass = self._rest_light(jnp.asarray(theta), jnp.asarray(z, float))
        return self._without_missing(matmul(self._band_weights(z), light) * 10.0**log_mass, z)

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
        z = jnp.asarray(z, float)
        light, log_mass = self._rest_light(jnp.asarray(theta), z)
        light = light * self._igm(z)
        n = len(self.ssp.wave_aa)
        edges = jnp.asarray(self._pixel_edges_aa)
        pixel = jnp.clip(jnp.searchsorted(edges, jnp.asarray(self._lines_aa, jnp.float32)) - 1, 0, n - 1)
        density = light[:n].at[pixel].add(light[n:] / (edges[pixel + 1] - edges[pixel]))
        wave = jnp.asarray(self._rest_aa[:n]) * (1.0 + z)
        scale = phot.flux_scale_ujy(z, self.cosmology.distance_mpc(z), wave)
        return wave, density * scale * 10.0**log_mass

    @cached_property
    def _build_table(self):
        return table_builder(
            self._light,
            self._gas,
            weights=self._band_weights,
            rest_aa=self._rest_aa,
            n_pixel=len(self.ssp.wave_aa),
            edges_gyr=self.edges_gyr,
            metallicity=self.ssp.metallicity,
            dust=self.dust,
            n_sub=self.n_sub or (5 if is_plain(self.dust) else 8),
            age=self.cosmology.age,
            oldest_gyr=float(self.cosmology.age(self.prior.z[0])),
        )

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
        table = self._build_table(jnp.asarray(z, jnp.float32))
        return table.trimmed() if trim else table
