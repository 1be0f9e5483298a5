"""A spectrograph pointed at galaxies: where its pixels fall on the grid of the SSPs."""

from dataclasses import dataclass, replace
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np

from ..components import constant, pytree
from ..cosmology import Cosmology
from ..errors import UserError
from ..instruments.continuum import Continuum
from ..instruments.spectrograph import Spectrograph
from ..ssp.log_grid import LogGrid
from .pixels import FLUX_UNIT as FLUX_UNIT
from .pixels import Pixels, Setting, library_variance, make_view
from .view import SpectrumView

_PER_PIXEL = ("start", "weights", "scale", "basis", "covered", "sharp", "valid")


@pytree(
    arrays=("pixels", "wave_aa", "cosmology", "misfit"),
    static=("setting", "n_pixel"),
    aside=("spectrograph", "grid", "fwhm_aa", "sigma_v_km_s", "continuum", "node_km_s"),
)
@dataclass(frozen=True, eq=False)
class Geometry:
    """Where the pixels of a spectrograph fall on a log grid; makes views of any redshift; a pytree.

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
    misfit : array (Misfit + 1, Grid), optional
        Light of :func:`~dsps_sbi.spectroscopy.population_modes.misfit_light`.
    node_km_s : float
        Distance of the nodes of a correlated misfit; 0 for none.
    """

    spectrograph: Spectrograph
    grid: LogGrid
    fwhm_aa: float
    sigma_v_km_s: tuple[float, float]
    continuum: Continuum
    cosmology: Cosmology
    misfit: jax.Array | None = None
    node_km_s: float = 0.0

    @cached_property
    def pixels(self) -> Pixels:
        """Arrays of the pixels, filled up."""
        return Pixels.of(self.spectrograph, self.grid)

    @cached_property
    def setting(self) -> Setting:
        """What does not differ between spectra of a survey."""
        return Setting.of(self)

    @cached_property
    def wave_aa(self) -> jax.Array:
        """Rest wavelengths (Grid,) of the log grid, in vacuum [Angstrom]."""
        return constant(self.grid.wave_aa)

    @property
    def n_misfit(self) -> int:
        """Number of terms of a view's basis that are misfit: the last ones."""
        return 0 if self.misfit is None else len(self.misfit) - 1

    @cached_property
    def n_pixel(self) -> int:
        """Number of pixels."""
        return self.spectrograph.wave_aa.size

    def shift(self, z):
        """Whole cells and the rest that a redshift shifts a spectrum by; exact for plain numbers."""
        if isinstance(z, jax.core.Tracer):
            cells = jnp.log1p(z) / self.setting.step
            whole = jnp.floor(jax.lax.stop_gradient(cells))
            return whole.astype(jnp.int32), cells - whole
        cells = np.log1p(np.float64(z)) / self.setting.step
        return jnp.int32(np.floor(cells)), jnp.float32(cells - np.floor(cells))

    def view(self, z, distance_mpc=None) -> SpectrumView:
        """View at a redshift, which may be traced.

        Parameters
        ----------
        z : scalar
        distance_mpc : scalar, optional
            Luminosity distance [Mpc]; by default that of the cosmology, and 10 pc at z <= 0.
        """
        z, shift = jnp.asarray(z, jnp.float32), self.shift(z)
        filled = make_view(self.pixels, self.setting, self.cosmology, z, *shift, distance_mpc, self.misfit)
        own = {name: _first(getattr(filled, name), self.n_pixel) for name in _PER_PIXEL}
        if filled.nodes is not None:
            before, part = (_first(array, self.n_pixel) for array in filled.nodes[:2])
            own["nodes"] = before, part, filled.nodes[2]
        return replace(filled, **own)

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
            instrument = self.spectrograph.ln_variance / self.grid.step**2
            library = np.asarray(library_variance(self.pixels, self.setting, z))[: wave.size]
            lack = np.where(sharp, library - instrument, 0.0)
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


def _first(array, n):
    """The first n rows."""
    if isinstance(array, jax.core.Tracer):
        return array[:n]
    # in numpy, and put on the device: jnp would compile a small program for every length
    return jax.device_put(np.asarray(array)[:n])
