"""The hook for a metallicity that changes with time, as the protocol's module documents it."""

import jax.numpy as jnp
import numpy as np

from dsps_sbi.kernels.csp import composite, composite_joint, metallicity_weights
from dsps_sbi.sfh import Constant, age_edges, mass_weights

PARAMS, UNIVERSE = jnp.array([0.5]), 6.0


def light_of(grid, mh):
    """The documented recipe, word for word."""
    sfh, params, universe_gyr, age_gyr = Constant(), PARAMS, UNIVERSE, jnp.asarray(grid.age_gyr)
    edges_gyr, nodes = age_edges(grid.age_gyr), jnp.asarray(grid.metallicity)
    ages = mass_weights(sfh, params, edges_gyr, universe_gyr)
    joint = ages[:, None] * metallicity_weights(mh(age_gyr), nodes)
    np.testing.assert_allclose(joint.sum(), 1.0, rtol=1e-5)
    return composite_joint(joint, jnp.asarray(grid.flux))


def test_a_history_that_does_not_change_is_one_metallicity(toy):
    ages = mass_weights(Constant(), PARAMS, age_edges(toy.age_gyr), UNIVERSE)
    mets = metallicity_weights(jnp.float32(-0.4), jnp.asarray(toy.metallicity))
    one = composite(ages, mets, jnp.asarray(toy.flux))
    np.testing.assert_allclose(light_of(toy, lambda age: jnp.full(age.shape, -0.4)), one, rtol=1e-4)


def test_each_age_has_its_own_spectrum(toy):
    """Enrichment by 0.3 dex/Gyr against a plain loop over ages and metallicities in float64."""

    def mh(age):
        return -0.2 - 0.3 * age

    ages = np.asarray(mass_weights(Constant(), PARAMS, age_edges(toy.age_gyr), UNIVERSE), float)
    expected = 0.0
    for k, age in enumerate(toy.age_gyr):
        x = np.clip(mh(age), *toy.metallicity[[0, -1]])
        shares = [np.interp(x, toy.metallicity, row) for row in np.eye(len(toy.metallicity))]
        expected = expected + ages[k] * (np.array(shares) @ toy.flux[:, k].astype(float))
    got = light_of(toy, mh)
    np.testing.assert_allclose(got, expected, rtol=1e-3)
    poor = light_of(toy, lambda age: jnp.full(age.shape, -2.0))
    assert np.abs(np.asarray(got) / np.asarray(poor) - 1.0).max() > 0.05
