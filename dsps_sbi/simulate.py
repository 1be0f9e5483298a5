"""Mock photometry from the prior, as fast as it can be consumed."""

from dataclasses import dataclass
from functools import cached_property, partial

import jax
import jax.numpy as jnp
import numpy as np

from .band_table import BandTable
from .instruments.jades import SNR_BANDS
from .kernels.likelihood import mean_snr
from .model import GalaxyModel
from .noise import BandMasks, DepthNoise


@partial(
    jax.tree_util.register_dataclass, data_fields=["u", "theta", "z", "flux", "sky", "valid"], meta_fields=[]
)
@dataclass(frozen=True)
class Mocks:
    """Mock objects: parameters and data.

    Parameters
    ----------
    u, theta : array (Object, Param)
        Normal coordinates and parameters.
    z : array (Object,)
    flux, sky : array (Object, Band)
        Noisy fluxes and reported sky sigmas [uJy].
    valid : bool array (Object, Band)
    """

    u: jax.Array
    theta: jax.Array
    z: jax.Array
    flux: jax.Array
    sky: jax.Array
    valid: jax.Array


@dataclass(frozen=True, eq=False)
class Simulator:
    """A galaxy model seen through a noise model and band masks.

    Parameters
    ----------
    model : GalaxyModel
    noise : DepthNoise
    masks : BandMasks
    """

    model: GalaxyModel
    noise: DepthNoise
    masks: BandMasks

    @classmethod
    def jades_pixels(cls, model: GalaxyModel, **noise) -> "Simulator":
        """JADES noise and masks for a model with the 19 JADES bands."""
        return cls(model, DepthNoise.jades(**noise), BandMasks.jades(model.filters.names))

    @cached_property
    def snr_bands(self) -> np.ndarray:
        """Which bands (Band,) the signal-to-noise cut is made on."""
        return np.array([name in SNR_BANDS for name in self.model.filters.names])

    def table_pool(self, key, n) -> BandTable:
        """Band tables at n redshifts drawn from the prior, stratified; leaves carry a leading axis.

        Each table is exact at its redshift: nothing is interpolated in z. A new pool from time
        to time makes training see the redshift range as a continuum.
        """
        low, high = self.model.prior.z
        share = (jnp.arange(n) + jax.random.uniform(key, (n,))) / n
        tables = [self.model.band_table(z, trim=False) for z in np.asarray(low + share * (high - low))]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *tables)

    def noiseless(self, u, table: BandTable):
        """Fluxes (Object, Band) [uJy] and theta (Object, Param) for u (Object, Param) at one redshift."""
        theta = self.model.prior.from_normal(u, table.universe_gyr)
        return self.model.predict_fast(theta, table), theta

    def observe(self, key, u, theta, z, flux) -> Mocks:
        """Noise and masks on noiseless fluxes (Object, Band)."""
        sky_key, noise_key, mask_key = jax.random.split(key, 3)
        sky = self.noise.sample_sky(sky_key, len(z))
        valid = self.masks.sample(mask_key, len(z))
        return Mocks(u, theta, z, self.noise.add(noise_key, flux, sky), sky, valid)

    def draw(self, key, pool: BandTable, n_z: int, n_per_z: int) -> Mocks:
        """Mocks of n_z redshifts picked from a pool, n_per_z galaxies each; traceable.

        One redshift's galaxies share a table, so that their fluxes are one matrix product.
        """
        pick_key, u_key, observe_key = jax.random.split(key, 3)
        chosen = jax.random.randint(pick_key, (n_z,), 0, len(pool.z))
        tables = jax.tree.map(lambda leaf: leaf[chosen], pool)
        u = jax.random.normal(u_key, (n_z, n_per_z, len(self.model.names)))
        flux, theta = jax.lax.map(lambda pair: self.noiseless(*pair), (u, tables))
        z = jnp.repeat(tables.z, n_per_z)
        flat = [a.reshape(n_z * n_per_z, -1) for a in (u, theta, flux)]
        return self.observe(observe_key, flat[0], flat[1], z, flat[2])

    def snr(self, mocks: Mocks):
        """Observed mean signal-to-noise ratio (Object,)."""
        return mean_snr(mocks.flux, mocks.sky, mocks.valid, jnp.asarray(self.snr_bands))

    def draw_detected(self, key, pool, n_z, n_per_z, n_keep, snr_min, p_faint) -> Mocks:
        """As :meth:`draw`, keeping n_keep mocks: those above an observed S/N and a share of the others.

        The choice depends on the data alone, so that the posterior given the data is unchanged.
        """
        draw_key, faint_key = jax.random.split(key)
        mocks = self.draw(draw_key, pool, n_z, n_per_z)
        keep = (self.snr(mocks) > snr_min) | (jax.random.uniform(faint_key, mocks.z.shape) < p_faint)
        order = jnp.argsort(~keep, stable=True)[:n_keep]
        return jax.tree.map(lambda a: a[order], mocks)
