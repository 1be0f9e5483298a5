import os

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import MaskedColumn, Table

from dsps_sbi.errors import UserError
from dsps_sbi.instruments.lsf import LSF
from dsps_sbi.io.spectrum_list import SpectrumFile, expanded, read_spectrum_list, stem


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/spec-1234.fits", "spec-1234"),
        ("b.FITS.gz", "b"),
        ("c.tar.ecsv", "c.tar"),
        ("plain", "plain"),
        ("", "nothing"),
    ],
)
def test_names_of_files(path, expected):
    assert stem(path, "nothing") == expected


@pytest.mark.parametrize("kind", ["ecsv", "csv", "fits", "fits.gz"])
def test_lists(tmp_path, kind):
    table = Table({"file": ["one.fits", "sub/two.txt", "sub/three.txt"]})
    table["redshift"] = MaskedColumn([0.1, np.nan, 0.3], mask=[False, True, False])
    table["name"] = ["", "second", "third"]
    path = tmp_path / f"list.{kind}"
    formats = {"ecsv": "ascii.ecsv", "csv": "ascii.csv"}
    table.write(path, format=formats.get(kind, "fits"))
    files = read_spectrum_list(path, medium="air", redshift=0.7)
    assert [file.name for file in files] == ["one", "second", "third"]
    assert files[1].path == tmp_path / "sub" / "two.txt"
    # the table's redshift first, then that which is given for all
    assert [file.options["redshift"] for file in files] == [0.1, 0.7, 0.3]
    assert all(file.options["medium"] == "air" for file in files)


def test_without_redshifts_those_of_the_files_count(tmp_path):
    (tmp_path / "list.csv").write_text("file\na.fits\n")
    (file,) = read_spectrum_list(tmp_path / "list.csv")
    assert file.name == "a" and "redshift" not in file.options


def test_lists_that_are_none(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        read_spectrum_list(tmp_path / "none.csv")
    (tmp_path / "list.csv").write_text("file,redshift\n")
    with pytest.raises(UserError, match="has 0 rows and the columns file, redshift: give at least one row"):
        read_spectrum_list(tmp_path / "list.csv")
    (tmp_path / "list.csv").write_text("file,z\na.fits,0.1\n")
    with pytest.raises(UserError, match="the columns file, z: give .* redshift, name, lsf, medium, columns"):
        read_spectrum_list(tmp_path / "list.csv")
    (tmp_path / "list.fits").write_text("nothing")
    with pytest.raises(UserError, match="list.fits is no table"):
        read_spectrum_list(tmp_path / "list.fits")


def test_what_tells_files_apart(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("1 2 3")
    one = SpectrumFile(path, options={"lsf": LSF("fwhm_aa", 2.8), "medium": "air"})
    same = SpectrumFile(path, "other name", {"medium": "air", "lsf": LSF("fwhm_aa", 2.8)})
    assert one.fingerprint() == same.fingerprint()
    table = LSF("fwhm_aa", np.array([2.0, 3.0]), np.array([4000.0, 7000.0]))
    for options in ({"lsf": LSF("fwhm_aa", 2.9), "medium": "air"}, {"lsf": table, "medium": "air"}, {}):
        assert SpectrumFile(path, options=options).fingerprint() != one.fingerprint()
    before = one.fingerprint()
    os.utime(path, ns=(0, 10**18))
    assert one.fingerprint() != before
    path.unlink()
    assert one.fingerprint() != before


def test_files_of_several_are_one_entry_for_each(tmp_path):
    wave, rows = np.linspace(4000.0, 5000.0, 60), np.ones((2, 60))
    hdu = fits.PrimaryHDU(rows)
    hdu.header.update(BUNIT="uJy", CTYPE1="WAVE", CUNIT1="Angstrom", CRVAL1=wave[0], CDELT1=wave[1] - wave[0])
    fits.HDUList([hdu, fits.ImageHDU(rows, name="ERROR")]).writeto(tmp_path / "rows.fits")
    (tmp_path / "bad.fits").write_text("no FITS")
    files = expanded([SpectrumFile(tmp_path / "rows.fits"), SpectrumFile(tmp_path / "bad.fits")])
    assert [file.name for file in files] == ["rows_0", "rows_1", "bad"]
    assert files[1].read().source.endswith("rows.fits:1")
    assert len({file.fingerprint() for file in files}) == 3
    chosen = expanded([SpectrumFile(tmp_path / "rows.fits", "mine", {"targets": ("1",)})])
    assert [file.name for file in chosen] == ["mine"]


def test_a_list_has_options_of_each_file(tmp_path):
    (tmp_path / "list.csv").write_text(
        'file,redshift,lsf,medium,columns,targets\na.fits,0.1,fwhm_aa=2.8,air,"wave=a,flux=b",3\nb.fits,,,,,\n'
    )
    first, second = read_spectrum_list(tmp_path / "list.csv")
    assert first.options["lsf"].value == 2.8 and first.options["medium"] == "air"
    assert first.options["columns"] == {"wave": "a", "flux": "b"} and first.options["targets"] == ("3",)
    assert second.options == {}
