"""Photometry as a user gives it, on its way to the network."""

import dataclasses

import numpy as np
import pytest
from astropy import units as u

import dsps_sbi as ds
from dsps_sbi.errors import UserError


def put(array, place, value):
    array = np.array(array)
    array[place] = value
    return array


def test_units_and_byte_order_make_no_difference(tiny_posterior, mock_pixels):
    flux, sigma = mock_pixels
    expected = tiny_posterior.prepared(flux, sigma, 2.0)
    same = {
        "nJy": (1e3 * flux.astype(float) * u.nJy, 1e3 * sigma.astype(float) * u.nJy),
        "big-endian": (flux.astype(">f8"), sigma.astype(">f4")),
        "strided": (np.repeat(flux, 2, axis=0)[::2], np.asfortranarray(sigma)),
        "lists": (flux.tolist(), sigma.tolist()),
    }
    for name, pair in same.items():
        got = tiny_posterior.prepared(*pair, np.array(2.0, ">f8"))
        for one, two in zip(got, expected, strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-6, err_msg=name)
            assert np.asarray(one).dtype.isnative


def test_what_lies_under_a_mask_is_missing(tiny_posterior, mock_pixels):
    flux, sigma = mock_pixels
    mask = np.zeros(flux.shape, bool)
    mask[:, 14] = True
    got = tiny_posterior.prepared(np.ma.array(put(flux, (slice(None), 14), -99.0), mask=mask), sigma, 2.0)
    expected = tiny_posterior.prepared(put(flux, (slice(None), 14), np.nan), sigma, 2.0)
    assert not got.valid[:, 14].any()
    for one, two in zip(got, expected, strict=True):
        np.testing.assert_array_equal(one, two)


def test_an_error_that_stands_for_none_is_a_missing_band(tiny_posterior, mock_pixels):
    """Flux 0 with an error of 9.9e9 is NaN in other words."""
    flux, sigma = (
        put(a, (slice(0, 5), 9), value) for a, value in zip(mock_pixels, (0.0, 9.9e9), strict=True)
    )
    got = tiny_posterior.prepared(flux, sigma, 2.0)
    expected = tiny_posterior.prepared(put(flux, (slice(0, 5), 9), np.nan), sigma, 2.0)
    for one, two in zip(got, expected, strict=True):
        np.testing.assert_array_equal(one, two)
    assert (~got.valid).sum() == 5 and tiny_posterior.in_range(got).all()


ONES = np.ones((4, 19))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"z": [2.0, 2.0, 9.0, np.nan]},
            "redshift 9 of row 2, 3, counted from 0, is outside the bundle's range",
        ),
        ({"z": [np.nan] * 4}, "redshift nan of row 0, 1, 2 and 1 more, counted from 0, is outside"),
        ({"z": -1.0}, "redshift -1 is outside the bundle's range 0.001-7.5: correct it"),
        ({"z": [2.0, 2.0]}, r"redshift has shape \(2,\): expected one, or one for each of 4 objects"),
        ({"z": True}, "redshift: true and false given"),
        (
            {"flux_ujy": ONES[:0], "sigma_ujy": ONES[:0]},
            r"fluxes \(0, 19\) hold no object: expected at least one",
        ),
        ({"flux_ujy": ONES[0]}, r"fluxes \(19,\) and errors \(4, 19\): give two arrays"),
        ({"flux_ujy": ONES * u.m, "sigma_ujy": ONES * u.m}, "flux_ujy is in m: expected uJy"),
        ({"sigma_ujy": ONES * u.nJy}, "sigma_ujy is in nJy and flux_ujy has no unit"),
        (
            {"flux_ujy": put(ONES, (2, 14), -99.0)},
            r"photometry: the flux of row 2 in \w+ is -99 with an error",
        ),
        ({"valid": ONES[0] > 0}, r"valid has shape \(19,\): expected \(4, 19\), as the fluxes"),
        ({"upper": 7 * ONES}, "upper holds other values than true and false"),
    ],
)
def test_what_is_refused(tiny_posterior, changes, message):
    given = {"flux_ujy": ONES, "sigma_ujy": ONES, "z": 2.0} | changes
    for method in (tiny_posterior.prepared, tiny_posterior.sample):
        with pytest.raises(UserError, match=message):
            method(**given)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": 2**64}, "seed is 18446744073709551616: expected a whole number from 0 to 4294967295"),
        ({"seed": -1}, "seed is -1: expected a whole number"),
        (
            {"n_draws": 10**9},
            "number of draws per pixel is 1000000000: expected a whole number from 2 to 1000000",
        ),
        ({"n_draws": 2.5}, "number of draws per pixel is 2.5: expected a whole number"),
        ({"n_draws": 1}, "1 draws per pixel: ask for at least 2"),
    ],
)
def test_draws_and_seeds_have_bounds(tiny_posterior, make_cube, tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        tiny_posterior.infer(make_cube(), **options)
    # told once, not of each image
    with pytest.raises(UserError, match=message):
        ds.infer_many(tiny_posterior, [make_cube(), make_cube()], tmp_path / "out", **options)
    assert not list(tmp_path.iterdir())


def test_an_image_without_a_single_answer_is_no_success(tiny_posterior, make_cube, tmp_path):
    """Weights that are NaN stand for whatever makes draws that are not finite."""
    import jax

    broken = dataclasses.replace(
        tiny_posterior,
        weights=jax.tree.map(lambda a: np.full(a.shape, np.nan, a.dtype), tiny_posterior.weights),
    )
    with pytest.raises(
        UserError, match="no pixel of the image has an answer: the draws of all 42 are not finite"
    ):
        broken.infer(make_cube(), n_draws=20, draws_path=tmp_path / "draws.h5")
    assert not list(tmp_path.iterdir())


def test_theta_of_the_model(toy_model):
    theta = np.array([0.3, 0.5, -0.3, 0.4, 9.0])
    expected = toy_model.predict(theta, 2.0)
    np.testing.assert_allclose(
        toy_model.predict(theta.astype(">f8"), np.array(2.0, ">f8")), expected, rtol=1e-6
    )
    np.testing.assert_allclose(toy_model.predict(theta.tolist(), 2.0), expected, rtol=1e-6)
    names = "log_tau, t_start, metallicity, av, log_mass_formed"
    for wrong in (theta[:4], theta[None]):
        with pytest.raises(UserError, match=rf"theta has shape .*: expected \(5,\), {names}; give these"):
            toy_model.predict(wrong, 2.0)
    with pytest.raises(UserError, match=r"theta has shape \(5,\): expected \(objects, 5\), log_tau"):
        toy_model.predict_fast(theta, None)
    with pytest.raises(UserError, match="theta is in kg: expected numbers without a unit"):
        toy_model.predict(theta * u.kg, 2.0)
    with pytest.raises(UserError, match="redshift is in km / s: expected numbers without a unit"):
        toy_model.predict(theta, 2.0 * u.km / u.s)
