"""Maps of what follows from the draws of pixels: densities per square kiloparsec, probabilities, regions."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.utils.exceptions import AstropyUserWarning
from scipy import ndimage

from ..constants import PERCENTILES
from ..inference.result import percentiles
from ..inference.table import percentile_columns, table_of
from ..io.atomic import atomic_path
from ..io.fits_open import open_fits
from ..io.summary import write_summary
from .main_sequence import SOURCE, STARBURST_DEX, log_excess
from .maps_fits import plane_header, provenance_header
from .resolved import Resolved

PRODUCTS, REGIONS = "products.fits", "regions.ecsv"
# Quantity of the draws -> extension, unit and meaning of its density
_DENSITIES = {
    "log_mass": ("SIGMA_MASS", "dex(solMass/kpc2)", "log10 of stellar mass per square kiloparsec"),
    "log_sfr_100": ("SIGMA_SFR", "dex(solMass/yr/kpc2)", "log10 of SFR over 100 Myr per square kiloparsec"),
}
_COMMENTS = (
    "Made of the draws of the pixels. SIGMA_...: planes 1, 2, 3 are the 16th, 50th and 84th",
    "percentile; areas are those on the sky, at the redshift of each draw, not corrected for",
    "inclination. P_...: shares of the draws. REGIONS: numbers of regions.ecsv, 0 elsewhere.",
)
# A region is where a starburst is more likely than not
_LIKELY = 0.5
# Pixels that touch at corners belong together
_TOUCHING = np.ones((3, 3), int)


@dataclass(frozen=True, eq=False)
class Products:
    """Maps and regions of one galaxy.

    Parameters
    ----------
    densities : dict of str to ndarray (3, ny, nx)
        Percentiles of the density of ``log_mass`` and ``log_sfr_100`` [dex per kpc^2].
    p_dusty : ndarray (ny, nx)
        P(A_V > 1 mag).
    p_starburst : ndarray (ny, nx)
        P(specific SFR above four times that of the main sequence); see :mod:`.main_sequence`.
    regions : int ndarray (ny, nx)
        Connected pixels with p_starburst above a half, numbered from 1 by their mass; 0 elsewhere.
    table : Table
        A row for each region: place, pixels, area, mass and SFR with percentiles.
    header : Header
        Celestial WCS.
    meta : dict
        Provenance.
    """

    densities: dict
    p_dusty: np.ndarray
    p_starburst: np.ndarray
    regions: np.ndarray
    table: Table
    header: fits.Header
    meta: dict

    @classmethod
    def of(cls, resolved: Resolved, *, av: float = 1.0, excess_dex: float = STARBURST_DEX) -> "Products":
        """Of the draws of a galaxy.

        Parameters
        ----------
        resolved : Resolved
            With draws of ``log_mass``, ``log_sfr_100`` and ``av``.
        av : float
            Attenuation [mag] above which a pixel counts as dusty.
        excess_dex : float
            How far above the main sequence a starburst is; four times by default.

        Raises
        ------
        UserError
            If draws of one of these were not kept.
        """
        drawn = {name: resolved.draws(name) for name in (*_DENSITIES, "av")}
        log_area = np.log10(resolved.pixel_kpc2)
        densities = {
            name: resolved.image(percentiles(np.float32(drawn[name] - log_area))) for name in _DENSITIES
        }
        excess = log_excess(drawn["log_mass"], drawn["log_sfr_100"], resolved.age_gyr)
        p_starburst = resolved.image(_share(excess, excess_dex))
        regions = _regions(p_starburst, resolved, drawn["log_mass"])
        meta = dict(resolved.maps.meta) | {
            "pixel_kpc2": float(np.median(resolved.pixel_kpc2)),
            "main_sequence": SOURCE,
            "starburst_dex": float(excess_dex),
            "dusty_av": float(av),
            "errors_of_sums": resolved.errors_of_sums,
        }
        return cls(
            densities,
            resolved.image(_share(drawn["av"], av)),
            p_starburst,
            regions,
            _table(regions, resolved, drawn, meta),
            resolved.header,
            meta,
        )

    def write(self, folder) -> list[Path]:
        """Write ``products.fits`` and ``regions.ecsv`` into a folder that exists."""
        folder = Path(folder)
        hdus = fits.HDUList([fits.PrimaryHDU(header=provenance_header(self.meta, _COMMENTS))])
        for name, (extension, unit, text) in _DENSITIES.items():
            header = plane_header(self.header, unit, text)
            hdus.append(fits.ImageHDU(np.float32(self.densities[name]), header, extension))
        images = {
            "P_AV": (np.float32(self.p_dusty), f"P(A_V > {self.meta['dusty_av']:g} mag)"),
            "P_SBURST": (np.float32(self.p_starburst), "P(starburst), see MAIN_SEQUENCE and STARBURST_DEX"),
            "REGIONS": (np.int32(self.regions), "regions where a starburst is more likely than not"),
        }
        for name, (image, text) in images.items():
            header = self.header.copy()
            header["DESCRIP"] = text
            hdus.append(fits.ImageHDU(image, header, name))
        with atomic_path(folder / PRODUCTS) as temporary, warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyUserWarning)  # long values in HIERARCH cards
            hdus.writeto(temporary, overwrite=True)
        write_summary(folder / REGIONS, self.table)
        return [folder / PRODUCTS, folder / REGIONS]


def read_products(path) -> dict[str, np.ndarray]:
    """Images of ``products.fits`` by their extensions in small letters."""
    with open_fits(path) as hdus:
        return {hdu.name.lower(): np.array(hdu.data) for hdu in hdus[1:]}


def _share(draws, above) -> np.ndarray:
    """Share of the draws (..., Draw) above a number; NaN where one is NaN."""
    return np.where(np.isnan(draws).any(axis=-1), np.nan, np.mean(draws > above, axis=-1))


def _regions(p_starburst, resolved, log_mass) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        labels, n = ndimage.label(p_starburst > _LIKELY, _TOUCHING)
    mass = 10.0 ** resolved.image(np.median(log_mass, axis=1)).astype(float)
    order = np.argsort(-ndimage.sum(mass, labels, np.arange(1, n + 1)), kind="stable")
    new = np.zeros(n + 1, np.int32)
    new[order + 1] = np.arange(1, n + 1)
    return new[labels]


def _table(regions, resolved, drawn, meta) -> Table:
    rows, labels = [], regions.ravel()[resolved.pixels]
    area = float(np.median(resolved.pixel_kpc2))
    for number in range(1, regions.max(initial=0) + 1):
        inside = labels == number
        y, x = ndimage.center_of_mass(regions == number)
        row = {
            "region": number,
            "y": y,
            "x": x,
            "n_pixels": int(inside.sum()),
            "area_kpc2": area * inside.sum(),
        }
        for name in _DENSITIES:
            total = np.log10(np.sum(10.0 ** drawn[name][inside].astype(float), axis=0))
            values = np.percentile(total, PERCENTILES)
            row |= {name + ending: float(v) for ending, v in zip(("_p16", "", "_p84"), values, strict=True)}
        rows.append(row | {"area_kpc2": float(row["area_kpc2"])})
    columns = {
        "region": ("", "number in REGIONS, the most massive first"),
        "y": ("", "row of the middle, from 0"),
        "x": ("", "column of the middle, from 0"),
        "n_pixels": ("", "pixels"),
        "area_kpc2": ("kpc2", "area on the sky"),
    }
    return table_of(rows, columns | percentile_columns(_DENSITIES), meta)
