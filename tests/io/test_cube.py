import dataclasses

import numpy as np
import pytest
from astropy.io import fits

from dsps_sbi.errors import UserError
from dsps_sbi.io.cube import PixelCube


def cube(**changes):
    fields = dict(
        flux_ujy=np.arange(1.0, 13.0).reshape(6, 2),
        sigma_ujy=np.full((6, 2), 0.1),
        filters=("F277W", b"HST_ACS.F850LP"),
        redshift=3.4,
        shape=(2, 3),
    )
    return PixelCube(**(fields | changes))


def test_fields_are_canonical():
    one = cube(redshift="3.4", shape=[2, 3], header=fits.Header({"OBSERVER": "Somebody"}))
    assert one.flux_ujy.dtype == one.sigma_ujy.dtype == np.float32
    assert one.filters == ("jwst_f277w", "acs_wfc_f850lp")
    assert one.redshift == 3.4 and one.shape == (2, 3) and one.source == ""
    assert one.mask.shape == (6,) and one.mask.dtype == bool and not one.mask.any()
    assert not one.header
    assert one.valid.all()
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.redshift = 2.0


def test_mask_is_flattened_in_c_order():
    mask = np.zeros((2, 3))
    mask[1, 0] = 1
    assert np.flatnonzero(cube(mask=mask).mask).tolist() == [3]


def test_unusable_values_are_missing_bands():
    flux = np.arange(1.0, 13.0).reshape(6, 2)
    sigma = np.full((6, 2), 0.1)
    flux[0, 0], flux[1, 1] = np.nan, np.inf
    sigma[2, 0], sigma[3, 1], sigma[4, 0], sigma[5, 1] = 0.0, -1.0, np.nan, np.inf
    flux[5, 0] = 0.0
    expected = np.ones((6, 2), bool)
    expected[[0, 1, 2, 3, 4, 5], [0, 1, 0, 1, 0, 1]] = False
    np.testing.assert_array_equal(cube(flux_ujy=flux, sigma_ujy=sigma).valid, expected)


def test_bands_of_zeros_and_nan_are_missing():
    flux = np.arange(1.0, 13.0).reshape(6, 2)
    flux[:, 1] = 0.0
    flux[2, 1] = np.nan
    np.testing.assert_array_equal(cube(flux_ujy=flux).valid, [[True, False]] * 6)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"flux_ujy": np.ones((2, 3, 2))}, r"flux_ujy has shape \(2, 3, 2\): expected \(6, 2\)"),
        ({"sigma_ujy": np.ones((6, 3))}, r"sigma_ujy has shape \(6, 3\): expected \(6, 2\)"),
        ({"filters": ()}, "filters is empty"),
        ({"filters": "F277W"}, "single name 'F277W'"),
        ({"filters": ("F277W", "jwst_f277w")}, "jwst_f277w is listed twice"),
        ({"filters": ("F277W", "spam")}, "'spam' is not known"),
        ({"redshift": 0.0}, "redshift is 0.0: expected a finite number above 0"),
        ({"redshift": np.nan}, "redshift is nan"),
        ({"redshift": "none"}, "redshift"),
        ({"shape": (6,)}, r"shape is \(6,\)"),
        ({"shape": (2.5, 3)}, "shape is"),
        ({"shape": (0, 3)}, "shape is"),
        ({"mask": np.zeros((3, 2))}, r"mask has shape \(3, 2\): expected \(2, 3\)"),
        ({"upper": np.zeros(6)}, r"upper has shape \(6,\): expected \(6, 2\)"),
        (
            {"flux_ujy": np.full((6, 2), -1.0), "upper": np.ones((6, 2))},
            "an upper limit is not positive: expected k times the error",
        ),
        ({"mask": np.ones(6)}, "all pixels are masked"),
        ({"sigma_ujy": np.full((6, 2), -1.0)}, "no error is finite and positive"),
        ({"sigma_ujy": np.full((6, 2), np.nan)}, "no error is finite and positive"),
        ({"flux_ujy": np.zeros((6, 2))}, "no unmasked pixel has a flux"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        cube(**changes)


@pytest.mark.parametrize("redshift", [None, "unknown"])
def test_redshifts_may_be_left_open(redshift):
    open_one = cube(redshift=redshift)
    assert open_one.redshift is None and dataclasses.replace(open_one, source="x").redshift is None
