"""Presets: an instrument, and the network that is trained for its spectra, as a TOML file says."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

import numpy as np

from ..components import named
from ..constants import C_KM_S
from ..errors import UserError
from ..instruments.spectrograph import Spectrograph
from ..kernels.lsf import FWHM_PER_SIGMA
from ..priors import Prior
from ..sfh import FAMILIES, Dirichlet, StarFormationHistory
from ..ssp import SSPGrid, load
from .model import SpectrumModel
from .preset_toml import KEYS, check_tables, pair, pixels, width
from .prior import spectrum_prior
from .simulator import SpectrumSimulator

_RANGES = ("sigma_v", "metallicity", "log_model_error", "log_mass_formed", "log_error_scale", "log_misfit")
_WIDTHS = ("metallicity_rise", "velocity")


def spectral_presets() -> tuple[str, ...]:
    """Names of the presets for spectra that come with the package."""
    return tuple(sorted(item.name[:-5] for item in _folder().iterdir() if item.name.endswith(".toml")))


def _folder():
    return files("dsps_sbi.instruments") / "presets"


@dataclass(frozen=True, eq=False)
class SpectrumPreset:
    """What to train a network of spectra for; read from TOML by :meth:`read`.

    Parameters
    ----------
    name : str
    grid : str
        Name of the SSP grid, see :func:`dsps_sbi.fetch`.
    network : Spectrograph
        Pixels and LSF that the network sees, at rest, in vacuum.
    observed : Spectrograph or None
        Those of the instrument, at observed wavelengths; None for a network of any instrument.
    z : (float, float)
        Redshifts.
    ranges : mapping of str to (float, float) or float
        Of the prior, ranges and widths that differ from :func:`dsps_sbi.spectrum_prior`.
    noise : mapping
        Options of :class:`dsps_sbi.SpectrumSimulator`.
    rest_aa : (float, float) or None
        Wavelengths of the SSPs to use [Angstrom].
    sfh : StarFormationHistory
    about : str
    sources : mapping of str to str
        Where the numbers of each table come from.
    """

    name: str
    grid: str
    network: Spectrograph
    observed: Spectrograph | None
    z: tuple[float, float]
    ranges: Mapping[str, tuple[float, float] | float] = field(default_factory=dict)
    noise: Mapping = field(default_factory=dict)
    rest_aa: tuple[float, float] | None = None
    sfh: StarFormationHistory = field(default_factory=Dirichlet)
    about: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, source) -> "SpectrumPreset":
        """Read a preset of the package by its name, or one of your own by the path of its file.

        Parameters
        ----------
        source : str or path-like
            One of :func:`spectral_presets`, or a TOML file.

        Raises
        ------
        UserError
            For an unknown name, a file that is not TOML, unknown or missing keys, and values that
            cannot be used: wrong units, ranges that are none, wavelengths that never meet.
        """
        source = os.fspath(source)
        if source in spectral_presets():
            text, label = (_folder() / f"{source}.toml").read_text(encoding="utf-8"), f"preset {source}"
        elif not Path(source).is_file():
            raise UserError(
                f"there is no preset and no file {source!r}: give one of {', '.join(spectral_presets())}, or "
                "the path of a TOML file"
            )
        else:
            label = source
            try:
                text = Path(source).read_text(encoding="utf-8")
            except UnicodeDecodeError as error:
                raise UserError(f"{label} is not TOML ({error}): give a text file") from error
        try:
            content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise UserError(f"{label} is not valid TOML ({error}): mend that line") from error
        try:
            return cls._of(content)
        except UserError as error:
            raise UserError(f"{label}: {error}") from error

    @classmethod
    def _of(cls, content):
        check_tables(content)
        ssp, prior, noise = (dict(content[table]) for table in ("ssp", "prior", "noise"))
        noise.pop("source", None)
        ranges = {key: pair(prior, "prior", key) for key in _RANGES if key in prior}
        ranges |= {key: width(prior, "prior", key) for key in _WIDTHS if key in prior}
        observed = content.get("observed")
        if observed is not None:
            observed = pixels(observed, "observed", observed["medium"])
        preset = cls(
            content["name"],
            ssp["grid"],
            pixels(content["network"], "network", "vacuum"),
            observed,
            pair(prior, "prior", "z"),
            ranges,
            noise | {"snr": pair(noise, "noise", "snr")},
            pair(ssp, "ssp", "rest_aa"),
            named(prior.get("sfh", "dirichlet"), FAMILIES, "[prior] sfh:"),
            content.get("about", ""),
            {table: content[table]["source"] for table in KEYS if "source" in content.get(table, {})},
        )
        preset.prior()
        # refuses shares and numbers of gaps that are none
        SpectrumSimulator(None, **preset.noise)
        preset._check_overlap()
        return preset

    def _check_overlap(self):
        if self.observed is None:
            return
        (low, high), (first, last) = (s.wave_aa[[0, -1]] for s in (self.observed, self.network))
        near, far = (1.0 + z for z in self.z)
        if high / near < first or low / far > last:
            raise UserError(
                f"[observed] {low:g}-{high:g} Angstrom is {low / far:.0f}-{high / near:.0f} at rest for z = "
                f"{self.z[0]:g}-{self.z[1]:g}, [network] {first:.0f}-{last:.0f}: check units (nm and micron "
                "are 10 and 1e4 Angstrom) and redshifts"
            )

    def frame(self) -> Spectrograph:
        """Pixels (Pixel,) and LSF that the network sees, at rest, in vacuum."""
        return self.network

    def spectrograph(self) -> Spectrograph:
        """The instrument, at observed wavelengths, for mocks; without one the network's own pixels."""
        return self.network if self.observed is None else self.observed

    def prior(self, metallicity: tuple[float, float] | None = None) -> Prior:
        """Prior of the model.

        Parameters
        ----------
        metallicity : (float, float), optional
            Range of [M/H] where the preset names none.
        """
        metallicities = {} if metallicity is None else {"metallicity": metallicity}
        return spectrum_prior(self.sfh, **metallicities | dict(self.ranges), z=self.z)

    def model(self, grid: SSPGrid | None = None) -> SpectrumModel:
        """The model at rest that :func:`dsps_sbi.spectroscopy.train` takes.

        Parameters
        ----------
        grid : SSPGrid, optional
            Instead of the preset's, which is loaded from the cache. Where the preset names no range of
            metallicity, the prior has that of the grid.

        Raises
        ------
        UserError
            If the grid is not in the cache (``dsps-sbi fetch``), does not cover the network's
            wavelengths, or is less sharp than these.
        """
        grid = load(self.grid) if grid is None else grid
        prior = self.prior((float(grid.metallicity[0]), float(grid.metallicity[-1])))
        model = SpectrumModel(grid, self.network, prior, self.sfh, sharper="mask", rest_aa=self.rest_aa)
        middle = 0.5 * (self.network.ln_edges[1:] + self.network.ln_edges[:-1])
        fwhm = FWHM_PER_SIGMA * np.exp(middle) * np.sqrt(self.network.ln_variance)
        if fwhm.min() < grid.fwhm_aa:
            i = int(np.argmin(fwhm))
            raise UserError(
                f"{self.name}: the network's LSF has FWHM {fwhm[i]:.2f} Angstrom at {np.exp(middle[i]):.0f} "
                f"without the pixel's width, SSP grid {grid.name} {grid.fwhm_aa:g}: give [network] a broader "
                "LSF or narrower pixels"
            )
        return model

    def simulator(self, model: SpectrumModel) -> SpectrumSimulator:
        """Mock spectra of a model with the preset's noise and gaps."""
        return SpectrumSimulator(model, **self.noise)

    def extra_km_s(self, z: float) -> np.ndarray:
        """Velocity dispersion (Pixel,) by which the instrument is broader than the network's pixels [km/s].

        0 where it is sharper, NaN where it does not reach. A spectrum that is broader is treated as
        one of larger ``sigma_v``; the prior of the network has to have room for that.

        Parameters
        ----------
        z : float
            Redshift of the galaxy.
        """
        instrument, frame = self.spectrograph(), self.network
        shift = 0.0 if self.observed is None else np.log1p(z)
        frame_centre, instrument_centre = (
            0.5 * (s.ln_edges[1:] + s.ln_edges[:-1]) for s in (frame, instrument)
        )
        variance = np.interp(
            frame_centre, instrument_centre - shift, instrument.ln_variance, left=np.nan, right=np.nan
        )
        return C_KM_S * np.sqrt(np.maximum(variance - frame.ln_variance, 0.0))
