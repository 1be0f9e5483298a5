"""A real galaxy: NGC 3522 in SDSS, with the MILES BaSTI grid."""

import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

import dsps_sbi as ds
from dsps_sbi.ssp import read_miles

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("DSPS_SBI_TEST_DATA" not in os.environ, reason="DSPS_SBI_TEST_DATA is not set"),
]


def test_an_old_galaxy_is_found_old_by_gradients():
    data = Path(os.environ["DSPS_SBI_TEST_DATA"])
    grid = read_miles(data / "ssp" / "miles_basti_kb")
    # the optical part that the fit of other codes rests on
    spectrum = ds.read_spectrum(data / "spectra" / "sdss" / "NGC3522_SDSS_DR8.fits").between(4000.0, 6800.0)
    prior = ds.spectrum_prior(sigma_v=(10.0, 450.0))
    model = ds.SpectrumModel.for_spectrum(grid, spectrum, prior, lsf=ds.LSF("fwhm_aa", 2.76))
    target = ds.SpectrumTarget.of(model, spectrum)
    density = jax.jit(jax.value_and_grad(target.log_density))

    def down(u):
        value, slope = density(jnp.asarray(u, jnp.float32))
        return -float(value), -np.asarray(slope, float)

    _, log_mass, _ = target.log_marginal(target.theta(jnp.zeros(8)))
    start = prior.to_normal(target.theta(jnp.zeros(8)).at[-1].set(log_mass), target.view.universe_gyr)
    done = minimize(down, np.asarray(start, float), jac=True, method="L-BFGS-B", bounds=[(-4.5, 4.5)] * 8)
    theta = target.theta(jnp.asarray(done.x, jnp.float32))

    use = target.used
    best = np.asarray(target.best_fit(theta))
    residual = (spectrum.flux[use] - best[use]) / best[use]
    assert use.sum() > 1500 and np.std(residual) < 0.025
    # the errors of DR8 are generous: a good fit is below 1, and needs hardly any error of the model
    assert np.mean((residual * best[use] / spectrum.sigma[use]) ** 2) < 1.0
    value = dict(zip(model.names, np.asarray(theta).tolist(), strict=True))
    # the pipeline of SDSS, with another library: 97 +- 2 km/s (card VEL_DIS)
    assert 85.0 < value["sigma_v"] < 125.0 and -0.3 < value["metallicity"] < 0.3
    # one metallicity for all stars: a single population would be 8 Gyr old
    assert 7.0 < float(model.sfh.mean_age(theta[:4], target.view.universe_gyr)) < 13.5
