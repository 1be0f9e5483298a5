r"""The mass integrated out of the likelihood: given the spectrum's shape it is one-dimensional.

All fluxes scale with mass, f = 10^M g, so that for each draw of the other parameters the posterior
of M = log10 mass is known on a grid: its integral is that draw's evidence, and its mass can be drawn
exactly. Bands are taken one by one: each array holds one number per draw (and node), and nothing has an axis
of bands beside these.

Errors of the model that bands share, :math:`f_b \to f_b + \sum_m a_m e_{mb}` with unit normal amplitudes
:math:`a_m`, scale with mass as the fluxes do. They are integrated out in closed form: the covariance is of
low rank beside a diagonal one (Woodbury's identity).
"""

import jax
import jax.numpy as jnp
import numpy as np
from numpy.polynomial.chebyshev import chebvander

from . import chebyshev
from .full_precision import tensordot
from .likelihood import countable, log_normal_cdf

# Masses at which the likelihood is evaluated, spread over the bulk of the posterior. A uniform grid is
# spectrally accurate there: the nodes are 0.5 sigma apart where the mass is detected
_N_NODE = 20
# Half-width of the bulk in standard deviations of the mass
_REACH = 5.0
# Where mass is not detected the bulk begins at this many standard deviations: the likelihood is nearly
# that of no flux below
_FAINT = 0.07
# Nodes in the bulk, 0 to 1, of what shared errors add, and the polynomial through them at all nodes
_N_FEW = 14
_FEW = 0.5 + 0.5 * chebyshev.nodes(_N_FEW)
_FROM_FEW = np.float32(
    chebvander(np.linspace(-1.0, 1.0, _N_NODE), _N_FEW - 1)
    @ np.linalg.inv(chebvander(chebyshev.nodes(_N_FEW), _N_FEW - 1))
)
# Points of the posterior that is returned: the prior's lower edge, nodes, and points halfway between
N_GRID = 2 * _N_NODE


class _Bands:
    """The data band by band, in units of the sky (squares of faint fluxes in uJy underflow float32)."""

    def __init__(self, flux_obs, sky, valid, unit_flux, floor, upper, reference, modes=None):
        unit = jnp.where(valid, countable(flux_obs, sky), 1.0)
        limit = None if upper is None else upper & valid
        norm = 2.0 * jnp.log(unit) + jnp.log(2.0 * jnp.pi)
        counted = valid if limit is None else valid & ~limit
        self.norm = jnp.sum(jnp.where(counted, norm, 0.0), axis=-1)
        # masses relative to a reference keep float32 in range; a band without data has no flux
        scale = jnp.where(valid, 10.0**reference / unit, 0.0)
        self.data = _bands_first(jnp.where(valid, flux_obs, 0.0) / unit)
        self.light = _bands_first(jnp.where(valid, unit_flux, 0.0) * scale)
        self.limit = None if limit is None else _bands_first(limit)
        self.modes = None
        if modes is not None:
            errors = jnp.where(valid[..., None, :], modes, 0.0) * scale[..., None, :]
            # (Band, Mode, ...)
            errors = jnp.moveaxis(errors, (-1, -2), (0, 1))
            self.modes = errors if limit is None else jnp.where(self.limit[:, None], 0.0, errors)
        # variance beside the sky's at unit mass
        self.spread = (floor * self.light) ** 2
        if modes is not None:
            self.spread = self.spread + jnp.sum(errors**2, axis=1)
        self.floor = floor
        self.shape = jnp.broadcast_shapes(self.data.shape[1:], self.light.shape[1:])

    def _over(self, add, start, *columns, unroll=1):
        """Sums over bands, one after the other: ``add`` takes them so far and one band's columns."""
        columns = tuple(column for column in columns if column is not None)
        return jax.lax.scan(lambda total, band: (add(total, *band), None), start, columns, unroll=unroll)[0]

    def least_squares(self, mass, all_limits=False):
        """Best mass, its precision, and that of the detections alone, with the variances at a mass.

        A limit is a datum where the model at this mass exceeds it, or everywhere, and else none. Errors
        that it shares count as its own.
        """

        def add(total, d, g, limit=None, spread=None):
            top, bottom, seen = total
            own = (self.floor * g) ** 2 if limit is None else jnp.where(limit, spread, (self.floor * g) ** 2)
            weight = g / (1.0 + mass**2 * own)
            if limit is None:
                return top + weight * d, bottom + weight * g, seen + weight * g
            seen = seen + jnp.where(limit, 0.0, weight * g)
            if not all_limits:
                weight = jnp.where(limit & (mass * g < d), 0.0, weight)
            return top + weight * d, bottom + weight * g, seen

        zero = jnp.zeros(self.shape, self.light.dtype)
        spread = None if self.limit is None else self.spread
        top, bottom, seen = self._over(add, (zero, zero, zero), self.data, self.light, self.limit, spread)
        if self.modes is None:
            return top, bottom, seen
        (of_data, of_light), pairs = self._projected(mass, lambda d, g: (d, g))
        solved, _ = solve_beside_unit(pairs, of_light)
        # what the shared errors take away from what is known of the mass
        lost = [sum(a * b for a, b in zip(solved, other, strict=True)) for other in (of_data, of_light)]
        bottom, seen = (jnp.maximum(known - lost[1], 1e-6 * known) for known in (bottom, seen))
        return top - lost[0], bottom, seen

    def _projected(self, mass, columns):
        """Projections of columns of data on the errors of a mass, and of the errors on each other.

        In units of the bands' own variances.

        Parameters
        ----------
        mass : array (Node, ...) or (...)
        columns : callable
            Data and light of a band, in units of the sky, to a tuple of columns.

        Returns
        -------
        projections : tuple of list (Mode) of array
            For each column.
        pairs : list of list of array
            Lower triangle of a matrix (Mode, Mode).
        """
        n = self.modes.shape[1]
        counted = jnp.ones_like(self.light, bool) if self.limit is None else ~self.limit

        def add(total, d, g, errors, counted):
            scale = jax.lax.rsqrt(1.0 + (self.floor * mass * g) ** 2)
            errors = [mass * scale * error for error in errors]
            values = [jnp.where(counted, scale * value, 0.0) for value in columns(d, g)]
            of_columns, pairs = total
            of_columns = tuple(
                [s + e * value for s, e in zip(sums, errors, strict=True)]
                for sums, value in zip(of_columns, values, strict=True)
            )
            return of_columns, [[pairs[i][j] + errors[i] * errors[j] for j in range(i + 1)] for i in range(n)]

        zero = jnp.zeros(jnp.broadcast_shapes(jnp.shape(mass), self.shape), self.light.dtype)
        start = tuple([zero] * n for _ in columns(zero, zero)), [[zero] * (i + 1) for i in range(n)]
        return self._over(add, start, self.data, self.light, self.modes, counted)

    def log_likelihood(self, mass):
        """Log likelihood (Node, ...) of masses (Node, ...)."""
        # no datum and no light: nothing is added
        data, light = self.data, self.light
        if self.limit is not None:
            data, light = jnp.where(self.limit, 0.0, data), jnp.where(self.limit, 0.0, light)

        def of_one(d, g):
            return (d - mass * g) ** 2, 1.0 + (self.floor * mass * g) ** 2

        def add(total, d, g):
            (first, variance), (second, other) = of_one(d[0], g[0]), of_one(d[1], g[1])
            # two bands share a division and a logarithm
            product = variance * other
            return total[0] + (first * other + second * variance) / product, total[1] + jnp.log(product)

        zero = jnp.zeros(jnp.broadcast_shapes(mass.shape, self.shape), self.light.dtype)
        # copies, not a loop: sums at all nodes would go through memory once for each pair
        chi2, log_variance = self._over(add, (zero, zero), _in_pairs(data), _in_pairs(light), unroll=True)
        detected = -0.5 * (chi2 + log_variance + self.norm)
        if self.limit is None:
            return detected
        # a normal integral costs more than all the rest: only where there is a limit at all
        return detected + jax.lax.cond(jnp.any(self.limit), self._log_below, lambda _: zero, mass)

    def log_shared(self, mass):
        """What shared errors add to the log likelihood (Node, ...) at masses (Node, ...)."""
        (shared,), pairs = self._projected(mass, lambda d, g: (d - mass * g,))
        solved, log_det = solve_beside_unit(pairs, shared)
        return 0.5 * (sum(a * b for a, b in zip(solved, shared, strict=True)) - log_det)

    def _log_below(self, mass):
        """Log probability (Node, ...) that no limit is exceeded, at masses (Node, ...).

        Limits are of faint fluxes, and shared errors small against their sky: they count as each band's own.
        """

        def add(total, d, g, spread, limit):
            chance = log_normal_cdf((d - mass * g) * (1.0 + mass**2 * spread) ** -0.5)
            return total + jnp.where(limit, chance, 0.0)

        zero = jnp.zeros(jnp.broadcast_shapes(mass.shape, self.shape), self.light.dtype)
        return self._over(add, zero, self.data, self.light, self.spread, self.limit)


def solve_beside_unit(pairs, right):
    """Solve (1 + P) x = right for many small matrices at once, by Cholesky's factors.

    Parameters
    ----------
    pairs : list of list of array
        Lower triangle of P, row by row.
    right : list of array

    Returns
    -------
    x : list of array
    log_det : array
        Log of the determinant of 1 + P.
    """
    factor, half, log_det = [], [], 0.0
    for i, row in enumerate(pairs):
        new = []
        for j, value in enumerate(row[:-1]):
            rest = value - sum(new[k] * factor[j][k] for k in range(j))
            new.append(rest / factor[j][j])
        pivot = 1.0 + row[i] - sum(a**2 for a in new)
        # never below 1 but for rounding
        pivot = jnp.maximum(pivot, 1.0)
        log_det = log_det + jnp.log(pivot)
        new.append(jnp.sqrt(pivot))
        factor.append(new)
        half.append((right[i] - sum(new[k] * half[k] for k in range(i))) / new[i])
    n, x = len(pairs), [None] * len(pairs)
    for i in reversed(range(n)):
        x[i] = (half[i] - sum(factor[k][i] * x[k] for k in range(i + 1, n))) / factor[i][i]
    return x, log_det


def whitened(errors, residual):
    """Residuals (..., Band) made independent, of unit variance, where bands share errors (..., Mode, Band).

    Both in units of the bands' own standard deviations; the errors have unit normal amplitudes. The modes are
    taken out one after the other, by the root of the inverse of 1 + e e'.
    """
    rows = [errors[..., i, :] for i in range(errors.shape[-2])]
    while rows:
        row = rows.pop(0)
        root = jnp.sqrt(1.0 + jnp.sum(row**2, axis=-1, keepdims=True))
        factor = row / (root * (1.0 + root))

        def without(values, row=row, factor=factor):
            return values - factor * jnp.sum(row * values, axis=-1, keepdims=True)

        residual, rows = without(residual), [without(other) for other in rows]
    return residual


def _bands_first(values):
    """Values (..., Band) as (Band, ...)."""
    return jnp.moveaxis(values, -1, 0)


def _in_pairs(values):
    """Values (Band, ...) as (Pair, 2, ...), an odd last one beside zeros."""
    values = jnp.pad(values, [(0, len(values) % 2), *[(0, 0)] * (values.ndim - 1)])
    return values.reshape(-1, 2, *values.shape[1:])


def _bulk(bands, low, high, reference):
    """Ends of the bulk of the posterior in log10 mass, (...) each, within the prior.

    The best mass solves the linear least-squares problem with the variances of the model itself,
    iterated. An upper limit bounds the bulk from above alone.
    """
    top, bottom, seen = bands.least_squares(jnp.zeros_like(bands.norm), all_limits=True)
    mass, precision = top / jnp.maximum(bottom, 1e-30), bottom
    of_sky = seen

    def solve(_, state):
        mass, precision, _ = state
        top, bottom, seen = bands.least_squares(jnp.maximum(mass, 0.0))
        # no limit is exceeded and nothing else is there: where the last one was is the end
        informed = bottom > 0.0
        mass = jnp.where(informed, top / jnp.maximum(bottom, 1e-30), mass)
        return mass, jnp.where(informed, bottom, precision), seen

    # a loop, not six copies of it to compile
    mass, precision, seen = jax.lax.fori_loop(0, 6, solve, (mass, precision, seen))
    width = jnp.maximum(precision, 1e-30) ** -0.5
    least = mass - _REACH * jnp.maximum(seen, 1e-30) ** -0.5
    far = jnp.maximum(mass, 0.0) + _REACH * width
    if bands.modes is not None:
        # errors grow with the mass: the upper tail is a long one, and the lower one ends where
        # (best - mass)^2 = reach^2 (sky's variance + (relative error * mass)^2)
        sky2, all2 = (_REACH**2 / jnp.maximum(known, 1e-30) for known in (of_sky, seen))
        best2 = jnp.maximum(mass, 1e-3 * width) ** 2
        relative2 = jnp.maximum(all2 - sky2, 0.0) / best2
        root = jnp.sqrt(jnp.maximum(sky2 + relative2 * (best2 - sky2), 0.0))
        least = (best2 - sky2) / (jnp.sqrt(best2) + root)
        for _ in range(2):
            _, precision, _ = bands.least_squares(far)
            far = jnp.maximum(mass, 0.0) + _REACH * jnp.maximum(precision, 1e-30) ** -0.5
    last = jnp.log10(far) + reference
    first = jnp.log10(jnp.maximum(least, _FAINT * width)) + reference
    last = jnp.clip(last, low + 1e-3, high)
    return jnp.clip(first, low, last - 1e-3), last


def _halfway(values):
    """Values (2 n - 1, ...) at the nodes and between them, from those (n, ...) at the nodes.

    By Lagrange polynomials through six nodes, fewer towards the ends.
    """
    pairs = [
        values[2 - k : len(values) - 3 - k] + values[3 + k : len(values) - 2 + k or None] for k in range(3)
    ]
    inner = (150.0 * pairs[0] - 25.0 * pairs[1] + 3.0 * pairs[2]) / 256.0
    ends = [
        jnp.stack([(5.0 * a + 15.0 * b - 5.0 * c + d) / 16.0, (9.0 * (b + c) - a - d) / 16.0])
        for a, b, c, d in (values[:4], values[:-5:-1])
    ]
    between = jnp.concatenate([ends[0], inner, ends[1][::-1]])
    both = jnp.stack([values[:-1], between], axis=1)
    return jnp.concatenate([both.reshape(-1, *values.shape[1:]), values[-1:]])


def marginalise(flux_obs, sky, valid, unit_flux, floor, low, high, upper=None, modes=None):
    """Evidence of a spectrum's shape, and the posterior of its mass.

    Parameters
    ----------
    flux_obs, sky : array (..., Band)
    valid : bool array (..., Band)
    unit_flux : array (..., Band)
        Fluxes of one solar mass formed [uJy].
    floor : float or array (...)
    low, high : float
        Prior's range of log10 mass.
    upper : bool array (..., Band), optional
        Upper limits, see :func:`dsps_sbi.kernels.likelihood.log_likelihood`.
    modes : array (..., Mode, Band), optional
        Errors of ``unit_flux`` that bands share, of unit normal amplitudes. Of bands with an upper limit they
        count as independent.

    Returns
    -------
    log_evidence : array (...)
        log of the likelihood averaged over the uniform prior of log10 mass.
    grid : array (..., N_GRID)
        log10 masses: the prior's lower edge, or where the tail ends, then the bulk of the posterior,
        uniformly.
    cdf : array (..., N_GRID)
        Posterior probability below each.
    """
    reference = 0.5 * (low + high)
    bands = _Bands(flux_obs, sky, valid, unit_flux, floor, upper, reference, modes)
    # the integral does not depend on where its nodes are
    first, last = (jax.lax.stop_gradient(a) for a in _bulk(bands, low, high, reference))
    span = last - first
    share = jnp.linspace(0.0, 1.0, _N_NODE).reshape(-1, *[1] * first.ndim)
    nodes = jnp.concatenate([jnp.full_like(first, low)[None], first + span * share])
    log_like = _log_likelihood(bands, nodes, reference)
    peak = jnp.max(log_like, axis=0)
    # what is e^-60 of the peak is nothing, and stays away from the polynomials
    log_density = jnp.maximum(log_like - peak, -60.0)
    edge = jnp.exp(log_density[0])
    density = jnp.exp(_halfway(log_density[1:]))
    step = span / (2.0 * (_N_NODE - 1.0))
    # Simpson's rule, for where the prior cuts the posterior
    odd, even = (jnp.sum(part, axis=0) for part in (density[1::2], density[2:-1:2]))
    bulk = (density[0] + 4.0 * odd + 2.0 * even + density[-1]) * step / 3.0
    # below the bulk the likelihood is that of no flux and a part that grows with mass, or faster
    gap = (first - low) * jnp.log(10.0)
    growth = jnp.maximum((log_density[2] - log_density[1]) * (_N_NODE - 1.0) / (span * jnp.log(10.0)), 1.0)
    flat, steep = edge * gap, -(density[0] - edge) * jnp.expm1(-gap * growth) / growth
    tail = (flat + steep) / jnp.log(10.0)
    log_evidence = peak + jnp.log(bulk + tail) - jnp.log(high - low)
    # cubic between four points, straight in the first and last interval
    pieces = 0.5 * (density[1:] + density[:-1])
    curvature = (pieces[1:-1] - 0.5 * (density[:-3] + density[3:])) / 12.0
    pieces = jnp.maximum(pieces.at[1:-1].add(curvature), 0.0) * step
    below = jnp.cumsum(jnp.concatenate([jnp.zeros_like(tail)[None], tail[None], pieces]), axis=0)
    fine = jnp.linspace(0.0, 1.0, N_GRID - 1).reshape(-1, *[1] * first.ndim)
    # where no flux is out of the question, what is below the bulk is close to it
    lowest = jnp.where(flat > steep, low, jnp.maximum(first - 3.0 / (growth * jnp.log(10.0)), low))
    grid = jnp.concatenate([lowest[None], first + span * fine])
    return log_evidence, jnp.moveaxis(grid, 0, -1), jnp.moveaxis(below / below[-1], 0, -1)


def _log_likelihood(bands, nodes, reference):
    """Log likelihood (Node, ...) at log10 masses (Node, ...), the first one below the bulk."""
    if bands.modes is None:
        return bands.log_likelihood(10.0 ** (nodes - reference))
    # shared errors are dear: a polynomial of log mass over the bulk. Of the sum alone: its two parts are
    # thousands where their sum is a few
    few = jnp.asarray(_FEW, nodes.dtype).reshape(-1, *[1] * (nodes.ndim - 1))
    few = jnp.concatenate([nodes[:1], nodes[1:2] + (nodes[-1:] - nodes[1:2]) * few])
    mass = 10.0 ** (few - reference)
    values = bands.log_likelihood(mass) + bands.log_shared(mass)
    return jnp.concatenate([values[:1], tensordot(jnp.asarray(_FROM_FEW), values[1:], axes=1)])


def draw_mass(share, grid, cdf):
    """log10 mass (...) at cumulative probability ``share`` (...) of :func:`marginalise`'s posterior."""
    above = jnp.sum(cdf <= share[..., None], axis=-1, keepdims=True)
    above = jnp.clip(above, 1, cdf.shape[-1] - 1)
    ends = [jnp.take_along_axis(a, above - k, axis=-1)[..., 0] for a in (cdf, grid) for k in (1, 0)]
    c0, c1, m0, m1 = ends
    part = (share - c0) / jnp.where(c1 > c0, c1 - c0, 1.0)
    return m0 + jnp.clip(part, 0.0, 1.0) * (m1 - m0)
