"""The marginals of the non-parametric histories against scipy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.interpolate import CubicHermiteSpline
from scipy.special import expit, logit

from dsps_sbi.errors import UserError
from dsps_sbi.priors import Beta, Prior, StudentT, Uniform

V = np.linspace(1e-3, 1.0 - 1e-3, 501)
BETAS = [(1.0, 3.0), (1.0, 1.0), (2.5, 1.0), (0.5, 1.5), (2.0, 6.0), (5.0, 5.0), (30.0, 90.0), (0.3, 0.9)]


@pytest.mark.parametrize("ab", BETAS)
def test_beta_against_scipy(ab):
    beta = Beta(*ab)
    value = np.asarray(beta.ppf(jnp.asarray(V, jnp.float32), 1.0))
    np.testing.assert_allclose(value, stats.beta(*ab).ppf(V), rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(beta.cdf(jnp.asarray(value), 1.0), V, atol=2e-5)


@pytest.mark.parametrize("ab", BETAS)
def test_beta_slope_is_one_over_the_density(ab):
    slope = jax.jit(jax.vmap(jax.grad(lambda v: Beta(*ab).ppf(v, 1.0))))(jnp.asarray(V[20:-20], jnp.float32))
    expected = 1.0 / stats.beta(*ab).pdf(stats.beta(*ab).ppf(V[20:-20]))
    np.testing.assert_allclose(slope, expected, rtol=1e-3)


def test_beta_between_the_nodes_of_its_table():
    beta = Beta(2.0, 6.0)
    curve = CubicHermiteSpline(np.linspace(-21.0, 21.0, 513), *beta._table)
    value = beta.ppf(jnp.asarray(V, jnp.float32), 1.0)
    np.testing.assert_allclose(value, expit(curve(logit(V))), rtol=2e-6)


@pytest.mark.parametrize("nu", [1, 2])
@pytest.mark.parametrize("scale", [0.3, 1.0])
def test_student_t_against_scipy(nu, scale):
    prior, uncut = StudentT(scale, nu), stats.t(nu, scale=scale)
    lost = 2 * uncut.sf(10.0)
    expected = uncut.ppf(0.5 * lost + V * (1 - lost))
    value = np.asarray(prior.ppf(jnp.asarray(V, jnp.float32), 1.0))
    np.testing.assert_allclose(value, expected, rtol=2e-3, atol=1e-5)
    centre = np.abs(V - 0.5) < 0.49
    np.testing.assert_allclose(value[centre], expected[centre], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(prior.cdf(jnp.asarray(value), 1.0), V, atol=1e-6)


def test_the_cut_of_the_continuity_prior_is_where_the_docs_say():
    prior = StudentT(0.3)
    np.testing.assert_allclose(prior.ppf(jnp.array([0.0, 0.5, 1.0]), 1.0), [-10, 0, 10], rtol=1e-4)
    assert (prior.low, prior.high) == (-10, 10)
    assert 2 * stats.t(2, scale=0.3).sf(10.0) < 1e-3


@pytest.mark.parametrize("marginal", [*(Beta(*ab) for ab in BETAS), StudentT(0.3), StudentT(0.3, 1)])
def test_edges_are_finite_with_finite_slopes(marginal):
    v = jnp.array([0.0, 3e-7, 1.0 - 3e-7, 1.0])
    value = marginal.ppf(v, 1.0)
    assert np.isfinite(value).all() and (np.diff(value) >= 0).all()
    assert np.isfinite(jax.jit(jax.vmap(jax.grad(lambda v: marginal.ppf(v, 1.0))))(v)).all()
    assert np.isfinite(
        jax.jit(jax.vmap(jax.grad(lambda x: marginal.cdf(x, 1.0))))(jnp.array([0.01, 0.5, 0.99]))
    ).all()


def test_in_a_prior_normal_coordinates_come_back():
    prior = Prior({"a": Beta(1.0, 3.0), "b": Beta(2.0, 4.0), "t": StudentT(0.3), "x": Uniform(-1.0, 1.0)})
    u = jnp.clip(jax.random.normal(jax.random.key(0), (200, 4)), -3.0, 3.0)
    theta = prior.from_normal(u, 1.0)
    assert prior.contains(theta, 1.0).all()
    np.testing.assert_allclose(prior.to_normal(theta, 1.0), u, atol=2e-3)
    outside = theta[:3] + jnp.array([[1.1, 0, 0, 0], [0, -1.1, 0, 0], [0, 0, 20.0, 0]])
    assert not prior.contains(outside, 1.0).any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Beta(0.1, 1.0), "beta prior with a = 0.1: give 0.3 <= a <= 100"),
        (lambda: Beta(1.0, float("nan")), "beta prior with b = nan"),
        (lambda: StudentT(0.0), "scale 0.0: give a finite scale > 0"),
        (lambda: StudentT(0.3, 3), "nu = 3: give nu = 1 or 2"),
        (lambda: StudentT(0.3, 2, float("inf")), "cut at inf: give a finite bound > 0"),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises(UserError, match=message):
        make()
