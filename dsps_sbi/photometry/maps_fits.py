"""The FITS layout of `maps.Maps`: an extension of three planes for each quantity."""

import math
import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning

from ..errors import UserError
from ..inference import quality
from ..inference.quality import CODES, Columns, code_text
from ..io.atomic import atomic_path
from ..io.fits_open import open_fits
from ..io.wcs import celestial_header
from .flags import PixelFlag, describe

_IMAGES = {
    "SNR": ("snr", "signal-to-noise ratio: that by which pixels were chosen, or the median of a spectrum"),
    "NBANDS": ("n_bands", "number of usable bands"),
    "FLAGS": ("flags", "bits, see the COMMENT cards"),
}
# What spectra do not have
_OF_BANDS = ("NBANDS", "FLAGS")
_PREFIX = "DSPS_SBI "
# Beside the checksums, where astropy puts the time: the same maps shall be the same bytes
_WHEN = "of this extension"
_COMMENTS = {
    True: (
        "Maps of posterior percentiles: planes 1, 2, 3 of each extension are the 16th,",
        "50th and 84th percentile of a quantity; NaN where not fitted. The bits of FLAGS:",
    ),
    False: (
        "Maps of the spectra of a cube: planes 1, 2, 3 of an extension are the",
        "16th, 50th and 84th percentile of a quantity; NaN where not fitted.",
        "In a bin each spaxel has the answer, and the mass, of the whole bin.",
        "ROW is the row of the catalogue, from 0.",
    ),
}


def write_maps(maps, path, overwrite):
    """Write maps to a FITS file.

    Parameters
    ----------
    maps : dsps_sbi.photometry.maps.Maps
    path : str or os.PathLike
    overwrite : bool
    """
    with atomic_path(path) as temporary:
        if Path(path).exists() and not overwrite:
            raise UserError(f"{path} exists: expected a new name as overwrite is False; choose another")
        primary = provenance_header(maps.meta, _COMMENTS[maps.flags is not None])
        if maps.flags is not None:
            _add_flags(primary)
        hdus = fits.HDUList([fits.PrimaryHDU(header=primary)])
        for name, planes in zip(maps.names, maps.percentiles, strict=True):
            unit, text = maps.descriptions[name]
            header = plane_header(maps.header, unit, text)
            hdus.append(fits.ImageHDU(planes, header=header, name=name.upper()))
        for name, (field, text) in _IMAGES.items():
            if getattr(maps, field) is None:
                continue
            header = maps.header.copy()
            header["DESCRIP"] = text
            if name == "FLAGS":
                _add_flags(header)
            hdus.append(fits.ImageHDU(getattr(maps, field), header=header, name=name))
        for name, image in maps.columns.items():
            hdus.append(column_hdu(maps.header, name, image))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyUserWarning)  # long values in HIERARCH cards
            hdus[0].header["EXTEND"] = True
            for hdu in hdus:
                hdu.add_checksum(when=_WHEN)
            hdus.writeto(temporary, overwrite=True)


def read_maps(path):
    """Read what `write_maps` wrote.

    Parameters
    ----------
    path : str or os.PathLike

    Returns
    -------
    dict
        The fields of `maps.Maps`.
    """
    with open_fits(path) as hdus:
        primary = hdus[0].header
        bands = [name for name in _OF_BANDS if name in hdus]
        if (
            "SNR" not in hdus
            or len(bands) == 1
            or not any(card.keyword.startswith(_PREFIX) for card in primary.cards)
        ):
            raise UserError(f"{path} is not a file of maps: expected one that Maps.write made; give another")
        columns = [hdu for hdu in hdus[1:] if "COLUMN" in hdu.header]
        quantities = [hdu for hdu in hdus[1:] if hdu.name not in _IMAGES and hdu not in columns]
        fields = {
            "names": tuple(hdu.name.lower() for hdu in quantities),
            "percentiles": np.stack([np.array(hdu.data) for hdu in quantities]),
            "header": celestial_header(hdus["SNR"].header),
            "meta": {
                card.keyword.removeprefix(_PREFIX).lower(): card.value
                for card in primary.cards
                if card.keyword.startswith(_PREFIX) and card.keyword != _PREFIX + "FORMAT"
            },
            "descriptions": {
                hdu.name.lower(): (hdu.header.get("BUNIT", ""), hdu.header.get("DESCRIP", ""))
                for hdu in quantities
            },
        }
        fields["columns"] = Columns({hdu.header["COLUMN"]: np.array(hdu.data) for hdu in columns})
        for name, (field, _) in _IMAGES.items():
            fields[field] = np.array(hdus[name].data) if name in hdus else None
        return fields


def source_of(path) -> str:
    """The image that a file of maps names; empty where there is no such file, or it names none."""
    if not Path(path).is_file():
        return ""
    try:
        with open_fits(path) as hdus:
            return str(hdus[0].header.get(_PREFIX + "SOURCE", ""))
    except UserError:
        return ""


def refuse_another(path, source: str) -> None:
    """Refuse to put the maps of an image or cube in the place of those of another.

    Parameters
    ----------
    path : path
        Of the maps.
    source : str
        What the new ones are of. Where either names nothing, nothing is refused; nor where one of two paths
        of the same last part is relative, to a folder that nobody knows any more.

    Raises
    ------
    UserError
        Naming both.
    """
    there, here = source_of(path), card_text(source)
    if not there or not here or there == here:
        return
    paths = [Path(text.split(" galaxy ")[0]) for text in (there, here)]
    galaxies = [text.partition(" galaxy ")[2] for text in (there, here)]
    same = paths[0].name == paths[1].name and galaxies[0] == galaxies[1]
    if not same or all(one.is_absolute() for one in paths):
        raise UserError(
            f"{Path(path).parent} holds the maps of {there}, which those of {here} would take the place of: "
            "give another folder"
        )


def card_text(text):
    """Text that a FITS card can hold."""
    return " ".join(str(text).encode("ascii", "backslashreplace").decode().split())


def provenance_header(meta, comments):
    """Primary header of a file of maps: cards of the provenance, and comments.

    Parameters
    ----------
    meta : mapping of str to (str or int or float)
    comments : sequence of str

    Returns
    -------
    astropy.io.fits.Header
    """
    header = fits.Header()
    header["ORIGIN"] = "dsps_sbi"
    header[f"HIERARCH {_PREFIX}FORMAT"] = 1
    for key, value in meta.items():
        number = isinstance(value, int | float | np.number) and math.isfinite(value)
        if isinstance(value, np.generic) and number:
            value = value.item()
        header[f"HIERARCH {_PREFIX}{key.upper()}"] = value if number else card_text(value)
    for comment in comments:
        header.add_comment(comment)
    return header


def plane_header(celestial, unit, text):
    """Header of a cube: the celestial WCS, and the percentile as the third, linear axis."""
    header = fits.Header()
    if celestial:
        header["WCSAXES"] = 3
        header.update(
            {
                card.keyword: (card.value, card.comment)
                for card in celestial.cards
                if card.keyword != "WCSAXES"
            }
        )
    header["CTYPE3"] = ("PERCENTILE", "percentile of the posterior")
    header["CRPIX3"] = 1.0
    header["CRVAL3"] = (16.0, "plane 1; planes 2 and 3 are 50 and 84")
    header["CDELT3"] = 34.0
    header["BUNIT"] = card_text(unit)
    header["DESCRIP"] = card_text(text)
    return header


def column_hdu(celestial, name, image):
    """Extension of one column; those of codes carry a card for each code."""
    header = celestial.copy()
    extension, text = quality.describe(name)
    header["COLUMN"] = name
    header["DESCRIP"] = card_text(text)
    if name in CODES:
        for number, (code, meaning) in enumerate(code_text(CODES[name]).items()):
            header[f"CODE{number}"] = code
            header.add_comment(f"{code}: {meaning}")
    return fits.ImageHDU(image, header=header, name=extension)


def _add_flags(header):
    for name, text in describe().items():
        header.add_comment(f"{PixelFlag[name].value} {name}: {text}")
