"""What is told about an image besides flags."""

from types import SimpleNamespace

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from astropy.io import fits
from astropy.table import QTable

from dsps_sbi.cosmology import Cosmology
from dsps_sbi.io import PixelCube
from dsps_sbi.photometry.flags import PixelFlag
from dsps_sbi.photometry.notes import (
    edge_notes,
    mask_note,
    nothing_fitted,
    pixel_kpc2,
    totals_notes,
    unit_notes,
)

BANDS = ("F200W", "F277W", "F444W")
ONES = np.ones((12, 3), np.float32)
# 0.06 arcsec
TAN = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 53.1, "CRVAL2": -27.8, "CRPIX1": 1.0}
TAN |= {"CRPIX2": 1.0, "CDELT1": -0.06 / 3600, "CDELT2": 0.06 / 3600}


@pytest.fixture(scope="module")
def cosmology():
    return Cosmology.from_astropy()


def cube(flux=ONES, sigma=ONES, mask=None, z=1.47, **header):
    return PixelCube(flux, sigma, BANDS, z, (3, 4), mask=mask, header=fits.Header(header))


def test_masks_that_hide_most_pixels():
    mask = np.arange(12) < 7
    (note,) = mask_note(cube(mask=mask))
    assert note.startswith("the mask hides 7 of 12 pixels that have data: ") and "turn it over" in note
    assert not mask_note(cube(mask=np.arange(12) < 6)) and not mask_note(cube())
    # what has no data is not hidden: lists of pixels are embedded in a masked image
    empty = np.where(mask[:, None], np.nan, ONES)
    assert not mask_note(cube(empty, mask=mask))


def test_area_of_a_pixel(cosmology):
    scale = FlatLambdaCDM(H0=70.0, Om0=0.3).kpc_proper_per_arcmin(1.47).value / 60.0
    assert pixel_kpc2(cube(**TAN), cosmology) == pytest.approx((0.06 * scale) ** 2, rel=1e-3)
    assert pixel_kpc2(cube(), cosmology) == np.inf


def test_masses_that_no_galaxy_has(cosmology):
    flags, mass = np.zeros(12, int), np.full(12, 8.5)
    assert not unit_notes(mass, flags, cube(**TAN), cosmology)
    # one bad pixel is no wrong unit
    assert not unit_notes(np.where(np.arange(12) == 3, 11.9, mass), flags, cube(**TAN), cosmology)
    (note,) = unit_notes(mass + 3.0, flags, cube(**TAN), cosmology)
    assert note.startswith("12.6 dex of solar masses in all and 12.1 dex per square kiloparsec in half of")
    assert "nJy called uJy" in note
    (note,) = unit_notes(mass + 3.0, flags, cube(), cosmology)
    assert note.startswith("12.6 dex of solar masses in all are more than any galaxy has")
    assert not unit_notes(np.full(12, np.nan), flags, cube(), cosmology)
    assert not unit_notes(None, flags, cube(), cosmology)


def test_errors_that_no_image_has(cosmology):
    flags = np.where(np.arange(12) < 7, PixelFlag.OUT_OF_DEPTH, 0)
    (note,) = unit_notes(None, flags, cube(), cosmology)
    assert note.startswith("errors of 7 of 12 pixels are outside the trained range: check the unit")
    # pixels that are not fitted do not count
    flags[:4] |= PixelFlag.LOW_SNR
    assert not unit_notes(None, flags, cube(), cosmology)


@pytest.mark.parametrize(
    ("flux", "sigma", "n_bands", "message"),
    [
        (50.0, 1.0, 2, "no pixel of the image has 3 bands that can be used, 2 at most: give an image with"),
        (50.0, 1.0, 3, "the highest S/N is 50: lower the cut, --snr-min"),
        (1e-6, 1.0, 3, "the highest S/N is 1e-06: check fluxes, errors and their units"),
        # fluxes of 1, errors of 0.01
        (1.0, 1e4, 3, r"if the errors are inverse variances \(S/N up to 1e\+02\), give their square roots'"),
    ],
)
def test_why_nothing_is_fitted(flux, sigma, n_bands, message):
    valid = np.arange(3) < n_bands
    data = SimpleNamespace(flux=flux * ONES, sigma=sigma * ONES, valid=np.broadcast_to(valid, ONES.shape))
    found = nothing_fitted(cube(), data, np.full(12, flux / sigma), 5.0, 3)
    with pytest.raises(ValueError, match=message):
        raise ValueError(found)
    assert ("lower the cut" in found) == (n_bands == 3 and flux / sigma > 1)


def test_totals_that_untrusted_pixels_move():
    columns = {"quantity": ["log_mass", "log_mass_formed", "log_sfr_100"], "n_pixels": [9] * 3}
    columns |= {"n_trusted": [7] * 3}
    for start, medians in (("", (10.48, 10.6, 1.0)), ("trusted_", (9.85, 10.0, 0.99))):
        for p, off in ((16, -0.01), (50, 0.0), (84, 0.01)):
            columns[f"{start}independent_{p}"] = np.array(medians) + off
    table = QTable(columns)
    assert totals_notes(table) == [
        "totals of all pixels and of the 7 trusted ones differ by more than their errors "
        "(2 are not trusted): log_mass is 10.480 +- 0.010 and 9.850 +- 0.010"
    ]
    assert "log_mass_formed is 10.600 +- 0.010 and 10.000" in totals_notes(table[1:])[0]
    assert not totals_notes(table[2:]) and not totals_notes(table[:0])


def test_masses_at_an_edge_of_the_prior():
    edge = np.array([1, 1, 1, 0, 0, -1, 0])
    columns = {"trust": np.array([0, 0, 1, 2, 0, -1, -1]), "edge_log_mass_formed": edge}
    (note,) = edge_notes(columns, "galaxies")
    assert note.startswith(
        "log_mass_formed of 3 of 5 galaxies piles up at the upper edge of the prior: check"
    )
    assert "lower edge" in edge_notes(columns | {"edge_log_mass_formed": -edge}, "pixels")[0]
    assert not edge_notes(columns | {"trust": np.full(7, 2)}, "pixels")
