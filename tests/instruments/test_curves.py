"""Filters that sedpy does not have: by file and by arrays, per photon and per energy, of EAZY's numbers."""

import numpy as np
import pytest
from astropy import units as u

from dsps_sbi.errors import UserError
from dsps_sbi.instruments.curve_files import curves_in, read_eazy_curves
from dsps_sbi.instruments.filters import FilterSet, has_curves

WAVE = np.linspace(4000.0, 6000.0, 41)
TRANS = np.exp(-0.5 * ((WAVE - 4800.0) / 300.0) ** 2)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "VIS.dat"
    np.savetxt(path, np.column_stack([WAVE, TRANS]), header="lambda T")
    return path


@pytest.fixture
def eazy(tmp_path):
    path = tmp_path / "FILTER.RES"
    lines = []
    for shift, words in ((0.0, "first one  lambda_c= 4800"), (500.0, "second.dat obs 5-A")):
        lines.append(f"      {len(WAVE)} {words}")
        lines += [
            f" {i} {w + shift:.6e} {t:.6e}" for i, (w, t) in enumerate(zip(WAVE, TRANS, strict=True), 1)
        ]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_every_way_is_the_same_curve(file):
    ways = {
        "path": file,
        "text": str(file),
        "arrays": (WAVE, TRANS),
        "backwards": (WAVE[::-1], TRANS[::-1]),
        "quantity": (WAVE / 1e4 * u.micron, TRANS),
        "micron": {"wave": WAVE / 1e4, "trans": TRANS, "unit": "micron"},
        "mapping": {"file": file, "counting": "photon"},
        "energy": {"wave": WAVE, "trans": TRANS * WAVE, "counting": "energy"},
    }
    filters = FilterSet.of(ways)
    assert filters.names == tuple(ways) and has_curves(ways)
    expected = FilterSet(("x",), (WAVE,), (TRANS,))
    np.testing.assert_allclose(filters.pivot_aa, expected.pivot_aa[0], rtol=1e-6)
    for trans in filters.trans:
        np.testing.assert_allclose(trans / trans.max(), TRANS / TRANS.max(), rtol=1e-6)


def test_names_and_files_together(file):
    filters = FilterSet.of(["HSC_g", file])
    assert filters.names == ("hsc_g", "VIS")
    assert FilterSet.of({"mine": "hsc_g"}).names == ("mine",)
    assert FilterSet.of(filters) is filters
    assert has_curves([file]) and has_curves(["hsc_g", (WAVE, TRANS)])
    assert not has_curves(["hsc_g"]) and not has_curves("hsc_g") and not has_curves(3)


def test_counting_of_all(file):
    photon, energy = FilterSet.of({"a": file}), FilterSet.of({"a": file}, counting="energy")
    assert energy.pivot_aa[0] < photon.pivot_aa[0]
    same = FilterSet.of({"a": {"file": file, "counting": "photon"}}, counting="energy")
    np.testing.assert_array_equal(same.pivot_aa, photon.pivot_aa)


def test_folders(file, tmp_path):
    (tmp_path / "README").write_text("no curve\n")
    assert curves_in(tmp_path) == {"VIS": file}
    (tmp_path / "VIS.txt").write_text("")
    with pytest.raises(UserError, match="VIS.dat and VIS.txt are of one name: leave one out"):
        curves_in(tmp_path)
    with pytest.raises(UserError, match="is no folder: expected one with a file for each filter"):
        curves_in(file)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty has no filter curves: expected files such as VIS.dat"):
        curves_in(tmp_path / "empty")


def test_numbers_of_eazy(eazy, tmp_path):
    found = read_eazy_curves(eazy, [2])
    assert set(found) == {2} and found[2][0] == "second.dat obs 5-A"
    np.testing.assert_allclose(found[2][1], WAVE + 500.0, rtol=1e-6)
    with pytest.raises(UserError, match="FILTER.RES has 2 filters, and none of number 7"):
        read_eazy_curves(eazy, [1, 7])
    (tmp_path / "bad").write_text("  3 filter\n 1 4000 0.1\n 2 5000 1\n")
    with pytest.raises(
        UserError, match=r"bad cannot be read as a file of filters .*rows \(2, 3\), not \(3, 3\)"
    ):
        read_eazy_curves(tmp_path / "bad", [1])
    with pytest.raises(UserError, match="none cannot be read as a file of filters"):
        read_eazy_curves(tmp_path / "none", [1])


@pytest.mark.parametrize(
    "filters, match",
    [
        (
            {"a": (WAVE, np.where(WAVE > 5000, np.nan, TRANS))},
            "a has a transmission that is not finite at 20 of 41",
        ),
        ({"a": (WAVE, TRANS - 0.01)}, r"a has negative or no transmission: 6 of 41 .*noise of a scan"),
        ({"a": (WAVE, 0.0 * TRANS)}, "a has negative or no transmission: 0 of 41"),
        ({"a": (WAVE, TRANS[:-1])}, r"a has shapes \(41,\), \(40,\): give equal columns"),
        ({"a": WAVE}, "filter a: expected a name, a file, or, in a mapping by name, a pair"),
        ([(WAVE, TRANS)], "expected a name, a file, or, in a mapping by name, a pair"),
        ({"a": {"file": "x", "colour": 1}}, "filter a is file, colour: expected file, or wave and trans"),
        ({"a": {"wave": WAVE}}, "filter a is wave: expected file, or wave and trans"),
        ({"a": {"wave": WAVE, "trans": TRANS, "counting": "both"}}, "counting is 'both': give 'photon' or"),
        ({"a": "F277X"}, "filter 'F277X' is not known"),
        ({}, "no filters are given"),
    ],
)
def test_bad_input(filters, match):
    with pytest.raises(UserError, match=match):
        FilterSet.of(filters)


def test_the_noise_of_a_scan_may_be_clipped():
    filters = FilterSet.of({"a": (WAVE, TRANS - 0.01)}, clip=True)
    assert filters.trans[0].min() == 0.0
