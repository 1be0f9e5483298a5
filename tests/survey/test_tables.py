"""Tables of galaxies: a row for each row, what a broken run leaves, what is refused."""

import h5py
import numpy as np
import pytest
from astropy.table import Table

from dsps_sbi.errors import UserError
from dsps_sbi.instruments.jades import JADES_BANDS
from dsps_sbi.io.tables.layout import layout_of
from dsps_sbi.io.tables.rows import TableFile, fingerprint
from dsps_sbi.survey import tables as module
from dsps_sbi.survey.tables import TableRun, infer_table

BAD = {2: "no redshift", 5: "no band was measured", 6: "redshift 15 is outside of the bundle's"}


@pytest.fixture
def table(mock_pixels):
    """Ten galaxies, three of them of no use; one id stands twice."""
    flux, sigma = (1e3 * np.asarray(a[:10], float) for a in mock_pixels)
    out = Table({"ID": [f"g{i}" for i in range(9)] + ["g0"], "z": np.linspace(1.0, 3.0, 10)})
    out["z"][2], out["z"][6] = -1.0, 15.0
    flux[5] = -99.0
    flux[1, 3] = np.nan
    for i, band in enumerate(JADES_BANDS):
        out[f"f_{band}"], out[f"e_{band}"] = flux[:, i], sigma[:, i]
        out[f"f_{band}"].unit = out[f"e_{band}"].unit = "nJy"
    return out


@pytest.fixture
def file(table, tmp_path):
    path = tmp_path / "t.fits"
    table.write(path)
    return path


@pytest.fixture
def go(loaded, file, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ROWS", 4)

    def go(resume=False, path=file, folder=tmp_path / "out", told=None, **options):
        source = TableFile(path)
        layout = layout_of(source.names, source.units, bands=loaded.filters)
        run = TableRun(loaded, None, layout, n_draws=20, seed=4, **options)
        return infer_table(run, source, folder, fingerprint=fingerprint(path), resume=resume, on_rows=told)

    return go


@pytest.mark.parametrize("kind", ["fits", "ecsv", "parquet"])
def test_a_row_for_each_row_in_their_order(go, table, kind):
    if kind == "parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
    path = go(kind=kind, keep_draws=True)
    if kind == "parquet":
        found = parquet.read_table(path)
        assert found.schema.field("log_mass_formed").metadata[b"unit"] == b"dex(solMass)"
        out = Table({name: found.column(name).to_numpy() for name in found.column_names})
    else:
        out = Table.read(path)
    assert [str(name).strip() for name in out["id"]] == table["ID"].tolist()
    problems = [str(text).strip() for text in np.ma.filled(np.ma.asarray(out["problem"]), "")]
    assert {i for i, text in enumerate(problems) if text} == set(BAD)
    assert all(problems[i].startswith(text) for i, text in BAD.items())
    assert out["n_bands"].tolist() == [19, 18, 19, 19, 19, 0, 19, 19, 19, 19]
    good = [i for i in range(10) if i not in BAD]
    mass = np.ma.filled(np.ma.asarray(out["log_mass_formed"]).astype(float), np.nan)
    assert np.isfinite(mass[good]).all() and np.isnan(mass[list(BAD)]).all()
    with h5py.File(path.parent / "draws.h5") as draws:
        assert draws["id"].asstr()[()].tolist() == table["ID"].tolist()
        values = draws["draws/log_mass_formed"][()]
    np.testing.assert_allclose(np.median(values[good], axis=1), mass[good], rtol=1e-5)
    assert np.isnan(values[list(BAD)]).all()


def test_pieces_do_not_matter(go, tmp_path, monkeypatch):
    one = Table.read(go())
    monkeypatch.setattr(module, "ROWS", 100)
    two = Table.read(go(folder=tmp_path / "other"))
    for name in ("log_mass_formed", "av_p16"):
        np.testing.assert_allclose(np.asarray(one[name]), np.asarray(two[name]), rtol=1e-5)


def test_resume(go, file, table, tmp_path, monkeypatch):
    real, seen = TableRun.rows, []

    def rows(self, photometry, first):
        seen.append(first)
        if first == 8 and len(seen) == 3:
            raise KeyboardInterrupt
        return real(self, photometry, first)

    monkeypatch.setattr(TableRun, "rows", rows)
    with pytest.raises(KeyboardInterrupt):
        go()
    told = []
    path = go(resume=True, told=told.extend)
    assert seen == [0, 4, 8, 8]
    # also of what the broken run had finished
    assert [row["id"] for row in told] == [f"g{i}" for i in range(9)] + ["g0"]
    assert told[2]["problem"] == "no redshift" and told[2]["log_mass_formed"] is None
    broken = path.read_bytes()
    assert go(resume=True) == path and seen == [0, 4, 8, 8]
    assert go(folder=tmp_path / "whole").read_bytes() == broken
    assert not list((tmp_path / "out").glob(".parts"))
    with pytest.raises(UserError, match="holds a run with keep_draws False, this one has True"):
        go(resume=True, keep_draws=True)
    table["f_jwst_f200w"] *= 2.0
    table.write(file, overwrite=True)
    with pytest.raises(UserError, match="holds a run with table [0-9a-f]+, this one has"):
        go(resume=True)


def test_on_the_command_line(infer, file, tmp_path):
    status, output, error = infer(file, "--dry-run")
    assert status == 0 and "id: ID\nredshift: z\n" in output
    assert "jwst_f200w: f_jwst_f200w, error e_jwst_f200w [nJy]" in output and not (tmp_path / "out").exists()
    status, output, error = infer(
        file, "--unweighted", "--catalogue", "ecsv", "--quantities", "log_mass_formed"
    )
    assert status == 0, error
    assert "7 of 10 galaxies fitted, 0 trusted" in output
    assert "no answer: g2: no redshift" in error and "1 ids stand in several rows" in error
    assert "log_mass_formed" in Table.read(tmp_path / "out" / "catalogue.ecsv").colnames


@pytest.mark.parametrize(
    "options, message",
    [
        (("--lsf", "fwhm_aa=2"), "--lsf was given with"),
        (("--layout", "redshift=nix"), "has no column nix"),
        (("--layout", "unit=uJy"), "has the unit nJy"),
        (("--catalogue", "xls"), "give one of fits, parquet, ecsv"),
        (("--snr-min", "3"), "a table of galaxies: this goes with images or spectra"),
    ],
)
def test_refused_on_the_command_line(infer, file, options, message):
    status, _, error = infer(file, "--unweighted", *options)
    assert status == 1 and message in error and error.count("\n") == 1


def text(table):
    table["f_jwst_f200w"] = ["bright"] * len(table)
    table["f_jwst_f200w"].unit = "nJy"


def other_unit(table):
    table["f_jwst_f200w"].unit = "erg"


def no_redshift(table):
    del table["z"]


def two_redshifts(table):
    table["z_spec"] = table["z"]


def no_rows(table):
    table.remove_rows(slice(None))


def no_bands(table):
    table.keep_columns(["ID", "z"])


@pytest.mark.parametrize(
    "change, layout, message",
    [
        (text, "", "column f_jwst_f200w is text ('bright'): expected numbers; name another"),
        (other_unit, "", "column f_jwst_f200w has the unit erg, which is not a flux density"),
        (no_redshift, "", "has no column of redshifts"),
        (two_redshifts, "", "columns z, z_spec may all be the redshift: say which"),
        (no_rows, "", "has no rows: expected a galaxy in each"),
        (no_bands, "", "has no flux with an error in a band of use"),
        (None, "curves=none", "none is no folder: expected one with a file for each filter"),
        (None, "curves=CURVES", "curves of filters were given with bundle tiny, which has its own"),
        (None, "curves=NEGATIVE", "filter jwst_f200w has negative or no transmission"),
        (None, "curves=NAN", "filter jwst_f200w has a transmission that is not finite at 1 of 4"),
        (
            None,
            "band.toml",
            "filter 'F277X' is not known: expected one such as F277W; did you mean jwst_f277w",
        ),
    ],
)
def test_bad_tables_on_the_command_line(infer, table, tmp_path, change, layout, message, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if change is not None:
        change(table)
    table.write("t.fits")
    for name, values in (("CURVES", (0, 1, 1, 0)), ("NEGATIVE", (0, 1, -1, 0)), ("NAN", (0, 1, "nan", 0))):
        (tmp_path / name).mkdir()
        rows = "".join(f"{w} {t}\n" for w, t in zip((19000, 20000, 21000, 22000), values, strict=True))
        (tmp_path / name / "jwst_f200w.dat").write_text(rows)
    (tmp_path / "band.toml").write_text('[[band]]\nfilter="F277X"\nflux="a"\nerror="b"\n')
    options = ("--layout", layout) if layout else ()
    status, _, error = infer("t.fits", "--unweighted", *options)
    assert status == 1 and message in error, error
    assert error.startswith("error: ") and error.count("\n") == 1 and "Traceback" not in error


def test_errors_of_zero_and_numbers_as_text_are_no_reason_to_stop(infer, table, tmp_path):
    table["e_jwst_f200w"][0] = 0.0
    words = [f"{value:.6g}" for value in table["f_jwst_f277w"]]
    table["f_jwst_f277w"] = ["--", *words[1:]]
    table["f_jwst_f277w"].unit = "nJy"
    table.write(tmp_path / "t.fits")
    status, _, error = infer(tmp_path / "t.fits", "--unweighted", "--catalogue", "ecsv")
    assert status == 0, error
    assert Table.read(tmp_path / "out" / "catalogue.ecsv")["n_bands"].tolist()[:2] == [17, 18]


def test_tables_in_python(loaded, table):
    good = table[[0, 1, 3]]
    result = loaded.infer(good, weigh=False, n_draws=20)
    assert result.table()["name"].tolist() == ["g0", "g1", "g3"]
    with pytest.warns(UserWarning, match="g2 has no redshift, and 1 more rows: no answer for these"):
        mixed = loaded.infer(table[[0, 2, 5, 1]], weigh=False, n_draws=20)
    out = mixed.table()
    assert out["name"].tolist() == ["g0", "g2", "g5", "g1"] and len(mixed.trust) == 2
    problems = ["", "no redshift", "no band was measured", ""]
    assert out["problem"].tolist() == problems and out["trust"].tolist()[1] == "none"
    assert out["log_mass"].mask.tolist() == [False, True, True, False]
    with pytest.warns(UserWarning, match="g6 has redshift 15, outside of the bundle's"):
        assert len(loaded.infer(table[[0, 6]], weigh=False, n_draws=20).table()) == 2
    with pytest.warns(UserWarning, match="1 ids stand in several rows: each row has its own answer"):
        twice = loaded.infer(table[[0, 9]], weigh=False, n_draws=20)
    assert twice.table()["name"].tolist() == ["g0", "g0"]
    with pytest.raises(UserError, match="g2 has no redshift, and 1 more rows: no row can be used"):
        loaded.infer(table[[2, 5]], weigh=False)
