import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dsps_sbi.networks.wavelengths import WavelengthEncoder, pieces


@pytest.mark.parametrize("n, length, stride", [(12, 4, 2), (13, 8, 4), (5, 8, 4), (9, 3, 3)])
def test_pieces_are_windows(n, length, stride):
    x = jnp.arange(2.0 * n * 3).reshape(2, n, 3) + 1.0
    got = pieces(x, length, stride)
    padded = np.pad(np.asarray(x), ((0, 0), (0, 2 * length), (0, 0)))
    n_piece = -(-n // stride)
    expected = [padded[:, k * stride : k * stride + length].reshape(2, -1) for k in range(n_piece)]
    np.testing.assert_array_equal(got, np.stack(expected, axis=1))


def test_layers_are_convolutions():
    encoder = WavelengthEncoder(3, 4, 5, rngs=nnx.Rngs(0))
    x = jax.random.normal(jax.random.key(0), (2, 64, 3))
    kernel = encoder.layers[0].kernel[...].reshape(16, 3, 4)
    expected = jax.lax.conv_general_dilated(
        jnp.pad(x, ((0, 0), (0, 8), (0, 0))), kernel, (8,), "VALID", dimension_numbers=("NWC", "WIO", "NWC")
    )
    np.testing.assert_allclose(encoder.layers[0](pieces(x, 16, 8)), expected, atol=1e-5)


def test_attention_finds_a_feature_wherever_it_is():
    """Latents of a line hardly depend on its place by whole strides, but on whether it is there."""
    encoder = WavelengthEncoder(1, 8, 6, rngs=nnx.Rngs(1))
    flat = jnp.zeros((1, 640, 1))
    # 64 pixels are the stride of all layers together
    lines = [flat.at[0, at : at + 12, 0].set(3.0) for at in (192, 320)]
    one, two, none = (encoder(x) for x in (*lines, flat))
    assert one.shape == (1, 6)
    assert float(jnp.abs(one - none).max()) > 100.0 * float(jnp.abs(one - two).max())


def test_work_is_bounded():
    """Multiply-adds of 3300 pixels with the default sizes: see the architecture."""
    encoder = WavelengthEncoder(4, 16, 16, rngs=nnx.Rngs(0))
    n, total = 3300, 0
    for layer, stride in zip(encoder.layers, (8, 4, 2), strict=True):
        n = -(-n // stride)
        total += 2 * n * layer.kernel[...].size
    assert total < 3e6
