"""A spectrograph pointed at galaxies: where its pixels fall on the grid of the SSPs."""

from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np

from ..constants import C_KM_S, L_SUN_ERG_S, MPC_CM
from ..cosmology import Cosmology
from ..errors import UserError
from ..instruments.continuum import Continuum
from ..instruments.emission_lines import line_wavelengths
from ..instruments.spectrograph import Spectrograph
from ..kernels.legendre import legendre
from ..kernels.lsf import FWHM_PER_SIGMA, REACH, pixel_weights
from ..ssp.log_grid import LogGrid
from .view import SpectrumView

# Distance that stands for none, as for absolute magnitudes [Mpc]
_TEN_PC = 1e-5
# Sigmas of the broadest galaxy that have to be on the grid: 6e-5 of a Gaussian is beyond
_MARGIN = 4.0
# Unit of spectra [erg / s / cm2 / Angstrom]
FLUX_UNIT = 1e-17


@dataclass(frozen=True, eq=False)
class Geometry:
    """Where the pixels of a spectrograph fall on a log grid; makes views of any redshift.

    Parameters
    ----------
    spectrograph : Spectrograph
    grid : LogGrid
    fwhm_aa : float
        Resolution of the SSPs, constant in rest wavelength [Angstrom].
    sigma_v_km_s : (float, float)
        Range of the stars' velocity dispersion.
    continuum : Continuum
    cosmology : Cosmology
    """

    spectrograph: Spectrograph
    grid: LogGrid
    fwhm_aa: float
    sigma_v_km_s: tuple[float, float]
    continuum: Continuum
    cosmology: Cosmology

    @cached_property
    def _places(self):
        """Whole cell and part of a cell of the left edges at z = 0, widths in cells; float64 in between."""
        # cell j is centred on point j
        position = (self.spectrograph.ln_edges - self.grid.ln0) / self.grid.step + 0.5
        whole = np.floor(position[:-1]).astype(np.int32)
        return whole, (position[:-1] - whole).astype(np.float32), np.diff(position).astype(np.float32)

    @cached_property
    def _slowest(self) -> float:
        """Variance of the lowest sigma_v, in cells squared."""
        return (self.sigma_v_km_s[0] / self.grid.step_km_s) ** 2

    @cached_property
    def _reach(self) -> int:
        """Cells that a window has on either side of its pixel."""
        broadest = self.spectrograph.ln_variance.max() / self.grid.step**2 + self._slowest
        return int(np.ceil(REACH * np.sqrt(broadest)))

    def shift(self, z):
        """Whole cells and the rest that a redshift shifts a spectrum by; exact for plain numbers."""
        if isinstance(z, jax.core.Tracer):
            cells = jnp.log1p(z) / self.grid.step
            whole = jnp.floor(jax.lax.stop_gradient(cells))
            return whole.astype(jnp.int32), cells - whole
        cells = np.log1p(np.float64(z)) / self.grid.step
        return jnp.int32(np.floor(cells)), jnp.float32(cells - np.floor(cells))

    def library_variance(self, z):
        """Variance (Pixel,) of the SSPs' resolution, in cells squared."""
        ln_edges = self.spectrograph.ln_edges
        rest_aa = np.exp(0.5 * (ln_edges[1:] + ln_edges[:-1])).astype(np.float32) / (1.0 + z)
        return (self.fwhm_aa / FWHM_PER_SIGMA / self.grid.step / rest_aa) ** 2

    def view(self, z, distance_mpc=None) -> SpectrumView:
        """View at a redshift, which may be traced.

        Parameters
        ----------
        z : scalar
        distance_mpc : scalar, optional
            Luminosity distance [Mpc]; by default that of the cosmology, and 10 pc at z <= 0.
        """
        return self._make(jnp.asarray(z, jnp.float32), *self.shift(z), distance_mpc)

    @cached_property
    def _make(self):
        return jax.jit(self._make_view)

    def _make_view(self, z, whole, part, distance_mpc):
        place, left, width = (jnp.asarray(a) for a in self._places)
        n_grid, n_window = (
            self.grid.light.shape[-1],
            2 * self._reach + int(np.ceil(self._places[2].max())) + 3,
        )
        own = jnp.asarray(self.spectrograph.ln_variance / self.grid.step**2, jnp.float32)
        net = own - self.library_variance(z)

        # how far each pixel sees, galaxies of the highest sigma_v included
        fastest = (self.sigma_v_km_s[1] / self.grid.step_km_s) ** 2
        margin = _MARGIN * jnp.sqrt(jnp.maximum(net, 0.0) + fastest)
        first = (place - whole).astype(jnp.float32) + (left - part)
        covered = (first >= margin) & (first + width <= self.grid.n_wave - margin)
        usable = covered & ~self._gas(z) & jnp.asarray(self.spectrograph.windows)
        sharp = usable & (net < -self._slowest * (1.0 + 1e-5))
        valid = usable & ~sharp
        borrowed = jnp.clip(jnp.max(jnp.where(valid, -net, 0.0)), 0.0, self._slowest)

        start = place - whole - (self._reach + 1)
        inside = jnp.clip(start, 0, n_grid - n_window)
        left = left - part + (self._reach + 1.0)
        weights = pixel_weights(left, left + width, jnp.sqrt(jnp.maximum(net + borrowed, 0.0)), n_window)
        return SpectrumView(
            z=z,
            universe_gyr=self.cosmology.age(z),
            start=inside,
            weights=weights,
            scale=self._scale(z, distance_mpc),
            borrowed=borrowed,
            basis=self._basis(covered),
            covered=covered,
            sharp=sharp,
            valid=valid,
        )

    def checked_view(self, z, distance_mpc, sharper) -> SpectrumView:
        """View at a redshift that is a plain number, with everything checked that can be wrong there.

        Parameters
        ----------
        z : float
        distance_mpc : float, optional
        sharper : {"refuse", "mask"}

        Raises
        ------
        UserError
            If the redshift is missing, pixels and SSPs do not overlap, no pixel is left by the
            masks, or pixels are sharper than the SSPs.
        """
        if z is None or not -0.01 < float(z) <= 12.0:
            raise UserError(f"redshift is {z}: give the galaxy's redshift, a number from 0 to 12")
        z = float(z)
        with jax.ensure_compile_time_eval():
            view = self.view(z, distance_mpc)
        covered, sharp, valid = (np.asarray(a) for a in (view.covered, view.sharp, view.valid))
        wave = self.spectrograph.wave_aa
        if not covered.any():
            low, high = (1.0 + z) * np.exp(self.grid.ln0 + self.grid.step * np.array([0, self.grid.n_wave]))
            raise UserError(
                f"the pixels ({wave[0]:.0f}-{wave[-1]:.0f} Angstrom) do not overlap with the SSPs "
                f"({low:.0f}-{high:.0f} at z = {z:g}): check redshift and units"
            )
        if sharper == "refuse" and sharp.any():
            own = self.spectrograph.ln_variance / self.grid.step**2
            lack = np.where(sharp, np.asarray(self.library_variance(z)) - own, 0.0)
            i = int(np.argmax(lack))
            raise UserError(
                f"the LSF is sharper than that of the SSPs (FWHM {self.fwhm_aa:g} Angstrom at rest) in "
                f"{int(sharp.sum())} pixels, most at {wave[i]:.0f} Angstrom: mask them with sharper='mask', "
                f"or let sigma_v start at {np.ceil(self.grid.step_km_s * np.sqrt(lack[i]) * 1.001):.0f} km/s"
            )
        if not valid.any():
            raise UserError(
                f"all pixels that the SSPs cover at z = {z:g} are masked: give fewer masks, another range of "
                "wavelengths, or sigma_v a higher start"
            )
        return view

    def _scale(self, z, distance_mpc):
        if distance_mpc is None:
            far = z > 1e-6
            distance = self.cosmology.distance_mpc(jnp.where(far, z, 1.0))
            distance_mpc = jnp.where(far, distance, _TEN_PC)
        # in logarithms: 4 pi d_L^2 in cm^2 overflows float32
        log_area = np.log10(4.0 * np.pi) + 2.0 * (jnp.log10(distance_mpc) + np.log10(MPC_CM))
        per_aa = np.diff(self.spectrograph.ln_edges) / np.diff(self.spectrograph.edges_aa)
        log_unit = np.log10(L_SUN_ERG_S) - np.log10(FLUX_UNIT)
        return jnp.asarray(per_aa, jnp.float32) * 10.0 ** (log_unit - log_area)

    def _basis(self, covered):
        ln = self.spectrograph.ln_edges
        position = ((0.5 * (ln[1:] + ln[:-1]) - ln[0]) / (ln[-1] - ln[0])).astype(np.float32)
        low = jnp.min(jnp.where(covered, position, 1.0))
        high = jnp.max(jnp.where(covered, position, 0.0))
        x = 2.0 * (position - low) / jnp.maximum(high - low, 1e-6) - 1.0
        return legendre(jnp.clip(x, -1.0, 1.0), self.continuum.degree)

    def _gas(self, z):
        """Pixels (Pixel,) near an emission line that is to be masked."""
        lines = np.log(np.array(line_wavelengths(self.spectrograph.mask_lines)))
        ln_edges = self.spectrograph.ln_edges
        apart = (0.5 * (ln_edges[1:] + ln_edges[:-1])[:, None] - lines).astype(np.float32) - jnp.log1p(z)
        return jnp.any(jnp.abs(apart) * C_KM_S < self.spectrograph.mask_km_s, axis=1)
