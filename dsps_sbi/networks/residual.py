"""Features to a context vector."""

import jax
from flax import nnx


class Block(nnx.Module):
    """Residual block: x + W2 silu(W1 norm(x))."""

    def __init__(self, width: int, *, rngs: nnx.Rngs):
        self.norm = nnx.LayerNorm(width, rngs=rngs)
        self.inner = nnx.Linear(width, width, rngs=rngs)
        self.outer = nnx.Linear(width, width, rngs=rngs, kernel_init=nnx.initializers.zeros)

    def __call__(self, x):
        """Map (Object, width) to the same shape."""
        return x + self.outer(jax.nn.silu(self.inner(self.norm(x))))


class ResidualEncoder(nnx.Module):
    """Residual network from features (Object, n_in) to a context (Object, n_out).

    Parameters
    ----------
    n_in, width, n_blocks, n_out : int
    """

    def __init__(self, n_in: int, width: int, n_blocks: int, n_out: int, *, rngs: nnx.Rngs):
        self.first = nnx.Linear(n_in, width, rngs=rngs)
        self.blocks = nnx.List([Block(width, rngs=rngs) for _ in range(n_blocks)])
        self.norm = nnx.LayerNorm(width, rngs=rngs)
        self.last = nnx.Linear(width, n_out, rngs=rngs)

    def __call__(self, inputs):
        """Context (Object, n_out) of features (Object, n_in)."""
        x = self.first(inputs)
        for block in self.blocks:
            x = block(x)
        return jax.nn.silu(self.last(self.norm(x)))
