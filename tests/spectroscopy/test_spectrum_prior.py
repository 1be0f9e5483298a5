import jax
import jax.numpy as jnp
import numpy as np

import dsps_sbi as ds
from dsps_sbi.priors import Uniform
from dsps_sbi.sfh import Continuity, DelayedTau


def test_parameters_in_the_order_of_the_model():
    base = ("metallicity", "sigma_v", "log_model_error", "log_mass_formed")
    assert ds.spectrum_prior().names == ("stick_1", "stick_2", "stick_3", "log_ssfr_now", *base)
    assert ds.spectrum_prior(DelayedTau()).names == ("log_tau", "t_start", *base)
    assert ds.spectrum_prior(Continuity(5)).names[:4] == tuple(f"log_sfr_ratio_{i}" for i in (1, 2, 3, 4))
    dust = {"slope": Uniform(-1.0, 0.4)}
    full = ds.spectrum_prior(
        DelayedTau(), alpha_fe=(0.0, 0.4), av=(0.0, 2.0), dust=dust, log_model_error=None
    )
    middle = ("metallicity", "alpha_fe", "av", "slope", "sigma_v", "log_mass_formed")
    assert full.names == ("log_tau", "t_start", *middle)


def test_most_galaxies_may_be_quenched():
    """log SFR flat from -50 to 0 for 10^10 Msun: 9 in 10 below any rate that can be seen."""
    prior = ds.spectrum_prior()
    theta = np.asarray(prior.sample(jax.random.key(0), jnp.full(4000, 0.01), 13.5))
    log_ssfr = theta[:, prior.names.index("log_ssfr_now")]
    assert log_ssfr.min() >= -60.0 and log_ssfr.max() <= -10.0
    assert abs(np.mean(log_ssfr < -14.0) - 0.92) < 0.02
