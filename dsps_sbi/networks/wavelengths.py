"""Spectra to latents: convolutions along wavelength, then attention over it.

In the line of Melchior et al. (2023, AJ 166, 74) and arXiv:2406.18661: half of the last channels say what is
there, the other half where to look. Strides instead of pooling, and fewer channels, make it 300 times
cheaper: what models can do the components of the subspace know, what is left is for the convolutions.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from ..kernels.activation import silu

# Stride and length of each convolution, and its channels for each unit of width
_STRIDES, _KERNELS, _WIDTHS = (8, 4, 2), (16, 8, 4), (1, 2, 4)


class WavelengthEncoder(nnx.Module):
    """Latents (Object, n_latent) of spectra (Object, Pixel, Channel).

    Parameters
    ----------
    n_channel, width, n_latent : int
        Channels at first, channels of the first convolution, latents.
    """

    def __init__(self, n_channel: int, width: int, n_latent: int, *, rngs: nnx.Rngs):
        sizes = (n_channel, *(width * w for w in _WIDTHS))
        he = nnx.initializers.he_normal()
        # a convolution as a matrix product of overlapping pieces: fast on any device
        self.layers = nnx.List(
            [
                nnx.Linear(n * length, m, rngs=rngs, kernel_init=he)
                for n, m, length in zip(sizes[:-1], sizes[1:], _KERNELS, strict=True)
            ]
        )
        self.norms = nnx.List([nnx.LayerNorm(m, rngs=rngs) for m in sizes[1:-1]])
        half = sizes[-1] // 2
        self.last = nnx.Linear(half, n_latent, rngs=rngs)

    def __call__(self, x):
        """Map (Object, Pixel, Channel) to (Object, n_latent)."""
        for i, layer in enumerate(self.layers):
            x = layer(pieces(x, _KERNELS[i], _STRIDES[i]))
            if i < len(self.norms):
                x = silu(self.norms[i](x))
        value, place = jnp.split(x, 2, axis=-1)
        attention = jax.nn.softmax(place, axis=1)
        return self.last(jnp.sum(silu(value) * attention, axis=1))


def pieces(x, length, stride):
    """Overlapping pieces (Object, Piece, length * Channel) of (Object, Pixel, Channel), zeros at the end.

    Parameters
    ----------
    length : int
        A multiple of ``stride``.
    """
    n = -(-x.shape[1] // stride)
    times = length // stride
    x = jnp.pad(x, ((0, 0), (0, (n + times - 1) * stride - x.shape[1]), (0, 0)))
    blocks = x.reshape(x.shape[0], n + times - 1, stride * x.shape[2])
    return jnp.concatenate([blocks[:, k : k + n] for k in range(times)], axis=-1)
