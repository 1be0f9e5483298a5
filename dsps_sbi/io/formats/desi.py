"""Spectra of DESI: coadds and single exposures; arms are joined, the LSF is that of the resolution matrix."""

from pathlib import Path

import numpy as np

from ...instruments.lsf import LSF
from ...kernels.lsf import FWHM_PER_SIGMA
from ..fits_open import open_fits
from ..join_arms import join_arms
from ..spectrum_columns import FLUX_UNIT, spectrum_of

NAME = "DESI"
_ARMS = ("B", "R", "Z", "BRZ")
# How names of files with spectra begin
_SPECTRA_FILES = ("coadd-", "spectra-")


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
    """Row i; vacuum. Redshift by TARGETID, from a table REDSHIFTS or ZBEST in the file.

    Or else in the file of redrock beside it, which DESI names as the coadd: ``redrock-`` for ``coadd-``.
    """
    arms = _arms(hdus)
    parts = [_arm(hdus, arm, i) for arm in arms]
    wave, flux, sigma, bad = join_arms([part for part, _ in parts], label)
    notes = [NAME, f"arms {' '.join(arms)}"]
    options = options.known("vacuum", medium="vacuum")
    options = options.known("LSF from the resolution matrix", lsf=_lsf(wave, parts))
    options = _redshift(options, hdus, i, label)
    table = {"wave": wave, "flux": flux.value, "error": sigma.value, "mask": bad}
    chosen = {name: name for name in table}
    units = {"wave": "AA", "flux": FLUX_UNIT, "error": FLUX_UNIT}
    return spectrum_of(table, chosen, units, label, options, notes=notes, mask_is_known=True)


def _arm(hdus, arm, i):
    """What :func:`join_arms` takes of an arm, and the sigma (Pixel,) of its LSF [Angstrom]."""
    there = {hdu.name for hdu in hdus}

    def row(kind):
        return np.asarray(hdus[f"{arm}_{kind}"].data[i], float)

    wave = np.asarray(hdus[f"{arm}_WAVELENGTH"].data, float)
    ivar = row("IVAR")
    bad = ivar <= 0.0
    if f"{arm}_MASK" in there:
        bad |= row("MASK") != 0
    sigma = np.where(bad, np.nan, np.where(bad, 1.0, ivar) ** -0.5)
    resolution = np.full(wave.size, np.nan)
    if f"{arm}_RESOLUTION" in there:
        resolution = _sigma_of(row("RESOLUTION")) * np.gradient(wave)
    return (wave, row("FLUX") * FLUX_UNIT, sigma * FLUX_UNIT, bad), resolution


def _lsf(wave, parts):
    """Sigma (Pixel,) [Angstrom] at joined wavelengths: where two arms see, the root of the mean square."""
    squares = []
    for (own, *_), sigma in parts:
        known = np.isfinite(sigma)
        if known.any():
            reached = (wave >= own[0] - 0.01) & (wave <= own[-1] + 0.01)
            squares.append(np.where(reached, np.interp(wave, own[known], sigma[known]) ** 2, np.nan))
    if len(squares) < len(parts):
        return None
    return LSF("fwhm_aa", FWHM_PER_SIGMA * np.sqrt(np.nanmean(squares, axis=0)))


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
    # beside dead pixels, whose columns are empty, rows are not whole
    empty = np.convolve(np.sum(np.abs(matrix), axis=0) == 0.0, np.ones(2 * half + 1), "same") > 0.5
    good = (total > 0.0) & (variance > 0.0) & ~empty
    good[:half] = good[-half:] = False
    return np.where(good, np.sqrt(np.where(good, variance, 1.0)), np.nan)


def _redshift(options, hdus, i, label):
    """With the redshift, and where it is from."""
    targets, source = _targets(hdus), None
    found = _listed(hdus, targets, i)
    beside = _redrock(hdus) if found is None and targets is not None else None
    if beside is not None:
        with open_fits(beside, memmap=False) as others:
            found, source = _listed(others, targets, i), beside.name
    if found is None:
        return options.redshift_of([hdus[0].header], label)
    z, table = found
    return options.known(f"z {z:.6g} from {source or table}", redshift=z)


def _listed(hdus, targets, i):
    """Redshift of row i in a table, and the table's name; None where there is none."""
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
    return None


def _redrock(hdus):
    """Path of the file of redshifts beside a coadd or spectra file, None if there is none."""
    name = hdus.filename()
    if name is None:
        return None
    path = Path(name)
    start = next((start for start in _SPECTRA_FILES if path.name.startswith(start)), None)
    if start is None:
        return None
    beside = path.with_name(f"redrock-{path.name.removeprefix(start)}")
    return beside if beside.is_file() else None
