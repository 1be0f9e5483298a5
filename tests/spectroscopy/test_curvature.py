import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dsps_sbi as ds
from dsps_sbi.sfh import DelayedTau
from dsps_sbi.spectroscopy.curvature import precision_root
from dsps_sbi.spectroscopy.target import SpectrumTarget

LOG_MASS = 10.5
# age, tau, metallicity and dispersion in the prior's normal coordinates
SHAPE = np.array([0.3, -0.2, 0.4, 0.1], np.float32)


def model_of(line_grid, model_error):
    frame = ds.Spectrograph(np.exp(np.arange(np.log(4400.0), np.log(5350.0), 3e-4)), ds.LSF("fwhm_aa", 3.5))
    own = {"metallicity": (-1.0, 0.4)} | ({} if model_error == "free" else {"log_model_error": None})
    prior = ds.spectrum_prior(DelayedTau(), **own)
    options = {"continuum": ds.Continuum(2, 0.1), "model_error": model_error}
    return ds.SpectrumModel(line_grid, frame, prior, DelayedTau(), **options)


def pointed(model, shape, snr):
    """A target without noise at a shape, and u (n,) to theta of it."""
    view = model.view(0.0)

    def theta_of(u):
        return jnp.append(model.prior.from_normal(u, view.universe_gyr), LOG_MASS)

    flux = np.asarray(model.predict_fast(theta_of(jnp.asarray(shape)), view))
    return SpectrumTarget(model, view, flux, flux / snr, np.ones(flux.size, bool)), theta_of


def test_it_is_that_of_the_dense_covariance_of_all_pixels(line_grid):
    target, theta_of = pointed(model_of(line_grid, 0.0), SHAPE, 30.0)
    flux = jax.jit(lambda u: target.model.predict_fast(theta_of(u), target.view))
    eye, step = np.eye(4, dtype=np.float32), 0.05
    ends = [[np.asarray(flux(SHAPE + sign * step * e), float) for sign in (1, -1)] for e in eye]
    slopes = np.array([a - b for a, b in ends]) / (2.0 * step)
    own, used = np.asarray(target.flux, float), np.asarray(target.used)
    terms = 0.1 * np.asarray(target.view.basis, float).T * own
    # a mass of any size
    covariance = np.diag(target.sigma.astype(float) ** 2) + terms.T @ terms + 1e4 * np.outer(own, own)
    slopes, covariance = slopes[:, used], covariance[np.ix_(used, used)]
    expected = np.eye(4) + slopes @ np.linalg.solve(covariance, slopes.T)
    root = np.asarray(precision_root(target, theta_of, jnp.asarray(SHAPE), LOG_MASS), float)
    np.testing.assert_array_equal(root, np.tril(root))
    scale = np.sqrt(np.diagonal(expected))
    both = (matrix / scale / scale[:, None] for matrix in (root.T @ root, expected))
    np.testing.assert_allclose(*both, atol=0.02)
    # the data do tell something
    assert scale.max() > 5.0


def test_an_error_of_the_model_is_known_by_the_scatter_that_it_makes(line_grid):
    model = model_of(line_grid, "free")
    # errors of the data a hundredth of those of the model
    target, theta_of = pointed(model, np.append(SHAPE, 0.5), 1e5)
    u = jnp.asarray(np.append(SHAPE, 0.5), jnp.float32)
    root = precision_root(target, theta_of, u, LOG_MASS)
    slope = jax.grad(lambda u: theta_of(u)[model.names.index("log_model_error")])(u)[4]
    # N pixels know ln of their variance to sqrt(2 / N)
    expected = 1.0 + 0.5 * int(target.used.sum()) * float(2.0 * np.log(10.0) * slope) ** 2
    covariance = np.linalg.inv(np.asarray(root, float).T @ np.asarray(root, float))
    assert 1.0 / covariance[4, 4] == pytest.approx(expected, rel=0.02)
