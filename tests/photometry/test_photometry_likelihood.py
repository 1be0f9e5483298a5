import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.inference.trust import Method, Trust
from dsps_sbi.kernels.likelihood import log_likelihood
from dsps_sbi.photometry.catalogue import posteriors_of
from dsps_sbi.photometry.fingerprint import reference_fluxes
from dsps_sbi.photometry.likelihood import PhotometryLikelihood

Z = 2.0


@pytest.fixture(scope="module")
def post(tiny_posterior, toy_model):
    meta = tiny_posterior.meta | {"reference": reference_fluxes(toy_model)}
    return dataclasses.replace(tiny_posterior, meta=meta)


@pytest.fixture(scope="module")
def likelihood(post, toy_model):
    return PhotometryLikelihood(post, toy_model)


@pytest.fixture(scope="module")
def table(toy_model):
    return toy_model.band_table(Z)


@pytest.fixture(scope="module")
def mocks(toy_simulator, table):
    """Mocks at one redshift, all kinds of S/N, some with upper limits."""

    @jax.jit
    def draw(table):
        u = jax.random.normal(jax.random.key(5), (400, 5))
        flux, theta = toy_simulator.noiseless(u, table)
        return toy_simulator.observe(jax.random.key(6), u, theta, jnp.full(400, Z), flux)

    return draw(table)


def faint(mocks, n=3):
    """Mocks that the data say a little about: S/N of a few."""
    d = mocks.data
    snr = np.where(d.valid & ~d.upper, d.flux / d.sigma, 0.0)
    return np.flatnonzero((snr.max(axis=1) > 3) & (snr.max(axis=1) < 12))[:n]


def catalogue(post, mocks, rows):
    """Mocks as an observer has them: what is missing is NaN."""
    d = jax.tree.map(lambda a: np.asarray(a)[rows], mocks.data)
    flux = np.where(d.valid, d.flux, np.nan)
    return ds.Catalogue(flux, d.sigma, post.filters, d.z, upper=d.upper & d.valid, ids=rows)


def weigh(post, model, mocks, rows, function=ds.weigh, **options):
    """Posteriors of some mocks."""
    options = {"n_draws": 400, "model": model} | options
    return function(post, catalogue(post, mocks, rows), **options).posteriors


@pytest.fixture(scope="module")
def by_hand(post, toy_model, table, mocks):
    """Evidence and moments of faint mocks by drawing all parameters, mass included, from the prior."""

    @jax.jit
    def draw(table):
        u = jax.random.normal(jax.random.key(17), (150_000, 5))
        return u, toy_model.predict_fast(toy_model.prior.from_normal(u, table.universe_gyr), table)

    @jax.jit
    def log_likelihoods(flux, data, upper):
        return log_likelihood(*data, flux, post.noise.floor, upper)

    u, flux = draw(table)
    out = {}
    for row in faint(mocks):
        data = [np.asarray(a)[row] for a in mocks.data[:3]]
        log_like = np.asarray(log_likelihoods(flux, data, np.asarray(mocks.data.upper)[row]), np.float64)
        w = np.exp(log_like - log_like.max())
        evidence = log_like.max() + math.log(w.mean())
        w /= w.sum()
        mean = w @ np.asarray(u)
        out[row] = evidence, mean, np.sqrt(w @ (np.asarray(u) - mean) ** 2), 1.0 / np.sum(w**2)
    return out


def test_refined_posteriors_are_those_of_brute_force(post, toy_model, mocks, by_hand):
    """The network is not trained: what comes out right is due to weights and chains alone."""
    rows = np.array(list(by_hand))
    answers = weigh(post, toy_model, mocks, rows, ds.refine)
    assert np.isin(answers.method, (Method.IS, Method.HMC)).all()
    for i, row in enumerate(rows):
        evidence, mean, width, effective = by_hand[row]
        assert effective > 300
        error = math.sqrt(1 / effective + 1 / answers.ess[i])
        assert abs(answers.log_evidence[i] - evidence) < 4 * error
        assert np.all(np.abs(answers.u[i].mean(axis=0) - mean) < 4 * error * width)
        np.testing.assert_allclose(answers.u[i].std(axis=0), width, rtol=4 * error)
        np.testing.assert_allclose(answers.shrinkage[i], 1 - answers.u[i].var(axis=0), atol=1e-5)


def test_answers_do_not_depend_on_the_batch(post, toy_model, likelihood, mocks):
    rows = np.arange(0, 40, 10)
    together = weigh(post, toy_model, mocks, rows)
    # without the warning that a galaxy by itself is at an edge of the prior
    d = jax.tree.map(lambda a: np.asarray(a)[rows[3:4]], mocks.data)
    data = post.prepared(d.flux, d.sigma, d.z, d.valid, d.upper)
    alone = posteriors_of(post, likelihood, data, n_draws=400, ids=rows[3:4])
    np.testing.assert_allclose(alone.ess, together.ess[3:4], rtol=1e-2)
    # a draw at the edge between two may change with rounding: compare what is summed
    np.testing.assert_allclose(alone.u.mean(axis=1), together.u[3:4].mean(axis=1), atol=0.05)
    again = weigh(post, toy_model, mocks, rows, seed=1)
    assert np.abs(again.u.mean(axis=1) - together.u.mean(axis=1)).max() > 1e-3
    assert np.all(together.method == Method.IS) and np.isin(together.trust, list(Trust)).all()


def test_predictive_p_value_is_uniform_for_the_truth_and_small_for_odd_data(likelihood, mocks, table):
    """A single draw that is the truth itself: exactly a draw from the posterior."""
    data = mocks.data
    assert np.asarray(mocks.data.upper).sum() > 100

    def p_value(data):
        return likelihood.ppc_p(mocks.u[:, None], data, table)

    assert stats.kstest(np.asarray(p_value(data)), "uniform").pvalue > 0.01
    # one band off by 10 sigma, floor included
    band = np.argmax(np.asarray(mocks.data.valid & ~mocks.data.upper), axis=1)
    flux, theta = np.array(mocks.data.flux), np.asarray(mocks.theta)
    true = np.asarray(likelihood.model.predict_fast(jnp.asarray(theta), table))
    at = np.arange(len(flux)), band
    flux[at] = true[at] + 10 * np.hypot(np.asarray(mocks.data.sigma)[at], 0.05 * true[at])
    seen = np.asarray(mocks.data.valid & ~mocks.data.upper).any(axis=1)
    odd = np.asarray(p_value(data._replace(flux=jnp.asarray(flux))))
    assert np.mean(odd[seen] < 0.005) > 0.99
    # limits that are 10 times too low
    flux = np.where(mocks.data.upper, -30.0 * np.asarray(mocks.data.sigma), np.asarray(mocks.data.flux))
    odd = np.asarray(p_value(data._replace(flux=jnp.asarray(flux))))
    assert np.all(odd[np.asarray(mocks.data.upper).any(axis=1)] < 0.005) and np.all(np.isfinite(odd))


def test_without_a_model_draws_are_the_networks_own(post, mocks):
    answers = weigh(post, None, mocks, np.arange(3))
    assert np.all(answers.method == Method.FLOW) and np.all(answers.trust == Trust.UNCHECKED)
    d = jax.tree.map(lambda a: np.asarray(a)[:3], mocks.data)
    theta = post.sample(d.flux, d.sigma, d.z, n_draws=400, valid=d.valid, upper=d.upper)
    own = post.network.prior.from_normal(jnp.asarray(answers.u), post.network.cosmology.age(d.z)[:, None])
    np.testing.assert_allclose(own, theta, rtol=2e-3, atol=2e-3)
    assert np.isnan(answers.ess).all() and np.isnan(answers.ppc_p).all() and not answers.trusted.any()


def test_prepared_photometry_gives_what_the_catalogue_gives(post, likelihood, mocks):
    rows = np.arange(0, 40, 10)
    result = ds.weigh(post, catalogue(post, mocks, rows), model=likelihood, n_draws=400)
    d = jax.tree.map(lambda a: np.asarray(a)[rows], mocks.data)
    done = []
    data = post.prepared(d.flux, d.sigma, d.z, d.valid, d.upper)
    own = posteriors_of(post, likelihood, data, n_draws=400, ids=rows, on_batch=done.append)
    np.testing.assert_array_equal(own.u, result.posteriors.u)
    assert sum(done) == 4


def test_what_weighs(post, tiny_posterior, toy_model, likelihood):
    assert post.likelihood(None) is None and post.likelihood(likelihood) is likelihood
    made = post.likelihood(toy_model)
    assert isinstance(made, PhotometryLikelihood) and made.model is toy_model and made.post is post
    # the grid of a toy is not in any cache
    assert post.likelihood() is None and post.likelihood("auto") is None
    with pytest.raises(UserError, match="model 'yes': give a model, 'auto' or None"):
        post.likelihood("yes")
    with pytest.raises(UserError, match="was trained on another model: "):
        post.likelihood(dataclasses.replace(toy_model, log_u=None))
    with pytest.raises(UserError, match="holds no reference fluxes"):
        tiny_posterior.likelihood(toy_model)
    flux = np.ones((1, 19))
    with pytest.raises(UserError, match="refine needs the stellar populations"):
        ds.refine(post, ds.Catalogue(flux, flux, post.filters, 2.0))
    with pytest.raises(UserError, match="redshift 9 of 0 .*is outside"):
        ds.weigh(post, ds.Catalogue(flux, flux, post.filters, 9.0), model=None)
    with pytest.raises(UserError, match="redshift 9 is outside"):
        posteriors_of(post, None, post.prepared(flux, flux, 9.0))


def test_on_gpus_too_fluxes_and_their_slopes_have_all_digits(toy_model, table, inexact_products):
    theta = jnp.asarray(toy_model.prior.from_normal(jnp.zeros((2, 5)), 3.0))

    by_table = inexact_products(jax.grad(lambda theta: toy_model.predict_fast(theta, table).sum()), theta)
    one_by_one = inexact_products(jax.grad(lambda theta: toy_model.predict(theta, Z).sum()), theta[0])
    for products, inexact in (by_table, one_by_one):
        assert products and not inexact
