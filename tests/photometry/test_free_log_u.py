"""An ionisation parameter of each galaxy's own."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi import FilterSet, GalaxyModel, Prior, Uniform, UserError
from dsps_sbi.dust import CharlotFall
from dsps_sbi.photometry.prior import photometry_prior

BANDS = ("F814W", "F150W", "F277W", "F356W")


def prior(low=-3.0, high=-1.0):
    marginals = dict(photometry_prior().marginals)
    mass = marginals.pop("log_mass_formed")
    return Prior(marginals | {"log_u": Uniform(low, high), "log_mass_formed": mass})


@pytest.fixture(scope="module")
def models(toy):
    filters = FilterSet.from_names(BANDS)
    fixed = GalaxyModel(toy, filters, photometry_prior(), log_u=-2.0)
    return replace(fixed, prior=prior(), log_u="free"), fixed


def draws(model, z, n=40):
    return model.prior.sample(jax.random.key(3), jnp.full(n, z), model.cosmology.age(z))


def test_equals_the_fixed_one_at_and_between_the_tabulated_values(models):
    free, fixed = models
    theta = np.array(draws(fixed, 2.0, 8))
    for log_u in (float(fixed.ssp.nebular.log_u[1]), -2.3):
        own = np.insert(theta, -1, log_u, axis=1).astype(np.float32)
        ours = jax.jit(jax.vmap(lambda t: free.predict(t, 2.0)))(own)
        same = replace(fixed, log_u=log_u)
        theirs = jax.jit(jax.vmap(lambda t, m=same: m.predict(t, 2.0)))(theta)
        np.testing.assert_allclose(ours, theirs, rtol=2e-5)


def test_log_u_changes_young_galaxies_and_its_gradient_is_finite(models):
    free, _ = models
    theta = jnp.array([0.0, 3.0, -0.3, 0.2, -2.3, 9.0])
    gradient = jax.jit(jax.jacfwd(lambda t: free.predict(t, 2.0)))(theta)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient[:, 4]).max() > 0


@pytest.mark.parametrize("dust", ["calzetti", "charlot_fall"])
def test_fast_path_agrees_with_full_resolution(models, dust):
    free, _ = models
    if dust == "charlot_fall":
        free = replace(free, dust=CharlotFall())
    theta = draws(free, 2.0)
    exact = np.asarray(jax.jit(jax.vmap(lambda t: free.predict(t, 2.0)))(theta))
    fast = np.asarray(free.predict_fast(theta, free.band_table(2.0)))
    bright = exact > 1e-3 * exact.max(axis=1, keepdims=True)
    assert np.quantile(np.abs(fast / exact - 1.0)[bright], 0.99) < 5e-3


def test_the_prior_has_to_name_it(models):
    free, fixed = models
    with pytest.raises(UserError, match=r"needs one of .*log_u"):
        replace(free, prior=fixed.prior)
