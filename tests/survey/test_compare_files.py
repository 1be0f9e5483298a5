"""Two catalogues side by side: of the same galaxies, in files of any kind, on the command line."""

import numpy as np
import pytest
from astropy.table import Table

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.instruments.jades import JADES_BANDS
from dsps_sbi.io.tables.data_digest import DataDigest
from dsps_sbi.photometry.likelihood import PhotometryLikelihood
from dsps_sbi.survey import compare as module

NUMBERS = {"log_evidence": 3.0, "log_evidence_error": 0.1, "pareto_k": 0.2}
NUMBERS |= {"log_mass": 10.0, "log_mass_p16": 9.9, "log_mass_p84": 10.1}


def result(bundle="tau", n=5, **more):
    table = Table({"id": [f"g{i}" for i in range(n)]}, meta={"bundle": bundle})
    for name, value in (NUMBERS | more).items():
        table[name] = np.full(n, value)
    return table


def test_tables_and_files(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_ROWS", 2)
    a, b = result(), result("sticks", log_evidence=-3.0, log_mass=10.2)
    out = ds.compare(a, b)
    assert out["prefers"].tolist() == ["tau"] * 5 and out.meta["sum_log_bayes"] == pytest.approx(30.0)
    assert out["log_bayes_error"].tolist() == pytest.approx([0.02**0.5] * 5)
    (tmp_path / "a").mkdir()
    a.write(tmp_path / "a" / "catalogue.fits")
    b.write(tmp_path / "b.ecsv")
    for kind in ("fits", "ecsv"):
        path = ds.compare(tmp_path / "a", tmp_path / "b.ecsv", tmp_path / f"c.{kind}")
        found = Table.read(path)
        assert [str(word).strip() for word in found["id"]] == [f"g{i}" for i in range(5)]
        np.testing.assert_allclose(found["log_mass_b"], 10.2)


def test_on_the_command_line(run, tmp_path):
    result().write(tmp_path / "a.ecsv")
    result("sticks", log_evidence=-3.0).write(tmp_path / "b.ecsv")
    status, output, error = run(
        "compare", tmp_path / "a.ecsv", tmp_path / "b.ecsv", "-o", tmp_path / "c.ecsv"
    )
    assert status == 0, error
    assert "5 prefer A, 0 prefer B, 0 are undecided" in output and "A tau, B sticks" in output
    assert len(Table.read(tmp_path / "c.ecsv")) == 5
    status, output, error = run("compare", tmp_path / "a.ecsv", tmp_path / "none.ecsv")
    assert status == 1 and "none.ecsv does not exist" in error and error.count("\n") == 1


@pytest.mark.parametrize(
    "change, match",
    [
        (lambda t: t[:3], "have not equally many rows: expected the same galaxies"),
        (lambda t: t[[0, 1, 3, 2, 4]], "row 2, counted from 0, is g2 in .* and g3 in"),
        (
            lambda t: t[[n for n in t.colnames if n != "log_evidence_error"]],
            "has no log_evidence_error: expected a",
        ),
        (lambda t: t[[n for n in t.colnames if n != "id"]], "has no id: expected a catalogue"),
    ],
)
def test_other_galaxies(change, match):
    with pytest.raises(UserError, match=match):
        ds.compare(result(), change(result("sticks")))


def test_other_data(tmp_path):
    other = result("sticks")
    other.meta["error_scale"] = 1.3
    with pytest.raises(UserError, match="has error_scale None, the table 1.3: expected the same data"):
        ds.compare(result(), other)
    with pytest.raises(UserError, match="has no catalogue: expected one that dsps-sbi infer wrote"):
        ds.compare(tmp_path, other)
    with pytest.raises(UserError, match="expected a name that ends in .fits, .parquet, .ecsv"):
        ds.compare(result(), result("b"), tmp_path / "c.txt")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"data": "bb"}, "are of other fluxes, errors or limits in the same bands: expected the same data"),
        ({"redshift": "unknown, 0.1 to 5"}, "has redshifts exact, .* has redshifts unknown, 0.1 to 5: evid"),
    ],
)
def test_other_fluxes_and_redshifts(change, match):
    a, b = result(z=1.0), result("sticks", z=1.0)
    for one in (a, b):
        one.meta |= {"data": "aa", "bands": "g, r"}
    ds.compare(a, b)
    b.meta |= change
    with pytest.raises(UserError, match=match):
        ds.compare(a, b)
    # other bands are told row by row
    b.meta |= {"data": "bb", "bands": "g"}
    b.meta.pop("redshift", None)
    ds.compare(a, b)
    with pytest.raises(
        UserError, match="g0 is at z = 1 in .* and 1.1 in .* .5 such rows.: expected the same"
    ):
        ds.compare(a, result("sticks", z=1.1))
    # medians of redshifts that are inferred differ
    one, two = result(z=1.0), result("sticks", z=1.1)
    for each in (one, two):
        each.meta["redshift"] = "unknown, 0.1 to 5"
    ds.compare(one, two)


def test_digest_of_data():
    rng = np.random.default_rng(0)
    flux, sigma, upper = rng.random((5, 3)), rng.random((5, 3)), rng.random((5, 3)) < 0.2
    flux[1, 2] = np.nan

    def digest(filters, *parts):
        out = DataDigest(tuple(filters))
        for part in parts:
            out.add(*part)
        return out.meta()

    whole = digest("gri", (flux, sigma, upper))
    assert whole == digest("gri", (flux[:2], sigma[:2], upper[:2]), (flux[2:], sigma[2:], upper[2:]))
    turned = tuple(a[:, ::-1] for a in (flux, sigma, upper))
    assert whole == digest("irg", turned) and whole["bands"] == "g, i, r"
    other = sigma.copy()
    other[1, 2] = 7.0
    assert whole == digest("gri", (flux, other, upper))
    other[0, 0] *= 1.001
    assert whole["data"] != digest("gri", (flux, other, upper))["data"]


def test_two_runs_over_a_table(infer, run, loaded, toy_model, tmp_path, monkeypatch, mock_pixels):
    """Folders of two real runs: the evidences of their catalogues, and refused for other data."""
    monkeypatch.setattr(type(loaded), "likelihood", lambda self, *_: PhotometryLikelihood(self, toy_model))
    flux, sigma = (np.asarray(a[:3], float) for a in mock_pixels)
    bands = ("acs_wfc_f606w", "jwst_f200w", "jwst_f277w", "jwst_f444w")

    def table(name, times=1.0):
        out = Table({"id": ["a", "b", "c"], "z": [2.0] * 3})
        for band in bands:
            i = JADES_BANDS.index(band)
            out[f"f_{band}"], out[f"e_{band}"] = times * flux[:, i], sigma[:, i]
        out.write(tmp_path / name)
        return tmp_path / name, "--layout", "unit=uJy"

    one, other = table("t.ecsv"), table("o.ecsv", 1.01)
    for name, argv in (("a", one), ("b", (*one, "--seed", 3)), ("o", other)):
        status, _, error = infer(*argv, "--catalogue", "fits", out=tmp_path / name)
        assert status == 0, error
    status, output, error = run("compare", tmp_path / "a", tmp_path / "b", "-o", tmp_path / "c.ecsv")
    assert status == 0 and "3 of 3 galaxies have evidences under both: A A, B B" in output, error
    a, b, c = (Table.read(tmp_path / n) for n in ("a/catalogue.fits", "b/catalogue.fits", "c.ecsv"))
    np.testing.assert_allclose(c["log_bayes"], a["log_evidence"] - b["log_evidence"], atol=1e-4)
    error = np.hypot(a["log_evidence_error"], b["log_evidence_error"])
    np.testing.assert_allclose(c["log_bayes_error"], error, rtol=1e-4)
    np.testing.assert_allclose(c["log_mass_b"], b["log_mass"], rtol=1e-5)
    assert [str(word).strip() for word in c["id"]] == ["a", "b", "c"]
    status, _, error = run("compare", tmp_path / "a", tmp_path / "o")
    assert status == 1 and "are of other fluxes, errors or limits" in error and error.count("\n") == 1
