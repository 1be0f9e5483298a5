"""Maps of the spaxels or bins of a cube as FITS."""

import warnings

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning

from ..constants import PERCENTILES
from ..inference.derived import describe
from ..inference.quality import CODES, EDGE, LIMIT, QUALITY, SHRINKAGE
from ..inference.table import ENDINGS
from ..io.atomic import atomic_path
from ..photometry.maps_fits import column_hdu, plane_header, provenance_header
from ..spectroscopy.result import quantity_names

_SCALARS = {
    "snr": ("SNR", "median signal-to-noise ratio of the pixels that can be used"),
    "z": ("Z", "redshift"),
    "p_t90_1gyr": ("P_T90", "probability that 90 % of the formed mass existed 1 Gyr after the Big Bang"),
}
# Of integers, where nothing is known
_NONE = 0


def write_cube_maps(path, rows, places, cube, post, meta) -> None:
    """Write maps: each spaxel has the answer of the spectrum that it is part of.

    Parameters
    ----------
    path : path
    rows : sequence of dict
        Of the catalogue; of spectra without an answer, too.
    places : sequence of (ys, xs)
        Rows and columns of the spaxels of each.
    cube : SpectralCube
        Its image and WCS are those of the maps.
    post : SpectrumPosterior
    meta : mapping
        Provenance.
    """
    index = np.full(cube.shape, -1, np.int32)
    for number, (ys, xs) in enumerate(places):
        index[ys, xs] = number

    def image(values, empty=np.nan, dtype=np.float32):
        values = np.array([empty if value is None else value for value in values], dtype)
        return np.where(index >= 0, values[index], np.asarray(empty, dtype))

    def of(name):
        return [row.get(name) for row in rows]

    comments = (
        "Maps of the spectra of a cube: planes 1, 2, 3 of an extension are the",
        "16th, 50th and 84th percentile of a quantity; NaN where not fitted.",
        "In a bin each spaxel has the answer, and the mass, of the whole bin.",
        "ROW is the row of the catalogue, from 0.",
    )
    hdus = fits.HDUList([fits.PrimaryHDU(header=provenance_header(meta, comments))])
    for name in quantity_names(post):
        planes = np.stack([image(of(name + ENDINGS[percentile])) for percentile in PERCENTILES])
        header = plane_header(cube.header, *describe(name))
        hdus.append(fits.ImageHDU(planes, header=header, name=name.upper()))
    for name, (extension, text) in _SCALARS.items():
        hdus.append(_plain(cube.header, extension, text, image(of(name))))
    hdus.append(_plain(cube.header, "ROW", "row of the catalogue, counted from 0; -1: not fitted", index))
    for name in QUALITY:
        if name in CODES:
            values = [CODES[name][word.upper()].value for word in of(name)]
            hdus.append(column_hdu(cube.header, name, image(values, CODES[name].NONE.value, np.int16)))
        else:
            hdus.append(column_hdu(cube.header, name, image(of(name))))
    for start in (EDGE, LIMIT, SHRINKAGE):
        empty, dtype = (_NONE, np.int16) if start == EDGE else (np.nan, np.float32)
        for parameter in post.names:
            name = start + parameter
            hdus.append(column_hdu(cube.header, name, image(of(name), empty, dtype)))
    with atomic_path(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyUserWarning)  # long values in HIERARCH cards
        hdus.writeto(temporary, overwrite=True, checksum=True)


def _plain(celestial, extension, text, image):
    header = celestial.copy()
    header["DESCRIP"] = text
    return fits.ImageHDU(image, header=header, name=extension)
