"""Fisher information against closed forms and against scores of the exact likelihood."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dsps_sbi as ds
from dsps_sbi.instruments.filters import FilterSet
from dsps_sbi.kernels.likelihood import log_likelihood
from dsps_sbi.photometry.model import GalaxyModel
from dsps_sbi.photometry.prior import photometry_prior
from dsps_sbi.priors import Prior, StudentT, Uniform

THETA, Z = np.float32([0.2, 0.5, -0.3, 0.8, 9.0]), 1.2
DESIGN = np.array([[1.0, 0.0], [0.5, 2.0], [-1.0, 1.0]], np.float32)


class Line:
    """Fluxes linear in two parameters, no prior."""

    def predict(self, theta, z):
        return DESIGN @ theta * (1.0 + z)


class Curve:
    """Fluxes of three bands that curve with both parameters."""

    def predict(self, theta, z):
        return jnp.stack([jnp.exp(theta[0]), 2.0 + theta[0] * theta[1], 3.0 * 10.0 ** (0.4 * theta[1])])


class Flat(Line):
    """A model with uniform and other priors."""

    names = ("slope", "offset")

    def __init__(self, cosmology, **marginals):
        self.cosmology = cosmology
        self.prior = Prior(marginals or {"slope": Uniform(0.0, 6.0), "offset": Uniform(-1.0, 1.0)})


@pytest.fixture(scope="module")
def few(toy):
    names = ("F606W", "F090W", "F150W", "F182M", "F277W", "F356W", "F444W")
    return GalaxyModel(toy, FilterSet.from_names(names), photometry_prior())


@pytest.fixture(scope="module")
def sigma(few):
    return np.asarray(jax.jit(few.predict)(THETA, Z)) / np.float32([5, 10, 15, 20, 25, 30, 35])


def test_linear_model_in_closed_form():
    sigma = np.array([0.5, 2.0, 0.1])
    info = ds.fisher(Line(), [1.0, 2.0], 0.5, sigma)
    slopes = 1.5 * DESIGN.astype(float)
    expected = slopes.T @ np.diag(sigma**-2) @ slopes
    np.testing.assert_allclose(info.matrix, expected, rtol=1e-6)
    np.testing.assert_allclose(info.errors() ** 2, np.diag(np.linalg.inv(expected)), rtol=1e-5)
    assert float(info.log_det()) == pytest.approx(np.linalg.slogdet(expected)[1], rel=1e-5)
    assert info.prior_matrix is None and info.names == ("param_0", "param_1")
    assert info.bands == ("band_0", "band_1", "band_2")


def test_the_scatter_informs_too():
    """One band, one scale parameter: f = s f0 with sigma^2 = (floor f)^2 alone has 1/floor^2 + 2 of it."""

    class Scale:
        def predict(self, theta, z):
            return jnp.exp(theta)

    info = ds.fisher(Scale(), [3.0], 1.0, [1e-4], floor=0.3)
    np.testing.assert_allclose(info.matrix, [[1.0 / 0.09 + 2.0]], rtol=1e-5)


@pytest.mark.parametrize("floor", [0.0, 0.4])
def test_it_is_the_covariance_of_scores(floor):
    model, theta, sigma = Curve(), jnp.array([0.3, -0.2]), jnp.array([0.2, 0.1, 0.5])
    info = ds.fisher(model, theta, 1.0, sigma, floor=floor)
    flux = model.predict(theta, 1.0)
    total = jnp.sqrt(sigma**2 + (floor * flux) ** 2)
    data = flux + total * jax.random.normal(jax.random.key(0), (40_000, 3))

    def log_p(theta, y):
        return log_likelihood(y, sigma, jnp.ones(3, bool), model.predict(theta, 1.0), floor)

    scores = np.asarray(jax.jit(jax.vmap(jax.grad(log_p), (None, 0)))(theta, data), float)
    hessians = np.asarray(jax.jit(jax.vmap(jax.hessian(log_p), (None, 0)))(theta, data), float)
    products = scores[:, :, None] * scores[:, None, :]
    for sample in (products, -hessians):
        error = sample.std(axis=0) / np.sqrt(len(sample))
        assert np.all(np.abs(sample.mean(axis=0) - info.matrix) < 4 * error + 1e-5 * np.abs(info.matrix))
    # and the test would see a missing term: the one of the scatter
    slopes = jax.jacfwd(model.predict)(theta, 1.0) / total[:, None]
    without = products.mean(axis=0) - slopes.T @ slopes
    error = products.std(axis=0) / np.sqrt(len(products))
    assert (np.abs(without) > 8 * error).any() == (floor > 0)


def test_bands_add_up(few, sigma):
    info = ds.fisher(few, THETA, Z, sigma, floor=0.05)
    assert info.per_band.shape == (7, 5, 5) and info.bands == few.filters.names and info.names == few.names
    np.testing.assert_allclose(info.per_band.sum(axis=0), info.matrix, rtol=1e-5, atol=1e-4)
    assert np.all(np.linalg.matrix_rank(np.asarray(info.per_band)) == 1)
    missing = ds.fisher(few, THETA, Z, np.where(np.arange(7) == 2, np.inf, sigma), floor=0.05)
    others = np.delete(info.per_band, 2, axis=0).sum(axis=0)
    np.testing.assert_allclose(missing.matrix, others, rtol=1e-5, atol=1e-4)
    assert np.all(np.asarray(missing.errors()) >= np.asarray(info.errors()))


def test_slopes_are_those_of_the_model(few, sigma):
    info = ds.fisher(few, THETA, Z, sigma)
    predict = jax.jit(few.predict)
    for i, step in ((2, 0.01), (3, 0.02), (4, 0.01)):
        shift = step * np.eye(5, dtype=np.float32)[i]
        slope = (np.asarray(predict(THETA + shift, Z), float) - predict(THETA - shift, Z)) / (2 * step)
        np.testing.assert_allclose(info.rows[:, i] * sigma, slope, rtol=5e-3, atol=1e-3 * np.abs(slope).max())


def test_gain_is_what_is_lost_without_the_band(few, sigma):
    info = ds.fisher(few, THETA, Z, sigma, floor=0.05)
    total = np.asarray(info.rows, float).T @ info.rows + np.asarray(info.prior_matrix, float)
    nats, shares = info.gain(), info.gain("av")
    first = info.gain(added_to="prior")
    for i in range(7):
        band = np.outer(info.rows[i], info.rows[i]).astype(float)
        without = total - band
        lost = np.linalg.slogdet(total)[1] - np.linalg.slogdet(without)[1]
        assert float(nats[i]) == pytest.approx(lost, rel=0.01, abs=1e-3)
        share = 1.0 - np.linalg.inv(total)[3, 3] / np.linalg.inv(without)[3, 3]
        assert float(shares[i]) == pytest.approx(share, rel=0.02, abs=1e-3)
        alone = np.linalg.slogdet(info.prior_matrix + band)[1] - np.linalg.slogdet(info.prior_matrix)[1]
        assert float(first[i]) == pytest.approx(alone, rel=0.01, abs=1e-3)
    # what the others say already need not be said again
    assert np.all(np.asarray(nats) < np.asarray(first))


def test_prior_as_a_gaussian(few, sigma):
    info = ds.fisher(few, THETA, Z, sigma)
    width = np.array([4.0, float(few.cosmology.age(Z)), 2.67, 4.0, 8.0])
    np.testing.assert_allclose(info.prior_matrix, np.diag(12.0 / width**2), rtol=1e-4)
    assert np.all(np.asarray(info.errors()) < width / np.sqrt(12.0))
    assert np.all(np.asarray(info.errors()) < np.asarray(info.errors(prior=False)))


def test_prior_that_is_not_uniform(few):
    model = Flat(few.cosmology, slope=Uniform(0.0, 6.0), offset=StudentT(0.3))
    info = ds.fisher(model, [1.0, 0.0], 1.0, np.ones(3))
    draws = StudentT(0.3).ppf(jax.random.uniform(jax.random.key(1), (200_000,)), 1.0)
    assert float(info.prior_matrix[1, 1]) == pytest.approx(1.0 / float(jnp.var(draws)), rel=0.1)


def test_what_the_data_do_not_say_is_infinite():
    one = ds.fisher(Line(), [1.0, 2.0], 0.0, [1.0, np.inf, np.inf])
    np.testing.assert_allclose(one.errors(), [1.0, np.inf], rtol=1e-6)
    both = ds.fisher(Line(), [1.0, 2.0], 0.0, [np.inf, 1.0, np.inf])
    assert np.all(np.isinf(both.errors())) and np.isneginf(float(both.log_det()))
    np.testing.assert_allclose(one.gain("param_0"), [1.0, 0.0, 0.0])
    np.testing.assert_allclose(one.gain("param_1"), 0.0)


def test_vmap_is_a_loop(few, sigma):
    theta = np.stack([THETA, THETA + np.float32([0.3, -0.1, 0.2, 0.5, 0.4])])
    z = np.float32([1.2, 0.7])

    def errors_and_gain(theta, z, sigma):
        info = ds.fisher(few, theta, z, sigma, floor=0.05)
        return info.errors(), info.gain("log_mass_formed"), info.matrix

    together = jax.vmap(errors_and_gain, (0, 0, None))(theta, z, sigma)
    for i in range(2):
        alone = errors_and_gain(theta[i], z[i], sigma)
        np.testing.assert_allclose(together[0][i], alone[0], rtol=0.01)
        np.testing.assert_allclose(together[1][i], alone[1], atol=0.01)
        np.testing.assert_allclose(together[2][i], alone[2], rtol=1e-3, atol=1e-3 * np.abs(alone[2]).max())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"theta": [1.0, 2.0]}, "theta outside the prior at z = 1: bring offset = 2 inside"),
        ({"theta": [np.nan, 0.0]}, "bring slope = nan inside"),
        ({"theta": [[1.0, 0.0]]}, r"theta has shape \(1, 2\), expected \(2,\): use jax.vmap"),
        ({"theta": [1.0, 0.0, 0.0]}, r"theta has shape \(3,\), expected \(2,\)"),
        ({"z": 9.0}, "redshift 9 is outside the model's range 0.001-7.5"),
        ({"sigma_ujy": np.ones(4)}, r"sigma_ujy has shape \(4,\), expected \(3,\)"),
        ({"sigma_ujy": [1.0, 0.0, 1.0]}, "sigma_ujy is not positive"),
        ({"sigma_ujy": [1.0, np.nan, 1.0]}, "sigma_ujy is not positive"),
        ({"floor": 1.0}, "noise floor 1.0"),
    ],
)
def test_unusable_input(few, change, message):
    good = {"theta": [1.0, 0.0], "z": 1.0, "sigma_ujy": np.ones(3), "floor": 0.0}
    with pytest.raises(ds.UserError, match=message):
        ds.fisher(Flat(few.cosmology), **(good | change))


def test_unusable_questions(few):
    info = ds.fisher(Flat(few.cosmology), [1.0, 0.0], 1.0, np.ones(3))
    with pytest.raises(ds.UserError, match="parameter 'mass' is unknown: use one of slope, offset"):
        info.gain("mass")
    with pytest.raises(ds.UserError, match="added_to is 'all'"):
        info.gain(added_to="all")
    with pytest.raises(ds.UserError, match="one band alone constrains no model"):
        info.gain(added_to="prior", prior=False)
    with pytest.raises(ds.UserError, match="one band alone constrains no model"):
        ds.fisher(Line(), [1.0, 0.0], 1.0, np.ones(3)).gain(added_to="prior")
