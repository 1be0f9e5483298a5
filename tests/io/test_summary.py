import numpy as np
import pytest
from astropy.table import QTable

from dsps_sbi.errors import UserError
from dsps_sbi.io.summary import TotalAccumulator, differ, totals_for_headers, write_summary

DRAWS = np.random.default_rng(0).normal(7, 0.3, (50, 200))


def test_sums_match_brute_force():
    totals = TotalAccumulator()
    totals.add("log_mass", DRAWS)
    row = totals.table()[0]
    independent = [sum(10 ** DRAWS[pixel, draw] for pixel in range(50)) for draw in range(200)]
    ranked = [sorted(10**x for x in pixel) for pixel in DRAWS]
    correlated = [sum(pixel[rank] for pixel in ranked) for rank in range(200)]
    for kind, sums in (("independent", independent), ("correlated", correlated)):
        got = [row[f"{kind}_{percentile}"] for percentile in (16, 50, 84)]
        np.testing.assert_allclose(got, np.log10(np.percentile(sums, [16, 50, 84])), rtol=1e-12)
    assert (row["quantity"], row["n_pixels"], row["n_left_out"]) == ("log_mass", 50, 0)
    width = {kind: row[f"{kind}_84"] - row[f"{kind}_16"] for kind in ("independent", "correlated")}
    assert width["correlated"] > 4 * width["independent"]


@pytest.mark.parametrize("chunk", [1, 7, 49])
def test_chunks_do_not_matter(chunk):
    whole, parts = TotalAccumulator(), TotalAccumulator()
    weights = np.linspace(0, 1, 50)
    whole.add("log_mass", DRAWS, weights)
    for start in range(0, 50, chunk):
        parts.add("log_mass", DRAWS[start : start + chunk], weights[start : start + chunk])
    for name in whole.table().colnames[1:]:
        np.testing.assert_allclose(parts.table()[name], whole.table()[name], rtol=1e-13)
    assert whole.table()["n_pixels"][0] == 49


def test_totals_of_trusted_pixels():
    trusted = np.arange(50) % 3 > 0
    totals, only = TotalAccumulator(), TotalAccumulator()
    for start in (0, 20):
        part = slice(start, start + 20 if start == 0 else 50)
        totals.add("log_mass", DRAWS[part], trusted=trusted[part])
    only.add("log_mass", DRAWS[trusted])
    row, expected = totals.table()[0], only.table()[0]
    assert (row["n_pixels"], row["n_trusted"], expected["n_trusted"]) == (50, trusted.sum(), 0)
    for name in ("independent_16", "independent_50", "correlated_84"):
        assert row[f"trusted_{name}"] == pytest.approx(expected[name], rel=1e-13)
        assert np.isnan(expected[f"trusted_{name}"])
    with pytest.raises(UserError, match="trusted: expected 50 of true and false"):
        totals.add("log_mass", DRAWS, trusted=trusted[:3])


def test_totals_that_differ():
    assert differ((9.98, 10.0, 10.02), (9.90, 9.95, 9.98)) and not differ(
        (9.9, 10.0, 10.1), (9.8, 9.95, 10.0)
    )
    assert not differ((9.98, 10.0, 10.02), (np.nan,) * 3)
    totals = TotalAccumulator()
    totals.add("log_mass", DRAWS, trusted=np.zeros(50, bool))
    assert set(totals_for_headers(totals.table())) == {f"total_log_mass{end}" for end in ("", "_p16", "_p84")}


def test_draws_that_are_not_finite():
    draws = DRAWS.copy()
    draws[0, 3], draws[1, 4] = np.nan, np.inf
    draws[2] = -np.inf
    totals, clean = TotalAccumulator(), TotalAccumulator()
    totals.add("log_sfr_100", draws)
    clean.add("log_sfr_100", DRAWS[3:])
    row = totals.table()[0]
    assert row["n_pixels"] == 48 and row["n_left_out"] == 2
    assert row["correlated_50"] == pytest.approx(clean.table()["correlated_50"][0], rel=1e-14)


def test_nothing_summed_is_nan():
    totals = TotalAccumulator()
    assert len(totals.table()) == 0
    totals.add("log_mass", np.full((3, 10), np.nan))
    row = totals.table()[0]
    assert np.isnan(row["independent_50"]) and row["n_pixels"] == 0


def test_bad_draws_are_refused():
    totals = TotalAccumulator()
    with pytest.raises(UserError, match=r"draws have shape \(200,\): expected \(pixel, draw\)"):
        totals.add("log_mass", DRAWS[0])
    for weights in (np.ones(3), -np.ones(50), np.full(50, np.nan)):
        with pytest.raises(UserError, match="weights: expected 50 finite numbers"):
            totals.add("log_mass", DRAWS, weights)
    totals.add("log_mass", DRAWS)
    with pytest.raises(UserError, match="100 draws were added: expected 200"):
        totals.add("log_mass", DRAWS[:, :100])


def test_tables_are_written(tmp_path):
    totals = TotalAccumulator()
    totals.add("log_mass", DRAWS)
    table = totals.table()
    write_summary(tmp_path / "totals.ecsv", table, {"seed": 3, "imf": "Chabrier 2003"})
    again = QTable.read(tmp_path / "totals.ecsv", format="ascii.ecsv")
    assert again.meta == {"seed": 3, "imf": "Chabrier 2003"} and table.meta == {}
    np.testing.assert_array_equal(again["correlated_84"], table["correlated_84"])
    write_summary(tmp_path / "totals.ecsv", {"quantity": ["a", "b"], "n_pixels": [1, 2]})
    assert list(QTable.read(tmp_path / "totals.ecsv")["n_pixels"]) == [1, 2]
    assert [file.name for file in tmp_path.iterdir()] == ["totals.ecsv"]


def test_bad_tables_and_folders_are_refused(tmp_path):
    with pytest.raises(UserError, match="rows do not make a table"):
        write_summary(tmp_path / "a.ecsv", {"a": [1, 2], "b": [1, 2, 3]})
    with pytest.raises(UserError, match="does not exist"):
        write_summary(tmp_path / "none" / "a.ecsv", {"a": [1]})


def test_how_many_pixels_come_at_a_time_does_not_matter():
    """Not to the last digit: batches are larger on several devices."""
    rng = np.random.default_rng(5)
    draws, trusted = rng.normal(9.0, 2.0, (41, 30)), rng.random(41) < 0.5
    tables = []
    for size in (1, 7, 41):
        totals = TotalAccumulator()
        for first in range(0, 41, size):
            rows = slice(first, first + size)
            totals.add("log_mass", draws[rows], trusted=trusted[rows])
        tables.append(totals.table())
    for name in tables[0].colnames:
        assert all(table[name][0] == tables[0][name][0] for table in tables), name
