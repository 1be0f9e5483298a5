r"""Closed forms of the delayed-tau star formation history, safe in float32.

With :math:`x = T/\tau` (T the time since the first star) the formed mass grows as
:math:`G(x) = 1-(1+x)e^{-x}`. Differences of G cancel catastrophically for short or young
histories, so that everything here is written with
:math:`\varphi_2(x) = (e^x - 1 - x)/x^2` and its series.
"""

from math import factorial

import jax.numpy as jnp
import numpy as np

# Above this argument the direct formula has no cancellation left; below it the series has converged.
_SPLIT = 1.0


# The series of phi2, economised: a polynomial through Chebyshev nodes of -1..1, good to 1e-8
_PHI2 = np.polynomial.Chebyshev.interpolate(lambda x: sum(x**k / factorial(k + 2) for k in range(20)), 7)
_PHI2 = _PHI2.convert(kind=np.polynomial.Polynomial).coef


def phi2(x):
    """(exp(x) - 1 - x) / x^2 to float32 round-off for x between -1 and 1."""
    total = jnp.full_like(x, _PHI2[-1])
    for coefficient in _PHI2[-2::-1]:
        total = total * x + coefficient
    return total


def formed_fraction(x):
    r"""G(x) = 1 - (1+x) exp(-x): share of the asymptotic mass formed after x e-folding times.

    Parameters
    ----------
    x : array
        Time since the first star in units of tau, >= 0.
    """
    small = jnp.minimum(x, _SPLIT)
    return jnp.where(x < _SPLIT, jnp.exp(-small) * small**2 * phi2(small), 1.0 - (1.0 + x) * jnp.exp(-x))


def fraction_younger(age_gyr, duration_gyr, tau_gyr):
    """Share of the formed mass that is younger than an age.

    Parameters
    ----------
    age_gyr : array
        Lookback time from the epoch of observation [Gyr], >= 0.
    duration_gyr : array
        Time from the first star to the epoch of observation [Gyr], > 0.
    tau_gyr : array
        e-folding time [Gyr], > 0.

    Returns
    -------
    array
        In [0, 1]; accurate in relative terms for young ages too, where it is tiny.
    """
    # one division for each history, products for each age
    per_tau, per_duration = 1.0 / tau_gyr, 1.0 / duration_gyr
    x0 = duration_gyr * per_tau
    d = jnp.clip(age_gyr * per_tau, 0.0, x0)
    # from the times, not x0 - d: for x0 of hundreds its rounding would enter the exponent
    since = jnp.maximum(duration_gyr - age_gyr, 0.0)
    before = since * per_tau
    ds = jnp.minimum(d, _SPLIT)
    second = phi2(ds)
    first = 1.0 + ds * second
    # G(x0) - G(x0 - d), times exp(x0), is d (before * first + d * second). Short histories have it over
    # x0^2 in shares of the duration, which do not depend on tau: without that the powers of tau above
    # and below the line cancel to rounding in the gradient
    share = jnp.minimum(age_gyr * per_duration, 1.0)
    young = share * (since * per_duration * first + share * second) * (1.0 / phi2(jnp.minimum(x0, _SPLIT)))
    near = ds * (before * first + ds * second) * jnp.exp(-x0)
    far = (1.0 + before) * jnp.exp(-before) - (1.0 + x0) * jnp.exp(-x0)
    # not jnp.maximum: at a tie that passes on half the gradient, and x0 = 1 takes this branch
    whole = formed_fraction(jnp.where(x0 < _SPLIT, _SPLIT, x0))
    old = jnp.where(d < _SPLIT, near, far) * (1.0 / whole)
    return jnp.clip(jnp.where(x0 < _SPLIT, young, old), 0.0, 1.0)


def time_of_fraction(fraction, duration_gyr, tau_gyr, n_newton=20):
    """Time after the first star at which a share of the formed mass existed [Gyr].

    Solves G(x) = fraction * G(x0) by Newton steps on the logarithm, started below the root, where
    log G against log x is concave: the iteration is monotone and cannot leave the bracket.
    """
    x0 = duration_gyr / tau_gyr
    target = jnp.log(fraction) + jnp.log(formed_fraction(x0))
    # G(x) <= x^2 / 2, hence the root lies at or above sqrt(2 G)
    log_x = 0.5 * (jnp.log(2.0) + target)
    for _ in range(n_newton):
        x = jnp.exp(log_x)
        growth = formed_fraction(x)
        slope = x**2 * jnp.exp(-x) / growth
        log_x = jnp.minimum(log_x + (target - jnp.log(growth)) / jnp.maximum(slope, 1e-6), jnp.log(x0))
    return jnp.exp(log_x) * tau_gyr


def mean_age(duration_gyr, tau_gyr):
    r"""Mass-weighted mean age at the epoch of observation [Gyr].

    T - tau * (2 - (2 + 2x + x^2) e^{-x}) / G(x), with x = T/tau; T/3 in the limit of small x.
    """
    x = duration_gyr / tau_gyr
    xs = jnp.minimum(x, _SPLIT)
    # third-order remainder (e^x - 1 - x - x^2/2) / x^3 by its series
    term = jnp.full_like(xs, 1.0 / 6.0)
    phi3 = term
    for n in range(4, 14):
        term = term * xs / n
        phi3 = phi3 + term
    small = 2.0 * xs * phi3 / phi2(xs)
    xl = jnp.where(x < _SPLIT, _SPLIT, x)
    large = (2.0 - (2.0 + 2.0 * xl + xl**2) * jnp.exp(-xl)) / formed_fraction(xl)
    return duration_gyr - tau_gyr * jnp.where(x < _SPLIT, small, large)
