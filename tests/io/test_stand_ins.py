"""Numbers that stand for missing values."""

import numpy as np
import pytest
from astropy import units as u

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.io.stand_ins import refuse_stand_ins, stand_ins


@pytest.mark.parametrize(
    ("flux", "sigma", "factor", "expected"),
    [
        (-99.0, 0.1, 1.0, True),
        (-999.0, 3.0, 1.0, True),
        (-9999.0, 1.0, 1.0, True),
        (-99.9, 1.0, 1.0, True),
        # in nJy, as fluxes in uJy
        (-0.099, 1e-4, 1e-3, True),
        (-0.099, 1e-4, 1.0, False),
        # within 5 errors of zero, or another number: measurements
        (-99.0, 25.0, 1.0, False),
        (-99.01, 0.1, 1.0, False),
        (-100.0, 0.1, 1.0, False),
        (99.0, 0.1, 1.0, False),
        # flux and error are the same
        (-99.0, 99.0, 1.0, True),
        (99.0, 99.0, 1.0, True),
        (98.0, 98.0, 1.0, False),
        # no error: missing already
        (-99.0, -99.0, 1.0, False),
        (-99.0, 0.0, 1.0, False),
        (-99.0, np.nan, 1.0, False),
        (np.nan, 1.0, 1.0, False),
    ],
)
def test_the_rule(flux, sigma, factor, expected):
    flux, sigma = (np.float32([[value]]) for value in (flux, sigma))
    assert stand_ins(flux, sigma, factor).item() is expected


def test_the_first_one_is_named():
    flux = np.ones((3, 2))
    flux[1, 0] = flux[2, 1] = -99.0
    with pytest.raises(
        UserError,
        match="here: the flux of 1 in 0 is -99 with an error of 1, and 1 more are alike: such a number",
    ):
        refuse_stand_ins(flux, np.ones((3, 2)), lambda i, band: f"{i} in {band}", where="here")
    refuse_stand_ins(np.ones((3, 2)), np.ones((3, 2)), str, where="here")


def test_images(make_cube, mock_pixels):
    flux = mock_pixels[0].copy()
    flux[8, 14] = -99.0
    with pytest.raises(UserError, match=r"cube: the flux of pixel \(1, 1\) of \w+ is -99 with an error"):
        make_cube(flux)
    # what is masked may be anything
    mask = np.arange(42) == 8
    make_cube(flux, mask=mask)
    # -99 in nJy
    with pytest.raises(UserError, match=r"the flux of pixel \(1, 1\) of \w+ is -99 with an error"):
        make_cube(np.where(flux == -99.0, flux, 1e3 * flux) * u.nJy, 1e3 * mock_pixels[1] * u.nJy)


def test_files(make_cutout, mock_pixels):
    """In the unit of the file, which is not that of the image."""
    flux, sigma = (1e3 * a for a in mock_pixels)
    flux[8, 14] = -99.0
    path = make_cutout(flux=flux, sigma=sigma, BUNIT="nJy")
    with pytest.raises(
        UserError, match=r"galaxy.fits FLUX: the flux of pixel \(1, 1\) in \w+ is -99 with an"
    ):
        ds.read(path)
    np.testing.assert_allclose(
        ds.read(
            make_cutout(flux=flux, sigma=sigma, BUNIT="nJy", mask=(np.arange(42) == 8).reshape(6, 7))
        ).flux_ujy[0],
        mock_pixels[0][0],
        rtol=1e-6,
    )


def test_limits_without_an_error_are_refused(make_cube, mock_pixels):
    """Where some catalogues have -1: what is k times that is not known, and the limit would be dropped."""
    flux, sigma = (a.copy() for a in mock_pixels)
    flux[8, 14], sigma[8, 14] = 1.0, -1.0
    upper = np.zeros(flux.shape, bool)
    upper[8, 14] = True
    words = r"the upper limit of {} has an error of -1: expected a positive error, the flux being k times it"
    with pytest.raises(UserError, match="cube: " + words.format(r"pixel \(1, 1\) of \w+")):
        make_cube(flux, sigma, upper=upper)
    make_cube(flux, sigma, upper=upper, mask=np.arange(42) == 8)
    bands = make_cube().filters
    with pytest.raises(UserError, match="catalogue: " + words.format(r"8 in \w+")):
        ds.Catalogue(flux, sigma, bands, 2.0, upper=upper)
    # without the flag it is a missing band, as ever
    assert not ds.Catalogue(flux, sigma, bands, 2.0).valid[8, 14]
    with pytest.raises(UserError, match="no galaxy has a flux with an error in any band"):
        ds.Catalogue(flux, np.zeros_like(sigma), bands, 2.0)
