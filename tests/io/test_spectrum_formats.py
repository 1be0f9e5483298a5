"""Formats that are known by their contents: each file is written here as the survey writes it."""

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.io.spectrum_columns import FLUX_UNIT

N = 60
WAVE = np.linspace(4000.0, 5000.0, N)
FLUX = 5.0 + np.cos(np.arange(N))
CGS = "erg/s/cm2/Angstrom"


def write(path, *hdus, **cards):
    first = fits.PrimaryHDU()
    first.header.update(cards)
    fits.HDUList([first, *hdus]).writeto(path)
    return path


def table(columns, units=None, name="", **cards):
    hdu = fits.BinTableHDU(Table(columns), name=name)
    for i, column in enumerate(hdu.columns.names, 1):
        unit = (units or {}).get(column)
        if unit is not None:
            hdu.header[f"TUNIT{i}"] = unit
    hdu.header.update(cards)
    return hdu


def one_row(path, ucd="em.wl;obs.atmos", **cards):
    """As ESO's archive has them."""
    qual = np.zeros(N, np.int16)
    qual[5] = 1
    columns = {"WAVE": [WAVE], "FLUX": [10 * FLUX], "ERR": [np.ones(N)], "QUAL": [qual]}
    unit = "10**(-18)erg.cm**(-2).s**(-1).angstrom**(-1)"
    ucds = {"TUCD1": ucd} if ucd else {}
    return write(
        path,
        table(columns, {"WAVE": "angstrom", "FLUX": unit, "ERR": unit}, **ucds),
        SPEC_RES=2500.0,
        **cards,
    )


def test_eso(tmp_path):
    s = ds.read_spectrum(one_row(tmp_path / "eso.fits"))
    assert s.medium == "air" and s.lsf.quantity == "resolving_power" and s.lsf.value == 2500.0
    np.testing.assert_allclose(s.flux, FLUX, rtol=1e-6)
    np.testing.assert_allclose(s.sigma, 0.1, rtol=1e-6)
    assert list(np.flatnonzero(~s.valid)) == [5]
    assert "air by TUCD1" in s.notes and "LSF: resolving power 2500 from SPEC_RES" in s.notes
    assert ds.read_spectrum(one_row(tmp_path / "vacuum.fits", "em.wl")).medium == "vacuum"
    assumed = ds.read_spectrum(one_row(tmp_path / "none.fits", None, REDSHIFT="0.05"))
    assert assumed.medium == "air" and assumed.redshift == 0.05
    assert any("air assumed" in note for note in assumed.notes)
    assert ds.read_spectrum(tmp_path / "none.fits", medium="vacuum").medium == "vacuum"


def jwst(n, first=101, name="EXTRACT1D"):
    out = []
    for i in range(n):
        dq = np.zeros(N, np.int32)
        dq[3], dq[4] = 1, 4
        columns = {"WAVELENGTH": WAVE / 1e4, "FLUX": 1e-6 * FLUX * (i + 1), "FLUX_ERROR": 1e-7 * np.ones(N)}
        units = {"WAVELENGTH": "um", "FLUX": "Jy", "FLUX_ERROR": "Jy"}
        out.append(table(columns | {"DQ": dq}, units, name, SOURCEID=first + i))
    return out


def test_jwst(tmp_path):
    s = ds.read_spectrum(write(tmp_path / "x1d.fits", *jwst(1)))
    expected = (1e-6 * FLUX * u.Jy).to_value(FLUX_UNIT, u.spectral_density(WAVE * u.AA))
    np.testing.assert_allclose(s.flux, expected, rtol=1e-5)
    # 4 is a jump that was found and mended
    assert s.medium == "vacuum" and list(np.flatnonzero(~s.valid)) == [3]


def test_sources_of_jwst_are_a_list(tmp_path):
    path = write(tmp_path / "x1d.fits", *jwst(3))
    with pytest.raises(
        UserError, match=r"has 3 spectra \(JWST x1d: 101, 102, 103\): choose one with targets="
    ):
        ds.read_spectrum(path)
    every = ds.read_spectra(path)
    assert [s.source.rsplit(":")[-1] for s in every] == ["101", "102", "103"]
    np.testing.assert_allclose(every[1].flux, 2.0 * every[0].flux, rtol=1e-6)
    # a name or a number by itself is one target, not its letters
    assert ds.read_spectrum(path, targets="102").source == every[1].source
    with pytest.raises(UserError, match="targets= is empty: expected some of 101, 102, 103; name them"):
        ds.read_spectra(path, targets=[])
    for targets in (["102"], [102], [1], "102", 102, np.int64(1)):
        np.testing.assert_array_equal(ds.read_spectra(path, targets=targets)[0].flux, every[1].flux)
    with pytest.raises(UserError, match=r"has no target 104: give 101, 102, 103, or a number from 0"):
        ds.read_spectra(path, targets=[104])
    with pytest.raises(UserError, match="has no target 3: give none, it has one"):
        ds.read_spectra(write(tmp_path / "one.fits", *jwst(1)), targets=[3])


def test_msaexp(tmp_path):
    columns = {"wave": WAVE / 1e4, "flux": FLUX, "err": np.where(np.arange(N) == 7, 0.0, 0.1)}
    units = {"wave": "um", "flux": "uJy", "err": "uJy"}
    s = ds.read_spectrum(write(tmp_path / "galaxy.spec.fits", table(columns, units, "SPEC1D")))
    assert s.medium == "vacuum" and list(np.flatnonzero(~s.valid)) == [7] and s.notes[0] == "msaexp SPEC1D"


def desi(path, targets=(7, 8), exposures=False):
    """Two arms that share two pixels, one of which the blue arm masks."""
    hdus = [fits.BinTableHDU(Table({"TARGETID": np.array(targets)}), name="FIBERMAP")]
    waves = {"B": np.arange(3600.0, 3660.0, 0.8), "R": np.arange(3658.4, 3720.0, 0.8)}
    for arm, wave in waves.items():
        flux = np.stack([np.full(wave.size, 3.0 + i) for i in range(len(targets))])
        ivar, mask = np.full(flux.shape, 4.0), np.zeros(flux.shape, np.int32)
        if arm == "B":
            mask[:, -1] = 1
            flux[:, -1] = 1e3
        offset = np.arange(5, -6, -1)
        line = np.exp(-0.5 * (offset / (1.0 if arm == "B" else 0.8)) ** 2)
        resolution = np.tile((line / line.sum())[None, :, None], (len(targets), 1, wave.size))
        images = {"WAVELENGTH": wave, "FLUX": flux, "IVAR": ivar, "MASK": mask, "RESOLUTION": resolution}
        hdus += [fits.ImageHDU(image, name=f"{arm}_{name}") for name, image in images.items()]
    redshifts = Table({"TARGETID": np.array(targets)[::-1], "Z": 0.1 * np.arange(1, len(targets) + 1)})
    hdus.append(fits.BinTableHDU(redshifts, name="REDSHIFTS"))
    return write(path, *hdus)


def test_desi(tmp_path):
    path = desi(tmp_path / "coadd.fits")
    first, second = ds.read_spectra(path)
    assert first.medium == "vacuum" and (first.redshift, second.redshift) == (0.2, 0.1)
    np.testing.assert_allclose(second.flux, 4.0, rtol=1e-6)
    # two arms know more than one
    sigma = np.unique(np.round(first.sigma, 4))
    np.testing.assert_allclose(sigma, [0.3536, 0.5])
    assert np.sum(first.sigma < 0.4) == 1 and first.valid.all()
    assert np.all(np.diff(first.wave_aa) > 0.7)
    sigma_aa = first.lsf.value / 2.3548
    np.testing.assert_allclose(sigma_aa[:50], 0.8, rtol=0.01)
    np.testing.assert_allclose(sigma_aa[-50:], 0.64, rtol=0.01)
    assert {"LSF from the resolution matrix", "z 0.2 from REDSHIFTS"} <= set(first.notes)
    assert ds.read_spectrum(path, targets=[8]).redshift == 0.1


def test_the_lsf_beside_dead_pixels_of_desi_is_that_of_their_neighbours(tmp_path):
    """Columns of the resolution matrix are empty where no exposure has a pixel."""
    path = desi(tmp_path / "coadd.fits")
    with fits.open(path, mode="update") as hdus:
        hdus["B_RESOLUTION"].data[:, :, 20:24] = 0.0
        hdus["B_IVAR"].data[:, 20:24] = 0.0
    s = ds.read_spectra(path)[0]
    assert list(np.flatnonzero(~s.valid)) == [20, 21, 22, 23]
    np.testing.assert_allclose(s.lsf.value[:50] / 2.3548, 0.8, rtol=0.01)


def test_exposures_of_desi_are_never_averaged(tmp_path):
    path = desi(tmp_path / "spectra.fits", targets=(7, 7, 9))
    assert [s.source.rsplit(":")[-1] for s in ds.read_spectra(path)] == ["7_row0", "7_row1", "9"]


def test_spspec(tmp_path):
    mask = np.zeros(N)
    mask[9] = 1 << 23
    rows = np.stack([FLUX, FLUX, np.full(N, 0.5), mask]).astype(np.float32)
    hdu = fits.PrimaryHDU(rows)
    hdu.header.update(COEFF0=3.6, COEFF1=1e-4, PLATEID=266, FIBERID=1, Z=0.021)
    hdu.writeto(tmp_path / "spSpec.fit")
    s = ds.read_spectrum(tmp_path / "spSpec.fit")
    np.testing.assert_allclose(s.wave_aa, 10.0 ** (3.6 + 1e-4 * np.arange(N)))
    assert s.redshift == 0.021 and s.medium == "vacuum" and list(np.flatnonzero(~s.valid)) == [9]


@pytest.mark.parametrize(
    "cards, medium, expected",
    [
        (
            {"CTYPE1": "AWAV", "CUNIT1": "Angstrom", "CRVAL1": 4000.0, "CDELT1": 2.0},
            "air",
            lambda i: 4000 + 2 * i,
        ),
        ({"CTYPE1": "WAVE", "CUNIT1": "nm", "CRVAL1": 400.0, "CD1_1": 0.2}, "vacuum", lambda i: 4000 + 2 * i),
        (
            {"CTYPE1": "WAVE-LOG", "CUNIT1": "Angstrom", "CRVAL1": 4000.0, "CDELT1": 2.0},
            "vacuum",
            lambda i: 4000.0 * np.exp(2.0 * i / 4000.0),
        ),
        (
            {"CTYPE1": "LINEAR", "DC-FLAG": 1, "CRVAL1": 3.6, "CDELT1": 1e-4},
            None,
            lambda i: 10 ** (3.6 + 1e-4 * i),
        ),
    ],
)
def test_images(tmp_path, cards, medium, expected):
    first = fits.PrimaryHDU(FLUX)
    first.header.update(BUNIT=CGS, **cards)
    ivar = fits.ImageHDU(np.full(N, 4e-2), name="IVAR")
    fits.HDUList([first, ivar]).writeto(tmp_path / "image.fits")
    s = ds.read_spectrum(tmp_path / "image.fits", medium=None if medium else "air")
    np.testing.assert_allclose(s.wave_aa, expected(np.arange(N)), rtol=1e-9)
    assert s.medium == (medium or "air")
    np.testing.assert_allclose(s.flux / s.sigma, FLUX * 0.2, rtol=1e-5)


def test_rows_of_an_image(tmp_path):
    hdu = fits.PrimaryHDU(np.stack([FLUX, 2 * FLUX]))
    hdu.header.update(BUNIT=CGS, CTYPE1="WAVE", CUNIT1="Angstrom", CRVAL1=4000.0, CDELT1=2.0)
    variance = fits.ImageHDU(np.full((2, N), 0.25), name="VAR")
    variance.header["BUNIT"] = "(erg/s/cm2/Angstrom)**2"
    fits.HDUList([hdu, variance]).writeto(tmp_path / "rows.fits")
    one, two = ds.read_spectra(tmp_path / "rows.fits")
    np.testing.assert_allclose(two.flux, 2 * one.flux, rtol=1e-6)
    np.testing.assert_allclose(one.flux / one.sigma, FLUX / 0.5, rtol=1e-5)


def test_the_unit_of_the_errors_is_that_of_their_column(tmp_path):
    """uJy and nJy; powers of ten; variances and their inverse."""
    wave = {"wave": WAVE, "flux": FLUX}
    given = {"wave": "Angstrom", "flux": "uJy"}
    for i, (name, values, unit) in enumerate(
        [
            ("err", np.full(N, 100.0), "nJy"),
            ("variance", np.full(N, 1e4), "nJy2"),
            ("ivar", np.full(N, 1e-4), "nJy-2"),
            ("err", np.full(N, 0.1), None),
            ("ivar", np.full(N, 100.0), None),
        ]
    ):
        path = write(tmp_path / f"{i}.fits", table(wave | {name: values}, given | {name: unit}))
        s = ds.read_spectrum(path, medium="air")
        np.testing.assert_allclose(s.flux / s.sigma, FLUX / 0.1, rtol=1e-5)
        assert ("errors in the unit of the flux" in s.notes) == (unit is None)
        relative = ds.read_spectrum(path, medium="air", flux_unit="relative")
        np.testing.assert_allclose(relative.flux / relative.sigma, FLUX / 0.1, rtol=1e-5)
    units = {"wave": "Angstrom", "flux": "1e-17 erg/s/cm2/A", "err": "erg/s/cm2/A"}
    path = write(tmp_path / "cgs.fits", table(wave | {"err": np.full(N, 1e-18)}, units))
    np.testing.assert_allclose(ds.read_spectrum(path, medium="air").sigma, 0.1, rtol=1e-5)
    wrong = write(
        tmp_path / "wrong.fits", table(wave | {"ivar": np.ones(N)}, units | {"ivar": "erg/s/cm2/A"})
    )
    with pytest.raises(UserError, match="the ivar has the unit .* expected its inverse square"):
        ds.read_spectrum(wrong, medium="air")


@pytest.mark.parametrize("error", [1e-5, 100.0])
def test_ratios_that_no_spectrum_has_are_told(tmp_path, error):
    units = {"wave": "Angstrom", "flux": CGS, "err": CGS}
    path = write(tmp_path / "odd.fits", table({"wave": WAVE, "flux": FLUX, "err": np.full(N, error)}, units))
    with pytest.warns(UserWarning, match="S/N of the median pixel is .*: check the units of flux and errors"):
        s = ds.read_spectrum(path, medium="air")
    assert "check the units of flux and errors" in s.notes


def test_masks_are_never_turned_round_in_silence(tmp_path):
    good = np.ones(N, int)
    good[10] = 0
    columns = {"wave": WAVE, "flux": np.where(good, FLUX, 50.0), "err": np.full(N, 0.1), "mask": good}
    path = write(tmp_path / "mask.fits", table(columns, {"wave": "AA", "flux": CGS, "err": CGS}))
    with pytest.raises(UserError, match=r"mask is not 0 in 98.3 % of the pixels: say .*good='mask'"):
        ds.read_spectrum(path, medium="air")
    roles = {"wave": "wave", "flux": "flux", "error": "err"}
    s = ds.read_spectrum(path, medium="air", columns=roles | {"good": "mask"})
    assert list(np.flatnonzero(~s.valid)) == [10]
    assert ds.read_spectrum(path, medium="air", columns=roles | {"mask": "mask"}).valid.sum() == 1
    columns["mask"] = 1 - good
    path = write(tmp_path / "usual.fits", table(columns, {"wave": "AA", "flux": CGS, "err": CGS}))
    s = ds.read_spectrum(path, medium="air")
    assert list(np.flatnonzero(~s.valid)) == [10] and "mask: not 0 is bad" in s.notes


def test_redshifts_in_headers(tmp_path):
    columns, units = {"wave": WAVE, "flux": FLUX, "err": np.ones(N)}, {"wave": "AA", "flux": CGS, "err": CGS}
    text = write(tmp_path / "text.fits", table(columns, units, REDSHIFT="0.05"))
    assert ds.read_spectrum(text, medium="air").redshift == 0.05
    for value in (True, "high"):
        bad = write(tmp_path / f"{value}.fits", table(columns, units, REDSHIFT=value))
        with pytest.raises(UserError, match=f"REDSHIFT is {value!r} in the header: expected a number"):
            ds.read_spectrum(bad, medium="air")


def test_no_light_is_refused(tmp_path):
    units = {"wave": "Angstrom", "flux": CGS, "err": CGS}
    for i, flux in enumerate((np.zeros(N), -FLUX)):
        path = write(tmp_path / f"{i}.fits", table({"wave": WAVE, "flux": flux, "err": np.ones(N)}, units))
        with pytest.raises(UserError, match="no flux is above 0 in the 60 pixels that can be used"):
            ds.read_spectrum(path, medium="air")


def test_what_a_file_has_is_said(tmp_path):
    path = write(tmp_path / "other.fits", table({"a": [1.0], "b": [2.0]}, name="THINGS"))
    with pytest.raises(
        UserError, match=r"no spectrum that can be told \(0 PRIMARY: empty; 1 THINGS: table of a, b"
    ):
        ds.read_spectrum(path)


def test_logarithms_of_wavelengths(tmp_path):
    columns = {"loglam": np.log10(WAVE), "flux": FLUX, "err": np.ones(N)}
    path = write(tmp_path / "log.fits", table(columns, {"flux": CGS, "err": CGS}))
    np.testing.assert_allclose(ds.read_spectrum(path, medium="vacuum").wave_aa, WAVE, rtol=1e-9)
    s = ds.read_spectrum(path, medium="vacuum", pixel_in_lsf=False, lsf=ds.LSF("fwhm_aa", 3.0))
    assert not s.spectrograph().pixel_in_lsf and not s.between(4200.0, 4800.0).pixel_in_lsf


def manga_rows(path, n=2, **extensions):
    """Rows of fluxes with one scale of wavelengths, as the tests of MaNGA's pipeline have them."""
    wave = 10.0 ** (3.6 + 1e-4 * np.arange(N))
    images = {
        "WAVE": wave,
        "FLUX": np.stack([FLUX * (i + 1) for i in range(n)]),
        "IVAR": 4.0 * np.ones((n, N)),
    }
    hdus = [fits.ImageHDU(np.asarray(array), name=name) for name, array in (images | extensions).items()]
    return write(path, *hdus), wave


def test_rows_with_wavelengths_lsf_and_redshifts_in_extensions(tmp_path):
    sres = 2000.0 + np.arange(2)[:, None] * np.ones(N)
    path, wave = manga_rows(tmp_path / "rows.fits", SRES=sres, Z=np.array([0.01, 0.02]))
    first, second = ds.read_spectra(path)
    np.testing.assert_allclose(second.wave_aa, wave)
    np.testing.assert_allclose(second.flux / second.sigma, 2 * FLUX * 2.0, rtol=1e-5)
    assert (first.redshift, second.redshift) == (0.01, 0.02) and not first.absolute
    assert second.lsf.quantity == "resolving_power" and np.all(second.lsf.value == 2001.0)
    assert second.medium == "vacuum" and "vacuum, as this grid is that of SDSS" in second.notes
    assert "no unit of the flux: per wavelength assumed" in second.notes
    assert ds.read_spectra(path, flux_unit="1e-17 erg/s/cm2/AA")[0].absolute
    rss, _ = manga_rows(tmp_path / "rss.fits", LSFPOST=np.ones((2, N)), SPECRES=2000.0 * np.ones(N))
    assert ds.read_spectra(rss)[0].lsf.quantity == "resolving_power"
    path, _ = manga_rows(tmp_path / "disp.fits", DISP=np.ones((2, N)))
    np.testing.assert_allclose(ds.read_spectra(path)[0].lsf.value, 2.3548, rtol=1e-4)


def test_a_stack_of_desi(tmp_path):
    """The scale tells that it is of vacuum, the redshift is in a table with a row for each spectrum."""
    wave = fits.ImageHDU(WAVE, name="WAVE")
    wave.header.update({"BUNIT": "Angstrom", "AIRORVAC": ("vac", "vacuum wavelengths")})
    images = fits.ImageHDU(FLUX[None], name="FLUX"), fits.ImageHDU(np.ones((1, N)), name="IVAR")
    path = write(tmp_path / "stack.fits", *images, wave, table({"IBIN": [0], "Z": [0.3]}, name="STACKINFO"))
    s = ds.read_spectrum(path)
    assert s.medium == "vacuum" and s.redshift == 0.3 and "vac by AIRORVAC" in s.notes
    wave.header["AIRORVAC"] = "air"
    assert ds.read_spectrum(write(tmp_path / "air.fits", *images, wave)).medium == "air"
    del wave.header["AIRORVAC"]
    with pytest.raises(UserError, match="medium='air' or medium='vacuum'"):
        ds.read_spectrum(write(tmp_path / "none.fits", *images, wave))


def test_eso_tables_with_a_row_for_each_pixel(tmp_path):
    """X-shooter's pipeline writes air, though the UCD of some products does not say so."""
    columns = {"WAVE": WAVE / 10.0, "FLUX": FLUX, "ERR": 0.1 * np.ones(N)}
    unit = "erg cm**(-2) s**(-1) angstrom**(-1)"
    hdu = table(columns, {"WAVE": "nm", "FLUX": unit, "ERR": unit}, TUCD1="em.wl")
    path = write(tmp_path / "xsl.fits", hdu, SPEC_RES=9994.6, PROCSOFT="xshoo/2.6.8")
    s = ds.read_spectrum(path)
    assert s.medium == "air" and "air, as the pipeline xshoo/2.6.8 writes" in s.notes
    assert s.lsf.value == 9994.6
    np.testing.assert_allclose(s.wave_aa, WAVE, rtol=1e-6)
    assert ds.read_spectrum(write(tmp_path / "other.fits", hdu, SPEC_RES=9994.6)).medium == "vacuum"
    assert ds.read_spectrum(path, medium="vacuum").medium == "vacuum"


def test_redshifts_of_desi_are_in_the_file_beside(tmp_path):
    arms = [
        fits.ImageHDU(WAVE, name="B_WAVELENGTH"),
        fits.ImageHDU(np.stack([FLUX, FLUX]), name="B_FLUX"),
        fits.ImageHDU(np.stack([np.ones(N), np.zeros(N)]), name="B_IVAR"),
    ]
    path = write(tmp_path / "coadd-1.fits", table({"TARGETID": [7, 9]}, name="FIBERMAP"), *arms)
    assert ds.read_spectrum(path, targets=[7]).redshift is None
    write(tmp_path / "redrock-1.fits", table({"TARGETID": [9, 7], "Z": [0.4, 0.2]}, name="REDSHIFTS"))
    s = ds.read_spectrum(path, targets=[7])
    assert s.redshift == 0.2 and "z 0.2 from redrock-1.fits" in s.notes
    # the other fibre has no data: told, and left out, unless it was asked for
    with pytest.warns(UserWarning, match="1 of 2 spectra are left out .*coadd-1.fits:9.*masked"):
        (only,) = ds.read_spectra(path)
    assert only.redshift == 0.2
    with pytest.raises(UserError, match="all pixels are masked"):
        ds.read_spectra(path, targets=[9])
    arms[2].data[:] = 0.0
    with pytest.raises(UserError, match="coadd-2.fits:7: all pixels are masked"):
        ds.read_spectra(write(tmp_path / "coadd-2.fits", table({"TARGETID": [7, 9]}, name="FIBERMAP"), *arms))


def test_cards_that_are_not_of_the_standard(tmp_path):
    """IRAF writes INDEF without quotes."""
    error = fits.ImageHDU(np.ones(N), name="ERROR")
    first = fits.PrimaryHDU(FLUX)
    first.header.update({"CRVAL1": 4000.0, "CDELT1": 2.0, "ORIGIN": "NOAO-IRAF", "AIRMASS": "X" * 5})
    fits.HDUList([first, error]).writeto(tmp_path / "good.fits")
    raw = (tmp_path / "good.fits").read_bytes().replace(b"'XXXXX   '", b"     INDEF")
    (tmp_path / "bad.fits").write_bytes(raw)
    with pytest.raises(fits.VerifyError), fits.open(tmp_path / "bad.fits") as hdus:
        dict(hdus[0].header)
    s = ds.read_spectrum(tmp_path / "bad.fits")
    assert s.medium == "air" and s.valid.all() and "air assumed, as IRAF's lists of lines are" in s.notes
