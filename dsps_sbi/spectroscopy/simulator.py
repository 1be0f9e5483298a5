"""Mock spectra from the prior, with the noise, gaps and nuisances of real ones."""

from dataclasses import dataclass, fields, replace
from functools import cached_property, partial

import jax
import jax.numpy as jnp
import numpy as np

from ..components import constant, pytree
from ..constants import C_KM_S
from ..errors import UserError
from ..kernels.amplitude import amplitude
from .data import SpectrumData
from .model import SpectrumModel

# Of ten parsecs, where a spectrum at rest is: the mass is the only thing that it sets
_AT_REST = 0.0
# ln(S/N) may change by this much (1 sigma) from the middle of a spectrum to either end, and bend by as much
_TILT = 0.4


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["u", "theta", "data"],
    meta_fields=[],
)
@dataclass(frozen=True)
class SpectrumMocks:
    """Mock spectra: parameters and data.

    Parameters
    ----------
    u, theta : array (Object, Param)
        Normal coordinates and parameters.
    data : SpectrumData
        What an observer has.
    """

    u: jax.Array
    theta: jax.Array
    data: SpectrumData

    @property
    def z(self):
        """Redshifts (Object,)."""
        return self.data.z


@pytree(arrays=("model", "view", "ln_snr"), static=("p_whole", "shortest", "n_gap", "p_bad"), aside=("snr",))
@dataclass(frozen=True, eq=False)
class SpectrumSimulator:
    """A spectrum model at rest, and how well and how completely it is observed; a pytree.

    Errors are a share of the amplitude, and so do not depend on anything else about the galaxy; the
    amplitude itself is known much better than the range of S/N is wide. Masks are independent of all.

    Parameters
    ----------
    model : SpectrumModel
        Its spectrograph has rest wavelengths.
    snr : (float, float)
        Range of the median S/N per pixel, log-uniform.
    p_whole : float
        Share of spectra without gaps or missing ends.
    shortest : float
        Least share of the wavelengths that a spectrum covers.
    n_gap : int
        Most gaps; each takes up to 5 % of the pixels.
    p_bad : float
        Largest share of single bad pixels.

    Raises
    ------
    UserError
        For ranges that are none.
    """

    model: SpectrumModel
    snr: tuple[float, float] = (5.0, 1000.0)
    p_whole: float = 0.5
    shortest: float = 0.35
    n_gap: int = 3
    p_bad: float = 0.03

    def __post_init__(self):
        low, high = self.snr
        if not 0.0 < low <= high < np.inf:
            raise UserError(f"signal-to-noise ratios from {low:g} to {high:g}: give 0 < low <= high")
        for name in ("p_whole", "shortest", "p_bad"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise UserError(f"{name} of mock spectra is {value}: give a share from 0 to 1")

    @cached_property
    def view(self):
        """The model's pixels at rest."""
        return self.model.view(_AT_REST)

    @cached_property
    def ln_snr(self) -> jax.Array:
        """Logarithms (2,) of the ends of the range of S/N."""
        return constant(np.log(self.snr))

    def table_pool(self, key, n):
        """Redshifts (n,) at which the ages of the Universe are uniform over the prior's range."""
        low, high = self.model.prior.z
        z = np.expm1(np.linspace(np.log1p(low), np.log1p(high), 2001))
        age = np.asarray(self.model.cosmology.age(z))
        share = (jnp.arange(n) + jax.random.uniform(key, (n,))) / n
        return jnp.interp(age[-1] + share * (age[0] - age[-1]), age[::-1], z[::-1])

    def sample_sigma(self, key, n):
        """Errors (n, Pixel) as shares of the amplitude."""
        keys = jax.random.split(key, 2)
        low, high = self.ln_snr
        ln_snr = jax.random.uniform(keys[0], (n, 1), minval=low, maxval=high)
        x = jnp.linspace(-1.0, 1.0, len(self.view.valid))
        bend = _TILT * jax.random.normal(keys[1], (n, 2, 1))
        return jnp.exp(-ln_snr - bend[:, 0] * x - bend[:, 1] * (1.5 * x**2 - 0.5))

    def sample_masks(self, key, n):
        """Pixels (n, Pixel) that are there."""
        keys = jax.random.split(key, 6)
        x = jnp.linspace(0.0, 1.0, len(self.view.valid))
        length = jax.random.uniform(keys[0], (n, 1), minval=self.shortest)
        first = jax.random.uniform(keys[1], (n, 1)) * (1.0 - length)
        valid = (x >= first) & (x <= first + length)
        middle = jax.random.uniform(keys[2], (n, self.n_gap, 1))
        # half of the gaps are none
        width = jax.random.uniform(keys[3], (n, self.n_gap, 1), minval=-0.05, maxval=0.05)
        valid &= ~(jnp.abs(x - middle) < 0.5 * width).any(axis=1)
        bad = jax.random.uniform(keys[4], valid.shape)
        whole_key, bad_key = jax.random.split(keys[5])
        valid &= bad > self.p_bad * jax.random.uniform(bad_key, (n, 1))
        return valid | (jax.random.uniform(whole_key, (n, 1)) < self.p_whole)

    def mocks(self, key, pool, n_z: int, n_per_z: int) -> SpectrumMocks:
        """As :meth:`draw`, compiled."""
        return _draw(self, key, pool, n_z, n_per_z)

    def draw(self, key, pool, n_z: int, n_per_z: int) -> SpectrumMocks:
        """Mocks of n_z redshifts picked from a pool, n_per_z galaxies each; traceable."""
        keys = jax.random.split(key, 5)
        z = jnp.repeat(pool[jax.random.randint(keys[0], (n_z,), 0, len(pool))], n_per_z)
        n = len(z)
        u = jax.random.normal(keys[1], (n, len(self.model.names)))
        universe = self.model.cosmology.age(z)
        theta = self.model.prior.from_normal(u, universe)
        view = replace(self.view, universe_gyr=universe[:, None])
        template = self.model.predict_fast(theta, view)
        valid = self.sample_masks(keys[3], n) & view.valid
        sigma = amplitude(template) * self.sample_sigma(keys[2], n)
        flux = self.model.observe(keys[4], template, theta, view, sigma)
        return SpectrumMocks(u, theta, SpectrumData(flux, sigma, valid, z))

    def training_batch(self, key, pool, config) -> SpectrumMocks:
        """As many mocks as a :class:`~dsps_sbi.training.trainer.TrainConfig` has a step of training take."""
        return self.draw(key, pool, config.batch, 1)

    def identity(self) -> dict:
        """What the mocks come from: a training must not go on with others."""
        return identity(self.model) | {"noise": self.options | {"snr": list(self.snr)}}

    @property
    def options(self) -> dict:
        """All of it but the model."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "model"}


def identity(model: SpectrumModel) -> dict:
    """What tells one model of spectra from another, in numbers and words."""
    frame = model.spectrograph
    broadening = np.sqrt(frame.ln_variance[[0, -1]]) * C_KM_S
    return {
        "ssp": [grid.sha for grid in model.grids.values()],
        "parameters": list(model.names),
        "priors": [repr(marginal) for marginal in model.prior.marginals.values()],
        "z": list(model.prior.z),
        "wavelengths": [len(frame.wave_aa), *(float(frame.wave_aa[i]) for i in (0, -1))],
        "lsf_km_s": [round(float(sigma), 3) for sigma in broadening],
        "continuum": [model.continuum.degree, model.continuum.sigma],
        "cosmology": model.cosmology.name,
    } | ({"misfit_km_s": model.geometry.node_km_s} if model.geometry.node_km_s else {})


@partial(jax.jit, static_argnums=(3, 4))
def _draw(simulator, key, pool, n_z, n_per_z):
    return simulator.draw(key, pool, n_z, n_per_z)
