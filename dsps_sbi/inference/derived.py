"""Derived quantities of each draw: exact functions of the parameters and two small tables."""

import re
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import UserError
from ..kernels.csp import composite_by_age, metallicity_weights
from ..sfh import StarFormationHistory, age_edges, formation_times, log_ssfr_formed, mass_weights
from ..ssp import SSPGrid

# Specific SFR [1/yr, per formed mass] below which a galaxy counts as not forming stars at all
LOG_SSFR_FLOOR = -14.0

# Age bins of the tables: mass fractions are smooth in log age, and every draw pays for each bin
_N_BINS = 64
_OLDEST_GYR = 14.0

# Derived quantity: FITS unit, meaning
DERIVED = {
    "log_mass": ("dex(solMass)", "log10 mass of living stars and remnants"),
    "log_mass_living": ("dex(solMass)", "log10 mass of living stars"),
    "log_mass_formed": ("dex(solMass)", "log10 mass of all stars ever formed"),
    "log_sfr_10": ("dex(solMass/yr)", "log10 SFR averaged over the last 10 Myr"),
    "log_sfr_100": ("dex(solMass/yr)", "log10 SFR averaged over the last 100 Myr"),
    "log_ssfr": ("dex(1/yr)", "log10 of SFR over 100 Myr per log_mass"),
    "mass_weighted_age": ("Gyr", "mass-weighted mean stellar age"),
    "t50": ("Gyr", "cosmic time when half of the formed mass existed"),
}
# The same of the parameters of models; # stands for a number
_PARAMETERS = {
    "z": ("", "redshift"),
    "metallicity": ("dex", "[M/H]"),
    "av": ("mag", "attenuation in the V band"),
    "log_tau": ("dex(Gyr)", "log10 e-folding time of the delayed-tau history"),
    "t_start": ("Gyr", "cosmic time of the first star"),
    "stick_#": ("", "share of the time left that passes up to this quantile of the formed mass"),
    "log_ssfr_now": ("dex(1/yr)", "log10 of the present SFR per formed mass, as a parameter"),
    "log_sfr_ratio_#": ("dex", "log10 SFR of this bin of lookback time over that of the next older one"),
    "burst_share": ("", "share of the formed mass that a burst has"),
    "log_burst_age": ("dex", "log10 of the age of a burst as a share of the age of the Universe"),
    "burst_age": ("Gyr", "age of all stars"),
    "dust_slope": ("", "tilt of the dust law from Calzetti's, negative is steeper"),
    "dust_bump": ("", "strength of the 2175 Angstrom bump of the dust law"),
    "dust_mu": ("", "share of the diffuse medium in the dust before young stars"),
    "log_u": ("dex", "log10 ionisation parameter of the gas"),
    "alpha_fe": ("dex", "[alpha/Fe]"),
    "sigma_v": ("km/s", "velocity dispersion of the stars"),
    "mass_weighted_metallicity": ("dex", "mass-weighted mean [M/H] of the stars"),
    "metallicity_rise": ("dex", "[M/H] of the last stars less that of the first"),
    "velocity": ("km/s", "mean velocity of the stars beside the redshift"),
    "log_error_scale": ("dex", "log10 of the true errors of the data over the stated ones"),
    "log_misfit": ("dex", "log10 of the misfit of the model as a share of the flux"),
    "log_model_error": ("dex", "log10 of the model's error as a share of its flux"),
}
_FIRST = ("metallicity", "av")


# t10, t2.5, t50_lookback, t90_fraction...
_TIME = re.compile(r"t(\d{1,2}(?:\.\d+)?)(?:_(lookback|fraction))?")
_TIMES = {
    None: ("Gyr", "cosmic time when {} % of the formed mass existed"),
    "lookback": ("Gyr", "lookback time from the epoch of observation when {} % of the formed mass existed"),
    "fraction": ("", "share of the age of the Universe when {} % of the formed mass existed"),
}


def describe(name: str) -> tuple[str, str]:
    """FITS unit and meaning of a quantity; a parameter of the user's own has no unit and no words."""
    time = _TIME.fullmatch(name)
    if name not in DERIVED and time:
        unit, text = _TIMES[time[2]]
        return unit, text.format(time[1])
    pattern = re.sub(r"_\d+$", "_#", name)
    return DERIVED.get(name) or _PARAMETERS.get(name) or _PARAMETERS.get(pattern) or ("", f"parameter {name}")


def quantities_of(names, wanted=None) -> tuple[str, ...]:
    """Quantities of a model with these parameter names.

    Parameters
    ----------
    names : tuple of str
    wanted : str, sequence of str, or None
        Those that are asked for: of the default ones, and times such as ``t10``, ``t90_lookback`` (Gyr
        before the epoch of observation) and ``t50_fraction`` (of the age of the Universe), for any
        percentage of the formed mass between 0 and 100. Default: all derived quantities but these,
        then the parameters.

    Raises
    ------
    UserError
        For a quantity that the model does not have.
    """
    rest = [name for name in names if name not in DERIVED and name not in _FIRST]
    everything = (*DERIVED, *_FIRST, *rest)
    if wanted is None:
        return everything
    # one name is one quantity, not its letters
    wanted = tuple(dict.fromkeys((wanted,) if isinstance(wanted, str) else wanted))
    unknown = [name for name in wanted if name not in everything and not _is_time(name)]
    if unknown or not wanted:
        raise UserError(
            f"quantity {', '.join(unknown) or 'none'} is not there: choose from {', '.join(everything)}, or "
            "times such as t10, t90_lookback, t25_fraction"
        )
    return wanted


def _is_time(name):
    time = _TIME.fullmatch(name)
    return time is not None and float(time[1]) > 0.0


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["edges_gyr", "metallicity", "surviving", "living"],
    meta_fields=[],
)
@dataclass(frozen=True)
class MassTable:
    """Shares of the formed mass that survive, against age and metallicity.

    Parameters
    ----------
    edges_gyr : array (Age + 1,)
    metallicity : array (Met,)
    surviving, living : array (Age, Met)
        With and without remnants.
    """

    edges_gyr: jax.Array
    metallicity: jax.Array
    surviving: jax.Array
    living: jax.Array

    @classmethod
    def from_grid(cls, grid: SSPGrid) -> "MassTable":
        """Average an SSP grid's fractions into 64 age bins, logarithmic from 1 Myr to 14 Gyr.

        Raises
        ------
        UserError
            If the grid carries no mass fractions.
        """
        if grid.surviving_fraction is None or grid.living_fraction is None:
            raise UserError(f"SSP grid {grid.name} has no surviving mass fractions: use a grid that has them")
        oldest = min(_OLDEST_GYR, grid.age_gyr[-1])
        edges = np.concatenate([[0.0], np.geomspace(1e-3, oldest, _N_BINS), [1e3]])
        fine = np.minimum(age_edges(grid.age_gyr), grid.age_gyr[-1] * 1.5)
        # overlap of each coarse bin with each SSP's own bin: means over linear age
        low = np.maximum(edges[:-1, None], fine[None, :-1])
        high = np.minimum(np.minimum(edges[1:, None], fine[-1]), fine[None, 1:])
        overlap = np.maximum(high - low, 0.0)
        overlap /= overlap.sum(axis=1, keepdims=True)
        tables = [
            jnp.asarray(overlap @ f.T, jnp.float32) for f in (grid.surviving_fraction, grid.living_fraction)
        ]
        return cls(jnp.asarray(edges, jnp.float32), jnp.asarray(grid.metallicity, jnp.float32), *tables)


def derive(sfh: StarFormationHistory, table: MassTable, theta, names, universe_gyr, wanted=None):
    """All quantities that a model has, see :func:`quantities_of`.

    Parameters
    ----------
    sfh : StarFormationHistory
    table : MassTable
    theta : array (Object, Param)
        Or draws, flattened.
    names : tuple of str
        Of theta's columns.
    universe_gyr : array (Object,)
        Age of the Universe at each object's redshift [Gyr].
    wanted : sequence of str or None
        As for :func:`quantities_of`; under ``jax.jit`` the others cost nothing.

    Returns
    -------
    dict of str to array (Object,)
        log SFR is floored at log formed mass - 14, hence log sSFR (per surviving mass) near -14.
    """
    parameters = {name: theta[:, i] for i, name in enumerate(names)}
    params = theta[:, : len(sfh.names)]
    ages = jax.vmap(lambda p, t: mass_weights(sfh, p, table.edges_gyr, t))(params, universe_gyr)
    grid = jnp.stack([table.surviving, table.living], axis=-1)
    surviving = composite_by_age(
        ages, metallicity_weights(parameters["metallicity"], table.metallicity), grid
    )
    formed = parameters["log_mass_formed"]
    log_mass = formed + jnp.log10(surviving[:, 0])
    ssfr = partial(log_ssfr_formed, sfh, params, universe_gyr=universe_gyr, floor=LOG_SSFR_FLOOR)
    sfr_100 = formed + ssfr(timescale_gyr=0.1)
    derived = {
        "log_mass": log_mass,
        "log_mass_living": formed + jnp.log10(surviving[:, 1]),
        "log_sfr_10": formed + ssfr(timescale_gyr=0.01),
        "log_sfr_100": sfr_100,
        "log_ssfr": sfr_100 - log_mass,
        "mass_weighted_age": sfh.mean_age(params, universe_gyr),
        "t50": sfh.formation_time(params, 0.5, universe_gyr),
    }
    values = parameters | derived
    wanted = quantities_of(names, wanted)
    times = [_TIME.fullmatch(name) for name in wanted if name not in values]
    for counted in {time[2] for time in times}:
        matching = [time for time in times if time[2] == counted]
        fractions = jnp.array([float(time[1]) / 100.0 for time in matching], jnp.float32)
        columns = formation_times(sfh, params, fractions, universe_gyr, counted or "cosmic")
        values |= {time[0]: columns[:, i] for i, time in enumerate(matching)}
    return {name: values[name] for name in wanted}
