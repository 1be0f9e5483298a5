"""Spectra of JWST: x1d files of the pipeline and of JADES, and msaexp's spec.fits."""

import re

import numpy as np

from ..column_roles import choose
from ..spectrum_columns import spectrum_of

NAME = "JWST x1d"
_EXTENSION = re.compile(r"EXTRACT\w*1D|SPEC1D|COMBINE1D")
# Bit of DQ: do not use
_DO_NOT_USE = 1


def _numbers(hdus):
    return [
        i
        for i, hdu in enumerate(hdus)
        if getattr(hdu, "columns", None) is not None and _EXTENSION.fullmatch(hdu.name)
    ]


def recognises(hdus) -> bool:
    """Whether tables are called as those of the pipeline or of msaexp."""
    return bool(_numbers(hdus))


def names(hdus) -> tuple[str, ...]:
    """By SOURCEID where there are several sources, by the extensions' names or numbers elsewhere."""
    numbers = _numbers(hdus)
    if len(numbers) == 1:
        return ("",)
    for found in (
        [str(hdus[i].header.get("SOURCEID", "")) for i in numbers],
        [hdus[i].name.lower() for i in numbers],
    ):
        if len(set(found)) == len(found) and all(found):
            return tuple(found)
    return tuple(str(i) for i in numbers)


def read(hdus, i, label, options):
    """Spectrum number i; vacuum, DQ's bit 0 masks."""
    hdu = hdus[_numbers(hdus)[i]]
    table = {column.name: np.asarray(hdu.data[column.name]) for column in hdu.columns}
    chosen = choose(list(table), None, label)
    notes = ["msaexp SPEC1D" if hdu.name == "SPEC1D" else NAME]
    name = chosen.get("mask")
    if name is not None and name.lower() == "dq":
        table[name] = table[name].astype(np.int64) & _DO_NOT_USE
        notes.append("DQ's bit 0 is bad")
    units = {column.name: column.unit for column in hdu.columns}
    headers = [hdu.header, hdus[0].header]
    options = options.known("vacuum", medium="vacuum").redshift_of(headers, label)
    return spectrum_of(table, chosen, units, label, options, notes=notes, mask_is_known=True)
