"""Two catalogues side by side: of the same galaxies, in files of any kind, on the command line."""

import numpy as np
import pytest
from astropy.table import Table

import dsps_sbi as ds
from dsps_sbi.errors import UserError
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
