"""From light at rest to fluxes in bands: filters, IGM and distance as weights of wavelengths and lines."""

import jax
import jax.numpy as jnp

from ..instruments.coverage import USABLE, covered_share
from ..kernels import photometry as phot
from ..kernels.igm import igm_transmission


def band_weights(filters, cosmology, pixel_edges_aa, rest_aa, z):
    """Weights (Band, Wave + Line) from light to f_nu in uJy, IGM included.

    The part of a filter inside the wavelengths stands for the whole where that is nearly all of it, see
    :mod:`dsps_sbi.instruments.coverage`.

    Parameters
    ----------
    filters : FilterSet
    cosmology : Cosmology
    pixel_edges_aa : array (Wave + 1,)
        At rest [Angstrom].
    rest_aa : array (Wave + Line,)
        Rest wavelengths of pixels, then of emission lines [Angstrom].
    z : array ()
    """
    n_wave = len(pixel_edges_aa) - 1

    def of_filter(curve_aa, density, cum):
        pixels = phot.pixel_weights(pixel_edges_aa, z, curve_aa, cum)
        return jnp.concatenate([pixels, phot.line_weights(rest_aa[n_wave:], z, curve_aa, density)])

    rows = jax.vmap(of_filter)(*filters.curves)
    scale = phot.flux_scale_ujy(z, cosmology.distance_mpc(z), filters.pivots)
    share = covered_share(filters.curves, pixel_edges_aa[0], pixel_edges_aa[-1], z)
    scale = scale / jnp.where(share >= 1.0 - USABLE, share, 1.0)
    return rows * igm_of(rest_aa, n_wave, z) * scale[:, None]


def igm_of(rest_aa, n_wave, z):
    """Transmission (Wave + Line,) of the IGM; a line sees the mean of its two sides (Lya sits on an edge)."""
    lines = rest_aa[n_wave:]
    sides = [igm_transmission(lines * (1.0 + side), z) for side in (-1e-4, 1e-4)]
    return jnp.concatenate([igm_transmission(rest_aa[:n_wave], z), 0.5 * (sides[0] + sides[1])])
