"""Tables of the documentation from the package's own tables; not run by itself, see ``make_tables.py``."""

import warnings
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass

import numpy as np
import typer
from _result_tables import NONE, markdown

from dsps_sbi.cli.app import app
from dsps_sbi.dust import LAWS
from dsps_sbi.inference import derived, quality, trust
from dsps_sbi.photometry import flags
from dsps_sbi.sfh import FAMILIES
from dsps_sbi.spectroscopy.preset import SpectrumPreset, spectral_presets

TABLES: dict[str, Callable[[], str]] = {}


def table(function):
    """Make a function known as the table of its name."""
    TABLES[function.__name__] = function
    return function


@table
def pixel_flags():
    """Bits of the FLAGS image."""
    texts = flags.describe()
    rows = [[str(flag.value), f"`{flag.name}`", texts[flag.name]] for flag in flags.PixelFlag]
    return markdown(["bit", "flag", "meaning"], rows)


@table
def quality_columns():
    """Columns that say what an answer is worth."""
    rows = []
    for name, (hdu, text) in quality.QUALITY.items():
        rows.append([f"`{name}`", f"`{hdu}`" if name in quality.COMMON else NONE, text])
    rows += [[f"`{name}`", NONE, text] for name, (_, text) in quality.OF_REDSHIFTS.items()]
    for beginning in (quality.SHRINKAGE, quality.EDGE, quality.LIMIT):
        hdu, text = quality.describe(beginning + "PARAMETER")
        rows.append([f"`{beginning}PARAMETER`", f"`{hdu}`", text])
    name, text = quality.AT_EDGE
    rows.append([f"`{name}`", NONE, text])
    return markdown(["column", "extension of `maps.fits`", "meaning"], rows)


def _codes(kind):
    texts = quality.code_text(kind)
    rows = []
    for code in kind:
        rows.append([str(code.value), f"`{code.name.lower()}`", texts[f"{code.value} {code.name}"]])
    return markdown(["code in `maps.fits`", "word in catalogues", "meaning"], rows)


@table
def method_codes():
    """Codes of the column ``method``."""
    return _codes(trust.Method)


@table
def trust_codes():
    """Codes of the column ``trust``."""
    return _codes(trust.Trust)


@table
def informed_codes():
    """Codes of the column ``informed``."""
    return _codes(trust.Informed)


@table
def trust_rule():
    """The numbers of the rule of trust."""
    rows = [
        ["`ess`", f"at least {trust.FEWEST_EFFECTIVE:g}", "method `is` or `hmc`"],
        ["`pareto_k`", f"at most {trust.LARGEST_K:g}", "method `is`"],
        ["`r_hat`", f"below {trust.LARGEST_R_HAT:g}", "method `hmc`"],
        ["`ppc_p`", f"above {trust.SMALLEST_P / 2:g}, below {1 - trust.SMALLEST_P / 2:g}", "always"],
        ["`typicality`", f"above {trust.SMALLEST_P:g}", "where the bundle can tell it"],
        ["`wave_used`", f"at least {trust.SMALLEST_SHARE:.2f}", "spectra"],
    ]
    return markdown(["column", "condition", "applies to"], rows)


@table
def quantities():
    """Parameters and derived quantities, with units."""
    rows = [[f"`{name}`", unit, text] for name, (unit, text) in derived.DERIVED.items()]
    rows += [
        [f"`{name.replace('#', 'N')}`", unit, text] for name, (unit, text) in derived._PARAMETERS.items()
    ]
    for ending, (unit, text) in derived._TIMES.items():
        rows.append([f"`tN{'_' + ending if ending else ''}`", unit, text.format("N")])
    return markdown(["name", "unit", "meaning"], rows)


def _component(cls):
    """Parameters and settings of a history or dust law, and what its docstring begins with."""
    one = cls()
    free = ", ".join(f"`{name}`" for name in getattr(one, "names", ())) or "none"
    own = [f for f in fields(cls) if f.default is not MISSING] if is_dataclass(cls) else []
    settings = ", ".join(f"{f.name} = {f.default}" for f in own) or "none"
    text = cls.__doc__.strip().split("\n\n")[0].split("; see")[0]
    return [free, settings, " ".join(text.replace("``", "`").split())]


@table
def histories():
    """Families of star formation histories."""
    rows = [[f"`{name}`", *_component(cls)] for name, cls in FAMILIES.items()]
    return markdown(["`--sfh`", "parameters", "settings", "meaning"], rows)


@table
def dust_laws():
    """Dust laws."""
    rows = [[f"`{name}`", *_component(cls)] for name, cls in LAWS.items()]
    rows = [[name, free, settings, text.replace(":class:", "")] for name, free, settings, text in rows]
    return markdown(["`--dust`", "free parameters", "settings", "meaning"], rows)


def _range(pair):
    return f"{pair[0]:.0f}-{pair[1]:.0f}"


def _resolving_power(spectrograph):
    """Smallest and largest R of an instrument, to two digits."""
    if spectrograph is None:
        return "any"
    lsf = spectrograph.lsf
    value = np.atleast_1d(lsf.value)
    power = value if lsf.quantity == "resolving_power" else lsf.wave_aa / value
    ends = [f"{float(f'{end:.2g}'):.0f}" for end in (power.min(), power.max())]
    return "-".join(dict.fromkeys(ends))


def _broader(preset):
    """By how much an instrument is less sharp than the network, and at which redshifts."""
    if preset.observed is None:
        return NONE
    redshifts = np.arange(round(100 * preset.z[0]), round(100 * preset.z[1]) + 1) / 100
    with warnings.catch_warnings():
        # where the instrument does not reach the network's wavelengths
        warnings.simplefilter("ignore", RuntimeWarning)
        extra = np.array([np.nanmax(preset.extra_km_s(z)) for z in redshifts])
    broader = redshifts[extra > 0.0]
    if not broader.size:
        return "at no redshift"
    return f"below z = {broader[-1] + 0.01:.2f}: by up to {np.nanmax(extra):.0f} km/s"


@table
def instruments():
    """Presets of spectra."""
    rows = []
    for name in sorted(spectral_presets(), key=lambda n: (n != "miles-optical", n)):
        preset = SpectrumPreset.read(name)
        # the last pixel may end a little before the wavelength that was asked for
        seen = np.round(preset.network.wave_aa[[0, -1]], -1)
        observed = "any" if preset.observed is None else _range(preset.observed.wave_aa[[0, -1]])
        z = f"{preset.z[0]:.1g}-{preset.z[1]:g}"
        snr = f"{preset.noise['snr'][0]:g}-{preset.noise['snr'][1]:g}"
        seen, power = _range(seen), _resolving_power(preset.observed)
        rows.append([f"`{name}`", observed, power, z, seen, snr, f"`{preset.grid}`", _broader(preset)])
    header = ["`--preset`", "observed [Angstrom]", "R", "redshifts", "at rest [Angstrom]", "S/N per pixel"]
    return markdown([*header, "SSPs", "less sharp than the network"], rows)


def _options(verb):
    command = typer.main.get_command(app).commands[verb]
    rows = []
    for parameter in command.params:
        text = getattr(parameter, "help", None) or ""
        names = ", ".join(f"`{option}`" for option in parameter.opts if option.startswith("-"))
        if names and "--help" not in parameter.opts:
            default = parameter.default
            shown = default is not None and not callable(default) and not isinstance(default, bool)
            rows.append([names, text.rstrip("."), f"`{default}`" if shown else NONE])
    return markdown(["option", "meaning", "default"], rows)


@table
def options_infer():
    """Options of ``dsps-sbi infer``."""
    return _options("infer")


@table
def options_train():
    """Options of ``dsps-sbi train``."""
    return _options("train")


@table
def options_check():
    """Options of ``dsps-sbi check``."""
    return _options("check")
