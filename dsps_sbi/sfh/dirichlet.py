"""Non-parametric star formation histories: when the galaxy had formed each share of its mass."""

from dataclasses import dataclass
from functools import cached_property

import jax.numpy as jnp

from ..errors import UserError
from ..kernels import monotone_cubic as cubic
from ..priors import Beta, Uniform
from .protocol import formation_time_by_bisection

# Each gap between quantiles gets at least this share of the age of the Universe (~10^4 yr), so
# that a draw on the edge of the prior, where gaps vanish, has finite slopes.
_SMALLEST_GAP = 1e-6


@dataclass(frozen=True)
class Dirichlet:
    r"""Formation times of equal shares of mass, and the specific star formation rate now.

    The parametrisation of Dense Basis (Iyer & Gawiser 2017, ApJ 838, 127; Iyer et al. 2019, ApJ
    879, 116): N quantiles cut the formed mass in N + 1 equal parts (N = 3: t25, t50, t75). The
    N + 1 gaps between the Big Bang, these times and the epoch of observation, as shares of the age
    of the Universe, are Dirichlet(alpha) distributed under the prior.

    Parameters in order: ``stick_1`` ... ``stick_N``, the share of the time left since the quantile
    before that passes up to quantile i (0-1), and ``log_ssfr_now`` (log10 of the star formation
    rate now per formed mass [1/yr]). Sticks are independent under a Dirichlet prior, Beta(alpha,
    alpha (N + 1 - i)), which gaps are not.

    Parameters
    ----------
    n_quantiles : int
        N, at least 1.
    alpha : float
        Concentration of the gaps; 1 is uniform over all of them, more is closer to constant SFR.
    log_ssfr_low, log_ssfr_high : float
        Range of ``log_ssfr_now`` under the prior, flat. The default reaches down to galaxies without
        any star formation. A prior flat in log SFR would tie the shape of a history to the mass, which
        would no longer scale all fluxes; so the rate is per mass.

    Raises
    ------
    UserError
        For fewer than one quantile, or a prior that is none.

    Notes
    -----
    Dense Basis draws a Gaussian process through the quantiles. Here a monotone cubic replaces it
    (Fritsch & Carlson 1980, see :mod:`dsps_sbi.kernels.monotone_cubic`): the mass never shrinks
    (a process has to be clipped there), masses between any two times are closed forms, and
    gradients cost no matrix solve. As in Dense Basis the SFR starts from zero at the Big Bang.

    The last 1 / (N + 1) of the mass forms between the last quantile and the epoch of observation, in a
    share x of that gap at most 1 - (1 - x)^3 of it. A history cannot end earlier: with N = 3, t90 is 26 % of
    the age of the Universe at least, 3.5 Gyr today, however early t75 is. More quantiles, or
    :class:`~dsps_sbi.sfh.Aged`, make galaxies that formed all of their stars early.

    The slope at the end is the SFR now. A cubic can rise monotonically with at most three times the
    mean slope of the last gap g (in shares of the age T of the Universe): the sSFR that the history
    really has is the smaller of 10**log_ssfr_now and 3 / ((N + 1) g T), see :meth:`ssfr_now`. Above it
    ``log_ssfr_now`` has no effect.
    """

    n_quantiles: int = 3
    alpha: float = 1.0
    log_ssfr_low: float = -14.0
    log_ssfr_high: float = -7.5

    def __post_init__(self):
        if self.n_quantiles < 1:
            raise UserError(f"{self.n_quantiles} quantiles of formation: give at least 1")
        self.marginals()  # Beta and Uniform say what is wrong with the rest

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Parameter names in order."""
        return (*(f"stick_{i + 1}" for i in range(self.n_quantiles)), "log_ssfr_now")

    def marginals(self) -> dict[str, Beta | Uniform]:
        """Marginals of the parameters for a :class:`dsps_sbi.priors.prior.Prior`."""
        n = self.n_quantiles
        sticks = {f"stick_{i + 1}": Beta(self.alpha, self.alpha * (n - i)) for i in range(n)}
        return {**sticks, "log_ssfr_now": Uniform(self.log_ssfr_low, self.log_ssfr_high)}

    def _curve(self, params, universe_gyr):
        """Mass younger than a share of the age of the Universe: start, width, secant, slope of pieces.

        Counted back from the epoch of observation: there the mass is small and float32 is fine.
        """
        sticks = jnp.clip(params[..., : self.n_quantiles], 0.0, 1.0)
        remaining = jnp.cumprod(jnp.concatenate([jnp.ones_like(sticks[..., :1]), 1.0 - sticks], -1), -1)
        gaps = jnp.concatenate([remaining[..., :-1] * sticks, remaining[..., -1:]], -1)[..., ::-1]
        n = self.n_quantiles + 1
        width = (gaps + _SMALLEST_GAP) / (1.0 + n * _SMALLEST_GAP)
        start = jnp.concatenate([jnp.zeros_like(width[..., :1]), jnp.cumsum(width, -1)[..., :-1]], -1)
        secant = 1.0 / (n * width)
        now = 10.0 ** (params[..., -1:] + 9.0) * jnp.asarray(universe_gyr)[..., None]
        now = jnp.minimum(now, 3.0 * secant[..., :1])
        inner = cubic.inner_slopes(width, secant)
        shape = jnp.broadcast_shapes(now.shape[:-1], inner.shape[:-1])
        parts = [jnp.broadcast_to(a, (*shape, a.shape[-1])) for a in (now, inner, jnp.zeros(1))]
        return start, width, secant, jnp.concatenate(parts, -1)

    def ssfr_now(self, params, universe_gyr):
        """SFR at the epoch of observation per formed mass [1/yr]: that of the curve, see the notes."""
        return self._curve(params, universe_gyr)[3][..., 0] / (universe_gyr * 1e9)

    def fraction_younger(self, params, age_gyr, universe_gyr):
        """Share of the formed mass with lookback age <= ``age_gyr`` [Gyr]; see the protocol."""
        x = jnp.asarray(age_gyr / universe_gyr)
        return jnp.minimum(cubic.evaluate(x, *self._curve(params, universe_gyr)), 1.0)

    def mean_age(self, params, universe_gyr):
        """Mass-weighted mean age at the epoch of observation [Gyr]."""
        _, width, secant, slope = self._curve(params, universe_gyr)
        return universe_gyr * (1.0 - cubic.integral(width, secant, slope))

    def formation_time(self, params, fraction, universe_gyr):
        """Cosmic time [Gyr since the Big Bang] at which a share of the formed mass existed."""
        return formation_time_by_bisection(self, params, fraction, universe_gyr)
