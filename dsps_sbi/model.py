"""The forward model of a galaxy: parameters and redshift to fluxes, exact and differentiable."""

from dataclasses import dataclass, field
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np

from .band_table import BandTable, fast_fluxes, table_builder
from .cosmology import Cosmology
from .dust import Calzetti, DustLaw, birth_age, free_names, is_plain
from .errors import UserError
from .instruments.filters import FilterSet
from .kernels import photometry as phot
from .kernels.csp import composite, metallicity_weights, outer
from .kernels.igm import igm_transmission
from .prior import Prior
from .sfh import DelayedTau, StarFormationHistory, age_edges, mass_weights
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
        If prior and SFH do not name the same parameters, or the SSPs carry no nebular grid.

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
        if self.log_u is not None and self.ssp.nebular is None:
            raise UserError(
                f"SSP grid {self.ssp.name} has no nebular tables: pass log_u=None or another grid"
            )
        if self.n_sub is not None and self.n_sub < 1:
            raise UserError(f"n_sub is {self.n_sub}: give each filter at least one wavelength, better 5")

    @classmethod
    def preset(cls, name: str = "jades-pixels", ssp: SSPGrid | None = None) -> "GalaxyModel":
        """A model of the literature by name; ``jades-pixels`` is that of arXiv:2506.04336.

        Raises
        ------
        UserError
            For an unknown name, or when the SSP grid has not been fetched.
        """
        if name != "jades-pixels":
            raise UserError(f"model preset {name!r} is unknown: use 'jades-pixels'")
        return cls(load() if ssp is None else ssp, FilterSet.from_names(), Prior.jades_pixels())

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
        return jnp.stack(rows) * self._igm(z) * scale[:, None]

    def split(self, theta):
        """SFH parameters, [M/H], A_V and log formed mass out of theta (..., Param).

        For a dust law with n free parameters A_V comes with these, as (..., 1 + n).
        """
        n, n_dust = len(self.sfh.names), len(free_names(self.dust))
        av = theta[..., n + 1 : n + 2 + n_dust] if n_dust else theta[..., n + 1]
        return theta[..., :n], theta[..., n], av, theta[..., -1]

    def gas_weights(self, theta):
        """Interpolation weights (..., LogU) in the log U of theta (..., Param); None where it is fixed."""
        if self.log_u != FREE:
            return None
        return metallicity_weights(theta[..., -2], jnp.asarray(self.ssp.nebular.log_u, jnp.float32))

    def predict_fast(self, theta, table: BandTable):
        """Band fluxes of many galaxies at the redshift of a band table.

        Parameters
        ----------
        theta : array (Object, Param)
        table : BandTable

        Returns
        -------
        array (Object, Band)
            f_nu [uJy].
        """
        params, metallicity, av, log_mass = self.split(theta)
        flux = fast_fluxes(table, self.sfh, params, metallicity, av, self.gas_weights(theta))
        return flux * 10.0 ** log_mass[:, None]

    def _rest_light(self, theta, z):
        """(..., Wave + Line) attenuated light per Msun formed, and log formed mass."""
        params, metallicity, av, log_mass = self.split(theta)
        universe = self.cosmology.age(z)
        ages = mass_weights(self.sfh, params[..., None, :], self.edges_gyr, universe[..., None])
        mets = metallicity_weights(metallicity, jnp.asarray(self.ssp.metallicity, jnp.float32))
        rest_aa = jnp.asarray(self._rest_aa)
        log_u = self.gas_weights(theta)

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

        Parameters
        ----------
        theta : array (Param,)
            In the order of :attr:`names`.
        z : scalar

        Returns
        -------
        array (Band,)
            f_nu [uJy].
        """
        light, log_mass = self._rest_light(jnp.asarray(theta), jnp.asarray(z, float))
        return self._band_weights(z) @ light * 10.0**log_mass

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
