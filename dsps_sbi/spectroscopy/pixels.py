"""The pixels of a spectrograph as arrays, and what they are at one redshift: compiled once for many.

Spectrographs differ in their arrays alone, which are arguments of what is compiled, filled up to few
lengths: spectra of a survey, each with pixels of its own, share one program.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ..constants import C_KM_S, L_SUN_ERG_S, MPC_CM
from ..cosmology import Cosmology
from ..instruments.emission_lines import line_wavelengths
from ..instruments.spectrograph import Spectrograph
from ..kernels.between_nodes import place_between
from ..kernels.legendre import legendre
from ..kernels.lsf import FWHM_PER_SIGMA, REACH, pixel_weights, to_pixels
from ..ssp.log_grid import LogGrid
from .view import SpectrumView

# Distance that stands for none, as for absolute magnitudes [Mpc]
_TEN_PC = 1e-5
# Sigmas of the broadest galaxy that have to be on the grid: 6e-5 of a Gaussian is beyond
_MARGIN = 4.0
# Unit of spectra [erg / s / cm2 / Angstrom]
FLUX_UNIT = 1e-17
# Pixels are filled up to a multiple of this
_FILL = 512
_FIELDS = (
    "place",
    "left",
    "width",
    "variance",
    "centre_aa",
    "from_lines",
    "position",
    "per_aa",
    "usable",
    "real",
)


@partial(jax.tree_util.register_dataclass, data_fields=_FIELDS, meta_fields=[])
@dataclass(frozen=True)
class Pixels:
    """Pixels on a log grid at z = 0; a pytree.

    Parameters
    ----------
    place : int array (Pixel,)
    left, width : array (Pixel,)
        Whole cell and part of a cell of the left edge, and width in cells.
    variance : array (Pixel,)
        Of the LSF, in cells squared.
    centre_aa : array (Pixel,)
        In vacuum [Angstrom].
    from_lines : array (Pixel, Line)
        Distance from the emission lines that are masked, in ln(wavelength).
    position : array (Pixel,)
        From 0 to 1 in ln(wavelength).
    per_aa : array (Pixel,)
        Width in ln(wavelength) per width in wavelength [1/Angstrom].
    usable, real : bool array (Pixel,)
        Outside masked windows; not filled in.
    """

    place: jax.Array
    left: jax.Array
    width: jax.Array
    variance: jax.Array
    centre_aa: jax.Array
    from_lines: jax.Array
    position: jax.Array
    per_aa: jax.Array
    usable: jax.Array
    real: jax.Array

    @classmethod
    def of(cls, spectrograph: Spectrograph, grid: LogGrid) -> "Pixels":
        """Those of a spectrograph; differences are made in float64."""
        ln = spectrograph.ln_edges
        # cell j is centred on point j
        edge = (ln - grid.ln0) / grid.step + 0.5
        whole, middle = np.floor(edge[:-1]).astype(np.int32), 0.5 * (ln[1:] + ln[:-1])
        lines = np.log(np.array(line_wavelengths(spectrograph.mask_lines)))
        arrays = {
            "left": edge[:-1] - whole,
            "width": np.diff(edge),
            "variance": spectrograph.ln_variance / grid.step**2,
            "centre_aa": np.exp(middle),
            "from_lines": middle[:, None] - lines,
            "position": (middle - ln[0]) / (ln[-1] - ln[0]),
            "per_aa": np.diff(ln) / np.diff(spectrograph.edges_aa),
        }
        arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
        arrays |= {"place": whole, "usable": spectrograph.windows, "real": np.ones(whole.size, bool)}
        more = -whole.size % _FILL
        filled = {name: _fill(array, more) for name, array in arrays.items()}
        return cls(**filled)


def _fill(array, more):
    pad = [(0, more), *[(0, 0)] * (array.ndim - 1)]
    # copies of the last pixel, which are marked
    return np.pad(array, pad) if array.dtype == bool else np.pad(array, pad, mode="edge")


@dataclass(frozen=True)
class Setting:
    """What else a view depends on, and is the same for spectra of one survey; hashable.

    Parameters
    ----------
    n_grid, n_wave, n_window, reach : int
        Cells of the grid, those of them that hold light, of a pixel's window, and of a window on either
        side of its pixel.
    step, step_km_s : float
        Of the grid, in ln(wavelength) and in velocity.
    fwhm_aa : float
        Resolution of the SSPs, constant in rest wavelength [Angstrom].
    sigma_v_km_s : (float, float)
    mask_km_s : float
        Half-width of the masks of emission lines.
    degree : int
        Of the polynomial.
    node_cells : float
        Distance of the nodes of a correlated misfit, in cells; 0 where there is none.
    n_between : int
        Most pixels between two nodes.
    """

    n_grid: int
    n_wave: int
    n_window: int
    reach: int
    step: float
    step_km_s: float
    fwhm_aa: float
    sigma_v_km_s: tuple[float, float]
    mask_km_s: float
    degree: int
    node_cells: float
    n_between: int

    @classmethod
    def of(cls, geometry) -> "Setting":
        """That of a :class:`~dsps_sbi.spectroscopy.geometry.Geometry`."""
        spectrograph, grid = geometry.spectrograph, geometry.grid
        slowest = (geometry.sigma_v_km_s[0] / grid.step_km_s) ** 2
        broadest = spectrograph.ln_variance.max() / grid.step**2 + slowest
        # in steps of two and four: few shapes, hence few compilations
        reach = _up(np.ceil(REACH * np.sqrt(broadest)), 2)
        widths = np.diff(spectrograph.ln_edges)
        width = np.ceil(widths.max() / grid.step)
        nodes = geometry.node_km_s / grid.step_km_s
        return cls(
            grid.light.shape[-1],
            int(grid.n_wave),
            _up(2 * reach + width + 3, 4),
            reach,
            float(grid.step),
            float(grid.step_km_s),
            geometry.fwhm_aa,
            geometry.sigma_v_km_s,
            float(spectrograph.mask_km_s),
            geometry.continuum.degree,
            float(nodes),
            _up(np.ceil(nodes * grid.step / widths.min()) + 1, 4),
        )


def _up(number, step):
    """The next multiple of a step."""
    return int(-(-number // step) * step)


def library_variance(pixels: Pixels, setting: Setting, z):
    """Variance (Pixel,) of the SSPs' resolution, in cells squared."""
    rest_aa = pixels.centre_aa / (1.0 + z)
    return (setting.fwhm_aa / FWHM_PER_SIGMA / setting.step / rest_aa) ** 2


@partial(jax.jit, static_argnums=1)
def make_view(
    pixels: Pixels, setting: Setting, cosmology: Cosmology, z, whole, part, distance_mpc, misfit=None
) -> SpectrumView:
    """Pixels at a redshift that shifts them by ``whole`` cells and a ``part`` of one.

    Parameters
    ----------
    pixels : Pixels
    setting : Setting
    cosmology : Cosmology
    z : array ()
    whole : int array ()
    part : array ()
    distance_mpc : array () or None
        Luminosity distance [Mpc]; None: that of the cosmology, and 10 pc at z <= 0.
    misfit : array (Misfit + 1, Grid) or None
        Light of :func:`~dsps_sbi.spectroscopy.population_modes.misfit_light`: further terms of the basis.
    """
    net = pixels.variance - library_variance(pixels, setting, z)
    low, high = ((sigma / setting.step_km_s) ** 2 for sigma in setting.sigma_v_km_s)
    # how far each pixel sees, galaxies of the highest sigma_v included
    margin = _MARGIN * jnp.sqrt(jnp.maximum(net, 0.0) + high)
    first = (pixels.place - whole).astype(jnp.float32) + (pixels.left - part)
    covered = (first >= margin) & (first + pixels.width <= setting.n_wave - margin) & pixels.real
    near = jnp.abs(pixels.from_lines - jnp.log1p(z)) * C_KM_S < setting.mask_km_s
    usable = covered & ~jnp.any(near, axis=1) & pixels.usable
    sharp = usable & (net < -low * (1.0 + 1e-5))
    valid = usable & ~sharp
    borrowed = jnp.clip(jnp.max(jnp.where(valid, -net, 0.0)), 0.0, low)

    start = pixels.place - whole - (setting.reach + 1)
    left = pixels.left - part + (setting.reach + 1.0)
    sigma = jnp.sqrt(jnp.maximum(net + borrowed, 0.0))
    start = jnp.clip(start, 0, setting.n_grid - setting.n_window)
    weights = pixel_weights(left, left + pixels.width, sigma, setting.n_window)
    basis = _basis(pixels.position, covered, setting.degree)
    nodes = None
    if misfit is not None:
        mean, *others = to_pixels(misfit, start, weights)
        ratios = jnp.stack(others, axis=-1) / mean[:, None]
        basis = jnp.concatenate([basis, jnp.where(covered[:, None], ratios, 0.0)], axis=-1)
        # at the same rest wavelengths whatever the pixels: the misfit is the stars'
        n_node = int(setting.n_wave / setting.node_cells) + 2
        nodes = place_between((first + 0.5 * pixels.width) / setting.node_cells, n_node, setting.n_between)
    return SpectrumView(
        z=z,
        universe_gyr=cosmology.age(z),
        start=start,
        weights=weights,
        scale=_scale(pixels, cosmology, z, distance_mpc),
        borrowed=borrowed,
        basis=basis,
        nodes=nodes,
        covered=covered,
        sharp=sharp,
        valid=valid,
    )


def _scale(pixels, cosmology, z, distance_mpc):
    if distance_mpc is None:
        far = z > 1e-6
        distance = cosmology.distance_mpc(jnp.where(far, z, 1.0))
        distance_mpc = jnp.where(far, distance, _TEN_PC)
    # in logarithms: 4 pi d_L^2 in cm^2 overflows float32
    log_area = np.log10(4.0 * np.pi) + 2.0 * (jnp.log10(distance_mpc) + np.log10(MPC_CM))
    log_unit = np.log10(L_SUN_ERG_S) - np.log10(FLUX_UNIT)
    return pixels.per_aa * 10.0 ** (log_unit - log_area)


def _basis(position, covered, degree):
    low = jnp.min(jnp.where(covered, position, 1.0))
    high = jnp.max(jnp.where(covered, position, 0.0))
    x = 2.0 * (position - low) / jnp.maximum(high - low, 1e-6) - 1.0
    return legendre(jnp.clip(x, -1.0, 1.0), degree)
