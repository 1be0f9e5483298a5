"""Decompose the light of a model's SSPs and gas into few functions of wavelength."""

from itertools import pairwise

import jax.numpy as jnp
import numpy as np

from ..dust import is_plain
from ..errors import UserError
from ..kernels.low_rank import leading_factors
from ..ssp.nebular import AGE_TOLERANCE, LYMAN_LIMIT_AA
from .wave_basis import WaveBasis

# Rest wavelengths [Angstrom] that they span. Dust emits beyond 3 micron, which nothing here models: bands
# that see longer wavelengths are missing, by the rule of :mod:`dsps_sbi.instruments.coverage`
RANGE_AA = (300.0, 30_000.0)
# Pixels per unit of ln wavelength, and edges that pixels must not straddle: Lyman limit and Lyman alpha
_PIXELS, _BREAKS = 1000.0, (911.75, 1215.67)
# Width of a band, as a share of its wavelength, in which errors of lines and of pixels weigh the same
_BAND = 0.1
# Columns fainter than this share of the brightest are not told apart in relative terms
_FAINTEST = 1e-6


def wave_basis(model, *, rank: int = 80, gas_rank: int = 40) -> WaveBasis:
    """The light of a model's SSPs in few functions of wavelength; its filters do not count.

    Parameters
    ----------
    model : GalaxyModel
    rank, gas_rank : int
        Functions for stars, and for gas.

    Raises
    ------
    UserError
        For a rank below 1, or a dust law with free parameters or two screens.
    """
    if min(rank, gas_rank) < 1:
        raise UserError(
            f"light of SSPs in {rank} and {gas_rank} functions: give at least 1 of each, better 80, 40"
        )
    if not is_plain(model.dust):
        raise UserError(
            f"dust law {type(model.dust).__name__} has parameters or two screens: bands of any filters need "
            "one screen of a fixed law; use one such as calzetti"
        )
    edges = _edges()
    stars, gas, log_u = _stars_and_gas(model, edges)
    middle = np.sqrt(edges[1:] * edges[:-1])
    rest = np.concatenate([middle, np.asarray(model.rest_aa[model.n_wave :], float)])
    basis, curves = [], []
    total = stars if gas is None else np.array(stars)
    if gas is not None:
        # of gas of the middle log U: sizes only
        n = gas.shape[2]
        total[:, :n] += gas[len(gas) // 2]
    row = _row_scale(total, rest, len(middle))
    layers = [(stars, total, rank)]
    if gas is not None:
        layers.append((gas, total[:, : gas.shape[2]][None], gas_rank))
    for light, size, k in layers:
        n_age = light.shape[-2]
        columns = np.median(size[..., : len(middle)], axis=-1)
        columns = np.maximum(columns, _FAINTEST * columns.max() + 1e-100)
        columns = np.broadcast_to(columns, light.shape[:-1])
        matrix = (light / columns[..., None] / row).reshape(-1, len(rest)).astype(np.float32)
        left, right = leading_factors(matrix, k)
        # ages first, columns and functions after them
        left = (left * columns.reshape(-1, 1)).reshape(-1, n_age, left.shape[1]).transpose(1, 0, 2)
        basis.append(jnp.asarray(left.reshape(-1, left.shape[-1]), jnp.float32))
        curves.append(right * row)
    return WaveBasis(
        edges_gyr=model.edges[: model.n_age + 1],
        metallicity=model.nodes,
        rest_aa=jnp.asarray(rest, jnp.float32),
        pixel_edges_aa=jnp.asarray(edges, jnp.float32),
        log_u=log_u,
        basis=tuple(basis),
        mixtures=(jnp.zeros((0, 0)),) * len(basis),
        curves=np.concatenate(curves).astype(np.float32),
        cosmology=model.cosmology,
        dust=model.dust,
        n_sub=model.n_screen,
        parts=model.parts or (),
    )


def _row_scale(total, rest, n_wave):
    """Size (Wave + Line,) of errors that count the same in bands, from all light (Met, Age, Wave + Line)."""
    pixels = total[..., :n_wave]
    size = np.median(pixels, axis=-1, keepdims=True)
    size = np.maximum(size, _FAINTEST * size.max() + 1e-100)
    # not the rms: the ultraviolet of old stars, which young ones outshine, would count for nothing
    of_pixels = np.mean(np.maximum(pixels / size, 0.0), axis=(0, 1))
    of_pixels = np.maximum(of_pixels, 1e-4 * of_pixels.max())
    # an error of a line is one of few pixels in a band, that of pixels one of all: neighbours err alike
    lines = rest[n_wave:]
    n_pixel = _BAND * _PIXELS
    of_lines = np.interp(lines, rest[:n_wave], of_pixels) * _BAND * lines / np.sqrt(n_pixel)
    return np.append(of_pixels, of_lines)


def _stars_and_gas(model, edges):
    """Stars (Met, Age, Wave + Line), gas (LogU, Met, Age', Wave + Line), nodes of log U; or None."""
    n_wave, old_edges = model.n_wave, np.asarray(model.pixel_edges_aa, float)

    def binned(light):
        light = np.asarray(light, float)
        return np.concatenate([rebinned(old_edges, light[..., :n_wave], edges), light[..., n_wave:]], axis=-1)

    stars = np.array(model.ssp.flux[:, : model.n_age], float)
    if model.log_u is None:
        return binned(stars), None, None
    n = int(np.sum(model.ssp.age_gyr <= model.ssp.nebular.age_gyr[-1] * (1.0 + AGE_TOLERANCE)))
    # gas takes all ionising light of the stars that have any
    stars[:, :n, model.ssp.wave_aa < LYMAN_LIMIT_AA] = 0.0
    stars = binned(np.pad(stars, [(0, 0), (0, 0), (0, len(model.rest_aa) - n_wave)]))
    first = binned(model.light[:, :n]) - stars[:, :n]
    if model.gas is None:
        return stars, np.maximum(first, 0.0)[None], None
    # nodes beyond the prior are never used
    nodes = np.asarray(model.log_u_nodes)
    high = getattr(model.prior.marginals["log_u"], "high", np.inf)
    used = min(int(np.searchsorted(nodes, high - 1e-6)) + 1, len(nodes))
    more = np.asarray(model.gas).reshape(len(nodes), len(model.nodes), n, -1)
    gas = np.stack([np.maximum(first + binned(more[i]), 0.0) for i in range(used)])
    return stars, gas, jnp.asarray(nodes[:used], jnp.float32)


def _edges():
    ends = (RANGE_AA[0], *_BREAKS, RANGE_AA[1])
    pieces = []
    for low, high in pairwise(ends):
        n = int(np.ceil(_PIXELS * np.log(high / low)))
        pieces.append(np.geomspace(low, high, n + 1)[:-1])
    return np.append(np.concatenate(pieces), ends[-1])


def rebinned(edges_aa, density, new_edges_aa):
    """Densities (..., New) in wider pixels of ones (..., Wave) per Angstrom; their integral is kept."""
    cum = np.cumsum(density * np.diff(edges_aa), axis=-1)
    cum = np.concatenate([np.zeros((*cum.shape[:-1], 1)), cum], axis=-1)
    # the running integral is linear within a pixel
    index = np.clip(np.searchsorted(edges_aa, new_edges_aa, side="right") - 1, 0, len(edges_aa) - 2)
    part = np.clip((new_edges_aa - edges_aa[index]) / np.diff(edges_aa)[index], 0.0, 1.0)
    at_edges = cum[..., index] * (1.0 - part) + cum[..., index + 1] * part
    return np.diff(at_edges, axis=-1) / np.diff(new_edges_aa)
