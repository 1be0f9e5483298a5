"""MaNGA: cubes (LOGCUBE) and row-stacked spectra (LOGRSS) of the DRP, and cubes of the DAP."""

from dataclasses import replace

import numpy as np

from ...instruments.lsf import LSF
from ...kernels.lsf import FWHM_PER_SIGMA
from ..spectral_cube import LazyArray, SpectralCube
from ..spectrum_columns import FLUX_UNIT, spectrum_of
from .cube_parts import flux_factor

NAME = "MaNGA LOGRSS"
CUBE_NAME = "MaNGA LOGCUBE"
# Sigma [Angstrom] of the LSF, and whether it holds the width of the pixels: DR17, earlier releases, DAP
_WIDTHS = {"LSFPOST": True, "LSFPRE": False, "DISP": True, "PREDISP": False, "LSF": False}
_CARDS = {"PLATEIFU", "MANGAID", "VERSDRP2", "VERSDRP3", "DRPVER"}
# Bits that say not to use a pixel. Cubes of the DRP: FORESTAR, DONOTUSE. Other bits of these warn only
_CUBE_BITS = 1 << 3 | 1 << 10
# Cubes of the DAP: IGNORED, FORESTAR, FLUXINVALID, IVARINVALID, ARTIFACT
_DAP_BITS = 0b11111
# Fibres: DEADFIBER, 3DREJECT (not to be used for the cube)
_FIBRE_BITS = 1 << 13 | 1 << 30


def _has(hdus, axes):
    """Whether fluxes of some axes, inverse variances, mask and a vector of wavelengths are there."""
    shape = {hdu.name: hdu.shape for hdu in hdus if hdu.is_image}
    flux, wave = shape.get("FLUX", ()), shape.get("WAVE", ())
    same = len(flux) == axes and flux == shape.get("IVAR") == shape.get("MASK")
    if not same or wave != ((flux[0],) if axes == 3 else (flux[-1],)):
        return False
    # what the bits of MASK mean is known of MaNGA only
    cards = set(hdus[0].header) | set(hdus["FLUX"].header)
    return bool({"LSFPOST", "LSFPRE"} & set(shape)) or bool(_CARDS & cards)


def recognises(hdus) -> bool:
    """Whether each row of FLUX, IVAR and MASK is a spectrum at the wavelengths WAVE."""
    return _has(hdus, 2)


def recognises_cube(hdus) -> bool:
    """Whether FLUX, IVAR and MASK are cubes at the wavelengths WAVE."""
    return _has(hdus, 3)


def names(hdus) -> tuple[str, ...]:
    """Fibres by the number of their row."""
    return tuple(str(row) for row in range(hdus["FLUX"].shape[0]))


def _width(hdus):
    """Name of the extension that has the LSF, or None."""
    there = {hdu.name: hdu.shape for hdu in hdus if hdu.is_image}
    return next((name for name in _WIDTHS if there.get(name) == there["FLUX"]), None)


def _resolving_power(hdus, row=None, good=True):
    """LSF of the resolving power of all spectra (SPECRES), or of a row (SRES), and the extension's name."""
    there = {hdu.name: hdu for hdu in hdus if hdu.is_image}
    for name in ("SPECRES", "SRES"):
        if name not in there:
            continue
        values = np.asarray(there[name].data, float)
        values = values[row] if values.ndim == 2 and row is not None else values
        known = np.isfinite(values) & (values > 0.0) & good
        if values.ndim == 1 and known.any():
            at = np.arange(values.size)
            return LSF("resolving_power", np.interp(at, at[known], values[known])), name
    return None, None


def read(hdus, i, label, options):
    """The spectrum of fibre i; vacuum. Flux is that in the fibre."""
    table = {
        "wave": np.asarray(hdus["WAVE"].data, float),
        "flux": np.asarray(hdus["FLUX"].data[i], float),
        "ivar": np.asarray(hdus["IVAR"].data[i], float),
        "mask": np.asarray(hdus["MASK"].data[i]).astype(np.int64) & _FIBRE_BITS,
    }
    notes = [NAME]
    options, own = options.known("vacuum", medium="vacuum"), options.lsf is None
    name = _width(hdus)
    pixel_in_lsf = True
    if name is not None:
        sigma = np.asarray(hdus[name].data[i], float)
        # in bad pixels there may be any number
        known = np.isfinite(sigma) & (sigma > 0.0) & (table["mask"] == 0) & (table["ivar"] > 0.0)
        if known.any():
            at = np.arange(sigma.size)
            sigma = np.interp(at, at[known], sigma[known])
            options = options.known(f"LSF from {name}", lsf=LSF("fwhm_aa", FWHM_PER_SIGMA * sigma))
            pixel_in_lsf = _WIDTHS[name] or not own
    if "lsf" not in options.found:
        lsf, name = _resolving_power(hdus, i, (table["mask"] == 0) & (table["ivar"] > 0.0))
        options = options.known(f"LSF from {name}", lsf=lsf)
    unit = hdus["FLUX"].header.get("BUNIT") or FLUX_UNIT
    units = {"wave": "AA", "flux": unit, "ivar": None}
    options = _redshift(options, hdus, i, label)
    chosen = {name: name for name in table}
    spectrum = spectrum_of(table, chosen, units, label, options, notes=notes, mask_is_known=True)
    return spectrum if pixel_in_lsf else replace(spectrum, pixel_in_lsf=False)


def _redshift(options, hdus, i, label):
    there = {hdu.name: hdu for hdu in hdus if hdu.is_image}
    if "Z" in there and there["Z"].shape == (hdus["FLUX"].shape[0],):
        z = float(there["Z"].data[i])
        return options.known(f"z {z:.6g} from Z", redshift=z)
    return options.redshift_of([hdus[0].header], label)


def read_cube(hdus, label, options) -> SpectralCube:
    """The cube; vacuum. Flux is that in a spaxel."""
    flux = hdus["FLUX"]
    factor, how = flux_factor(flux.header.get("BUNIT") or FLUX_UNIT, options, label)
    notes = [CUBE_NAME]
    options = options.known("vacuum", medium="vacuum").redshift_of([hdus[0].header], label)
    name = _width(hdus)
    width, pixel_in_lsf = None, True
    if name is not None and options.lsf is None:
        width, pixel_in_lsf = hdus[name].data, _WIDTHS[name]
        notes.append(f"LSF from {name}")
    elif name is not None:
        options = options.said(f"LSF from {name}", "lsf")
    else:
        lsf, name = _resolving_power(hdus)
        options = options.known(f"LSF from {name}", lsf=lsf)
    bits = _DAP_BITS if name == "LSF" else _CUBE_BITS
    return SpectralCube(
        np.asarray(hdus["WAVE"].data, float),
        LazyArray(flux.data, lambda values: np.asarray(values, float) * factor),
        LazyArray(hdus["IVAR"].data, lambda values: factor * root_of_inverse(values)),
        options.medium,
        LazyArray(hdus["MASK"].data, lambda values: (np.asarray(values).astype(np.int64) & bits) != 0),
        options.redshift,
        options.lsf,
        width,
        pixel_in_lsf,
        flux.header,
        label,
        (*notes, *options.notes(), how),
        factor,
    )


def root_of_inverse(ivar):
    """Standard deviations from inverse variances; NaN where these are not positive."""
    ivar = np.asarray(ivar, float)
    return np.where(ivar > 0.0, ivar, np.nan) ** -0.5
