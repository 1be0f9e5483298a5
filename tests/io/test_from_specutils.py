import os
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.nddata import InverseVariance, StdDevUncertainty, UnknownUncertainty, VarianceUncertainty

import dsps_sbi as ds
from dsps_sbi.errors import UserError

specutils = pytest.importorskip("specutils")

WAVE = np.linspace(4000.0, 5000.0, 21)
FLUX = 10.0 + np.sin(np.arange(21.0))
ERROR = np.linspace(0.4, 0.6, 21)
F_LAMBDA = u.Unit("1e-17 erg / (s cm2 AA)")


def made(flux=FLUX * F_LAMBDA, axis=WAVE * u.AA, uncertainty="std", **options):
    # an uncertainty belongs to one object
    uncertainty = StdDevUncertainty(ERROR) if isinstance(uncertainty, str) else uncertainty
    return specutils.Spectrum(flux=flux, spectral_axis=axis, uncertainty=uncertainty, **options)


def check(found, flux=FLUX, sigma=ERROR, wave=WAVE, rtol=1e-6):
    np.testing.assert_allclose(found.wave_aa, wave, rtol=1e-12)
    np.testing.assert_allclose(found.flux, flux, rtol=rtol)
    np.testing.assert_allclose(found.sigma, sigma, rtol=rtol)


def test_as_it_is():
    found = ds.from_specutils(made(redshift=0.1), medium="air", lsf=ds.LSF("fwhm_aa", 3.0))
    check(found)
    assert found.redshift == pytest.approx(0.1) and found.medium == "air"
    assert found.absolute and found.valid.all()
    assert found.lsf.value == 3.0
    assert ds.from_specutils(made(), medium="air").redshift is None
    assert ds.from_specutils(made(redshift=0.1), medium="air", redshift=0.2).redshift == 0.2


@pytest.mark.parametrize(
    "uncertainty",
    [
        StdDevUncertainty(ERROR),
        VarianceUncertainty(ERROR**2),
        InverseVariance(ERROR**-2.0),
        StdDevUncertainty(1e-17 * ERROR, unit=u.erg / u.s / u.cm**2 / u.AA),
        VarianceUncertainty(1e-34 * ERROR**2, unit=(u.erg / u.s / u.cm**2 / u.AA) ** 2),
        InverseVariance(1e34 * ERROR**-2.0, unit=(u.erg / u.s / u.cm**2 / u.AA) ** -2),
    ],
)
def test_kinds_of_uncertainty(uncertainty):
    check(ds.from_specutils(made(uncertainty=uncertainty), medium="vacuum"))


def test_errors_that_are_none():
    ivar = np.where(np.arange(21) == 3, 0.0, 4.0)
    found = ds.from_specutils(made(uncertainty=InverseVariance(ivar)), medium="vacuum")
    assert list(np.flatnonzero(~found.valid)) == [3] and found.sigma[0] == 0.5
    by_snr = ds.from_specutils(made(uncertainty=None), medium="vacuum", snr=20.0)
    np.testing.assert_allclose(by_snr.sigma, np.median(FLUX) / 20.0, rtol=1e-6)


@pytest.mark.parametrize(
    "axis",
    [
        WAVE * u.AA,
        (WAVE / 10.0) * u.nm,
        (WAVE / 1e4) * u.um,
        (WAVE * u.AA).to(u.THz, u.spectral()),
        (WAVE * u.AA).to(u.eV, u.spectral()),
        (WAVE * u.AA).to(1 / u.cm, u.spectral()),
    ],
)
@pytest.mark.parametrize("unit", [u.Jy, u.nJy, u.W / u.m**3, u.erg / u.s / u.cm**2 / u.Hz])
def test_units(axis, unit):
    """By hand: F_lambda = F_nu c / lambda^2."""
    flux = (FLUX * F_LAMBDA).to(unit, u.spectral_density(WAVE * u.AA))
    sigma = (ERROR * F_LAMBDA).to(unit, u.spectral_density(WAVE * u.AA))
    spectrum = made(flux, axis, StdDevUncertainty(sigma.value))
    medium = "vacuum" if axis.unit.physical_type == "length" else None
    check(ds.from_specutils(spectrum, medium=medium), rtol=1e-5)
    if unit == u.Jy:
        by_hand = flux.value * 1e-23 * 2.99792458e18 / WAVE**2 / 1e-17
        np.testing.assert_allclose(by_hand, FLUX, rtol=1e-6)


def test_masks_and_order():
    bits = np.zeros(21, int)
    bits[2] = 4
    spectrum = made(FLUX[::-1] * F_LAMBDA, WAVE[::-1] * u.AA, StdDevUncertainty(ERROR[::-1]), mask=bits)
    extra = np.arange(21) == 20
    found = ds.from_specutils(spectrum, medium="air", mask=extra)
    check(found)
    assert list(np.flatnonzero(found.mask)) == [0, 18]


def test_relative_fluxes_and_spaxels():
    found = ds.from_specutils(made(3.0 * FLUX * u.dimensionless_unscaled), medium="air")
    assert not found.absolute and np.median(found.flux) == pytest.approx(1.0)
    np.testing.assert_allclose(found.flux / found.sigma, 3.0 * FLUX / ERROR, rtol=1e-6)
    check(ds.from_specutils(made(FLUX * F_LAMBDA / u.pix), medium="air"))
    check(
        ds.from_specutils(
            made(FLUX[None] * F_LAMBDA, uncertainty=StdDevUncertainty(ERROR[None])), medium="air"
        )
    )


def test_arms_are_joined():
    """As the arms of DESI: pixels that two arms see are averaged by their inverse variances."""
    wave = 4000.0 + 0.8 * np.arange(30)
    blue = made(
        np.full(20, 10.0) * F_LAMBDA, wave[:20] * u.AA, InverseVariance(np.full(20, 4.0)), redshift=0.3
    )
    ivar = np.full(15, 12.0)
    ivar[0] = 0.0
    red = made(np.full(15, 14.0) * F_LAMBDA, wave[15:] * u.AA, InverseVariance(ivar))
    found = ds.from_specutils([blue, red], medium="vacuum")
    np.testing.assert_allclose(found.wave_aa, wave)
    np.testing.assert_allclose(found.flux, [10.0] * 16 + [13.0] * 4 + [14.0] * 10, rtol=1e-6)
    np.testing.assert_allclose(found.sigma, [0.5] * 16 + [0.25] * 4 + [12.0**-0.5] * 10, rtol=1e-6)
    assert found.valid.all() and found.redshift == pytest.approx(0.3)
    np.testing.assert_allclose(ds.from_specutils([blue], medium="vacuum").wave_aa, wave[:20])
    shifted = made(np.full(15, 14.0) * F_LAMBDA, (wave[15:] + 0.3) * u.AA, InverseVariance(ivar))
    with pytest.raises(UserError, match="2 spectra overlap at .* in pixels that are not the same: give one"):
        ds.from_specutils([blue, shifted], medium="vacuum")
    with pytest.raises(UserError, match="mask= was given for 2 arms: mask them in the objects"):
        ds.from_specutils([blue, red], medium="vacuum", mask=np.zeros(30))


@pytest.mark.parametrize(
    "spectrum, options, message",
    [
        (FLUX, {}, "an object of type ndarray was given: expected a specutils.Spectrum"),
        ([], {}, "an empty list was given: expected at least one"),
        (made(uncertainty=None), {}, r"has no uncertainties: set them in the object, or state .* with snr="),
        (
            made(uncertainty=UnknownUncertainty(ERROR)),
            {},
            "uncertainties of the kind 'unknown': expected standard",
        ),
        (made(FLUX * u.ct), {}, "the flux has the unit ct, which is no flux density: convert it to Jy or"),
        (made(FLUX * u.MJy / u.sr), {}, "which is no flux density: .*per steradian: multiply by the area"),
        (made(axis=WAVE * u.km / u.s), {}, r"the spectral axis has the unit km / s: expected wavelengths"),
        (made(np.ones((2, 21)) * F_LAMBDA, uncertainty=None), {}, r"flux has shape \(2, 21\): expected one"),
        (made(), {}, "medium of the wavelengths is not known: give medium='air' or medium='vacuum'"),
        (
            made(),
            {"medium": "air", "mask": [1, 0]},
            r"mask has shape \(2,\) for 21 pixels: give one for each",
        ),
        (made(uncertainty=None), {"snr": -1.0}, "signal-to-noise ratio is -1: give that of the median"),
    ],
)
def test_what_is_refused(spectrum, options, message):
    with pytest.raises(UserError, match=message) as error:
        ds.from_specutils(spectrum, **options)
    assert "\n" not in str(error.value)


@pytest.fixture
def x1d(tmp_path):
    """Factory of files laid out like x1d products of JWST's pipeline."""

    def make(name="x1d.fits"):
        columns = [
            fits.Column("WAVELENGTH", "D", "um", array=WAVE / 1e4),
            fits.Column("FLUX", "D", "Jy", array=1e-6 * FLUX),
            fits.Column("FLUX_ERROR", "D", "Jy", array=1e-6 * ERROR),
            fits.Column("DQ", "J", array=np.zeros(21, int)),
        ]
        table = fits.BinTableHDU.from_columns(columns, name="EXTRACT1D")
        table.header.update(EXTVER=1, SPORDER=1, SRCTYPE="POINT")
        primary = fits.PrimaryHDU()
        primary.header.update(
            TELESCOP="JWST", DATAMODL="SpecModel", EXP_TYPE="NRS_FIXEDSLIT", INSTRUME="NIRSPEC"
        )
        fits.HDUList([primary, table, fits.ImageHDU(np.zeros((1, 1)), name="ASDF")]).writeto(tmp_path / name)
        return tmp_path / name

    return make


def test_reading_by_a_format(x1d):
    found = ds.read_spectrum(x1d(), format="JWST x1d", redshift=0.2)
    scale = 1e-6 * 1e-23 * 2.99792458e18 / WAVE**2 / 1e-17
    check(found, scale * FLUX, scale * ERROR, rtol=1e-5)
    assert found.medium == "vacuum" and found.redshift == 0.2 and found.source.endswith("x1d.fits")


def test_reading_that_is_refused(x1d, tmp_path, monkeypatch):
    path = x1d()
    with pytest.raises(UserError, match="specutils knows no format 'JWST': give one of .*JWST x1d"):
        ds.read_spectrum(path, format="JWST")
    with pytest.raises(UserError, match="x1d.fits cannot be read as 'MaNGA cube' .*: give its own format"):
        ds.read_spectrum(path, format="MaNGA cube")
    with pytest.raises(UserError, match="columns= was given with format=: specutils knows the columns"):
        ds.read_spectrum(path, format="JWST x1d", columns={"wave": "WAVELENGTH"})
    monkeypatch.setitem(sys.modules, "specutils", None)
    with pytest.raises(
        UserError, match=r"needs the package specutils .*: pip install 'dsps_sbi\[specutils\]'"
    ):
        ds.read_spectrum(path, format="JWST x1d")


@pytest.mark.skipif("DSPS_SBI_TEST_DATA" not in os.environ, reason="DSPS_SBI_TEST_DATA is not set")
def test_a_real_spectrum_of_jwst():
    """Of JADES's pipeline, which has no reader in specutils: its arrays as an object, and by their names."""
    folder = Path(os.environ["DSPS_SBI_TEST_DATA"]) / "spectra" / "jades_prism"
    path = next(folder.glob("199773_*.fits"))
    with fits.open(path) as hdus:
        wave, flux, error = (np.array(hdus[name].data, float) for name in ("WAVELENGTH", "DATA", "ERR"))
    unit = u.W / u.m**3
    spectrum = specutils.Spectrum(flux * unit, wave * u.m, uncertainty=StdDevUncertainty(error))
    found = ds.from_specutils(spectrum, medium="vacuum", redshift=2.8)
    columns = {"wave": "WAVELENGTH", "flux": "DATA", "error": "ERR"}
    units = {"wave_unit": "m", "flux_unit": "W / m3"}
    same = ds.read_spectrum(path, columns=columns, medium="vacuum", redshift=2.8, **units)
    check(found, same.flux, same.sigma, same.wave_aa)
    assert found.valid.sum() > 300
