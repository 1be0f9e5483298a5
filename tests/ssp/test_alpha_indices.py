"""Tables of indices by [alpha/Fe], and spectra that have the indices of the tables."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.ssp import SSPGrid, index_changes, read_index_table, read_miles, with_alpha
from dsps_sbi.ssp.alpha_enhanced import ALPHA_INDICES, alpha_names

METS, AGES, NAMES = (-0.35, 0.06), (1.0, 10.0), ("Hbeta", "Mg2", "Mgb", "Fe5270")
CHANGE = {"Hbeta": 0.05, "Mg2": 0.01, "Mgb": 0.8, "Fe5270": -0.6}


def write_table(path, change=CHANGE, stars="Mkb1.30", system="_LIS8.4", drop=(), **columns):
    """Rows in another order than a grid's; the change grows with [M/H] and not with age."""
    rows = []
    for met in METS:
        for age in AGES:
            for alpha, tag in ((0.4, "0.40"), (0.0, "0.00")):
                sign = "m" if met < 0 else "p"
                name = f"{stars}Z{sign}{abs(met):.2f}T{age:07.4f}_iTp{tag}_Ep{tag}{system}.fits"
                row = {"Files": name, "MET": met, "AGE": age, "ALPHA": alpha, "BL1719": -99.999}
                row |= {n: 2.0 + met + alpha / 0.4 * change[n] * (1.0 + met) for n in change}
                rows.append(row)
    table = Table([row for i, row in enumerate(rows) if i not in drop])
    for name, values in columns.items():
        table[name] = values
    table.write(path, format="fits", overwrite=True)
    return path


@pytest.fixture(scope="module")
def grid():
    """Smooth spectra with lines in the bands, FWHM 2.5."""
    wave = np.arange(4700.0, 5500.0, 0.9)
    flux = np.empty((2, 2, wave.size))
    for i, met in enumerate(METS):
        for j, age in enumerate(AGES):
            flux[i, j] = 1e-4 / age * (wave / 5000.0) ** (-1.0 / age)
            for k, line in enumerate((4861.3, 5015.0, 5175.0, 5268.0, 5335.0)):
                depth = 0.3 * (1.0 + 0.3 * met) / (1.0 + 0.2 / age)
                flux[i, j] *= 1.0 - depth * np.exp(-0.5 * ((wave - line) / (3.0 + 0.3 * k)) ** 2)
    return SSPGrid("lines", wave, np.array(AGES), np.array(METS), flux, wave_medium="air", fwhm_aa=2.5)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return read_index_table(write_table(tmp_path_factory.mktemp("t") / "t.fits"))


def measured(grid, i, j, names=NAMES, flux=None):
    flux = grid.flux[i, j] if flux is None else flux
    lsf = ds.LSF("fwhm_aa", grid.fwhm_aa)
    error = np.full(flux.size, 0.01 * flux.mean())
    spectrum = ds.Spectrum(grid.wave_aa, flux * 1e4, error * 1e4, "air", 0.0, None, lsf, absolute=False)
    return ds.line_indices(spectrum, names, system="LIS-8.4").values


def test_a_table_in_the_layout_of_miles(table):
    assert (table.name, table.fwhm_aa, table.names) == ("Mkb1.30_LIS8.4", 8.4, NAMES)
    assert table.values.shape == (2, 2, 2, 4) and table.alpha_fe.tolist() == [0.0, 0.4]
    found = table.difference(0.4, 0.06, 10.0, ["Mgb", "Mg2"])
    np.testing.assert_allclose(found, [0.8 * 1.06, 0.01 * 1.06])
    # linear in [alpha/Fe] and [M/H], and the ends hold beyond them
    np.testing.assert_allclose(table.difference(0.1, -0.145, 3.0, ["Mgb"]), [0.2 * 0.855])
    np.testing.assert_allclose(table.difference([0.2, 0.2], [1.0, 0.06], [20.0, 1.0], ["Mgb"])[:, 0], 0.424)
    assert table.at(0.0, 0.06, 10.0).shape == (4,)
    with pytest.raises(UserError, match=r"\[alpha/Fe\] 0.5: index table Mkb1.30_LIS8.4 has \+0.00 to \+0.40"):
        table.at(0.5, 0.0, 1.0)
    with pytest.raises(UserError, match="index table Mkb1.30_LIS8.4 has no NaD: it has Hbeta, Mg2"):
        table.at(0.0, 0.0, 1.0, ["NaD"])


def test_tables_that_cannot_be_used_are_one_line(tmp_path):
    path = tmp_path / "t.fits"
    with pytest.raises(UserError, match="there is no .*t.fits: give a table of indices such as MILES_KB_LIS"):
        read_index_table(path)
    path.write_text("no table")
    with pytest.raises(UserError, match="is not a whole FITS table"):
        read_index_table(path)
    with pytest.raises(UserError, match=r"\[alpha/Fe\] \+0.40, \[M/H\] -0.35, 10 Gyr is missing \(1 such\)"):
        read_index_table(write_table(path, drop=(2,)))
    with pytest.raises(UserError, match=r"has \[alpha/Fe\] \+0.00: give one with 0 and at least one other"):
        read_index_table(write_table(path, drop=(0, 2, 4, 6)))
    with pytest.raises(UserError, match="Files tell the systems None: expected one, such as LIS8.4"):
        read_index_table(write_table(path, system=""))
    with pytest.raises(UserError, match="_LIS8.4.fits has ALPHA 0, its name says 0.4: mend it"):
        read_index_table(write_table(path, ALPHA=[0.0, 0.4] * 4))
    one, two = (Table.read(write_table(tmp_path / f"{s}.fits", stars=s)) for s in ("Mkb1.30", "Mku1.30"))
    one["Files"][:4] = two["Files"][:4]
    one.write(path, overwrite=True)
    with pytest.raises(UserError, match="holds SSPs of Mkb1.30_iT, Mku1.30_iT: expected one initial mass fu"):
        read_index_table(path)
    one.remove_column("MET")
    one.write(path, overwrite=True)
    with pytest.raises(UserError, match="holds no MET: give a table of indices of SSPs"):
        read_index_table(path)


def test_spectra_have_the_indices_of_the_table(grid, table):
    grids = with_alpha(grid, table)
    assert list(grids) == [0.0, 0.4] and grids[0.0] is grid
    enhanced = grids[0.4]
    assert enhanced.name == "lines_alpha+0.40" and "Mkb1.30_LIS8.4" in enhanced.library
    for i, met in enumerate(METS):
        for j, age in enumerate(AGES):
            change = measured(enhanced, i, j) - measured(grid, i, j)
            wanted = table.difference(0.4, met, age, NAMES)
            # measured by way of other pixels' edges: 0.01 Angstrom, 0.0005 mag
            np.testing.assert_allclose(change, wanted, atol=0.01)
            np.testing.assert_allclose(change[1], wanted[1], atol=5e-4)
    # outside the bands nothing changes, within them little
    ratio = enhanced.flux / grid.flux
    assert (ratio[..., grid.wave_aa < 4750.0] == 1.0).all() and 0.7 < ratio.min() < ratio.max() < 1.3


def test_a_mixture_has_the_mean_of_its_parts(grid, table):
    """Weighted by the pseudo-continuum, of widths and of their changes."""
    grids = with_alpha(grid, table)
    weights = np.array([[0.1, 0.6], [0.1, 0.2]])
    base, enhanced = (np.einsum("ij,ijw->w", weights, grids[a].flux) for a in (0.0, 0.4))
    change = measured(grid, 0, 0, flux=enhanced) - measured(grid, 0, 0, flux=base)
    light = weights * grid.flux[:, :, (grid.wave_aa > 5100) & (grid.wave_aa < 5250)].mean(axis=-1)
    parts = [[table.difference(0.4, m, a, NAMES) for a in AGES] for m in METS]
    mean = np.einsum("ij,ijn->n", light, parts) / light.sum()
    np.testing.assert_allclose(change[2:], mean[2:], rtol=0.02)


def test_directions_change_one_index_each(grid, table):
    change = index_changes(grid, table, metallicity=0.06, age_gyr=10.0)
    assert change.shape == (4, grid.wave_aa.size)
    for k, step in enumerate((0.1, 0.002, 0.1, 0.1)):
        moved = measured(grid, 1, 1, flux=grid.flux[1, 1] * (1.0 + step * change[k]))
        np.testing.assert_allclose((moved - measured(grid, 1, 1)) / step, np.eye(4)[k], atol=0.05)


def test_grids_that_do_not_fit_are_one_line(grid, table):
    with pytest.raises(
        UserError, match="SSP grid lines has fwhm_aa 9.0, the indices of Mkb1.30_LIS8.4 are at 8"
    ):
        with_alpha(replace(grid, fwhm_aa=9.0), table)
    red = replace(grid, wave_aa=grid.wave_aa + 4000.0)
    with pytest.raises(UserError, match=r"lines \(8700-9499 Angstrom\) covers none of the indices of Mkb"):
        with_alpha(red, table)
    with pytest.raises(UserError, match="index NaD needs 5860.6-5948.1 Angstrom"):
        with_alpha(grid, table, ["NaD"])
    assert alpha_names(grid, table, ["Mgb"]) == ("Mgb",)


def test_spectra_of_miles_have_the_indices_of_its_table():
    data = os.environ.get("DSPS_SBI_TEST_DATA")
    folder = Path(data or "", "ssp")
    if data is None or not (folder / "miles_alpha_indices").is_dir():
        pytest.skip("tables of indices not at hand: set DSPS_SBI_TEST_DATA to the folder that holds ssp/")
    table = read_index_table(folder / "miles_alpha_indices" / "MILES_KB_LIS8.4.fits")
    assert table.values.shape == (2, 12, 53, 73)
    # the published examples: 10 Gyr, [M/H] 0.06
    found = table.difference(0.4, 0.06, 10.0, ["Mgb", "Fe5270", "HdA"])
    np.testing.assert_allclose(found, [0.82, -0.60, 1.73], atol=0.01)
    grid = read_miles(folder / "miles_basti_kb", "Mkb1.30_iTp0.00_Ep0.00", age_min_gyr=9.9)
    enhanced = with_alpha(grid, table)[0.4]
    i, j = grid.metallicity.tolist().index(0.06), grid.age_gyr.tolist().index(10.0)
    found = measured(enhanced, i, j, ALPHA_INDICES)
    wanted = table.at(0.4, 0.06, 10.0, ALPHA_INDICES)
    np.testing.assert_allclose(found, wanted, atol=0.02)
