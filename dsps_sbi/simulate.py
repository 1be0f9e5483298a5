"""Mock photometry from the prior, as fast as it can be consumed."""

from dataclasses import dataclass
from functools import cached_property, partial

import jax
import jax.numpy as jnp
import numpy as np

from .band_table import BandTable
from .errors import UserError
from .instruments.coverage import USABLE
from .instruments.jades import SNR_BANDS
from .kernels.likelihood import mean_snr
from .model import GalaxyModel
from .noise import BandMasks, DepthNoise, UpperLimits


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["u", "theta", "z", "flux", "sky", "valid", "upper"],
    meta_fields=[],
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
        Noisy fluxes, or upper limits, and reported sky sigmas [uJy].
    valid : bool array (Object, Band)
    upper : bool array (Object, Band)
        Where the flux is an upper limit; these bands are valid too.
    """

    u: jax.Array
    theta: jax.Array
    z: jax.Array
    flux: jax.Array
    sky: jax.Array
    valid: jax.Array
    upper: jax.Array

    @property
    def data(self):
        """What an observer has: flux, sky, valid, upper (Object, Band) and z (Object,)."""
        return self.flux, self.sky, self.valid, self.upper, self.z


@dataclass(frozen=True, eq=False)
class Simulator:
    """A galaxy model seen through a noise model and band masks.

    Parameters
    ----------
    model : GalaxyModel
    noise : DepthNoise
    masks : BandMasks
    limits : UpperLimits

    Raises
    ------
    UserError
        If fewer bands lie within the SSPs' wavelengths than a mock has at least, at some redshift.
    """

    model: GalaxyModel
    noise: DepthNoise
    masks: BandMasks
    limits: UpperLimits = UpperLimits()

    def __post_init__(self):
        if self.model.sees_all:
            return
        z = np.linspace(*self.model.prior.z, 512)
        n = np.sum(np.asarray(self.model.coverage(z)) >= 1.0 - USABLE, axis=1)
        if n.min() < self.masks.fewest:
            raise UserError(
                f"{n.min()} bands lie within the wavelengths of SSP grid {self.model.ssp.name} at z = "
                f"{z[np.argmin(n)]:.3g}, {self.masks.fewest} are needed: narrow the prior's "
                "redshifts or use a grid that reaches further"
            )

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
        """Noise, masks and upper limits on noiseless fluxes (Object, Band).

        Bands outside the SSPs' range are missing.
        """
        sky_key, noise_key, mask_key, limit_key = jax.random.split(key, 4)
        sky = self.noise.sample_sky(sky_key, len(z))
        valid = self.masks.sample(mask_key, len(z))
        if not self.model.sees_all:
            usable = self.model.coverage(z) >= 1.0 - USABLE
            flux, seen = jnp.where(usable, flux, 0.0), valid & usable
            # too few left of a random subset: all that there are
            valid = jnp.where(seen.sum(axis=1, keepdims=True) < self.masks.fewest, usable, seen)
        flux, upper = self.limits.censor(limit_key, self.noise.add(noise_key, flux, sky), sky, valid)
        return Mocks(u, theta, z, flux, sky, valid, upper)

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
        named = jnp.asarray(self.snr_bands)
        return mean_snr(mocks.flux, mocks.sky, mocks.valid, named, mocks.upper)

    def draw_detected(self, key, pool, n_z, n_per_z, n_keep, snr_min, p_faint) -> Mocks:
        """As :meth:`draw`, keeping n_keep mocks: those above an observed S/N and a share of the others.

        The choice depends on the data alone, so that the posterior given the data is unchanged.
        """
        draw_key, faint_key = jax.random.split(key)
        mocks = self.draw(draw_key, pool, n_z, n_per_z)
        keep = (self.snr(mocks) > snr_min) | (jax.random.uniform(faint_key, mocks.z.shape) < p_faint)
        order = jnp.argsort(~keep, stable=True)[:n_keep]
        return jax.tree.map(lambda a: a[order], mocks)

    def training_batch(self, key, pool, config) -> Mocks:
        """As many mocks as a training of some :class:`~dsps_sbi.training.TrainConfig` takes in a step."""
        c = config
        return self.draw_detected(key, pool, c.n_z, c.n_per_z, c.batch, c.snr_min, c.p_faint)

    def identity(self) -> dict:
        """What the mocks come from: a training must not go on with others."""
        model, noise, limits = self.model, self.noise, self.limits
        return {
            "ssp": model.ssp.sha,
            "filters": list(model.filters.names),
            "parameters": list(model.names),
            "log_u": model.log_u,
            "cosmology": model.cosmology.name,
            "noise": [*noise.offset_dex, noise.jitter_dex, noise.floor],
            "limits": [limits.p_common, limits.p_each, *limits.k],
        }
