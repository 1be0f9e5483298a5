"""Errors that are scaled before inference, and what is said of those that are stated."""

import dataclasses

import numpy as np
import pytest
from astropy.io import fits

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.inference.error_summary import ErrorScale
from dsps_sbi.photometry.fingerprint import reference_fluxes

DRAWS = 40


@pytest.fixture(scope="module")
def post(tiny_posterior, toy_model):
    meta = tiny_posterior.meta | {"reference": reference_fluxes(toy_model)}
    return dataclasses.replace(tiny_posterior, meta=meta)


@pytest.fixture
def galaxies(post, mock_pixels):
    """Factory of catalogues of n galaxies at one redshift, errors times a factor."""

    def galaxies(n, factor=1.0):
        flux, sigma = (a[:n] for a in mock_pixels)
        return ds.Catalogue(flux, np.float32(factor) * sigma, post.filters, 2.0, source="here.fits")

    return galaxies


def test_a_scale_that_is_given_is_that_of_the_errors(post, galaxies, make_cube, mock_pixels):
    options = {"weigh": False, "n_draws": DRAWS}
    scaled = post.infer(galaxies(4), error_scale=2.0, **options)
    np.testing.assert_array_equal(scaled.posteriors.u, post.infer(galaxies(4, 2.0), **options).posteriors.u)
    assert scaled.meta["error_scale"] == 2.0 and scaled.meta["error_scale_from"] == "given"
    np.testing.assert_array_equal(scaled.catalogue.sigma_ujy, galaxies(4, 2.0).sigma_ujy)
    # before the cut in S/N
    image = post.infer(make_cube(), error_scale=3.0, **options)
    expected = post.infer(make_cube(sigma=np.float32(3.0) * mock_pixels[1]), **options)
    np.testing.assert_array_equal(image.snr, expected.snr)
    np.testing.assert_array_equal(image.quantiles, expected.quantiles)
    assert image.maps().meta["error_scale"] == 3.0


def test_a_scale_is_fitted_to_weighed_objects(post, toy_model, galaxies, monkeypatch):
    from dsps_sbi.photometry import error_scale as module

    seen = []

    def fit(summary_at, what):
        seen.extend([what, summary_at(0.5)])
        return ErrorScale(0.25, 0.2, 0.3, fitted=True)

    monkeypatch.setattr(module, "fit_scale", fit)
    result = post.infer(galaxies(12), model=toy_model, n_draws=DRAWS, error_scale="fit")
    assert seen[0] == "here.fits" and seen[1].n == 12 and seen[1].known
    assert result.meta["error_scale"] == 0.25 and result.meta["error_scale_from"] == "fit"
    np.testing.assert_allclose(result.catalogue.sigma_ujy, galaxies(12, 0.25).sigma_ujy)
    # the summary is that of all answers, and in the header
    assert result.errors.n == 12 and result.meta["errors"] == result.errors.words()
    assert result.table().meta["p_median"] == pytest.approx(np.median(result.columns["ppc_p"]))


def test_maps_carry_the_summary(post, toy_model, make_cube, tmp_path):
    result = post.infer(make_cube(), model=toy_model, n_draws=DRAWS)
    paths = result.write(tmp_path)
    assert [path.name for path in paths] == ["maps.fits", "summary.ecsv", "maps.png", "errors.png"]
    assert result.errors.n == 42 and result.errors.n_independent <= 42
    with fits.open(paths[0]) as hdus:
        assert hdus[0].header["DSPS_SBI ERRORS"].startswith("errors: median p ")
        assert {"ERRSCALE", "ERRDOF", "MASSSPR", "INFORMED"} <= {hdu.name for hdu in hdus}
    # of a run without weights nothing is known, and no picture of an earlier one stays
    post.infer(make_cube(), weigh=False, n_draws=DRAWS).write(tmp_path)
    assert not (tmp_path / "errors.png").exists()


def test_what_cannot_be_scaled_or_fitted(post, toy_model, galaxies):
    with pytest.raises(UserError, match="error scale 0: give a number above 0, or 'fit'"):
        post.infer(galaxies(4), error_scale=0)
    with pytest.raises(UserError, match="here.fits: the scale of the errors cannot be fitted .errors: 4 obj"):
        post.infer(galaxies(4), model=toy_model, n_draws=DRAWS, error_scale="fit")
    with pytest.raises(UserError, match="cannot be fitted .no object has a p-value.: give a number"):
        post.infer(galaxies(12), weigh=False, n_draws=DRAWS, error_scale="fit")


def test_errors_that_are_all_equal_or_of_one_band_are_told(post, make_cube, mock_pixels, galaxies):
    same = np.full_like(mock_pixels[1], np.median(mock_pixels[1]))
    image = post.infer(make_cube(sigma=same), weigh=False, n_draws=DRAWS)
    assert "all errors are" in image.meta["errors"] and "equal errors are seldom" in image.errors.words()
    whole = galaxies(12)
    alone = ds.Catalogue(whole.flux_ujy[:, :1], whole.sigma_ujy[:, :1], whole.filters[:1], 2.0)
    assert "one band: " in post.infer(alone, weigh=False, n_draws=DRAWS).meta["errors"]
