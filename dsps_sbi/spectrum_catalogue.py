"""Posteriors of spectra as rows of a catalogue, with units, words for codes, and provenance."""

from collections.abc import Iterable, Mapping
from importlib.metadata import version

import numpy as np
from astropy.table import MaskedColumn, Table

from .derived import describe
from .spectra.model import DECILES
from .spectrum_history import draw_ages, draw_times
from .trust import TEXT, Method, Trust

PERCENTILES = {"": 50.0, "_p16": 16.0, "_p84": 84.0}
_EARLY_GYR = 1.0
_INPUTS = {
    "z": ("", "redshift"),
    "universe_age": ("Gyr", "age of the Universe at the epoch of observation"),
    "n_pixels": ("", "pixels that the network saw, of its own"),
    "snr": ("", "median signal-to-noise ratio of the pixels that can be used"),
}
_VERDICT = {
    "p_t90_1gyr": ("", "probability that 90 % of the formed mass existed 1 Gyr after the Big Bang"),
    "method": ("", "; ".join(f"{code.name.lower()}: {text}" for code, text in TEXT[Method].items())),
    "trust": ("", "; ".join(f"{code.name.lower()}: {text}" for code, text in TEXT[Trust].items())),
    "ess": ("", "effective number of draws"),
    "pareto_k": ("", "shape of the tail of the weights: not above 0.7"),
    "log_evidence": ("", "log of the density of the data [per 1e-17 erg/s/cm2/Angstrom in each pixel]"),
    "r_hat": ("", "R-hat of the chains: below 1.05"),
    "ppc_p": ("", "posterior-predictive chi2 p-value: uniform if the model is right"),
    "population_p": (
        "",
        "p-value of residuals along mixtures of stellar populations: small where histories or metallicities "
        "that the model does not have fit better",
    ),
}
_NUMBERS = ("ess", "pareto_k", "log_evidence", "r_hat", "ppc_p")
_WORDS = ("name", "method", "trust", "problem")
_WHOLE = ("n_pixels",)
# Differences of evidences count, not their size
_FORMATS = {"log_evidence": ".3f"}


def quantity_names(post) -> tuple[str, ...]:
    """Quantities of a catalogue: formation times, age, and parameters that are not of the history."""
    times = tuple(f"t{round(100 * share)}" for share in DECILES)
    return (*times, "mass_weighted_age", *post.names[len(post.network.sfh.names) :])


def columns_of(post) -> dict[str, tuple[str, str]]:
    """Unit and description of each column."""
    out = {"name": ("", "name of the spectrum"), **_INPUTS}
    for name in quantity_names(post):
        unit, text = describe(name)
        if name == "log_mass_formed":
            text += ", in what the spectrum sees; none where the scale of its flux is not known"
        for ending, percentile in PERCENTILES.items():
            which = f"{percentile:.0f}th percentile" if ending else "median"
            out[name + ending] = unit, f"{text} ({which})"
    return out | _VERDICT | {"problem": ("", "why there is no answer")}


def catalogue_rows(answers) -> list[dict]:
    """A row of each spectrum as plain values, None where a number is not known.

    Parameters
    ----------
    answers : SpectrumAnswers
    """
    sfh = answers.post.network.sfh
    params, universe = answers.theta[..., : len(sfh.names)], answers.universe_gyr.astype(np.float32)
    times = np.asarray(draw_times(sfh, params, np.float32(DECILES), universe, "cosmic"))
    draws = {f"t{round(100 * share)}": times[..., i] for i, share in enumerate(DECILES)}
    draws["mass_weighted_age"] = np.asarray(draw_ages(sfh, params, universe))
    draws |= {name: answers.column(name) for name in quantity_names(answers.post) if name not in draws}
    mass = draws["log_mass_formed"]
    draws["log_mass_formed"] = np.where(
        np.array([s.absolute for s in answers.spectra])[:, None], mass, np.nan
    )
    columns = {
        name + ending: np.percentile(values, percentile, axis=1)
        for name, values in draws.items()
        for ending, percentile in PERCENTILES.items()
    }
    columns |= {"z": answers.z, "universe_age": answers.universe_gyr, "n_pixels": answers.n_pixels}
    columns["snr"] = [np.median((s.flux / s.sigma)[s.valid]) for s in answers.spectra]
    columns["p_t90_1gyr"] = np.mean(draws["t90"] < _EARLY_GYR, axis=1)
    columns |= {name: getattr(answers.answers, name) for name in _NUMBERS}
    columns["population_p"] = answers.population_p
    rows = []
    for i, name in enumerate(answers.labels):
        row = {"name": name} | {key: _plain(values[i]) for key, values in columns.items()}
        row["method"] = Method(answers.answers.method[i]).name.lower()
        row["trust"] = Trust(answers.answers.trust[i]).name.lower()
        rows.append(row)
    return rows


def failed_row(name: str, problem: str) -> dict:
    """Row of a spectrum that has no answer."""
    none = {"method": Method.NONE.name.lower(), "trust": Trust.NONE.name.lower()}
    return {"name": name, **none, "problem": problem}


def _plain(value):
    value = value.item() if isinstance(value, np.generic) else value
    return value if np.isfinite(value) else None


def catalogue_table(rows: Iterable[Mapping], post, meta: Mapping) -> Table:
    """Rows as a table: numbers that are not known are masked.

    Parameters
    ----------
    rows : iterable of mapping
        Of :func:`catalogue_rows` or :func:`failed_row`.
    post : SpectrumPosterior
    meta : mapping
        Provenance.
    """
    rows, table = list(rows), Table(meta=dict(meta))
    for name, (unit, text) in columns_of(post).items():
        values = [row.get(name) for row in rows]
        if name in _WORDS:
            column = MaskedColumn([value or "" for value in values], dtype=str)
        else:
            kind, empty = (np.int64, 0) if name in _WHOLE else (np.float64, np.nan)
            filled = [empty if value is None else value for value in values]
            column = MaskedColumn(filled, mask=[value is None for value in values], dtype=kind)
            column.unit = unit
            column.info.format = None if name in _WHOLE else _FORMATS.get(name, ".6g")
        column.description = text
        table[name] = column
    return table


def provenance(post, *, n_draws: int, seed: int, method: str) -> dict:
    """What has to be known to use the numbers.

    Parameters
    ----------
    method : {"flow", "weighed", "refined"}
    """
    ssp = post.meta.get("ssp", {})
    return {
        "bundle": str(post.meta.get("name", "unnamed")),
        "version": version("dsps_sbi"),
        "ssp": _joined(ssp.get("name", "unknown")),
        "ssp_sha": _joined(ssp.get("sha", "unknown")),
        "cosmology": post.network.cosmology.name,
        "method": method,
        "n_draws": int(n_draws),
        "seed": int(seed),
        "times": "Gyr since the Big Bang",
    }


def _joined(names) -> str:
    return names if isinstance(names, str) else ", ".join(names)
