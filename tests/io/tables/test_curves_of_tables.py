"""Bands of tables whose filters are given by curves: named files, folders, EAZY's numbers."""

import numpy as np
import pytest
from astropy.table import Table

from dsps_sbi.errors import UserError
from dsps_sbi.io.tables.layout import layout_of, said_of
from dsps_sbi.io.tables.read import read_catalogue
from dsps_sbi.io.tables.values import photometry_of

WAVE = np.linspace(4000.0, 6000.0, 41)
TRANS = np.exp(-0.5 * ((WAVE - 4800.0) / 300.0) ** 2)
NAMES = ["id", "z", "f_VIS", "e_VIS", "f_F200W", "e_F200W"]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "curves").mkdir()
    np.savetxt(tmp_path / "curves" / "vis.dat", np.column_stack([WAVE, TRANS]))
    rows = "\n".join(f"{i} {w:.6g} {t:.6g}" for i, (w, t) in enumerate(zip(WAVE, TRANS, strict=True), 1))
    (tmp_path / "FILTER.RES").write_text(f" 41 one\n{rows}\n 41 two\n{rows}\n")
    (tmp_path / "z.translate").write_text("f_u F2\ne_u E2 1.5\nf_K F9\ne_K E9 # far\nz_spec z_spec\n")
    return tmp_path


def test_a_folder_of_curves(folder):
    said = said_of(f"unit=nJy,curves={folder / 'curves'},counting=energy")
    layout = layout_of(NAMES, {}, said=said)
    assert layout.filters == ("vis", "jwst_f200w")
    filters = layout.filter_set
    assert filters.names == layout.filters and filters.pivot_aa[0] < 4813.0
    assert any("its own curve, pivot 47" in line for line in layout.told({}))


def test_a_file_of_layout_names_files_beside_it(folder):
    path = folder / "layout.toml"
    path.write_text(
        'unit = "uJy"\nfilters = {VIS = "broad"}\n'
        '[curves.broad]\nfile = "curves/vis.dat"\ncounting = "photon"\n'
    )
    table = Table({name: [1.0] for name in NAMES})
    catalogue = read_catalogue(table, layout=path)
    assert catalogue.filters == ("broad", "jwst_f200w") and catalogue.curves.names == catalogue.filters
    path.write_text('unit = "uJy"\ncurves = "curves"\n')
    assert read_catalogue(table, layout=path).filters == ("vis", "jwst_f200w")
    path.write_text('unit="uJy"\ncurves="curves"\n[[band]]\nfilter="vis"\nflux="f_VIS"\nerror="e_VIS"\n')
    assert read_catalogue(table, layout=path).filters == ("vis",)


def test_numbers_of_eazy(folder):
    names = ["id", "z_spec", "f_u", "e_u", "F1", "E1", "f_K", "e_K"]
    said = {"zero_point": 23.9, "translate": str(folder / "z.translate")}
    said |= {"filter_file": str(folder / "FILTER.RES"), "filters": {"F9": "twomass_Ks"}}
    layout = layout_of(names, {}, said=said)
    assert layout.filters == ("eazy_2", "eazy_1", "twomass_Ks") and layout.redshift == "z_spec"
    chunk = {name: np.array([1.0]) for name in names}
    seen = photometry_of(chunk, layout, {})
    np.testing.assert_allclose(seen.sigma_ujy[0], [1.5, 1.0, 1.0])
    assert any("errors times 1.5" in line for line in layout.told({}))
    with pytest.raises(UserError, match="which filter is EAZY's number 2: give filter_file"):
        layout_of(names, {}, said={"translate": str(folder / "z.translate")})


@pytest.mark.parametrize(
    "said, match",
    [
        ({"curves": "none"}, "none is no folder: expected one with a file for each filter"),
        ({"curves": {}}, "curves is {}: expected a folder, or names of bands"),
        ({"counting": "energy"}, "counting without curves: expected curves=FOLDER"),
        (
            {"translate": "none"},
            "none cannot be read .No such file or directory.: give EAZY's translate file",
        ),
        ({"filter_file": "none"}, "no columns are EAZY's F1, E1, F2, E2"),
        ({"curves": {"VIS": "none.dat"}}, "cannot read the filter curve none.dat"),
    ],
)
def test_bad_input(said, match):
    with pytest.raises(UserError, match=match):
        layout_of(NAMES, {}, said=said | {"unit": "nJy"})


def test_translate_files_that_say_nothing(folder):
    for text, match in (("f_u\n", "expected a column, F or E with a number"), ("f_u F1 -2", "factor of -2")):
        (folder / "bad").write_text(text)
        with pytest.raises(UserError, match=match):
            layout_of(NAMES, {}, said={"translate": str(folder / "bad")})


def test_magnitudes_that_are_vegas_as_a_rule():
    names = ["id", "z", "W1mag", "e_W1mag", "F200Wmag", "e_F200Wmag"]
    layout = layout_of(names, {})
    assert layout.filters == ("jwst_f200w",)
    assert layout.left_out[0].startswith("W1mag (magnitudes of this filter are Vega's as a rule")
    assert "wise_w1" in layout_of(names, {}, said={"mag": "{}mag", "error": "e_{}mag"}).filters
