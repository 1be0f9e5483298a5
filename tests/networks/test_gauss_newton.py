import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dsps_sbi.networks.gauss_newton import GaussNewton

N, BAND, SHAPE, INPUTS = 6, 5, 3, 7
RNG = np.random.default_rng(8)
FLUX = (10.0 ** RNG.uniform(-3, 0, (N, BAND))).astype(np.float32)
SKY = np.full((N, BAND), 1e-3, np.float32)
VALID = RNG.random((N, BAND)) < 0.8
VALID[:, :3] = True
UPPER = np.zeros((N, BAND), bool)
Z = np.linspace(0.2, 6.0, N, dtype=np.float32)
X = RNG.normal(size=(N, INPUTS)).astype(np.float32)
SCALE = np.full(N, 7.0, np.float32)


SLOPES = RNG.normal(size=(BAND, SHAPE)).astype(np.float32) * 0.3


def table(z):
    """What stands for a forward model: colours that depend on redshift."""
    return 0.2 * jnp.sin(z + jnp.arange(BAND))


def log_light(u, own):
    return own + SLOPES @ u - 0.03 * (SLOPES @ u) ** 2


GRAPH, WEIGHTS = nnx.split(GaussNewton(BAND, SHAPE, INPUTS, 16, rngs=nnx.Rngs(3)))


@jax.jit
def get(weights, flux, sky, valid, upper):
    data = (flux, sky, valid, upper, jnp.asarray(Z))
    return nnx.merge(GRAPH, weights)(X, data, SCALE, table, log_light)


def test_as_many_as_stated_and_no_gradient():
    out = get(WEIGHTS, FLUX, SKY, VALID, UPPER)
    assert out.shape == (N, GaussNewton.n_out(BAND, SHAPE)) and np.all(np.abs(out) <= 6.0)
    assert np.ptp(out, axis=0).min() > 0.0
    gradient = jax.grad(lambda w: get(w, FLUX, SKY, VALID, UPPER).sum())(WEIGHTS)
    assert all(np.all(np.asarray(g) == 0.0) for g in jax.tree.leaves(gradient))


def test_steps_reach_the_galaxy_that_the_model_made():
    """Noise-free fluxes of the model's own: nothing is left of them."""
    u = (0.3 * RNG.normal(size=(N, SHAPE))).astype(np.float32)
    log_flux = np.stack([log_light(one, table(z)) for one, z in zip(u, Z, strict=True)])
    flux = (10.0 ** (log_flux - SCALE[:, None])).astype(np.float32)
    sky = (0.02 * flux).astype(np.float32)
    out = np.asarray(get(WEIGHTS, flux, sky, np.ones_like(VALID), UPPER))
    residual = np.sinh(2.0 * out[:, :BAND])
    peak = out[:, BAND + SHAPE : BAND + 2 * SHAPE]
    assert np.median(np.abs(residual)) < 0.3
    # five bands and a free mass for three colours: the prior pulls a little
    assert np.median(np.abs(peak - u)) < 0.15 < np.median(np.abs(u))


@pytest.mark.parametrize("junk", [np.nan, np.inf, 1e38, -1.0, 0.0])
def test_masked_bands_do_not_matter(junk):
    dirty = [np.where(VALID, a, np.float32(junk)) for a in (FLUX, SKY)]
    np.testing.assert_array_equal(get(WEIGHTS, *dirty, VALID, UPPER), get(WEIGHTS, FLUX, SKY, VALID, UPPER))


@pytest.mark.parametrize("flux", [0.0, -1.0, 1e30, -1e30, 1e-30])
def test_finite_for_any_data(flux):
    assert np.all(np.isfinite(get(WEIGHTS, np.full_like(FLUX, flux), SKY, VALID, UPPER)))


def test_units_do_not_matter():
    one, other = (get(WEIGHTS, f * FLUX, f * SKY, VALID, UPPER) for f in (np.float32(1.0), np.float32(100.0)))
    np.testing.assert_allclose(one, other, atol=2e-3)


def test_a_limit_counts_as_no_flux():
    limits = VALID & (np.arange(BAND) == 1)
    limited = get(WEIGHTS, FLUX, SKY, VALID, limits)
    dark = get(WEIGHTS, np.where(limits, 0.0, FLUX).astype(np.float32), SKY, VALID, UPPER)
    np.testing.assert_array_equal(limited, dark)
