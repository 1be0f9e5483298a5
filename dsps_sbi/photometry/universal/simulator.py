"""Mock photometry of random surveys, as fast as it can be consumed."""

from dataclasses import dataclass
from functools import cached_property, partial

import jax
import jax.numpy as jnp
import numpy as np

from ...components import pytree
from ...kernels.likelihood import mean_snr
from ...noise import UpperLimits
from ...noise.any_depth import AnyDepth
from ..compressed import DEX, log_scale
from ..wave_basis import WaveBasis
from .data import UniversalData
from .light import behind_screen, parts_of
from .network import UniversalNetwork
from .surveys import FEWEST, Curve, SurveyPool, survey_pool

# Share of objects that lack some bands of their survey, and of bands that such an object lacks
_P_LACKING, _LACKING = 0.5, 0.25


@partial(jax.tree_util.register_dataclass, data_fields=["u", "theta", "data"], meta_fields=[])
@dataclass(frozen=True)
class UniversalMocks:
    """Mock objects: parameters and data.

    Parameters
    ----------
    u, theta : array (Object, Param)
        Normal coordinates and parameters.
    data : tuple of UniversalData
        What an observer has; its objects in order are those of ``u``.
    """

    u: jax.Array
    theta: jax.Array
    data: tuple[UniversalData, ...]

    @property
    def z(self):
        """Redshifts (Object,)."""
        return jnp.concatenate([bucket.z for bucket in self.data])


@pytree(
    arrays=("network", "basis"), static=("noise", "limits", "buckets"), aside=("library", "identity_of_model")
)
@dataclass(frozen=True, eq=False)
class UniversalSimulator:
    """Galaxies of a forward model, seen by random surveys; a pytree.

    Parameters
    ----------
    network : UniversalNetwork
        Its priors, errors of SSPs, and functions of wavelength: a pool holds the bands of both.
    basis : WaveBasis
        The forward model, in more functions than the network's.
    library : tuple of Curve
        Filters that those of the surveys are made of.
    identity_of_model : dict
        What the forward model comes from.
    noise : AnyDepth
    limits : UpperLimits
    buckets : tuple of int
        Numbers of bands to which those of surveys are filled up.
    """

    network: UniversalNetwork
    basis: WaveBasis
    library: tuple[Curve, ...]
    identity_of_model: dict
    noise: AnyDepth = AnyDepth()
    limits: UpperLimits = UpperLimits()
    buckets: tuple[int, ...] = (8, 16, 40)

    @cached_property
    def names(self):
        """Parameter names, the order of theta's last axis."""
        return self.network.prior.names

    def shared_out(self, n: int) -> list[int]:
        """How many of n surveys belong to each bucket, at least one: numbers of bands are uniform in log."""
        ends = np.log(np.array([FEWEST, *(bucket + 1 for bucket in self.buckets)]))
        share = np.diff(ends) / (ends[-1] - ends[0])
        counts = np.maximum(np.floor(share * n).astype(int), 1)
        counts[0] += n - counts.sum()
        return counts.tolist()

    def table_pool(self, key, n) -> tuple[SurveyPool, ...]:
        """Random surveys at n redshifts of the prior, bucket by bucket."""
        rng = np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel())
        fewest = [FEWEST, *(bucket + 1 for bucket in self.buckets)]
        sizes = zip(self.shared_out(n), fewest, self.buckets, strict=False)
        z = self.network.prior.z
        return tuple(survey_pool(self.basis, self.library, z, *size, rng) for size in sizes)

    def emitted(self, key, u, pool: SurveyPool):
        """Fluxes (Survey, Galaxy, Band) [uJy], errors of the SSPs among them, and theta, of u."""
        net, basis = self.network, self.basis
        universe = net.cosmology.age(pool.z)
        theta = net.prior.from_normal(u, universe[:, None])
        place = len(net.sfh.names) + 1

        def of_one(theta, bands, universe):
            return behind_screen(parts_of(basis, net.sfh, theta[:-1], universe), bands, theta[place])

        of_survey = jax.vmap(of_one, in_axes=(0, None, None))
        parts = jax.vmap(of_survey)(theta, pool.bands, universe)
        if net.error is not None:
            errors = jax.vmap(net.error.at)(pool.bands.pivot_aa / (1.0 + pool.z[:, None]))
            amplitudes = jax.random.normal(key, (*u.shape[:2], net.error.n_mode))
            amplitudes = amplitudes * net.error.strengths(theta[..., place - 1])
            parts = parts * (1.0 + jnp.einsum("sgm,smpb->sgpb", amplitudes, errors))
        scale = 10.0 ** (theta[..., -1] - DEX - log_scale(net.cosmology, pool.z)[:, None])
        return jnp.sum(parts, axis=2) * scale[..., None], theta

    def observed(self, key, pool: SurveyPool, n_per_z: int):
        """Mocks (Survey, Galaxy, ...) of each survey of a pool: u, theta, flux, sky, valid, upper, floor."""
        keys = jax.random.split(key, 6)
        n, shape = len(pool.z) * n_per_z, (len(pool.z), n_per_z)
        u = jax.random.normal(keys[0], (*shape, len(self.names)))
        flux, theta = self.emitted(keys[1], u, pool)
        flux = flux.reshape(n, -1)
        there, pivot = (jnp.repeat(a, n_per_z, axis=0) for a in (pool.there, pool.bands.pivot_aa))
        sky, floor = self.noise.sample(keys[2], pivot)
        lacking = jax.random.uniform(keys[3], (2, *flux.shape))
        lacking = (lacking[0, :, :1] < _P_LACKING) & (lacking[1] < _LACKING)
        valid = there & ~lacking
        valid = jnp.where(valid.sum(axis=1, keepdims=True) < FEWEST, there, valid)
        noise = jax.random.normal(keys[4], (2, *flux.shape))
        flux = flux + sky * noise[0] + floor[:, None] * flux * noise[1]
        flux, upper = self.limits.censor(keys[5], flux, sky, valid)
        flux, sky = jnp.where(valid, flux, 0.0), jnp.where(valid, sky, 1.0)
        return u, theta, *(a.reshape(*shape, *a.shape[1:]) for a in (flux, sky, valid, upper, floor))

    def _mocks(self, key, pools, n_z, n_per_z, chosen_of=None) -> UniversalMocks:
        """Mocks of n_z surveys picked from a pool; ``chosen_of`` may say which galaxies of each."""
        out = []
        for i, (pool, n) in enumerate(zip(pools, self.shared_out(n_z), strict=True)):
            pick_key, draw_key, choose_key = jax.random.split(jax.random.fold_in(key, i), 3)
            picked = jax.random.randint(pick_key, (n,), 0, len(pool.z))
            pool = jax.tree.map(lambda leaf: leaf[picked], pool)  # noqa: B023
            columns = self.observed(draw_key, pool, n_per_z)
            if chosen_of is not None:
                order = chosen_of(choose_key, columns)
                columns = [jax.vmap(lambda a, k: a[k])(column, order) for column in columns]
            n_each = columns[0].shape[1]
            u, theta, flux, sky, valid, upper, floor = (a.reshape(-1, *a.shape[2:]) for a in columns)
            pieces = self.basis.first(pool.bands.pieces, self.network.basis.ranks)
            bands = pool.bands._replace(pieces=pieces)
            z = jnp.repeat(pool.z, n_each)
            out.append((u, theta, UniversalData(flux, sky, valid, upper, z, floor, bands)))
        u, theta, data = zip(*out, strict=True)
        return UniversalMocks(jnp.concatenate(u), jnp.concatenate(theta), data)

    def draw(self, key, pools, n_z: int, n_per_z: int) -> UniversalMocks:
        """Mocks of n_z surveys picked from a pool, n_per_z galaxies each; traceable."""
        return self._mocks(key, pools, n_z, n_per_z)

    def mocks(self, key, pools, n_z: int, n_per_z: int) -> UniversalMocks:
        """:meth:`draw`, compiled."""
        return _draw(self, key, pools, n_z, n_per_z)

    def snr(self, mocks: UniversalMocks):
        """Observed mean signal-to-noise ratio (Object,) of all bands."""
        return jnp.concatenate([_snr(d.flux, d.sigma, d.valid, d.upper) for d in mocks.data])

    def training_batch(self, key, pools, config) -> UniversalMocks:
        """As many mocks as a training with a :class:`~dsps_sbi.TrainConfig` takes in a step.

        Of each survey those above an observed S/N and a share of the others: the choice depends on the data
        alone.
        """
        c = config
        n_each = c.batch // c.n_z

        def chosen(key, columns):
            _, _, flux, sky, valid, upper, _ = columns
            keep = (_snr(flux, sky, valid, upper) > c.snr_min) | (
                jax.random.uniform(key, flux.shape[:2]) < c.p_faint
            )
            return jnp.argsort(~keep, axis=1, stable=True)[:, :n_each]

        return self._mocks(key, pools, c.n_z, c.n_per_z, chosen)

    def identity(self) -> dict:
        """What the mocks come from: a training must not go on with others."""
        noise, limits = self.noise, self.limits
        return self.identity_of_model | {
            "noise": [*noise.log_sky_ujy, noise.tilt_dex, noise.jitter_dex, noise.p_odd, *noise.floor],
            "limits": [limits.p_common, limits.p_each, *limits.k],
            "buckets": list(self.buckets),
            "filters": len(self.library),
            "ranks": [*self.basis.ranks, *self.network.basis.ranks],
        }


def _snr(flux, sky, valid, upper):
    return mean_snr(flux, sky, valid, jnp.ones(flux.shape[-1], bool), upper)


@partial(jax.jit, static_argnums=(3, 4))
def _draw(simulator, key, pools, n_z, n_per_z):
    return simulator.draw(key, pools, n_z, n_per_z)
