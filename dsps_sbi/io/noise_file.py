"""Learned noise as a table, ECSV: a row for each band."""

import numpy as np
from astropy import units as u
from astropy.table import Table

from ..errors import UserError
from ..noise.survey import SurveyNoise
from .atomic import atomic_path
from .fits_open import existing_file

_BANDS = ("stated_ujy", "error_ratio", "depth_sd_dex", "far", "n_empty", "factor", "correlation")
_COLUMNS = (*_BANDS, "log_sigma", "log_sigma_sd")
_UNITS = {"stated_ujy": u.uJy, "depth_ujy": u.uJy, "depth_sd_dex": u.dex}
_TEXTS = {
    "depth_ujy": "scatter of an empty pixel",
    "stated_ujy": "its stated error",
    "error_ratio": "scatter over stated error",
    "depth_sd_dex": "standard deviation of log10 of the stated errors of empty pixels",
    "far": "correlation of the noise beyond the lags of the column correlation",
    "n_empty": "empty pixels",
    "factor": "scatter of empty apertures of n_pixels over that of independent pixels",
    "correlation": "of the noise of pixels (dy, dx) apart, 0 in the middle",
    "log_sigma": "mean of log10(stated error / stated depth) between flux_edges",
    "log_sigma_sd": "its standard deviation",
}
_KIND = "noise of a survey"


def write_noise(path, noise: SurveyNoise) -> None:
    """Write learned noise, whole or not at all.

    Parameters
    ----------
    path : path-like
        Ending in ``.ecsv``.
    noise : SurveyNoise
    """
    table = Table({"filter": np.array(noise.filters, dtype=str)})
    table["depth_ujy"] = np.asarray(noise.depth_ujy, float)
    for name in _COLUMNS:
        table[name] = np.asarray(getattr(noise, name))
    for name, text in _TEXTS.items():
        table[name].description = text
        table[name].unit = _UNITS.get(name)
    table.meta |= {"kind": _KIND, "source": noise.source}
    table.meta["n_pixels"] = [int(n) for n in noise.n_pixels]
    table.meta["flux_edges"] = [float(edge) for edge in noise.flux_edges]
    with atomic_path(path) as temporary:
        table.write(temporary, format="ascii.ecsv", overwrite=True)


def read_noise(path) -> SurveyNoise:
    """Noise that ``dsps-sbi noise learn`` or :func:`write_noise` wrote.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    UserError
        If the file is missing or is something else.
    """
    path = existing_file(path)
    try:
        table = Table.read(path, format="ascii.ecsv")
    except Exception as error:
        # astropy raises many kinds
        raise UserError(
            f"{path} is no table of ECSV ({error}): expected what dsps-sbi noise learn writes; give that"
        ) from error
    missing = [name for name in ("filter", *_COLUMNS) if name not in table.colnames]
    if table.meta.get("kind") != _KIND or missing:
        raise UserError(
            f"{path} is not the noise of a survey"
            f"{f', it has no column {missing[0]}' if missing else ''}: expected what dsps-sbi noise learn "
            "writes; give that"
        )
    columns = {name: np.asarray(np.ma.filled(table[name], np.nan)) for name in _COLUMNS}
    edges = np.array(table.meta["flux_edges"], float)
    sizes = np.array(table.meta["n_pixels"], int)
    filters = tuple(str(name) for name in table["filter"])
    return SurveyNoise(filters, **columns, n_pixels=sizes, flux_edges=edges, source=str(path))
