from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.special import ndtri
from jax.scipy.stats import norm
from scipy import stats

from dsps_sbi.calibration.sbc import randomised_pit
from dsps_sbi.inference.importance import Likelihood, WeightedDraws, base_noise, importance_sample, weigh
from dsps_sbi.inference.misfit import Misfit
from dsps_sbi.photometry.likelihood import PhotometryLikelihood

N_OBJECT, N_SHAPE, NOISE = 600, 3, 0.5
MEAN, SIGMA = 1.0 / (1.0 + NOISE**2), NOISE * (1.0 + NOISE**2) ** -0.5
KEY = jax.random.key(11)
IDS = np.arange(N_OBJECT, dtype=np.uint32)


class Network:
    """Proposes the exact posterior moved by a third of its width, 1.2 times as wide."""

    def condition(self, weights, x):
        return x

    def draw_shape(self, weights, x, noise):
        width = 1.2 * SIGMA
        u = MEAN * x[:, None] + SIGMA / 3.0 + width * noise
        return u, norm.logpdf(noise).sum(axis=-1) - noise.shape[-1] * np.log(width)


class Normal(Likelihood):
    """Data x of shapes with unit normal errors NOISE; of the mass nothing is known."""

    post = SimpleNamespace(network=Network(), weights=None, names=("a", "b", "c", "mass"))
    model = None
    n_proposed = PhotometryLikelihood.n_proposed

    def shape_evidence(self, u, data, view, light=None):
        return norm.logpdf(data[0][:, None], u, NOISE).sum(axis=-1), None, None

    def with_mass(self, u, share, first, second):
        return jnp.concatenate([u, ndtri(share)[..., None]], axis=-1)

    def views(self, data):
        raise NotImplementedError

    def misfit(self, u, data, view, light=None):
        return Misfit(*[jnp.mean(u, axis=(1, 2))] * 6)


jax.tree_util.register_pytree_node(Normal, lambda one: ((), None), lambda _, __: Normal())


@pytest.fixture(scope="module")
def truth():
    """Shapes and masses of the prior."""
    return np.random.default_rng(3).standard_normal((N_OBJECT, N_SHAPE + 1)).astype(np.float32)


@pytest.fixture(scope="module")
def data(truth):
    noise = np.random.default_rng(4).standard_normal((N_OBJECT, N_SHAPE))
    return (jnp.asarray(truth[:, :-1] + NOISE * noise, jnp.float32),)


@pytest.fixture(scope="module")
def quasi(data):
    """Answers of 500 draws."""
    return importance_sample(Normal(), data, None, IDS, KEY, n_draws=500)


@pytest.fixture(scope="module")
def independent(data):
    """The same of as many draws of independent noise."""
    noise = jax.random.normal(KEY, (N_OBJECT, 500, N_SHAPE + 1))
    return WeightedDraws.of(*jax.jit(weigh)(Normal(), data, None, noise)[:2])


def exact_evidence(data):
    return stats.norm.logpdf(np.asarray(data[0]), 0.0, np.sqrt(1.0 + NOISE**2)).sum(axis=1)


def test_how_many_are_proposed(quasi):
    numbers = {2: 2, 40: 40, 99: 99, 100: 256, 256: 256, 300: 256, 500: 256, 513: 512, 1000: 512, 4096: 2048}
    assert {n: Normal().n_proposed(n) for n in numbers} == numbers
    u, weighted, _ = quasi
    assert u.shape == (N_OBJECT, 500, 4) and weighted.u.shape == (N_OBJECT, 256, 4)


def test_the_evidence_has_no_bias_and_a_small_error(quasi, independent, data):
    exact = exact_evidence(data)
    noise = base_noise(KEY, IDS, 256, N_SHAPE + 1)
    ratio = np.exp(np.asarray(jax.jit(weigh)(Normal(), data, None, noise)[1]) - exact[:, None]).mean(axis=1)
    assert abs(ratio.mean() - 1.0) < 4.0 * ratio.std() / np.sqrt(N_OBJECT)
    # of half of the draws
    off = np.asarray(quasi[1].log_evidence) - exact
    assert ratio.std() < 0.5 * np.std(np.asarray(independent.log_evidence) - exact)
    # weights with a smoothed tail have a bias, small beside the error that is stated
    stated = np.sqrt(256 / 500 / np.asarray(quasi[1].ess) - 1 / 500)
    assert np.sqrt(np.mean(off**2)) < np.mean(stated)


def test_percentiles_are_as_good_as_those_of_independent_draws(quasi, independent, data):
    levels = (16, 50, 84)
    exact = MEAN * np.asarray(data[0]) + SIGMA * stats.norm.ppf(np.array(levels) / 100.0)[:, None, None]
    ours = (np.percentile(quasi[0][..., :-1], levels, axis=1) - exact) / SIGMA
    weight = np.asarray(jax.nn.softmax(independent.log_weight, axis=1), float)
    order = np.argsort(independent.u[..., :-1], axis=1)
    u = np.take_along_axis(np.asarray(independent.u[..., :-1]), order, axis=1)
    below = np.cumsum(np.take_along_axis(np.repeat(weight[..., None], 3, axis=2), order, axis=1), axis=1)
    places = [np.argmax(below >= level / 100.0, axis=1)[:, None] for level in levels]
    theirs = np.stack([np.take_along_axis(u, place, axis=1)[:, 0] for place in places])
    theirs = (theirs - exact) / SIGMA
    assert np.sqrt(np.mean(ours**2)) < np.sqrt(np.mean(theirs**2))
    assert abs(ours.mean()) < 0.01


def test_ranks_of_the_truth_are_uniform(quasi, truth):
    uniform = np.random.default_rng(5).random(truth.shape)
    pit = randomised_pit(np.asarray(quasi[0]), truth, uniform)
    assert min(stats.kstest(column, "uniform").pvalue for column in pit.T) > 0.01


def test_parts_of_the_draws_are_fair(quasi):
    """Every second of Sobol's points lies in one half of a coordinate, and so would half of the draws."""
    u = np.asarray(quasi[0])
    ahead = (u[:, ::2].mean(axis=1) - u.mean(axis=1)) / u.std(axis=1)
    # the standard error of 250 of 500 draws
    assert np.abs(ahead.mean(axis=0)).max() < 0.02 and ahead.std() < 1.5 * (1.0 / 500.0) ** 0.5


def test_an_answer_is_that_of_the_object(quasi, data):
    some = np.array([17, 400])
    alone = importance_sample(Normal(), (data[0][some],), None, IDS[some], KEY, n_draws=500)
    np.testing.assert_allclose(alone[1].u, quasi[1].u[some], atol=1e-5)
    np.testing.assert_allclose(np.mean(alone[0], axis=1), np.mean(quasi[0][some], axis=1), atol=0.01)
    assert np.abs(np.diff(quasi[1].u[:2], axis=0)).max() > 0.1
    # the first of more draws are the same ones
    more = importance_sample(Normal(), (data[0][some],), None, IDS[some], KEY, n_draws=1000)
    np.testing.assert_allclose(more[1].u[:, :256], alone[1].u, atol=1e-5)
