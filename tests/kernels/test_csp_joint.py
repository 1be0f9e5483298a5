import jax.numpy as jnp
import numpy as np

from dsps_sbi.kernels.csp import composite, composite_joint, metallicity_weights

RNG = np.random.default_rng(0)
GRID = jnp.asarray(RNG.random((5, 7, 11)), jnp.float32)
NODES = jnp.linspace(-2.0, 0.5, 5)


def test_one_metallicity_for_all_ages_is_the_plain_composite():
    ages = jnp.asarray(RNG.dirichlet(np.ones(7), 3), jnp.float32)
    mets = metallicity_weights(jnp.array([-1.9, 0.1, 3.0]), NODES)
    joint = ages[..., :, None] * mets[..., None, :]
    np.testing.assert_allclose(composite_joint(joint, GRID), composite(ages, mets, GRID), rtol=1e-5)


def test_enrichment_with_time():
    ages = jnp.asarray(RNG.dirichlet(np.ones(7)), jnp.float32)
    history = jnp.linspace(0.3, -1.7, 7)  # young stars rich
    mets = metallicity_weights(history, NODES)
    joint = ages[:, None] * mets
    expected = sum(composite(ages[k] * jnp.eye(7)[k], mets[k], GRID) for k in range(7))
    np.testing.assert_allclose(composite_joint(joint, GRID), expected, rtol=1e-5)
