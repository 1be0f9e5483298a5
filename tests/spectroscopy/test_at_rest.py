import numpy as np
import pytest

import dsps_sbi as ds
from dsps_sbi.constants import C_KM_S
from dsps_sbi.cosmology import Cosmology
from dsps_sbi.errors import UserError
from dsps_sbi.io.spectrum import Spectrum
from dsps_sbi.spectroscopy.at_rest import at_rest

FRAME = ds.Spectrograph(np.exp(np.arange(np.log(4000.0), np.log(6000.0), 2.2e-4)), ds.LSF("fwhm_aa", 3.0))


@pytest.fixture(scope="module")
def cosmology():
    return Cosmology.from_astropy()


def observed(flux, z=0.02, step=1.1, fwhm=3.0, sigma=0.1, low=4200.0, high=6000.0, **options):
    """A spectrum of flux(rest wavelength) in pixels of some width."""
    wave = np.arange(low, high, step)
    lsf = ds.LSF("fwhm_aa", fwhm * (1 + z))
    given = {"medium": "vacuum", "redshift": z, "lsf": lsf, "absolute": False} | options
    return Spectrum(wave, flux(wave / (1 + z)), np.full(wave.size, sigma), **given)


def line(sigma_aa):
    return lambda wave: np.exp(-0.5 * ((wave - 5000.0) / sigma_aa) ** 2) / sigma_aa


def test_flux_is_conserved_and_lines_stay_where_they_are(cosmology):
    out = at_rest(observed(line(4.0), sigma=1e-8), FRAME, cosmology)
    wave, width = FRAME.wave_aa, np.diff(FRAME.edges_aa)
    flux = np.where(out.valid, out.flux, 0.0) / 10.0**out.log_scale
    total = np.sum(flux * width)
    assert total == pytest.approx(np.sqrt(2 * np.pi), rel=1e-5)
    assert np.sum(flux * width * wave) / total == pytest.approx(5000.0, abs=0.01)
    spread = np.sqrt(np.sum(flux * width * (wave - 5000.0) ** 2) / total)
    assert spread == pytest.approx(np.hypot(4.0, 0.32), abs=0.02)  # and the pixels' own width
    assert out.z == 0.02


def test_sharper_spectra_are_smoothed_and_broader_ones_told(cosmology):
    narrow = at_rest(observed(line(1.0), fwhm=2.3548, step=0.4, sigma=1e-8), FRAME, cosmology)
    flux = np.where(narrow.valid, narrow.flux, 0.0) * np.diff(FRAME.edges_aa)
    spread = np.sqrt(np.sum(flux * (FRAME.wave_aa - 5000.0) ** 2) / np.sum(flux))
    assert spread == pytest.approx(3.0 / 2.3548, abs=0.05) and narrow.extra_km_s < 1.0
    broad = at_rest(observed(line(4.0), fwhm=6.0), FRAME, cosmology)
    at = FRAME.wave_aa[broad.valid]
    expected = C_KM_S / 2.3548 * np.sqrt(np.mean((36.0 - 9.0) / at**2))
    assert broad.extra_km_s == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("step", [0.3, 1.1, 4.0])
def test_errors_keep_what_the_data_know(cosmology, step):
    """The precision of the mean flux is the same before and after."""
    spectrum = observed(lambda wave: np.ones_like(wave), step=step, fwhm=12.0)
    out = at_rest(spectrum, FRAME, cosmology)
    use = out.valid
    inside = (spectrum.wave_aa / 1.02 > FRAME.wave_aa[use][0]) & (
        spectrum.wave_aa / 1.02 < FRAME.wave_aa[use][-1]
    )
    before = np.sum(spectrum.sigma[inside] ** -2.0)
    after = np.sum((out.sigma[use] / 10.0**out.log_scale) ** -2.0)
    assert after == pytest.approx(before, rel=0.02)
    faint = at_rest(
        observed(lambda wave: np.ones_like(wave), step=step, fwhm=12.0, sigma=1e-8), FRAME, cosmology
    )
    np.testing.assert_allclose(faint.flux[use], 10.0**out.log_scale, rtol=1e-5)


@pytest.mark.parametrize("step", [0.5, 1.1])
def test_noise_of_smoothed_spectra_is_independent(cosmology, step):
    """As networks were trained with: of the size that is told, and nothing that neighbours share."""
    rng = np.random.default_rng(3)
    out = at_rest(
        observed(lambda wave: 0.1 * rng.standard_normal(wave.size), fwhm=1.5, step=step), FRAME, cosmology
    )
    noise = (out.flux / out.sigma)[out.valid].astype(float)
    error = noise.size**-0.5
    assert noise.size > 1000 and abs(np.mean(noise**2) - 1.0) < 4.0 * np.sqrt(2.0) * error
    for apart in (1, 2, 3):
        assert abs(np.mean(noise[apart:] * noise[:-apart])) < 4.0 * error, apart


def test_masked_pixels_spoil_only_what_they_are_in(cosmology):
    mask = np.zeros(1637, bool)
    mask[800] = True
    out = at_rest(observed(lambda wave: np.ones_like(wave), mask=mask), FRAME, cosmology)
    inner = np.flatnonzero(out.valid)
    bad = np.flatnonzero(~out.valid[inner[0] : inner[-1]]) + inner[0]
    assert 1 <= bad.size <= 3
    assert np.all(np.abs(FRAME.wave_aa[bad] - (4200.0 + 800 * 1.1) / 1.02) < 2.5)


def test_scale_of_the_mass(cosmology):
    """L_lambda is conserved: flux times 4 pi d^2 (1 + z)."""
    out = at_rest(observed(lambda wave: np.ones_like(wave), absolute=True), FRAME, cosmology)
    distance = float(cosmology.distance_mpc(0.02))
    assert out.log_scale == pytest.approx(np.log10(1.02 * (distance / 1e-5) ** 2), abs=1e-5)


def test_what_is_refused(cosmology):
    with pytest.raises(UserError, match="has no redshift: read it with redshift="):
        at_rest(observed(line(3.0), redshift=None), FRAME, cosmology)
    with pytest.raises(UserError, match="does not tell its LSF: pass lsf="):
        at_rest(observed(line(3.0), lsf=None), FRAME, cosmology)
    with pytest.raises(UserError, match="covers 2100-3000 Angstrom at rest, the network 4000-6001: check"):
        at_rest(observed(line(3.0), redshift=1.0), FRAME, cosmology)
