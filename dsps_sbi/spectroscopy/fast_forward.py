"""Fast forward: the stars of a galaxy, aged passively to a later epoch.

Each draw of a posterior keeps its stars, their metallicity and [alpha/Fe], and forms no others
(:class:`~dsps_sbi.sfh.Aged`). Later, these have another spectrum, other colours, mass-to-light ratio,
surviving mass and line-strength indices, each with the posterior's errors. Beside an observed spectrum, the
indices tell whether it could be the descendant: a relic, or what is left of the galaxy in the core of a
larger one. Mergers, gas and the errors of the SSPs are not in it.

All is at rest, of the stars alone: without velocities and dust.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from astropy.table import Table
from scipy.stats import chi2

from ..constants import C_AA_S, L_SUN_ERG_S, MPC_CM, UJY_CGS
from ..cosmology import Cosmology
from ..errors import UserError
from ..instruments.filters import FilterSet
from ..instruments.line_indices import LINE_INDICES, bands_on, covered, indices_named
from ..instruments.lsf import LSF
from ..io.spectrum import Spectrum
from ..kernels import line_index
from ..kernels.csp import composite, metallicity_weights, outer
from ..kernels.vacuum import air_to_vacuum
from ..sfh import Aged, age_edges, mass_weights
from ..ssp import SSPGrid, finer_ages
from .alpha import INDEX_ERROR
from .line_indices import _smoothed, line_indices, resolution_of

# Draws that are aged: percentiles need no more
_MOST = 500
# Light of a filter that may be missing beyond the ends of the SSPs
_MISSING = 0.01
# Luminosity of magnitude 0, 3631 Jy at 10 pc [L_sun / Hz]
_ZERO_LSUN_HZ = 4.0 * np.pi * (1e-5 * MPC_CM) ** 2 * 3.631e9 * UJY_CGS / L_SUN_ERG_S
# Colours and mass-to-light ratios that are told by default
_COLOURS, _MASS_TO_LIGHT = ("sdss_g0", "sdss_r0"), "sdss_r0"


@dataclass(frozen=True, eq=False)
class Descendant:
    """A galaxy's stars at a later epoch.

    Parameters
    ----------
    z, later_z : float
        Redshifts at which it was seen, and to which it was aged.
    years_gyr : float
        Time between both [Gyr].
    wave_aa : ndarray (Wave,)
        At rest [Angstrom], in the medium of the SSPs.
    light : ndarray (Draw, Wave)
        Luminosity per mass formed [L_sun / Angstrom / M_sun].
    age_gyr : ndarray (Draw,)
        Mass-weighted mean age [Gyr].
    surviving : ndarray (Draw,) or None
        Stars and remnants per mass formed; None where the SSPs do not tell.
    grid : SSPGrid
        Its medium, resolution and names.
    label : str
    """

    z: float
    later_z: float
    years_gyr: float
    wave_aa: np.ndarray
    light: np.ndarray
    age_gyr: np.ndarray
    surviving: np.ndarray | None
    grid: SSPGrid
    label: str = "descendant"

    def magnitude(self, name: str) -> np.ndarray:
        """Absolute AB magnitudes (Draw,) per solar mass formed in a filter, at rest.

        Raises
        ------
        UserError
            If the SSPs do not cover the filter.
        """
        filters = FilterSet.from_names((name,))
        wave, trans = filters.wave_aa[0], filters.trans[0]
        own = air_to_vacuum(self.wave_aa) if self.grid.wave_medium == "air" else self.wave_aa
        inside = (wave >= own[0]) & (wave <= own[-1])
        if np.trapezoid(np.where(inside, trans, 0.0), wave) < (1.0 - _MISSING) * np.trapezoid(trans, wave):
            raise UserError(
                f"filter {name} is at {wave[0]:.0f}-{wave[-1]:.0f} Angstrom, the SSPs of {self.grid.name} "
                f"reach {own[0]:.0f}-{own[-1]:.0f}: choose another filter or grid"
            )
        at = np.interp(own, wave, trans, left=0.0, right=0.0)
        photons = np.trapezoid(self.light * at * own, own, axis=1)
        zero = _ZERO_LSUN_HZ * np.trapezoid(C_AA_S * at / own, own)
        return -2.5 * np.log10(photons / zero)

    def colour(self, blue: str, red: str) -> np.ndarray:
        """Colours (Draw,) [AB mag] of two filters at rest."""
        return self.magnitude(blue) - self.magnitude(red)

    def mass_to_light(self, name: str) -> np.ndarray:
        """Surviving mass over luminosity (Draw,) in a filter [solar], with the Sun of astro-sedpy.

        Of the mass formed, where the SSPs do not tell what survives.
        """
        from sedpy.observate import Filter

        mass = 1.0 if self.surviving is None else self.surviving
        return mass * 10.0 ** (0.4 * (self.magnitude(name) - Filter(name).solar_ab_mag))

    def indices(self, names=None, system="LIS-8.4") -> dict[str, np.ndarray]:
        """Line-strength indices (Draw,) by name, at the resolution of a system.

        Parameters
        ----------
        names, system
            As for :func:`dsps_sbi.line_indices`.

        Raises
        ------
        UserError
            If the SSPs do not cover an index that was named, or are broader than the system.
        """
        fwhm = resolution_of(system)
        if fwhm is not None and not self.grid.fwhm_aa < fwhm:
            raise UserError(
                f"SSP grid {self.grid.name} has fwhm_aa {self.grid.fwhm_aa:g}: choose a broader system than "
                f"{system}"
            )
        one = np.ones_like(self.wave_aa)
        lsf = LSF("fwhm_aa", float(self.grid.fwhm_aa))
        blank = Spectrum(self.wave_aa, one, one, self.grid.wave_medium, 0.0, lsf=lsf, absolute=False)
        edges, shares, *_ = _smoothed(blank, fwhm, 0.0, None)
        wanted = indices_named(names)
        if names is None:
            wanted = tuple(index for index in wanted if covered(index, edges))
        scaled = self.light / np.median(self.light, axis=1, keepdims=True)
        smooth = jnp.asarray((shares @ scaled.T).T, jnp.float32)
        values = np.asarray(_indices(smooth, bands_on(wanted, edges)), float)
        return dict(zip((index.name for index in wanted), values.T, strict=True))

    def table(self, names=None, system="LIS-8.4") -> Table:
        """A row per quantity: median, 16th and 84th percentile, unit."""
        rows = {"mass_weighted_age": (self.age_gyr, "Gyr")}
        if self.surviving is not None:
            rows["surviving_fraction"] = self.surviving, ""
        rows[f"{_COLOURS[0]} - {_COLOURS[1]}"] = self.colour(*_COLOURS), "mag"
        rows[f"mass_to_light {_MASS_TO_LIGHT}"] = self.mass_to_light(_MASS_TO_LIGHT), "Msun/Lsun"
        units = {name: LINE_INDICES[name].unit for name in LINE_INDICES}
        for name, values in self.indices(names, system).items():
            rows[name] = values, units.get(name, "Angstrom")
        low, middle, high = np.transpose([np.percentile(values, (16, 50, 84)) for values, _ in rows.values()])
        columns = {"quantity": list(rows), "value": middle, "p16": low, "p84": high}
        columns["unit"] = [unit for _, unit in rows.values()]
        meta = {"label": self.label, "z": self.z, "later_z": self.later_z, "aged_gyr": self.years_gyr}
        return Table(columns, meta=meta | {"ssp": self.grid.name, "system": str(system)})

    def beside(self, spectrum: Spectrum, names=None, *, system="LIS-14.0", sigma_v=0.0, lsf=None) -> "Beside":
        """Its indices beside those of an observed spectrum, such as that of a relic.

        Parameters
        ----------
        spectrum : Spectrum
            With redshift and LSF.
        names, system, sigma_v, lsf
            As for :func:`dsps_sbi.line_indices`; ``sigma_v`` [km/s] is that of the observed galaxy. Default
            for the system: one that massive galaxies, whose stars are fast, are not broader than.

        Raises
        ------
        UserError
            If no index can be measured on both.
        """
        seen = line_indices(spectrum, names, system=system, sigma_v=sigma_v, lsf=lsf)
        own = self.indices(None, system)
        both = [name for name in seen.names if name in own]
        if not both:
            raise UserError(
                f"{seen.label} and {self.label} have no index in common: {', '.join(seen.names)}, and "
                f"{', '.join(own)}"
            )
        pick = [seen.names.index(name) for name in both]
        draws = np.stack([own[name] for name in both], axis=1)
        return Beside(tuple(both), draws, seen.values[pick], seen.covariance[np.ix_(pick, pick)], seen.label)


@dataclass(frozen=True, eq=False)
class Beside:
    """Indices of a descendant and of an observed spectrum.

    Parameters
    ----------
    names : tuple of str
    draws : ndarray (Draw, Index)
        Of the descendant.
    observed : ndarray (Index,)
    covariance : ndarray (Index, Index)
        Of the observed ones.
    label : str
        Of the observed spectrum.
    """

    names: tuple[str, ...]
    draws: np.ndarray
    observed: np.ndarray
    covariance: np.ndarray
    label: str

    def difference(self, model_error: Mapping[str, float] | None = None):
        """Observed less descendant (Index,), and the covariance of that (Index, Index).

        ``model_error`` is the error of the models' indices in "Angstrom" and "mag", by default that of
        :data:`dsps_sbi.spectroscopy.alpha.INDEX_ERROR`.
        """
        error = INDEX_ERROR | dict(model_error or {})
        model = np.array([error[LINE_INDICES[name].unit] for name in self.names])
        whole = self.covariance + np.cov(self.draws.T).reshape(len(model), -1) + np.diag(model**2)
        return self.observed - self.draws.mean(axis=0), whole

    def p_value(self, model_error: Mapping[str, float] | None = None) -> tuple[float, float]:
        """Chi2 of all differences together, and its p-value: small where they cannot be the same stars."""
        apart, whole = self.difference(model_error)
        value = float(apart @ np.linalg.solve(whole, apart))
        return value, float(chi2.sf(value, len(apart)))

    def table(self, model_error: Mapping[str, float] | None = None) -> Table:
        """A row per index: both values and errors, and their difference in standard deviations."""
        apart, whole = self.difference(model_error)
        columns = {
            "index": list(self.names),
            "descendant": self.draws.mean(axis=0),
            "descendant_err": self.draws.std(axis=0),
            "observed": self.observed,
            "observed_err": np.sqrt(np.diag(self.covariance)),
            "sigmas": apart / np.sqrt(np.diag(whole)),
            "unit": [LINE_INDICES[name].unit for name in self.names],
        }
        value, p = self.p_value(model_error)
        return Table(columns, meta={"observed": self.label, "chi2": value, "p_value": p})


def fast_forward(
    result,
    later_z: float = 0.0,
    *,
    ssp: SSPGrid | Mapping[float, SSPGrid],
    i: int = 0,
    cosmology: Cosmology | None = None,
    label: str = "",
) -> Descendant:
    """Age the posterior of a spectrum passively.

    Parameters
    ----------
    result : SpectrumResult or AlphaResult
    later_z : float
        Redshift to age to, below that of the galaxy.
    ssp : SSPGrid or mapping of float to SSPGrid
        What the stars shine with then; grids by [alpha/Fe] for an :class:`~dsps_sbi.AlphaResult`.
    i : int
        Which spectrum of a :class:`~dsps_sbi.SpectrumResult`.
    cosmology : Cosmology, optional
        Of the posterior; default: that of the bundle, or the package's own.
    label : str

    Raises
    ------
    UserError
        If the epoch is not later, or grids, cosmology and result do not fit together.
    """
    if hasattr(result, "post"):
        if not -len(result.spectra) <= i < len(result.spectra):
            raise UserError(f"no spectrum {i}: there are {len(result.spectra)}, counted from 0")
        sfh, names, theta = result.post.network.sfh, result.post.names, result.theta[i]
        z, universe = float(result.z[i]), float(result.universe_gyr[i])
        cosmology = result.post.network.cosmology if cosmology is None else cosmology
    else:
        sfh, names, theta = result.sfh, result.names, result.theta
        z, universe = float(result.z), float(result.universe_gyr)
        cosmology = Cosmology.from_astropy() if cosmology is None else cosmology
    age = float(cosmology.age(z))
    if abs(age - universe) > 0.01 * universe:
        raise UserError(
            f"the Universe is {universe:.3g} Gyr old at z = {z:g} in the posterior, {age:.3g} Gyr in the "
            "cosmology: give that of the posterior as cosmology="
        )
    alpha = theta[:, names.index("alpha_fe")] if "alpha_fe" in names else None
    if (alpha is None) != isinstance(ssp, SSPGrid):
        words = "grids by [alpha/Fe]" if alpha is not None else "one grid"
        raise UserError(f"the posterior {'has' if alpha is not None else 'has no'} [alpha/Fe]: give {words}")
    params, metallicity = theta[:, : len(sfh.names)], theta[:, names.index("metallicity")]
    return age_forward(
        sfh, params, metallicity, z, later_z, ssp, alpha_fe=alpha, cosmology=cosmology, label=label
    )


def age_forward(
    sfh,
    params,
    metallicity,
    z: float,
    later_z: float,
    ssp: SSPGrid | Mapping[float, SSPGrid],
    *,
    alpha_fe=None,
    cosmology: Cosmology | None = None,
    label: str = "",
) -> Descendant:
    """As :func:`fast_forward`, of any histories.

    Parameters
    ----------
    sfh : StarFormationHistory
    params : array (Draw, n)
        Histories of a galaxy at z.
    metallicity : array (Draw,)
    z, later_z : float
    ssp : SSPGrid or mapping of float to SSPGrid
    alpha_fe : array (Draw,), optional
        With grids by [alpha/Fe].
    cosmology : Cosmology
    label : str
    """
    cosmology = Cosmology.from_astropy() if cosmology is None else cosmology
    if not 0.0 <= later_z <= z:
        raise UserError(f"aged from z = {z:g} to z = {later_z:g}: give a later epoch, 0 <= z <= {z:g}")
    grids = {0.0: ssp} if isinstance(ssp, SSPGrid) else dict(sorted(ssp.items()))
    first = next(iter(grids.values()))
    if first.fwhm_aa is None:
        raise UserError(
            f"SSP grid {first.name} does not say its resolution: set it with "
            "dataclasses.replace(grid, fwhm_aa=...)"
        )
    early, late = (float(cosmology.age(value)) for value in (z, later_z))
    if first.age_gyr[-1] < 0.9 * late:
        raise UserError(
            f"SSP grid {first.name} ends at {first.age_gyr[-1]:g} Gyr, the Universe is {late:.3g} Gyr old at "
            f"z = {later_z:g}: give one with older SSPs"
        )
    pick = np.linspace(0, len(params) - 1, min(len(params), _MOST)).astype(int)
    params, metallicity = (jnp.asarray(np.asarray(a)[pick], jnp.float32) for a in (params, metallicity))
    fine = {alpha: finer_ages(replace(grid, nebular=None)) for alpha, grid in grids.items()}
    grid = next(iter(fine.values()))
    aged = Aged(sfh, early)
    edges = jnp.asarray(age_edges(grid.age_gyr), jnp.float32)
    ages = mass_weights(aged, params[:, None], edges, jnp.float32(late))
    columns = metallicity_weights(metallicity, jnp.asarray(grid.metallicity, jnp.float32))
    light, mass = [one.flux for one in fine.values()], grid.surviving_fraction
    surviving = None
    if mass is not None:
        surviving = np.asarray(composite(ages, columns, jnp.asarray(mass[..., None], jnp.float32)))[:, 0]
    if alpha_fe is not None:
        alphas = jnp.asarray(list(fine), jnp.float32)
        columns = outer(metallicity_weights(jnp.asarray(np.asarray(alpha_fe)[pick]), alphas), columns)
    light = np.asarray(composite(ages, columns, jnp.asarray(np.concatenate(light))), float)
    mean_age = np.asarray(aged.mean_age(params, jnp.float32(late)))
    return Descendant(
        z, later_z, late - early, grid.wave_aa, light, mean_age, surviving, first, label or "descendant"
    )


@jax.jit
def _indices(flux, bands):
    return line_index.line_indices(flux, bands)
