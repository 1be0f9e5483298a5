"""Images, catalogues, arrays, scaled errors: all doors lead to the same weights, by one compiled program."""

import numpy as np
import pytest

import dsps_sbi as ds
from dsps_sbi.inference.derived import MassTable
from dsps_sbi.io import PixelCube
from dsps_sbi.photometry.likelihood import PhotometryLikelihood
from dsps_sbi.photometry.universal.posterior import UniversalPosterior

NAMES = ("bessell_V", "F182M", "hsc_i", "F277W")
N_DRAWS, Z = 20, 0.7
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module")
def post(plain_model, any_filters):
    network, table = any_filters.network, MassTable.from_grid(plain_model.ssp)
    return UniversalPosterior(
        network, network.init(0), any_filters.noise, table, {"name": "untrained"}, lya_escape=0.0
    )


@pytest.fixture(scope="module")
def likelihood(post, plain_model):
    return post.likelihood_of(plain_model)


@pytest.fixture(scope="module")
def galaxies():
    rng = np.random.default_rng(0)
    return (1.0 + 0.1 * rng.standard_normal((4, 4))).astype(np.float32), np.full((4, 4), 0.1, np.float32)


@pytest.fixture(scope="module")
def of_catalogue(post, likelihood, galaxies):
    return post.infer(ds.Catalogue(*galaxies, NAMES, Z), model=likelihood, n_draws=N_DRAWS)


def test_an_image_is_weighed_as_a_catalogue_is(post, likelihood, galaxies, of_catalogue, tmp_path):
    image = post.infer(PixelCube(*galaxies, NAMES, Z, (2, 2)), model=likelihood, n_draws=N_DRAWS)
    found = np.asarray(image.columns["log_evidence"]).ravel()
    np.testing.assert_allclose(found, of_catalogue.posteriors.log_evidence, rtol=1e-5)
    image.write(tmp_path)
    assert (tmp_path / "maps.fits").is_file()


def test_parts_of_a_table_share_what_is_made_for_the_filters(post, likelihood, galaxies, of_catalogue):
    assert type(likelihood) is PhotometryLikelihood
    bound = post._behind(post.for_filters(NAMES), likelihood)
    assert bound is post._behind(post.for_filters(NAMES), likelihood)
    again = post.infer(*galaxies, Z, filters=NAMES, model=likelihood, n_draws=N_DRAWS)
    np.testing.assert_array_equal(again.values, of_catalogue.values)


def test_errors_are_scaled(post, likelihood, galaxies, of_catalogue):
    options = {"model": likelihood, "n_draws": N_DRAWS}
    scaled = post.infer(ds.Catalogue(*galaxies, NAMES, Z), error_scale=2.0, **options)
    flux, sigma = galaxies
    np.testing.assert_array_equal(
        scaled.values, post.infer(flux, 2.0 * sigma, Z, filters=NAMES, **options).values
    )
    assert scaled.meta["error_scale"] == 2.0


def test_arrays_of_any_posterior(post, galaxies):
    survey = post.for_filters(NAMES)
    theta = survey.sample(*galaxies, Z, n_draws=3)
    assert theta.shape == (4, 3, len(post.names))
    assert np.isfinite(survey.log_prob(theta, *galaxies, Z)).all()
