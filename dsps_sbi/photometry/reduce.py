"""What is kept of the draws of a batch of pixels: percentiles and sums, made where the draws are.

On an accelerator that is the device: three percentiles of each quantity and two sums for each total come
back, not hundreds of draws. On a processor the draws are in its memory already, and numpy sorts them faster
than XLA does there.
"""

import jax
import jax.numpy as jnp
import numpy as np

from ..constants import PERCENTILES
from ..inference.result import percentiles
from ..io.summary import TotalAccumulator


class HostDraws:
    """Draws (Quantity, Object, Draw) in the memory of the processor.

    Parameters
    ----------
    values : ndarray (Quantity, Object, Draw)
    """

    def __init__(self, values):
        self.bad = ~np.isfinite(values).all(axis=(0, 2))
        if self.bad.any():
            values = np.array(values)
            values[:, self.bad] = np.nan
        self._values = values

    def percentiles(self) -> np.ndarray:
        """The 16th, 50th and 84th (Quantity, 3, Object), NaN for objects with a draw that is not finite."""
        return np.swapaxes(percentiles(self._values), 0, 1)

    def draws(self) -> np.ndarray:
        """All of them (Quantity, Object, Draw), NaN as in :meth:`percentiles`."""
        return self._values

    def add_to(self, totals: TotalAccumulator, name: str, i: int, trusted) -> None:
        """Add objects to a total.

        Parameters
        ----------
        totals : TotalAccumulator
        name : str
            Of the total.
        i : int
            Which quantity.
        trusted : bool array (Object,)
        """
        totals.add(name, self._values[i], trusted=trusted)


class DeviceDraws(HostDraws):
    """The same in the memory of an accelerator, where they stay unless they are asked for.

    Parameters
    ----------
    values : jax.Array (Quantity, Filled, Draw)
    n : int
        How many of the objects count, from the first on.
    """

    def __init__(self, values, n: int):
        self._values, self._n = values, n
        quantiles, bad = _summary(values)
        self._percentiles, self.bad = np.asarray(quantiles)[..., :n], np.asarray(bad)[:n]

    def percentiles(self):
        """As of :class:`HostDraws`."""
        return self._percentiles

    def draws(self):
        """As of :class:`HostDraws`."""
        return HostDraws(np.asarray(self._values)[:, : self._n]).draws()

    def add_to(self, totals, name, i, trusted):
        """As of :class:`HostDraws`, to the digits of float32."""
        counts = np.zeros((2, self._values.shape[1]), np.float32)
        counts[:, : self._n] = ~self.bad, ~self.bad & trusted
        sums, top = _sums(self._values[i], counts)
        sums = np.asarray(sums, np.float64) * 10.0 ** float(top)
        n_good, n_trusted = (int(row.sum()) for row in counts)
        totals.add_sums(name, sums, (n_good, self._n - n_good, n_trusted))


def kept(values: jax.Array, n: int) -> HostDraws:
    """Draws (Quantity, Filled, Draw) of n objects, reduced where they are."""
    if all(device.platform == "cpu" for device in values.devices()):
        return HostDraws(np.asarray(values)[:, :n])
    return DeviceDraws(values, n)


@jax.jit
def _summary(values):
    """Percentiles (Quantity, 3, Object) as numpy defines them, and objects (Object,) that are not finite."""
    bad = ~jnp.isfinite(values).all(axis=(0, 2))
    ordered = jnp.sort(values, axis=-1)
    place = np.asarray(PERCENTILES, float) / 100.0 * (values.shape[-1] - 1)
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, values.shape[-1] - 1)
    part = (place - low).astype(values.dtype)
    found = ordered[..., low] + part * (ordered[..., high] - ordered[..., low])
    return jnp.where(bad[None, None], jnp.nan, jnp.swapaxes(found, 1, 2)), bad


@jax.jit
def _sums(log10_values, counts):
    """Sums over objects (2, 2, Draw) by :class:`TotalAccumulator`'s order, in units of ten to the second."""
    used = counts[0][:, None] > 0.0
    top = jnp.max(jnp.where(used, log10_values, -jnp.inf))
    top = jnp.where(jnp.isfinite(top), top, 0.0)
    linear = jnp.where(used, 10.0 ** (log10_values - top), 0.0)
    both = jnp.stack([linear, jnp.sort(linear, axis=1)])
    return jnp.einsum("co,kod->ckd", counts, both, precision="highest"), top
