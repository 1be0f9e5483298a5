"""Line-strength indices of observed spectra, with errors and covariances from those of the pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from astropy.table import Table
from scipy.sparse import coo_array

from ..arrays import number
from ..constants import C_KM_S
from ..errors import UserError
from ..instruments.line_indices import LineIndex, bands_on, covered, indices_named
from ..instruments.lsf import LSF
from ..instruments.rebinning import gaussian_shares
from ..io.spectrum import Spectrum
from ..kernels.line_index import index_slopes
from ..kernels.lsf import FWHM_PER_SIGMA
from ..kernels.photometry import pixel_edges
from ..kernels.vacuum import AIR_FROM_AA, air_to_vacuum, vacuum_to_air

#: Resolutions (full width at half maximum, Angstrom) of the line index systems of Vazdekis et al. (2010,
#: MNRAS 404, 1639): the same at all wavelengths.
SYSTEMS = {"LIS-5.0": 5.0, "LIS-8.4": 8.4, "LIS-14.0": 14.0}
# Bad pixels may give this share of a band
_SPOILED = 0.1
# A spectrum may be broader than a system by this share of the system's variance: half a per cent of the width
_BROADER = 0.01


@dataclass(frozen=True, eq=False)
class LineIndices:
    """Measured indices.

    Parameters
    ----------
    indices : tuple of LineIndex
    values : ndarray (Index,)
        [Angstrom] or [mag].
    covariance : ndarray (Index, Index)
        Of the noise of the pixels: indices that share pixels are not independent.
    fwhm_aa : float or None
        Resolution that the spectrum was brought to [Angstrom]; None where it was left as it is.
    missing : dict of str to str
        Why others are not there, by their names.
    label : str
        What the spectrum is called.
    """

    indices: tuple[LineIndex, ...]
    values: np.ndarray
    covariance: np.ndarray
    fwhm_aa: float | None
    missing: dict[str, str]
    label: str

    @property
    def names(self) -> tuple[str, ...]:
        """Names (Index,)."""
        return tuple(index.name for index in self.indices)

    @property
    def errors(self) -> np.ndarray:
        """Standard deviations (Index,)."""
        return np.sqrt(np.diag(self.covariance))

    def __getitem__(self, name: str) -> tuple[float, float]:
        """Value and error of one index."""
        if name not in self.names:
            why = self.missing.get(name, "it was not asked for")
            raise UserError(f"{self.label} has no index {name}: {why}; there are {', '.join(self.names)}")
        i = self.names.index(name)
        return float(self.values[i]), float(self.errors[i])

    def table(self) -> Table:
        """A row per index: name, value, error, unit, bands [Angstrom] and source."""
        columns = {
            "name": list(self.names),
            "value": self.values,
            "error": self.errors,
            "unit": [index.unit for index in self.indices],
            "blue": np.array([index.blue for index in self.indices]).reshape(-1, 2),
            "band": np.array([index.band for index in self.indices]).reshape(-1, 2),
            "red": np.array([index.red for index in self.indices]).reshape(-1, 2),
            "source": [index.source for index in self.indices],
        }
        meta = {"spectrum": self.label, "medium": "air, at rest"}
        if self.fwhm_aa is not None:
            meta["fwhm_aa"] = self.fwhm_aa
        table = Table(columns, meta=meta)
        for name in ("blue", "band", "red"):
            table[name].unit = "Angstrom"
        return table


def resolution_of(system) -> float | None:
    """Full width at half maximum [Angstrom] of a system's name, of a number, or None.

    Raises
    ------
    UserError
        For another name, or a number that is no width.
    """
    if system is None or system in SYSTEMS:
        return None if system is None else SYSTEMS[system]
    try:
        width = float(system)
    except (TypeError, ValueError):
        width = np.nan
    if not 0.0 < width < np.inf:
        raise UserError(
            f"system is {system!r}: give one of {', '.join(SYSTEMS)}, a width in Angstrom, or None to "
            "measure the spectrum as it is"
        )
    return width


def line_indices(
    spectrum: Spectrum,
    names: Sequence[str | LineIndex] | None = None,
    *,
    system: str | float | None = "LIS-8.4",
    sigma_v: float = 0.0,
    lsf: LSF | None = None,
) -> LineIndices:
    """Measure indices of a spectrum.

    The spectrum is taken to rest and smoothed to the resolution of a system: its LSF and the velocities of
    the stars are part of it. Pixels that cannot be used are filled in by straight lines. Errors are carried
    from the pixels through all of this, and so are covariances. Emission lines are not taken out.

    Parameters
    ----------
    spectrum : Spectrum
        With a redshift.
    names : sequence of str or LineIndex, optional
        Names in :data:`dsps_sbi.instruments.line_indices.LINE_INDICES`, or definitions of one's own. By
        default all that the spectrum allows.
    system : str, float or None
        "LIS-5.0", "LIS-8.4", "LIS-14.0", or a full width at half maximum [Angstrom]; None measures the
        spectrum as it is, without its LSF.
    sigma_v : float
        Velocity dispersion of the stars [km/s].
    lsf : LSF, optional
        Instead of the spectrum's own.

    Returns
    -------
    LineIndices

    Raises
    ------
    UserError
        If redshift or LSF are missing, or an index that was named cannot be measured: its bands are not
        covered, too many of their pixels are bad, or the spectrum is broader there than the system.
    """
    if spectrum.redshift is None:
        raise UserError(f"{spectrum.label} has no redshift: read it with redshift=")
    fwhm, sigma_v = resolution_of(system), number(sigma_v, "sigma_v")
    if not 0.0 <= sigma_v < 2000.0:
        raise UserError(f"sigma_v is {sigma_v:g}: give the velocity dispersion of the stars in km/s")
    wanted = indices_named(names)
    edges, shares, spoiled, lack = _smoothed(spectrum, fwhm, sigma_v, lsf)
    missing = {}
    for index in wanted:
        why = _why_not(index, edges, spoiled, lack)
        if why is not None:
            missing[index.name] = why
    found = tuple(index for index in wanted if index.name not in missing)
    if missing and (names is not None or not found):
        name, why = next(iter(missing.items()))
        raise UserError(f"{spectrum.label}: index {name} cannot be measured: {why}")
    values, slopes = measure(shares @ np.where(spectrum.valid, spectrum.flux, 0.0), edges, found)
    root = (shares.T @ slopes.T).T * np.where(spectrum.valid, spectrum.sigma, 0.0)
    return LineIndices(found, values, root @ root.T, fwhm, missing, spectrum.label)


def measure(flux: np.ndarray, edges_aa: np.ndarray, indices: Sequence[LineIndex]):
    """Indices (Index,) of smoothed fluxes (Pixel,), and their slopes (Index, Pixel); in double precision.

    Parameters
    ----------
    flux : ndarray (Pixel,)
    edges_aa : ndarray (Pixel + 1,)
        In air at rest.
    indices : sequence of LineIndex
    """
    # single precision knows numbers of order one best
    scale = float(np.median(np.abs(flux))) or 1.0
    values, slopes = index_slopes(jnp.asarray(flux / scale, jnp.float32), bands_on(indices, edges_aa))
    return np.asarray(values, float), np.asarray(slopes, float) / scale


def _smoothed(spectrum, fwhm, sigma_v, lsf):
    """Edges (Pixel + 1,) in air at rest, and of smoothed pixels: what they are made of, and what they lack.

    These are shares of the spectrum's pixels (Pixel, Pixel), that of bad ones (Pixel,), and what the variance
    (Pixel,) lacks of the system's, as a share of it.
    """
    valid, z = spectrum.valid, spectrum.redshift
    if fwhm is None:
        edges = pixel_edges(spectrum.wave_aa)
        if spectrum.medium == "air":
            edges = np.where(edges >= AIR_FROM_AA, air_to_vacuum(np.maximum(edges, AIR_FROM_AA)), edges)
        edges, lack, share = _in_air(edges / (1.0 + z)), np.zeros(len(valid)), np.ones(len(valid))
    else:
        instrument = spectrum.spectrograph(lsf, mask_lines=())
        edges = _in_air(np.exp(instrument.ln_edges) / (1.0 + z))
        middle, width = 0.5 * (edges[1:] + edges[:-1]), np.diff(edges)
        own = (instrument.ln_variance + (sigma_v / C_KM_S) ** 2) * middle**2
        whole = (fwhm / FWHM_PER_SIGMA) ** 2
        share = (whole - own) / whole
        # light is spread over a pixel when it is measured, held constant in it, averaged, and held again
        lack = np.maximum(whole - own - 4.0 * width**2 / 12.0, 0.0)
    weights, first = gaussian_shares(edges, edges, np.sqrt(lack))
    # at the ends there is less to take from
    weights = weights / weights.sum(axis=1, keepdims=True)
    n, good = len(valid), np.flatnonzero(valid)
    columns = np.minimum(first[:, None] + np.arange(weights.shape[1]), n - 1)
    rows = np.repeat(np.arange(n), weights.shape[1])
    kernel = coo_array((weights.ravel(), (rows, columns.ravel())), shape=(n, n)).tocsr()
    return edges, kernel @ _filling(n, good), kernel @ np.where(valid, 0.0, 1.0), share


def _in_air(vacuum_aa):
    return np.where(vacuum_aa >= AIR_FROM_AA, vacuum_to_air(np.maximum(vacuum_aa, AIR_FROM_AA)), vacuum_aa)


def _filling(n, good):
    """Shares (Pixel, Pixel) of good pixels: straight lines between them."""
    place = np.interp(np.arange(n), good, np.arange(len(good)))
    left = np.floor(place).astype(int)
    right, part = np.minimum(left + 1, len(good) - 1), place - left
    row, column = np.tile(np.arange(n), 2), np.concatenate([good[left], good[right]])
    return coo_array((np.concatenate([1.0 - part, part]), (row, column)), shape=(n, n)).tocsr()


def _why_not(index, edges, spoiled, share):
    """Why an index cannot be measured; None if it can."""
    low, high = index.range_aa
    if not covered(index, edges):
        return (
            f"it needs {low:.1f}-{high:.1f} Angstrom at rest, the spectrum covers {edges[0]:.1f}-"
            f"{edges[-1]:.1f}"
        )
    for part in ("blue", "band", "red"):
        a, b = getattr(index, part)
        held = np.maximum(np.minimum(edges[1:], b) - np.maximum(edges[:-1], a), 0.0)
        bad = float(held @ spoiled / held.sum())
        if bad > _SPOILED:
            return f"{100.0 * bad:.0f} % of its band {a:.1f}-{b:.1f} Angstrom rest on pixels of no use"
    worst = float(share[(edges[1:] > low) & (edges[:-1] < high)].min())
    if worst < -_BROADER:
        return (
            f"LSF and stars are {np.sqrt(1.0 - worst):.2f} times as broad as the system: choose a broader one"
        )
    return None
