"""Spectra of DESI: coadds and single exposures; arms are joined, the LSF is that of the resolution matrix."""

import numpy as np
from astropy import units as u

from ...errors import UserError
from ...instruments.lsf import LSF
from ...kernels.lsf import FWHM_PER_SIGMA
from ..spectrum_columns import FLUX_UNIT, spectrum_of
from .options import redshift_in

NAME = "DESI"
_ARMS = ("B", "R", "Z", "BRZ")


def _arms(hdus):
    there = {hdu.name for hdu in hdus}
    return [arm for arm in _ARMS if {f"{arm}_WAVELENGTH", f"{arm}_FLUX", f"{arm}_IVAR"} <= there]


def recognises(hdus) -> bool:
    """Whether there are wavelengths, fluxes and inverse variances of an arm."""
    return bool(_arms(hdus))


def _targets(hdus):
    try:
        return np.asarray(hdus["FIBERMAP"].data["TARGETID"])
    except KeyError:
        return None


def names(hdus) -> tuple[str, ...]:
    """By TARGETID; where a target comes several times (exposures), also by the number of the row."""
    n = hdus[f"{_arms(hdus)[0]}_FLUX"].shape[0]
    targets = _targets(hdus)
    if targets is None or len(targets) != n:
        return tuple(str(row) for row in range(n))
    found, counts = np.unique(targets, return_counts=True)
    several = set(found[counts > 1])
    return tuple(f"{t}_row{row}" if t in several else str(t) for row, t in enumerate(targets))


def read(hdus, i, label, options):
    """Row i; vacuum. Redshift from a table REDSHIFTS or ZBEST in the file, by TARGETID."""
    arms = _arms(hdus)
    parts = [_arm(hdus, arm, i) for arm in arms]
    table = _joined(parts, label)
    notes = [NAME, "vacuum", f"arms {' '.join(arms)}"]
    known = np.isfinite(table["sigma_aa"])
    if options.lsf is None and known.any():
        sigma = np.interp(table["wave"], table["wave"][known], table["sigma_aa"][known])
        options = options.known(lsf=LSF("fwhm_aa", FWHM_PER_SIGMA * sigma))
        notes.append("LSF from the resolution matrix")
    redshift, source = _redshift(hdus, i, label)
    if source and options.redshift is None:
        notes.append(f"redshift from {source}")
    options = options.known(medium="vacuum", redshift=redshift)
    chosen = {name: name for name in ("wave", "flux", "ivar", "mask")}
    units = {"wave": "AA", "flux": FLUX_UNIT, "ivar": u.Unit(FLUX_UNIT) ** -2}
    return spectrum_of(table, chosen, units, label, **options.keywords(), notes=notes, mask_is_known=True)


def _arm(hdus, arm, i):
    get = lambda kind: np.asarray(hdus[f"{arm}_{kind}"].data)  # noqa: E731
    wave = get("WAVELENGTH").astype(float)
    there = {hdu.name for hdu in hdus}
    mask = get("MASK")[i] != 0 if f"{arm}_MASK" in there else np.zeros(wave.size, bool)
    sigma = np.full(wave.size, np.nan)
    if f"{arm}_RESOLUTION" in there:
        sigma = _sigma_of(np.asarray(hdus[f"{arm}_RESOLUTION"].data[i], float))
    flux, ivar = (get(kind)[i].astype(float) for kind in ("FLUX", "IVAR"))
    return {"wave": wave, "flux": flux, "ivar": ivar, "mask": mask, "sigma_aa": sigma * np.gradient(wave)}


def _sigma_of(matrix):
    """Sigma (Pixel,) [pixels] of a resolution matrix in diagonals (Diagonal, Pixel)."""
    half = matrix.shape[0] // 2
    # diagonal d holds what pixel j gets from j - offset: rows of one pixel are gathered by a shift
    offset = half - np.arange(matrix.shape[0])
    rows = np.stack([np.roll(line, o) for line, o in zip(matrix, -offset, strict=True)])
    total = rows.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (offset[:, None] * rows).sum(axis=0) / total
        variance = (offset[:, None] ** 2 * rows).sum(axis=0) / total - mean**2
    good = (total > 0.0) & (variance > 0.0)
    good[:half] = good[-half:] = False
    return np.where(good, np.sqrt(np.where(good, variance, 1.0)), np.nan)


def _joined(parts, label):
    """Arms after each other; where two overlap, the mean by inverse variances of pixels that agree."""
    wave = np.concatenate([part["wave"] for part in parts])
    keys = np.round(wave, 2)
    unique, index = np.unique(keys, return_inverse=True)
    step = min(np.median(np.diff(part["wave"])) for part in parts)
    if np.any(np.diff(unique) < 0.5 * step):
        raise UserError(
            f"{label}: the arms overlap in pixels that are not the same: expected one grid, as coadds have"
        )
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    good = ~whole["mask"] & (whole["ivar"] > 0.0) & np.isfinite(whole["flux"])
    weight = np.where(good, whole["ivar"], 0.0)
    total = np.bincount(index, weight)
    with np.errstate(divide="ignore", invalid="ignore"):
        out = {"wave": unique, "ivar": total, "mask": total <= 0.0}
        out["flux"] = np.bincount(index, weight * np.where(good, whole["flux"], 0.0)) / total
        known = np.isfinite(whole["sigma_aa"])
        squares = np.bincount(index, np.where(known, whole["sigma_aa"], 0.0) ** 2)
        out["sigma_aa"] = np.sqrt(squares / np.bincount(index, known))
    out["flux"] = np.where(out["mask"], 0.0, out["flux"])
    return out


def _redshift(hdus, i, label):
    targets = _targets(hdus)
    for hdu in hdus:
        columns = getattr(hdu, "columns", None)
        if columns is None or hdu.name not in ("REDSHIFTS", "ZBEST", "METADATA", "FASTSPEC", "REDSHIFT"):
            continue
        small = {name.upper(): name for name in columns.names}
        if "Z" not in small:
            continue
        if targets is not None and "TARGETID" in small:
            at = np.flatnonzero(np.asarray(hdu.data[small["TARGETID"]]) == targets[i])
            if at.size:
                return float(hdu.data[small["Z"]][at[0]]), hdu.name
        elif targets is None and len(hdu.data) > i:
            return float(hdu.data[small["Z"]][i]), hdu.name
    return redshift_in([hdus[0].header], label), None
