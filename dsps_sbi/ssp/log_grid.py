"""SSPs on a grid of wavelengths that is uniform in their logarithm."""

from dataclasses import dataclass

import numpy as np
from scipy.fft import next_fast_len

from dsps_sbi.constants import C_KM_S
from dsps_sbi.errors import UserError
from dsps_sbi.kernels.vacuum import AIR_FROM_AA, air_to_vacuum
from dsps_sbi.ssp.grid import SSPGrid

# A grid finer or longer than this is a mistake: a library with a jump in its sampling
_MOST_POINTS = 200_000


@dataclass(frozen=True, eq=False)
class LogGrid:
    """Light of SSPs at points uniform in ln(rest wavelength in vacuum), padded to be periodic.

    Parameters
    ----------
    ln0, step : float
        ln of the first wavelength [Angstrom] and the distance of points.
    n_wave : int
        Points that are real; those beyond lead back from the last value to the first.
    light : ndarray (Met, Age, Grid)
        lambda L_lambda [L_sun / M_sun formed], which is light per ln(lambda), float32.
    """

    ln0: float
    step: float
    n_wave: int
    light: np.ndarray

    @property
    def step_km_s(self) -> float:
        """Distance of points in velocity [km/s]."""
        return self.step * C_KM_S

    @property
    def wave_aa(self) -> np.ndarray:
        """Rest wavelengths (Grid,) in vacuum [Angstrom]; for the padding, those that it blends."""
        wave = np.exp(self.ln0 + self.step * np.arange(self.n_wave))
        return np.concatenate([wave, _blend(wave, self.light.shape[-1] - self.n_wave)])


def _blend(values, n):
    """Values (..., n) that lead from the last one of (..., Wave) back to the first."""
    part = (np.arange(n) + 1.0) / (n + 1.0)
    return values[..., -1:] * (1.0 - part) + values[..., :1] * part


def on_log_grid(ssp: SSPGrid, pad_km_s: float, range_aa: tuple[float, float] | None = None) -> LogGrid:
    """Carry SSPs over to a logarithmic grid as fine as their finest sampling.

    Values of a library are samples of spectra that its resolution has made smooth: a quintic spline
    goes through them. (Averages over cells would broaden the lines by a cell once more.)

    Parameters
    ----------
    ssp : SSPGrid
    pad_km_s : float
        Least length of the padding [km/s].
    range_aa : (float, float), optional
        Rest wavelengths to keep [Angstrom], in the medium of the SSPs; default: all.

    Raises
    ------
    UserError
        If the range holds too little of the SSPs, or they are sampled too unevenly for one grid.
    """
    # imported where it is used: few runs need it, all would wait for it
    from scipy.interpolate import make_interp_spline

    low, high = range_aa or (0.0, np.inf)
    keep = (ssp.wave_aa >= low) & (ssp.wave_aa <= high)
    if keep.sum() < 20:
        raise UserError(
            f"SSP grid {ssp.name} has {keep.sum()} wavelengths from {low:g} to {high:g} Angstrom: it covers "
            f"{ssp.wave_aa[0]:.0f}-{ssp.wave_aa[-1]:.0f}; give a range within"
        )
    wave = ssp.wave_aa[keep]
    if ssp.wave_medium == "air":
        wave = np.where(wave >= AIR_FROM_AA, air_to_vacuum(np.maximum(wave, AIR_FROM_AA)), wave)
    ln = np.log(wave)
    step = float(np.min(np.diff(ln)))
    n_wave = int(np.floor((ln[-1] - ln[0]) / step * (1.0 + 1e-12))) + 1
    if n_wave > _MOST_POINTS:
        raise UserError(
            f"SSP grid {ssp.name} would need {n_wave} points: pass rest_aa=, the range of its library"
        )
    at = ln[0] + step * np.arange(n_wave)
    n = next_fast_len(n_wave + int(np.ceil(pad_km_s / (step * C_KM_S))), real=True)
    light = np.empty((*ssp.flux.shape[:2], n), np.float32)
    for row, flux in zip(light, ssp.flux[..., keep], strict=True):
        curve = make_interp_spline(ln, flux * wave, k=5, axis=1)(np.minimum(at, ln[-1]))
        row[:, :n_wave] = curve
        row[:, n_wave:] = _blend(curve, n - n_wave)
    return LogGrid(float(ln[0]), step, n_wave, light)
