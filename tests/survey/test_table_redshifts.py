"""Tables whose redshifts are inferred: what is read, refused, and left to single rows."""

from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table

from dsps_sbi.cli.tables import infer_file, known_redshifts
from dsps_sbi.cosmology import Cosmology
from dsps_sbi.errors import UserError
from dsps_sbi.io.tables.layout import UNKNOWN, layout_of
from dsps_sbi.io.tables.rows import TableFile
from dsps_sbi.io.tables.values import photometry_of
from dsps_sbi.survey.table_redshifts import TableRedshifts

LIMITS = (0.001, 7.5)
NONE = {"z": None, "z_err": None, "z_range": None, "p_z": None, "keep_p_z": False}


def table(**more):
    return Table({"id": [1, 2, 3], "f_hsc_i": [1.0, 2.0, 3.0], "e_hsc_i": [0.1] * 3} | more)


def read(source, **options):
    """Layout and rows."""
    file = TableFile(source)
    layout = layout_of(file.names, file.units, **{"said": {"unit": "uJy"}} | options)
    (chunk,) = file.chunks(10, layout.columns)
    return layout, photometry_of(chunk, layout, file.units)


def test_redshifts_that_are_not_read():
    layout, seen = read(table(), redshift=UNKNOWN)
    assert layout.redshift is None and "redshift: inferred" in layout.told({})
    assert np.isnan(seen.redshift).all() and seen.problems == [""] * 3
    redshifts = TableRedshifts(z_range=(0.1, 3.0))
    redshifts.check(layout, LIMITS)
    prior = redshifts.of(seen, np.array([0, 2]), 0, LIMITS)
    assert len(prior) == 2 and redshifts.inferred(layout) and "between 0.1 and 3" in redshifts.told()[0]


def test_errors_in_a_column():
    source = table(z=[0.5, 1.0, 9.0], dz=[0.1, 0.0, 0.1])
    layout, seen = read(source, redshift_error="dz")
    assert "redshift: z, error dz" in layout.told({})
    redshifts = TableRedshifts()
    problems = redshifts.problems(seen, 0, LIMITS, Cosmology.from_astropy())
    assert problems[0] == "" and problems[1] == "redshift error 0 is not above 0"
    assert problems[2] == "redshift 9 is outside of the bundle's 0.001-7.5"
    low, _ = redshifts.of(seen, np.array([0]), 0, LIMITS).support()
    assert redshifts.inferred(layout) and low[0] < 0.5
    # a column that looks like it is told, and not used by itself
    layout, seen = read(table(z=[0.5] * 3, z_err=[0.1] * 3))
    assert any("--z-err z_err" in line for line in layout.told({}))
    assert not redshifts.inferred(layout) and redshifts.of(seen, np.array([0]), 0, LIMITS) is None


def test_a_density_of_each_row():
    grid = np.array([0.5, 1.0, 2.0])
    density = np.array([[0.0] * 3, [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    redshifts = TableRedshifts(p_z=(grid, density))
    layout, seen = read(table(), redshift=UNKNOWN)
    # rows 1 to 3 of the table
    assert redshifts.problems(seen, 1, LIMITS, None) == [""] * 3
    assert redshifts.problems(seen, 0, LIMITS, None)[0] == "p(z) is 0 everywhere, negative or not finite"
    low, high = redshifts.of(seen, np.array([0, 1]), 1, LIMITS).support()
    np.testing.assert_allclose([low, high], [[0.5, 0.5], [2.0, 1.0]])
    assert redshifts.fingerprint != TableRedshifts(p_z=(grid, density[::-1])).fingerprint
    with pytest.raises(UserError, match="of 4 rows for a table of 3"):
        redshifts.check(layout, LIMITS, 3)
    # densities up to a factor: the same prior
    same = TableRedshifts(p_z=(grid, 7.0 * density)).of(seen, np.array([0]), 1, LIMITS)
    np.testing.assert_allclose(same.density, redshifts.of(seen, np.array([0]), 1, LIMITS).density)


def test_a_density_of_each_row_counts_the_rows_before_anything_is_loaded(tmp_path):
    source = table()
    for name, kind in (("t.fits", None), ("t.csv", "ascii.csv"), ("t.ecsv", None), ("t.parquet", None)):
        source.write(tmp_path / name, **({} if kind is None else {"format": kind}))
        assert TableFile(tmp_path / name).n_rows() == 3
    np.savez(tmp_path / "p.npz", z=[0.5, 1.0, 2.0], p=np.ones((4, 3)))
    rest = dict.fromkeys(("output", "kind", "draws", "keep_draws", "quantities", "error_scale", "floor"))
    rest |= dict.fromkeys(("seed", "unweighted", "refine", "resume", "outputs"))
    # of a posterior nothing but the range of redshifts is looked at
    prior = SimpleNamespace(z=LIMITS)
    post = SimpleNamespace(filters=None, network=SimpleNamespace(prior=prior))
    options = NONE | rest | {"layout": "unit=uJy", "dry_run": False, "p_z": tmp_path / "p.npz"}
    with pytest.raises(UserError, match="of 4 rows for a table of 3: expected a row for each"):
        infer_file(post, tmp_path / "t.csv", **options)


@pytest.mark.parametrize("errors", [[0.1, np.nan, -0.1], np.ma.array([0.1] * 3, mask=[0, 1, 1])])
def test_bad_errors_in_a_column_cost_their_rows_alone(errors):
    _, seen = read(table(z=[0.5] * 3, dz=errors), redshift_error="dz")
    problems = TableRedshifts().problems(seen, 0, LIMITS, Cosmology.from_astropy())
    assert problems[0] == "" and all("redshift error" in problem for problem in problems[1:])


def test_a_column_of_errors_that_are_no_numbers():
    with pytest.raises(UserError, match="dz.*(number|text)"):
        read(table(z=[0.5] * 3, dz=["a", "b", "c"]), redshift_error="dz")
    with pytest.raises(UserError, match="has no column dz"):
        read(table(z=[0.5] * 3), redshift_error="dz")


def test_distances():
    layout, seen = read(table(d=[10.0, 5000.0, -1.0]), said={"unit": "uJy", "distance": "d"})
    assert "distance: d [Mpc]" in layout.told({}) and layout.redshift is None
    problems = TableRedshifts().problems(seen, 0, LIMITS, Cosmology.from_astropy())
    assert problems == ["", "distance 5000 Mpc is beyond redshift 0.1", "no distance"]
    with pytest.raises(UserError, match="a distance stands for the redshift; give one"):
        read(table(d=[1.0] * 3), said={"unit": "uJy", "distance": "d"}, redshift=0.1)


def test_options_of_the_command_line(tmp_path):
    redshifts, arguments = known_redshifts(**NONE | {"z_range": "0.01,6"})
    assert redshifts.z_range == (0.01, 6.0) and arguments["redshift"] == UNKNOWN
    redshifts, arguments = known_redshifts(**NONE | {"z_err": "0.02", "z": 1.0})
    assert redshifts.z_err == 0.02 and arguments == {"redshift": 1.0, "redshift_error": None}
    assert known_redshifts(**NONE | {"z_err": "dz"})[1]["redshift_error"] == "dz"
    np.savez(tmp_path / "p.npz", z=[0.5, 1.0], p=[1.0, 1.0])
    redshifts, _ = known_redshifts(**NONE | {"p_z": tmp_path / "p.npz", "keep_p_z": True})
    assert redshifts.keep_p_z and "made of these fluxes: kept" in redshifts.told()[0]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"z_range": "1"}, "--z-range 1: expected two redshifts, such as 0.01,6"),
        ({"z_range": "1,2", "z": 1.0}, "--z was given with --z-range or --p-z"),
        ({"z_range": "1,2", "z_err": "0.1"}, "--z-err, --z-range were given: each of them tells"),
        ({"z_range": "1,2", "z_err": "dz"}, "--z-err was given with --z-range or --p-z"),
        ({"keep_p_z": True}, "--keep-p-z was given without --p-z"),
    ],
)
def test_options_that_do_not_go_together(options, match):
    with pytest.raises(UserError, match=match):
        known_redshifts(**NONE | options)


@pytest.mark.parametrize(
    ("redshifts", "match"),
    [
        (TableRedshifts(z_range=(0.1, 20.0)), "z_range 0.1-20 is not within the bundle's range"),
        (TableRedshifts(z_err=-0.1), "z_err -0.1 of row 0"),
        (TableRedshifts(p_z=(np.array([1.0, 0.5]), np.ones(2))), "redshifts of p_z do not increase"),
        (TableRedshifts(p_z=(np.array([0.5, 1.0]), np.array([1.0, -1.0]))), "values that are negative"),
        (TableRedshifts(p_z=(np.array([0.5, 1.0]), np.array([1.0, np.nan]))), "negative or not finite"),
        (TableRedshifts(p_z=(np.array([0.5, 1.0]), np.zeros(2))), "p_z of row 0.* is 0 at all redshifts"),
        (TableRedshifts(p_z=(np.array([1.0, 0.5]), np.ones((3, 2)))), "redshifts of p_z do not increase"),
        (TableRedshifts(p_z=(np.array([0.5, 1.0]), -np.ones((3, 2)))), "of all 3 rows is 0, negative or not"),
        (TableRedshifts(p_z=(np.array([8.0, 9.0]), np.ones((3, 2)))), "p_z from 8 to 9 is outside"),
    ],
)
def test_what_holds_for_no_row(redshifts, match):
    layout, _ = read(table(z=[0.5] * 3))
    with pytest.raises(UserError, match=match):
        redshifts.check(layout, LIMITS)
