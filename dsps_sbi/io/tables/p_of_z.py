"""Densities of redshifts from files: tables of two columns, arrays, and those that EAZY writes."""

from pathlib import Path

import numpy as np
from astropy.table import Table

from ...errors import UserError
from .rows import TableFile, numbers_of

_REDSHIFTS = ("z", "zgrid", "z_grid", "redshift")
_DENSITIES = ("pz", "p_z", "p", "pdf", "density")
_NEEDED = "expected .npz with z and p, a table with columns z and pz, or EAZY's .pz beside its .tempfilt"


def read_p_z(path) -> tuple[np.ndarray, np.ndarray]:
    """Redshifts (Z,) and densities up to a factor, (Z,) of all galaxies or (Row, Z) of each.

    Parameters
    ----------
    path : path
        ``.npz`` with arrays ``z`` and ``p``; a table (text, ECSV, CSV, FITS) with a column of redshifts and
        one of densities; or the binary ``.pz`` of EAZY (Brammer, van Dokkum & Coppi 2008, ApJ 686, 1503),
        whose ``.tempfilt``, which has the redshifts, lies beside it.

    Raises
    ------
    UserError
        For files that cannot be read or hold something else.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path} is not there: give a file of p(z)")
    try:
        if path.suffix.lower() == ".npz":
            return _of_arrays(path)
        if path.suffix.lower() == ".pz" and path.with_suffix(".tempfilt").is_file():
            return _of_eazy(path)
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise UserError(f"{path} cannot be read as p(z) ({error}): {_NEEDED}") from error
    if path.suffix.lower() == ".pz" and b"\0" in path.read_bytes()[:64]:
        raise UserError(
            f"{path} has no {path.stem}.tempfilt beside it, which has the redshifts: put it there"
        )
    return _of_table(path)


def _of_arrays(path):
    with np.load(path, allow_pickle=False) as arrays:
        z, p = (np.asarray(arrays[name], float) for name in ("z", "p"))
    if z.ndim != 1 or p.ndim not in (1, 2) or p.shape[-1] != len(z):
        raise UserError(
            f"{path}: z has shape {z.shape} and p {p.shape}: expected (n,), and (n,) or (rows, n); mend it"
        )
    return z, p


def _of_table(path):
    # EAZY's text has its names behind a #
    text = path.suffix.lower() == ".pz"
    table = TableFile(Table.read(path, format="ascii") if text else path)
    by_small = {name.lower(): name for name in table.names}
    found = [next((by_small[n] for n in known if n in by_small), None) for known in (_REDSHIFTS, _DENSITIES)]
    if None in found:
        raise UserError(f"{path} has columns {', '.join(table.names)}: {_NEEDED}")
    chunks = list(table.chunks(1 << 20, found))
    return tuple(
        np.concatenate([numbers_of(chunk[name], name, str(path)) for chunk in chunks]) for name in found
    )


def _of_eazy(path):
    """Of the binary files: likelihood times the prior in magnitude, where EAZY had one."""
    with open(path.with_suffix(".tempfilt"), "rb") as file:
        n_filter, n_template, n_z, n_object = np.fromfile(file, np.int32, 4).tolist()
        # what comes before the redshifts: templates through filters, pivots, fluxes and their errors
        file.seek(8 * n_filter * n_template * n_z + 8 * n_filter, 1)
        z = np.fromfile(file, np.float64, n_z)
    with open(path, "rb") as file:
        sizes = np.fromfile(file, np.int32, 2)
        if len(z) != n_z or sizes.tolist() != [n_z, n_object]:
            raise UserError(f"{path} and its .tempfilt are not of one run: {_NEEDED}")
        chi2 = np.fromfile(file, np.float64, n_z * n_object).reshape(n_object, n_z)
        log_p = -0.5 * (chi2 - chi2.min(axis=1, keepdims=True))
        n_bin = np.fromfile(file, np.int32, 1)
        if len(n_bin) and n_bin[0] > 0:
            file.seek(8 * int(n_bin[0]), 1)
            prior = np.fromfile(file, np.float64, int(n_bin[0]) * n_z).reshape(-1, n_z)
            which = np.fromfile(file, np.int32, n_object)
            known = (which >= 0) & (which < len(prior))
            with np.errstate(divide="ignore"):
                log_p[known] += np.log(prior[which[known]])
    return z, np.exp(log_p - log_p.max(axis=1, keepdims=True))
