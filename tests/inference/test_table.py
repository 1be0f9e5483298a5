"""Results as tables."""

import numpy as np
import pytest
from astropy.table import Table

from dsps_sbi.inference.quality import CODES, COMMON, QUALITY, Columns
from dsps_sbi.inference.result import Result
from dsps_sbi.inference.table import percentile_columns, quality_columns, rows_of, table_of
from dsps_sbi.inference.trust import Method, Trust


class Two(Result):
    """Two objects: one that was weighed, one that was not fitted."""

    names = ("av", "log_mass")
    meta = {"bundle": "tiny", "seed": 3}  # noqa: RUF012

    def __init__(self):
        self.values = np.random.default_rng(0).normal(size=(2, 2, 50)).astype(np.float32)
        self.values[:, 1] = np.nan
        self.columns = Columns.empty(2, ("u",))
        given = {"method": Method.IS, "trust": Trust.TRUSTED, "ess": 150.0, "pareto_k": 0.25, "ppc_p": 0.5}
        for name, value in (given | {"log_evidence": -1234.56789}).items():
            self.columns[name][0] = value

    def draws(self, name):
        return self.values[self.names.index(self._known(name))]

    def table(self):
        columns = {"name": ("", "name"), "n": ("", "number"), "z": ("", "redshift")}
        columns |= percentile_columns(self.names) | quality_columns(COMMON)
        return table_of(rows_of(self, {"name": ["a", "b"], "n": [3, 4], "z": [0.5, 0.6]}), columns, self.meta)


@pytest.fixture(scope="module")
def table():
    return Two().table()


def test_rows_are_plain_values():
    first, second = rows_of(Two(), {"name": ["a", "b"]})
    assert first["name"] == "a" and first["method"] == "is" and first["trust"] == "trusted"
    assert type(first["ess"]) is float and first["ess"] == 150.0 and first["r_hat"] is None
    assert second["trust"] == second["method"] == "none"
    unknown = [name for name, value in second.items() if value is None]
    of_spectra = set(QUALITY) - set(COMMON)
    assert set(unknown) == {*percentile_columns(Two.names), *QUALITY} - set(CODES) - of_spectra
    # no such column, no such entry
    assert "population_p" not in first and "shrink_u" not in first


def test_percentiles_by_the_endings_of_their_columns(table):
    low, median, high = np.percentile(Two().draws("av")[0], (16, 50, 84))
    got = [table[name][0] for name in ("av_p16", "av", "av_p84")]
    np.testing.assert_allclose(got, [low, median, high], rtol=1e-6)


def test_units_meanings_and_masks(table):
    assert table["av"].unit == "mag" and str(table["log_mass_p16"].unit) == "dex(solMass)"
    assert table["av"].description.endswith("(median)")
    assert table["av_p84"].description.endswith("(84th percentile)")
    assert all(table[name].description == QUALITY[name][1] for name in COMMON)
    assert table["av"].mask.tolist() == [False, True] and table["r_hat"].mask.all()
    assert table["trust"].tolist() == ["trusted", "none"] and table["n"].dtype == np.int64
    assert table.meta == Two.meta


def test_numbers_survive_the_file(table, tmp_path):
    table.write(tmp_path / "t.ecsv", format="ascii.ecsv")
    again = Table.read(tmp_path / "t.ecsv")
    assert again.colnames == table.colnames and again.meta["seed"] == 3
    assert again["av"].unit == "mag" and again["av"].mask.tolist() == [False, True]
    # differences of evidences count, not their size
    assert float(again["log_evidence"][0]) == pytest.approx(-1234.56789, abs=1e-3)
    assert float(again["av"][0]) == pytest.approx(float(table["av"][0]), rel=1e-5)


def test_words_where_there_are_none_and_columns_that_no_row_has():
    columns = {"flags": ("", "flags"), "problem": ("", "why"), "z": ("", "redshift"), "n": ("", "number")}
    table = table_of([{"z": 0.5, "problem": "it is far"}, {"z": 1, "n": 4}], columns, {})
    assert table["flags"].tolist() == ["", ""] and table["problem"].tolist() == ["it is far", ""]
    # a whole number among others is a number as they are
    assert table["z"].dtype == np.float64 and table["n"].mask.tolist() == [True, False]
    assert len(table_of([], columns, {})) == 0
