"""Mean absorption by neutral hydrogen between the galaxies: Inoue et al. (2014, MNRAS 442, 1805)."""

import jax
import jax.numpy as jnp
import numpy as np

from dsps_sbi.kernels._inoue14_table import DAMPED, FOREST, LINE_WAVE_AA

# Lyman limit of the paper, Angstrom.
LYMAN_LIMIT_AA = 911.8


def inoue14_tau(wave_rest_aa: jax.Array, z: jax.Array) -> jax.Array:
    """Mean optical depth of the intergalactic medium (Inoue et al. 2014, eqs 20-29).

    The sum of the Lyman-alpha forest and the damped systems, each with 39 Lyman lines and
    the Lyman continuum. The paper's continuum holds for observed wavelengths above 911.8
    Angstrom; below, no absorber is at redshift 0 or less, so the forest falls with the
    cross-section (wavelength^2.1) and the damped systems stay as at 911.8 Angstrom.
    Smooth in ``z`` but for the paper's small steps at z = 1.2, 2 and 4.7; its gradient is
    finite everywhere.

    Parameters
    ----------
    wave_rest_aa : array_like (Wave,)
        Rest-frame wavelengths, Angstrom, vacuum. Where it is a numpy array, wavelengths
        beyond Lyman-alpha cost nothing.
    z : jax.Array ()
        Redshift of the source, 0 or more.

    Returns
    -------
    jax.Array (Wave,)
        Optical depth, 0 or more; 0 beyond Lyman-alpha.
    """
    z = jnp.asarray(z, float)
    if not isinstance(wave_rest_aa, np.ndarray):
        return _tau(jnp.asarray(wave_rest_aa), z)
    blue = np.flatnonzero(wave_rest_aa < LINE_WAVE_AA[0])
    tau = jnp.zeros(wave_rest_aa.shape, z.dtype)
    if blue.size == 0:
        return tau
    return tau.at[blue].set(_tau(jnp.asarray(wave_rest_aa[blue], z.dtype), z))


def igm_transmission(wave_rest_aa: jax.Array, z: jax.Array) -> jax.Array:
    """Mean fraction of the light that the intergalactic medium lets through.

    Parameters
    ----------
    wave_rest_aa : array_like (Wave,)
        Rest-frame wavelengths, Angstrom, vacuum: see `inoue14_tau`.
    z : jax.Array ()
        Redshift of the source, 0 or more.

    Returns
    -------
    jax.Array (Wave,)
        exp(-optical depth): 0 to 1; 1 beyond Lyman-alpha.
    """
    return jnp.exp(-inoue14_tau(wave_rest_aa, z))


@jax.jit
def _tau(wave, z):
    return _series(wave, z) + _continuum_forest(wave, z) + _continuum_damped(wave, z)


def _series(wave, z):
    """Lyman lines (eqs 21 and 22), summed."""
    line = jnp.asarray(LINE_WAVE_AA, wave.dtype)
    forest, damped = jnp.asarray(FOREST, wave.dtype), jnp.asarray(DAMPED, wave.dtype)
    wave = wave[..., None]
    ratio = wave * (1.0 + z) / line
    active = (wave < line) & (ratio > 1.0)
    # Where inactive, 1 keeps powers and gradients finite.
    ratio = jnp.where(active, ratio, 1.0)
    near, far = ratio < 2.2, ratio >= 5.7
    power = jnp.where(near, 1.2, jnp.where(far, 5.5, 3.7))
    scale = jnp.where(near, forest[0], jnp.where(far, forest[2], forest[1]))
    tau = scale * jnp.exp(power * jnp.log(ratio))
    tau += ratio**2 * jnp.where(ratio < 3.0, damped[0], damped[1] * ratio)
    return jnp.where(active, tau, 0.0).sum(axis=-1)


def _observed(wave, z):
    """Observed wavelength over the Lyman limit (at least 1), its part below 1, and a mask."""
    active = wave < LYMAN_LIMIT_AA
    ratio = jnp.where(active, wave * (1.0 + z) / LYMAN_LIMIT_AA, 1.0)
    return jnp.maximum(ratio, 1.0), jnp.minimum(ratio, 1.0), active


def _continuum_forest(wave, z):
    """Lyman continuum of the forest (eqs 25-27)."""
    r, below, active = _observed(wave, z)
    r12, r21, r37, r55 = r**1.2, r**2.1, r**3.7, r**5.5
    s = 1.0 + z
    low = 0.325 * (r12 - s**-0.9 * r21)
    grown = 2.55e-2 * s**1.6 * r21
    middle = grown + jnp.where(r < 2.2, 0.325 * r12 - 0.250 * r21, -2.55e-2 * r37)
    grown = 5.22e-4 * s**3.4 * r21
    high = jnp.where(r < 2.2, 0.325 * r12 - 3.14e-2 * r21, 0.218 * r21 - 2.55e-2 * r37)
    high = grown + jnp.where(r < 5.7, high, -5.22e-4 * r55)
    tau = jnp.where(z < 1.2, low, jnp.where(z < 4.7, middle, high)) * below**2.1
    return jnp.where(active, jnp.maximum(tau, 0.0), 0.0)


def _continuum_damped(wave, z):
    """Lyman continuum of the damped systems (eqs 28 and 29)."""
    r, _, active = _observed(wave, z)
    weak = r**-0.3
    s = 1.0 + z
    low = 0.211 * s**2 - 7.66e-2 * s**2.3 * weak - 0.135 * r**2
    high = 4.70e-2 * s**3 - 1.78e-2 * s**3.3 * weak
    high += jnp.where(r < 3.0, 0.634 - 0.135 * r**2 - 0.291 * weak, -2.92e-2 * r**3)
    tau = jnp.where(z < 2.0, low, high)
    return jnp.where(active, jnp.maximum(tau, 0.0), 0.0)
