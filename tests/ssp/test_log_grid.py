import numpy as np
import pytest

from dsps_sbi.errors import UserError
from dsps_sbi.kernels.vacuum import air_to_vacuum, vacuum_to_air
from dsps_sbi.ssp import SSPGrid
from dsps_sbi.ssp.log_grid import on_log_grid

WAVE = np.arange(4500.0, 5500.0, 0.9)


def flux(wave):
    """Lines as wide as those of MILES, FWHM 2.51."""
    lines = [(4600.0, 0.5), (4861.3, -0.4), (4865.0, 0.3), (5175.0, -0.6)]
    return 1e-4 * (1.0 + sum(a * np.exp(-0.5 * ((wave - c) / 1.066) ** 2) for c, a in lines))


def grid(wave=WAVE, medium="air"):
    values = np.broadcast_to(flux(wave), (2, 3, wave.size)) * np.array([1.0, 2.0])[:, None, None]
    return SSPGrid("g", wave, np.array([1.0, 2.0, 9.0]), np.array([-1.0, 0.0]), values, wave_medium=medium)


def test_the_curve_through_the_samples():
    log = on_log_grid(grid(), 2250.0)
    wave = log.wave_aa[: log.n_wave]
    assert wave[0] == pytest.approx(air_to_vacuum(4500.0)) and wave[-1] <= air_to_vacuum(WAVE[-1])
    np.testing.assert_allclose(np.diff(np.log(wave)), log.step, rtol=1e-6)
    np.testing.assert_allclose(log.step_km_s, 0.9 / 5500 * 299792.458, rtol=1e-3)
    # no broadening: the curve itself, but for what samples of lines with sigma 1.18 of them cannot
    # hold, exp(-(1.18 pi)^2 / 2) = 1e-3 of the lines beyond the Nyquist frequency
    expected = 2 * flux(vacuum_to_air(wave))
    np.testing.assert_allclose(log.light[1, 0, : log.n_wave] / wave, expected, atol=1.5e-3 * 2e-4)


def test_light_is_conserved():
    log = on_log_grid(grid(medium="vacuum"), 2250.0)
    wave = log.wave_aa[: log.n_wave]
    fine = np.linspace(wave[0], wave[-1], 400_001)
    light = log.light[0, 0, : log.n_wave].astype(float)
    assert np.trapezoid(light, dx=log.step) == pytest.approx(np.trapezoid(flux(fine), fine), rel=2e-6)


def test_the_padding_leads_back():
    log = on_log_grid(grid(), 2250.0)
    light = log.light[0, 0]
    pad = np.r_[light[log.n_wave - 1 :], light[0]]
    assert pad.size * log.step_km_s > 2250.0
    np.testing.assert_allclose(np.diff(pad), (light[0] - pad[0]) / (pad.size - 1), rtol=1e-2, atol=1e-7)


def test_ranges():
    log = on_log_grid(grid(), 2250.0, (4800.0, 5200.0))
    assert log.wave_aa[0] == pytest.approx(4801.5, abs=1.0) and log.wave_aa.max() < 5202.0
    with pytest.raises(UserError, match="has 0 wavelengths from 7000 to 8000 Angstrom: it covers 4500-5500"):
        on_log_grid(grid(), 2250.0, (7000.0, 8000.0))
    uneven = grid(np.r_[WAVE, WAVE[-1] + 0.003])
    with pytest.raises(UserError, match="would need .* points: pass rest_aa="):
        on_log_grid(uneven, 2250.0)
