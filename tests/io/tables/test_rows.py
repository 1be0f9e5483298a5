"""The same table in every format, in pieces of any size."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import MaskedColumn, Table

from dsps_sbi.errors import UserError
from dsps_sbi.io.tables import rows as module
from dsps_sbi.io.tables.read import read_catalogue
from dsps_sbi.io.tables.rows import TableFile, fingerprint, is_table, words_of

FORMATS = ("fits", "big-endian", "csv", "ecsv", "votable", "txt", "parquet")


def table_of(n=7):
    number = np.arange(n)
    table = Table({"ID": [f"g{i}" for i in number], "z": 0.5 + 0.1 * number})
    table["f_F200W"] = MaskedColumn(100.0 + number, mask=number == 3, unit="nJy")
    table["e_F200W"] = MaskedColumn(np.full(n, 5.0), unit="nJy")
    return table


def written(table, kind, folder):
    path = folder / f"t.{kind}"
    if kind == "big-endian":
        arrays = np.zeros(len(table), [("ID", "S4"), ("z", ">f8"), ("f_F200W", ">f4"), ("e_F200W", ">f8")])
        for name in table.colnames:
            arrays[name] = np.ma.filled(table[name], np.nan) if name == "f_F200W" else table[name]
        hdu = fits.BinTableHDU(arrays)
        hdu.columns["f_F200W"].unit = hdu.columns["e_F200W"].unit = "nJy"
        path = folder / "t.fits"
        hdu.writeto(path)
    elif kind == "parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
        import pyarrow

        columns = {name: table[name].tolist() for name in table.colnames}
        metadata = {"f_F200W": {"unit": "nJy"}, "e_F200W": {"unit": "nJy"}}
        whole = pyarrow.table(columns)
        fields = [field.with_metadata(metadata.get(field.name)) for field in whole.schema]
        parquet.write_table(pyarrow.table(columns, pyarrow.schema(fields)), path)
    else:
        forms = {"fits": "fits", "ecsv": "ascii.ecsv", "csv": "ascii.csv", "votable": "votable"}
        table.write(path, format=forms.get(kind, "ascii.commented_header"))
    return path


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("size", [3, 100])
def test_every_format(kind, size, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_PIECE", 90)
    path = written(table_of(), kind, tmp_path)
    assert is_table(path)
    file = TableFile(path)
    assert file.names == ("ID", "z", "f_F200W", "e_F200W")
    assert file.units["f_F200W"] == (None if kind in ("csv", "txt") else "nJy")
    chunks = list(file.chunks(size, file.names))
    assert [len(chunk["z"]) for chunk in chunks] == ([3, 3, 1] if size == 3 else [7])
    assert [word for chunk in chunks for word in words_of(chunk["ID"])] == [f"g{i}" for i in range(7)]
    said = {"unit": "nJy"} if kind in ("csv", "txt") else {}
    with pytest.warns(UserWarning, match="g3 has no band was measured: no answer for these"):
        catalogue = read_catalogue(path, layout=said)
    assert len(catalogue) == 6 and catalogue.ids.tolist() == [0, 1, 2, 4, 5, 6]
    assert [tuple(one)[:3] for one in catalogue.rejected] == [(3, "g3", "no band was measured")]


def test_catalogues_in_memory():
    table = table_of()
    table.remove_row(3)
    catalogue = read_catalogue(table)
    assert catalogue.names[3] == "g4" and catalogue.filters == ("jwst_f200w",)
    np.testing.assert_allclose(
        catalogue.flux_ujy[:, 0], 1e-3 * np.array([100, 101, 102, 104, 105, 106]), rtol=1e-6
    )
    np.testing.assert_allclose(catalogue.redshift, table["z"], rtol=1e-6)
    with pytest.raises(UserError, match="the table has no rows"):
        read_catalogue(table[:0])


def test_numbers_as_names():
    assert words_of(np.array([1.0, 20.0])) == ["1", "20"] and words_of(np.array([b"a "])) == ["a"]


def test_several_tables_and_images(tmp_path):
    path = tmp_path / "two.fits"
    one = fits.BinTableHDU(table_of(), name="ONE")
    fits.HDUList([fits.PrimaryHDU(), one, fits.BinTableHDU(table_of(), name="TWO")]).writeto(path)
    with pytest.raises(UserError, match="has several tables .1 ONE, 2 TWO.: say which, as --layout hdu=1"):
        TableFile(path)
    assert TableFile(path, "two").names[0] == "ID"
    fits.HDUList([fits.PrimaryHDU(np.ones((2, 2))), one]).writeto(tmp_path / "image.fits")
    assert not is_table(tmp_path / "image.fits") and not is_table(tmp_path / "none.fits")


def test_what_cannot_be_read(tmp_path):
    path = tmp_path / "t.ecsv"
    path.write_text("# %ECSV 1.0\n# nonsense\na\n1 2\n")
    with pytest.raises(UserError, match="t.ecsv cannot be read as a table"):
        TableFile(path)
    with pytest.raises(UserError, match="does not exist"):
        TableFile(tmp_path / "none.csv")
    with pytest.raises(UserError, match="a table of type int: give a Table"):
        TableFile(3)


def test_fingerprints_are_of_the_content(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"1"), b.write_bytes(b"1")
    assert fingerprint(a) == fingerprint(b)
    b.write_bytes(b"2")
    assert fingerprint(a) != fingerprint(b)
