import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi.kernels.amplitude import amplitude


@pytest.mark.parametrize("scale", [1.0, 1e25, 1e-25])
def test_is_the_root_mean_square_at_any_scale(scale):
    flux = np.random.default_rng(0).normal(size=(3, 40))
    expected = scale * np.sqrt(np.mean(flux**2, axis=1, keepdims=True))
    np.testing.assert_allclose(amplitude(jnp.float32(scale * flux)), expected, rtol=1e-5)


def test_nothing_has_none():
    assert float(amplitude(jnp.zeros(5))[0]) == 0.0
