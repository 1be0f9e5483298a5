"""Tables of a TOML file that describes an instrument and a network for its spectra, checked."""

from collections.abc import Mapping

import numpy as np

from ..errors import UserError
from ..instruments.lsf import LSF
from ..instruments.spectrograph import Spectrograph, check_wavelengths
from ..ssp.fetch import FILES

_STEPS = ("step_aa", "ln_step")
_LSFS = ("fwhm_aa", "resolving_power", "sigma_km_s")
_PIXELS = ("wave_aa", *_STEPS, *_LSFS, "lsf_wave_aa", "source")
# What each table may hold
KEYS = {
    "observed": (*_PIXELS, "medium"),
    "network": _PIXELS,
    "ssp": ("grid", "rest_aa", "source"),
    "prior": (
        "z",
        "sfh",
        "sigma_v",
        "metallicity",
        "metallicity_rise",
        "velocity",
        "log_model_error",
        "log_error_scale",
        "log_misfit",
        "log_mass_formed",
        "source",
    ),
    "noise": ("snr", "shortest", "p_whole", "n_gap", "p_bad", "source"),
}
_NEEDED = {"network": ("wave_aa",), "ssp": ("grid",), "prior": ("z",), "noise": ("snr",)}
_TOP = ("name", "about", *KEYS)
_EXAMPLE = {
    "wave_aa": "[3650.0, 7350.0]",
    "rest_aa": "[3540.0, 7400.0]",
    "z": "[0.0001, 1.0]",
    "sigma_v": "[0.0, 450.0]",
    "metallicity": "[-1.71, 0.22]",
    "log_model_error": "[-3.0, -1.0]",
    "log_mass_formed": "[4.0, 13.0]",
    "log_error_scale": "[-0.4, 0.4]",
    "log_misfit": "[-4.0, -1.0]",
    "metallicity_rise": "0.4",
    "velocity": "30.0",
    "snr": "[5.0, 1000.0]",
}
# More pixels than this are a mistake: a step in the wrong unit
_MOST_PIXELS = 50_000


def check_tables(content: Mapping) -> None:
    """Refuse what a preset does not have, and one without what it needs.

    Raises
    ------
    UserError
        For unknown or missing tables and keys.
    """
    _known(content, _TOP, "it")
    if not isinstance(content.get("name"), str):
        raise UserError('it has no name: add name = "..." above the tables')
    for table, keys in KEYS.items():
        if table not in content and table == "observed":
            continue
        part = content.get(table)
        if not isinstance(part, Mapping):
            raise UserError(f"it has no table [{table}]: add one with {', '.join(_NEEDED[table])}")
        _known(part, keys, f"[{table}]")
        for key in _NEEDED.get(table, ("wave_aa", "medium")):
            if key not in part:
                raise UserError(f"[{table}] has no {key}: add {key} = {_EXAMPLE.get(key, '...')}")
    for where in ["", *(f"[{t}] " for t in KEYS)]:
        part = content.get(where[1:-2], {}) if where else content
        for key in ("about", "source", "medium", "grid", "sfh"):
            if not isinstance(part.get(key, ""), str):
                raise UserError(f"{where}{key} = {part[key]!r}: give a text in quotes")
    for key, value in content["noise"].items():
        if key not in ("snr", "source") and not _is_number(value):
            raise UserError(f"[noise] {key} = {value!r}: give a number")
    if content["ssp"]["grid"] not in FILES:
        raise UserError(f"[ssp] grid = {content['ssp']['grid']!r}: choose from {', '.join(FILES)}")


def _known(table, keys, where):
    unknown = sorted(set(table) - set(keys))
    if unknown:
        raise UserError(f"{where} has the unknown key {', '.join(unknown)}: expected {', '.join(keys)}")


def pair(table: Mapping, where: str, key: str) -> tuple[float, float] | None:
    """A range [low, high] of a table, None where it is left out.

    Raises
    ------
    UserError
        If it is not two finite numbers in order.
    """
    if key not in table:
        return None
    value = table[key]
    good = isinstance(value, list) and len(value) == 2 and all(_is_number(v) for v in value)
    if not good or not value[0] < value[1]:
        raise UserError(f"[{where}] {key} = {value!r}: give two numbers, low < high, like {_EXAMPLE[key]}")
    return float(value[0]), float(value[1])


def width(table: Mapping, where: str, key: str) -> float:
    """A standard deviation of a table.

    Raises
    ------
    UserError
        If it is no positive number.
    """
    value = table[key]
    if not _is_number(value) or not value > 0.0:
        raise UserError(f"[{where}] {key} = {value!r}: give a number above 0, like {_EXAMPLE[key]}")
    return float(value)


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def pixels(table: Mapping, where: str, medium: str) -> Spectrograph:
    """Pixels and LSF of a table [observed] or [network].

    Raises
    ------
    UserError
        For ranges, steps or LSFs that cannot be used.
    """
    low, high = pair(table, where, "wave_aa")
    key, step = _one(
        table, where, _STEPS, "step_aa = 1.0 for pixels of equal width, ln_step = 2.2e-4 for log"
    )
    if not (_is_number(step) and step > 0.0):
        raise UserError(f"[{where}] {key} = {step!r}: give one number above 0")
    check_wavelengths([low, 0.5 * (low + high), high], f"[{where}] wave_aa")
    n = (np.log(high / low) if key == "ln_step" else high - low) / step
    if not 10.0 <= n <= _MOST_PIXELS:
        unit = "ln(wavelength)" if key == "ln_step" else "Angstrom"
        raise UserError(
            f"[{where}] {key} = {step:g} makes {n:.0f} pixels of {low:g}-{high:g} Angstrom: check that it is "
            f"in {unit}"
        )
    # ends count: a range that is a whole number of steps keeps its last pixel
    at = step * np.arange(int(np.floor(n * (1.0 + 1e-12))) + 1)
    wave = low * np.exp(at) if key == "ln_step" else low + at
    return Spectrograph(wave, _lsf(table, where), medium)


def _lsf(table, where):
    quantity, value = _one(table, where, _LSFS, "fwhm_aa = 2.9 or resolving_power = 2000.0")
    values = value if isinstance(value, list) else [value]
    if not values or not all(_is_number(v) for v in values):
        raise UserError(f"[{where}] {quantity} = {value!r}: give a number, or a list of them")
    nodes = table.get("lsf_wave_aa")
    if isinstance(value, list) != (nodes is not None):
        missing = f"a list needs lsf_wave_aa, its wavelengths; {quantity} = 2.9 would need none"
        raise UserError(f"[{where}] {quantity} = {value!r}, lsf_wave_aa = {nodes!r}: {missing}")
    if nodes is not None and not (isinstance(nodes, list) and all(_is_number(v) for v in nodes)):
        raise UserError(f"[{where}] lsf_wave_aa = {nodes!r}: give a list of numbers, in Angstrom")
    return LSF(quantity, value, nodes)


def _one(table, where, keys, example):
    """The one of some keys that a table has, and its value."""
    found = [key for key in keys if key in table]
    if len(found) != 1:
        what = " and ".join(found) or f"none of {', '.join(keys)}"
        raise UserError(f"[{where}] has {what}: give one, like {example}")
    return found[0], table[found[0]]
