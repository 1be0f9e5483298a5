"""Mock photometry from the prior, as fast as it can be consumed."""

from dataclasses import dataclass
from functools import cached_property, partial

import jax
import jax.numpy as jnp
import numpy as np

from ..components import pytree
from ..errors import UserError
from ..instruments.coverage import USABLE
from ..instruments.jades import JADES_DEPTH_UJY, SNR_BANDS
from ..kernels.likelihood import mean_snr
from ..noise import BandMasks, DepthNoise, SurveyNoise, UpperLimits
from .band_table import BandTable
from .data import PhotometryData
from .model import GalaxyModel
from .prior import beyond_defaults


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["u", "theta", "data"],
    meta_fields=[],
)
@dataclass(frozen=True)
class PhotometryMocks:
    """Mock objects: parameters and data.

    Parameters
    ----------
    u, theta : array (Object, Param)
        Normal coordinates and parameters.
    data : PhotometryData
        What an observer has: noisy fluxes, or upper limits, reported errors [uJy], masks, redshifts.
    """

    u: jax.Array
    theta: jax.Array
    data: PhotometryData

    @property
    def z(self):
        """Redshifts (Object,)."""
        return self.data.z


@pytree(arrays=("model", "noise", "masks", "snr_bands"), static=("limits",))
@dataclass(frozen=True, eq=False)
class PhotometrySimulator:
    """A galaxy model seen through a noise model and band masks; a pytree.

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
    def jades_pixels(cls, model: GalaxyModel, **noise) -> "PhotometrySimulator":
        """JADES noise and masks for a model with the 19 JADES bands."""
        return cls(model, DepthNoise.jades(**noise), BandMasks.jades(model.filters.names))

    @classmethod
    def of_survey(cls, model: GalaxyModel, noise: SurveyNoise, floor: float = 0.05) -> "PhotometrySimulator":
        """Depths that images told, see :meth:`dsps_sbi.SurveyNoise.for_training`, and masks of JADES.

        Raises
        ------
        UserError
            If the noise of a band of the model was not learned.
        """
        names = model.filters.names
        return cls(model, noise.for_training(names, floor), BandMasks.jades(names))

    @cached_property
    def snr_bands(self) -> jax.Array:
        """Which bands (Band,) the signal-to-noise cut is made on."""
        with jax.ensure_compile_time_eval():
            return jnp.array([name in SNR_BANDS for name in self.model.filters.names])

    def table_pool(self, key, n) -> BandTable:
        """Band tables at n redshifts drawn from the prior, stratified; leaves carry a leading axis.

        Each table is exact at its redshift: nothing is interpolated in z. A new pool from time
        to time makes training see the redshift range as a continuum.
        """
        low, high = self.model.prior.z
        share = (jnp.arange(n) + jax.random.uniform(key, (n,))) / n
        tables = [self.model.band_table(z, trim=False) for z in np.asarray(low + share * (high - low))]
        return _stacked(tables)

    def noiseless(self, u, table: BandTable):
        """Fluxes (Object, Band) [uJy] and theta (Object, Param) for u (Object, Param) at one redshift."""
        theta = self.model.prior.from_normal(u, table.universe_gyr)
        return self.model.predict_fast(theta, table), theta

    def emitted(self, key, u, table: BandTable):
        """As :meth:`noiseless`, with the errors that :attr:`model` says its SSPs have."""
        if self.model.error is None:
            return self.noiseless(u, table)
        theta = self.model.prior.from_normal(u, table.universe_gyr)
        parts = self.model.predict_parts(theta, table)
        amplitudes = jax.random.normal(key, (len(u), self.model.error.n_mode))
        place = self.model.names.index("metallicity")
        amplitudes = amplitudes * self.model.error.strengths(theta[:, place])
        relative = 1.0 + jnp.einsum("om,mpb->opb", amplitudes, self.model.band_errors(table.z))
        return jnp.sum(parts * relative, axis=1), theta

    def observe(self, key, u, theta, z, flux) -> PhotometryMocks:
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
        return PhotometryMocks(u, theta, PhotometryData(flux, sky, valid, upper, z))

    def draw(self, key, pool: BandTable, n_z: int, n_per_z: int) -> PhotometryMocks:
        """Mocks of n_z redshifts picked from a pool, n_per_z galaxies each; traceable.

        One redshift's galaxies share a table, so that their fluxes are one matrix product.
        """
        pick_key, u_key, observe_key = jax.random.split(key, 3)
        error_keys = jax.random.split(jax.random.fold_in(observe_key, 4), n_z)
        chosen = jax.random.randint(pick_key, (n_z,), 0, len(pool.z))
        tables = jax.tree.map(lambda leaf: leaf[chosen], pool)
        u = jax.random.normal(u_key, (n_z, n_per_z, len(self.model.names)))
        flux, theta = jax.lax.map(lambda parts: self.emitted(*parts), (error_keys, u, tables))
        z = jnp.repeat(tables.z, n_per_z)
        flat = [a.reshape(n_z * n_per_z, -1) for a in (u, theta, flux)]
        return self.observe(observe_key, flat[0], flat[1], z, flat[2])

    def mocks(self, key, pool: BandTable, n_z: int, n_per_z: int) -> PhotometryMocks:
        """:meth:`draw`, compiled."""
        return _draw(self, key, pool, n_z, n_per_z)

    def snr(self, mocks: PhotometryMocks):
        """Observed mean signal-to-noise ratio (Object,)."""
        d = mocks.data
        return mean_snr(d.flux, d.sigma, d.valid, self.snr_bands, d.upper)

    def draw_detected(self, key, pool, n_z, n_per_z, n_keep, snr_min, p_faint) -> PhotometryMocks:
        """As :meth:`draw`, keeping n_keep mocks: those above an observed S/N and a share of the others.

        The choice depends on the data alone, so that the posterior given the data is unchanged.
        """
        draw_key, faint_key = jax.random.split(key)
        mocks = self.draw(draw_key, pool, n_z, n_per_z)
        keep = (self.snr(mocks) > snr_min) | (jax.random.uniform(faint_key, mocks.z.shape) < p_faint)
        order = jnp.argsort(~keep, stable=True)[:n_keep]
        return jax.tree.map(lambda a: a[order], mocks)

    def detected(self, key, pool, n_z, n_per_z, n_keep, snr_min, p_faint) -> PhotometryMocks:
        """:meth:`draw_detected`, compiled."""
        return _draw_detected(self, key, pool, n_z, n_per_z, n_keep, snr_min, p_faint)

    def training_batch(self, key, pool, config) -> PhotometryMocks:
        """As many mocks as a training with a :class:`~dsps_sbi.TrainConfig` takes in a step."""
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
            "lya_escape": model.lya_escape,
            "model_error": None if model.error is None else model.error.identity(),
            "cosmology": model.cosmology.name,
            "noise": [*noise.offset_dex, noise.jitter_dex, noise.floor],
            **_depths(noise),
            "limits": [limits.p_common, limits.p_each, *limits.k],
            **beyond_defaults(model),
        }


def _depths(noise) -> dict:
    """Depths other than those of JADES, which checkpoints do not name."""
    depths = np.asarray(noise.depth_ujy)
    if depths.shape == JADES_DEPTH_UJY.shape and np.allclose(depths, JADES_DEPTH_UJY):
        return {}
    return {"depth_ujy": [float(f"{depth:.6g}") for depth in depths]}


@partial(jax.jit, static_argnums=(3, 4))
def _draw(simulator, key, pool, n_z, n_per_z):
    return simulator.draw(key, pool, n_z, n_per_z)


@partial(jax.jit, static_argnums=(3, 4, 5))
def _draw_detected(simulator, key, pool, n_z, n_per_z, n_keep, snr_min, p_faint):
    return simulator.draw_detected(key, pool, n_z, n_per_z, n_keep, snr_min, p_faint)


@jax.jit
def _stacked(tables):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *tables)
