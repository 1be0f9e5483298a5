import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from astropy.io import fits

from dsps_sbi.errors import UserError
from dsps_sbi.ssp import miles_kinds, read_miles, read_miles_alpha
from dsps_sbi.ssp.miles_names import kinds_of

NAME = "{lib}{imf}1.30Z{met}T{age:07.4f}_i{tracks}_{alpha}{rest}.fits"
METS = {"m0.66": -0.66, "p0.06": 0.06, "p0.40": 0.40}
AGES = (0.03, 9.5, 14.0)


def put(folder, lib="M", imf="kb", tracks="Tp0.00", alpha="Ep0.00", rest="", n=60, hole=None, scale=1.0):
    folder.mkdir(exist_ok=True)
    for i, met in enumerate(METS):
        for j, age in enumerate(AGES):
            values = (scale * (1.0 + i + 10.0 * j) + np.linspace(0, 0.5, n)).astype(np.float32)
            if hole is not None and j == 0:
                values[hole:] = 0.0
            hdu = fits.PrimaryHDU(values)
            hdu.header.update(CRVAL1=8900.0, CDELT1=0.9, CRPIX1=1)
            name = NAME.format(lib=lib, imf=imf, met=met, age=age, tracks=tracks, alpha=alpha, rest=rest)
            hdu.writeto(folder / name)
    return folder


def test_folder_to_grid(tmp_path):
    folder = put(tmp_path / "m")
    (folder / "LICENSE").write_text("")
    (folder / "MILES_KB_LIS5.0.fits").write_text("another kind of file")
    seen = []
    grid = read_miles(folder, progress=seen.append)
    assert miles_kinds(folder) == ("Mkb1.30_iTp0.00_Ep0.00",) == (grid.name,)
    assert len(seen) == 9 and all(name.startswith("Mkb1.30Z") for name in seen)
    np.testing.assert_array_equal(grid.metallicity, list(METS.values()))
    np.testing.assert_array_equal(grid.age_gyr, AGES)
    np.testing.assert_allclose(grid.wave_aa, 8900 + 0.9 * np.arange(60))
    np.testing.assert_array_equal(grid.flux[:, :, 0], 1 + np.arange(3)[:, None] + 10 * np.arange(3))
    assert (grid.imf, grid.tracks) == ("Kroupa (2001) revised, slope 1.30", "BaSTI, [alpha/Fe] +0.00")
    assert (grid.library, grid.wave_medium, grid.fwhm_aa) == ("MILES", "air", 2.51)
    assert grid.surviving_fraction is None


def test_what_names_say():
    (base,) = kinds_of(["x/Mun1.30Zm0.40T00.0631_iPp0.00_baseFe_linear_FWHM_2.51.fits"])
    assert base.alpha_fe is None and base.fwhm_aa == 2.51
    assert base.words()["tracks"] == "Padova 2000, base models"
    assert base.words()["imf"] == "unimodal, slope 1.30"
    (emiles,) = kinds_of(["Ech1.30Zp0.22T10.0000_iTp0.40_Ep0.40.fits"])
    assert emiles.alpha_fe == 0.4 and emiles.words()["library"] == "E-MILES"
    assert emiles.words()["imf"].startswith("Chabrier")
    (smooth,) = kinds_of(["Mbi0.30Zm0.25T01.0000_iTp0.00_Em0.20_LIS8.4.fits"])
    assert smooth.alpha_fe == -0.2 and smooth.fwhm_aa is None


def test_alpha_enhanced_files_are_grids_of_their_own(tmp_path):
    folder = put(put(tmp_path / "m"), tracks="Tp0.40", alpha="Ep0.40", scale=2.0)
    with pytest.raises(UserError, match="holds 2 grids: pass kind= one of Mkb1.30_iTp0.00_Ep0.00, Mkb"):
        read_miles(folder)
    with pytest.raises(UserError, match="holds no grid 'Mku1.30': choose from Mkb1.30_iTp0.00_Ep0.00"):
        read_miles(folder, "Mku1.30")
    grids = read_miles_alpha(folder)
    assert list(grids) == [0.0, 0.4] and grids[0.4].tracks == "BaSTI, [alpha/Fe] +0.40"
    assert grids[0.4].flux[0, 0, 0] == 2.0 and grids[0.0].flux[0, 0, 0] == 1.0
    assert grids[0.4].sha == read_miles(folder, "Mkb1.30_iTp0.40_Ep0.40").sha
    put(folder, imf="ku", tracks="Tp0.40", alpha="Ep0.40")
    with pytest.raises(UserError, match="holds SSPs of Mkb1.30, Mku1.30: expected one initial mass function"):
        read_miles_alpha(folder)
    folder = put(put(tmp_path / "n"), tracks="Pp0.00")
    with pytest.raises(UserError, match=r"\[alpha/Fe\] does not tell Mkb1.30_iTp0.00_Ep0.00 apart"):
        read_miles_alpha(folder)


def test_mixed_tracks_are_refused(tmp_path):
    folder = put(put(tmp_path / "m"), tracks="Pp0.40", alpha="Ep0.40")
    with pytest.raises(
        UserError, match="holds SSPs on tracks of BaSTI, Padova 2000: expected one set of tracks"
    ):
        read_miles_alpha(folder)


SMILES = {-0.2: "m02", 0.0: "p00", 0.2: "p02", 0.4: "p04", 0.6: "p06"}


@pytest.fixture
def smiles(tmp_path):
    for alpha, text in SMILES.items():
        tracks = "Tp0.40" if alpha > 0.3 else "Tp0.00"
        put(tmp_path / "s", imf="ku", tracks=tracks, alpha=f"ACFep00_aFe{text}", scale=1.0 + alpha)
    return tmp_path / "s"


def test_names_of_smiles_are_grids_by_alpha(smiles):
    grids = read_miles_alpha(smiles)
    assert list(grids) == list(SMILES)
    for alpha, grid in grids.items():
        assert grid.flux[0, 0, 0] == np.float32(1.0 + alpha) and grid.fwhm_aa == 2.51
        assert grid.imf == "Kroupa (2001) universal, slope 1.30"
    assert grids[0.6].tracks == "BaSTI, isochrones of +0.40, spectra of [alpha/Fe] +0.60"
    assert grids[-0.2].name == "Mku1.30_iTp0.00_ACFep00_aFem02"


def test_names_in_other_letters_are_the_same():
    (kind,) = kinds_of(["MKU1.3Zm0.96T00.0300_iTp0.40_ACFep00_aFep04.fits"])
    ((same, files),) = kinds_of(["Mku1.30Zm0.96T00.0300_iTp0.40_ACFep00_aFep04.fits"]).items()
    assert kind == same and list(files) == [(-0.96, 0.03)] and kind.alpha_fe == 0.4
    (carbon,) = kinds_of(["Mbi1.30Zp0.26T14.0000_iTp0.00_ACFep02_aFem02.fits"])
    assert carbon.alpha_fe == -0.2 and carbon.words()["tracks"].endswith("[alpha/Fe] -0.20, ACFe +0.20")


def test_folders_of_smiles_that_do_not_fit_are_one_line(smiles):
    (smiles / "Mku1.30Zp0.06T09.5000_iTp0.40_ACFep00_aFep06.fits").unlink()
    message = r"\[alpha/Fe\] \+0.60 lacks \[M/H\] \+0.06 at 9.5 Gyr, which others have: add these"
    with pytest.raises(UserError, match=message):
        read_miles_alpha(smiles)
    put(smiles, imf="ch", alpha="ACFep00_aFep00")
    with pytest.raises(UserError, match="holds SSPs of Mch1.30, Mku1.30: expected one initial mass function"):
        read_miles_alpha(smiles)
    (smiles / "MKU1.3Zp0.06T14.0000_iTp0.00_ACFep00_aFep00.fits").write_text("")
    with pytest.raises(UserError, match="are of the same SSP: keep one of them"):
        miles_kinds(smiles)
    (smiles / "MKU1.3Zp0.06T14.0000_iTp0.00_ACFep00_aFep00.fits").unlink()
    (smiles / "Mku1.30Zp0.06T10.0000_aFep4.fits").write_text("")
    with pytest.raises(UserError, match="aFep4.fits has a name that cannot be read: expected one like Mkb1"):
        miles_kinds(smiles)


def test_missing_ssps_are_named(tmp_path):
    folder = put(tmp_path / "m")
    for met in ("m0.66", "p0.06"):
        (folder / f"Mkb1.30Z{met}T09.5000_iTp0.00_Ep0.00.fits").unlink()
    message = r"lacks \[M/H\] -0.66 at 9.5 Gyr, \[M/H\] \+0.06 at 9.5 Gyr: add these files"
    with pytest.raises(UserError, match=message):
        read_miles(folder)
    assert read_miles(folder, age_min_gyr=10).age_gyr == [14.0]


def test_unusable_folders_and_files(tmp_path):
    with pytest.raises(UserError, match="holds no MILES files: give the folder"):
        read_miles(tmp_path / "nowhere")
    folder = put(tmp_path / "m")
    with pytest.raises(UserError, match="no SSP of 20 Gyr or older: lower age_min_gyr"):
        read_miles(folder, age_min_gyr=20)
    with pytest.raises(UserError, match="wave_aa is empty"):
        read_miles(folder, wave_max_aa=100)
    victim = folder / "Mkb1.30Zp0.06T09.5000_iTp0.00_Ep0.00.fits"
    whole = victim.read_bytes()
    victim.write_bytes(whole[:2000])
    with pytest.raises(UserError, match="T09.5000_iTp0.00_Ep0.00.fits is not a whole MILES spectrum"):
        read_miles(folder)
    fits.PrimaryHDU(np.ones(60, np.float32)).writeto(victim, overwrite=True)
    with pytest.raises(UserError, match="T09.5000_iTp0.00_Ep0.00.fits is not a whole .*CRVAL1"):
        read_miles(folder)
    hdu = fits.PrimaryHDU(np.ones(60, np.float32))
    hdu.header.update(CRVAL1=8901.0, CDELT1=0.9)
    hdu.writeto(victim, overwrite=True)
    with pytest.raises(UserError, match="has other wavelengths than the files before"):
        read_miles(folder)


def test_values_that_are_not_finite_are_refused(tmp_path):
    folder = put(tmp_path / "m")
    values = np.ones(60, np.float32)
    values[7] = np.nan
    hdu = fits.PrimaryHDU(values)
    hdu.header.update(CRVAL1=8900.0, CDELT1=0.9, CRPIX1=1)
    hdu.writeto(folder / "Mkb1.30Zp0.06T09.5000_iTp0.00_Ep0.00.fits", overwrite=True)
    with pytest.raises(UserError, match=r"grid 'Mkb1.30_.*flux .* is not finite at index \(1, 1, 7\)"):
        read_miles(folder)


def test_holes_of_emiles_are_refused_with_the_two_ways_out(tmp_path):
    folder = put(tmp_path / "e", lib="E", hole=30)
    message = r"0.03 Gyr .* is zero from 8927.0 to 8953.1 .*\(E-MILES: wave_max_aa=8950 or age_min_gyr=0.28\)"
    with pytest.raises(UserError, match=message):
        read_miles(folder)
    assert read_miles(folder, wave_max_aa=8926.5).flux.shape == (3, 3, 30)
    assert read_miles(folder, age_min_gyr=0.28).flux.shape == (3, 2, 60)


def test_the_miles_basti_grid_against_its_stacked_copy():
    data = os.environ.get("DSPS_SBI_TEST_DATA")
    folder = Path(data or "nowhere") / "ssp" / "miles_basti_kb"
    if not folder.is_dir():
        pytest.skip("MILES BaSTI files not at hand: set DSPS_SBI_TEST_DATA to the folder that holds ssp/")
    grid = read_miles(folder)
    with h5py.File(folder.parent / "miles_basti_kb1.30_Ep0.00_f32.h5") as f:
        np.testing.assert_allclose(grid.age_gyr, f["age_gyr"][()], rtol=1e-6)
        np.testing.assert_allclose(grid.metallicity, f["met_mh"][()], atol=1e-6)
        np.testing.assert_allclose(grid.wave_aa, f["wave_air"][()], atol=1e-3)
        np.testing.assert_allclose(grid.flux, f["flux"][()].swapaxes(0, 1), rtol=1e-6)
    assert grid.flux.shape == (12, 53, 4300)
