"""Maps of the spaxels or bins of a cube."""

import numpy as np

from ..constants import PERCENTILES
from ..inference.derived import describe
from ..inference.quality import CODES, EDGE, LIMIT, OF_CUBES, QUALITY, SHRINKAGE, Columns
from ..inference.table import ENDINGS
from ..photometry.maps import Maps
from ..spectroscopy.result import quantity_names

# Of integers, where nothing is known
_NONE = 0


def cube_maps(rows, places, cube, post, meta) -> Maps:
    """Maps in which each spaxel has the answer of the spectrum that it is part of.

    Parameters
    ----------
    rows : sequence of dict
        Of the catalogue; of spectra without an answer, too.
    places : sequence of (ys, xs)
        Rows and columns of the spaxels of each.
    cube : SpectralCube
        Its image and WCS are those of the maps.
    post : SpectrumPosterior
    meta : mapping
        Provenance.

    Returns
    -------
    Maps
        Without bands and flags; the row of the catalogue of each spaxel is the column ``row``.
    """
    index = np.full(cube.shape, -1, np.int32)
    for number, (ys, xs) in enumerate(places):
        index[ys, xs] = number

    def image(name, empty=np.nan, dtype=np.float32):
        values = [row.get(name) for row in rows]
        values = np.array([empty if value is None else value for value in values], dtype)
        return np.where(index >= 0, values[index], np.asarray(empty, dtype))

    names, columns = quantity_names(post), {}
    planes = [[image(name + ENDINGS[percentile]) for percentile in PERCENTILES] for name in names]
    for name in OF_CUBES:
        columns[name] = index if name == "row" else image(name)
    for name in QUALITY:
        if name in CODES:
            codes = [CODES[name][row[name].upper()].value for row in rows]
            values = np.array(codes, np.int16)[index]
            columns[name] = np.where(index >= 0, values, np.int16(CODES[name].NONE.value))
        else:
            columns[name] = image(name)
    for start in (EDGE, LIMIT, SHRINKAGE):
        empty, dtype = (_NONE, np.int16) if start == EDGE else (np.nan, np.float32)
        columns |= {start + name: image(start + name, empty, dtype) for name in post.names}
    return Maps(
        names,
        np.array(planes),
        image("snr"),
        columns=Columns(columns),
        header=cube.header,
        meta=dict(meta),
        descriptions={name: describe(name) for name in names},
    )
