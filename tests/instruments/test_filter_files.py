import numpy as np
import pytest

from dsps_sbi.errors import UserError
from dsps_sbi.instruments.filters import FilterSet

WAVE = np.linspace(4000.0, 6000.0, 41)
TRANS = np.exp(-0.5 * ((WAVE - 4800.0) / 300.0) ** 2) * (1 + (WAVE > 5200.0))


def put(path, wave, trans, head="# wavelength transmission\n"):
    rows = [f"{w:.8g} {t:.8g}  # row\n" for w, t in zip(wave, trans, strict=True)]
    path.write_text(head + "".join(rows) + "\n")
    return path


def test_photon_counting_curves_are_taken_as_they_are(tmp_path):
    files = {"mine": put(tmp_path / "a.dat", WAVE, TRANS)}
    files["back"] = put(tmp_path / "b.dat", WAVE[::-1], TRANS[::-1])
    filters = FilterSet.from_files(files)
    assert filters.names == ("mine", "back")
    for wave, trans in zip(filters.wave_aa, filters.trans, strict=True):
        np.testing.assert_allclose(wave, WAVE, rtol=1e-7)
        np.testing.assert_allclose(trans, TRANS, rtol=1e-7)
    same = FilterSet(("x",), (WAVE,), (TRANS,))
    np.testing.assert_allclose(filters.pivot_aa, same.pivot_aa[0], rtol=1e-6)


def test_energy_counting_curves_have_the_pivot_of_their_definition(tmp_path):
    """Pivot^2 = int T_energy dl / int T_energy dl / l^2 (Bessell & Murphy 2012)."""
    filters = FilterSet.from_files({"e": put(tmp_path / "e.dat", WAVE, TRANS)}, counting="energy")
    fine = np.linspace(WAVE[0], WAVE[-1], 200001)
    energy = np.interp(fine, WAVE, TRANS)
    expected = np.sqrt(np.trapezoid(energy, fine) / np.trapezoid(energy / fine**2, fine))
    assert filters.pivot_aa[0] == pytest.approx(expected, rel=5e-5)
    ratio = filters.trans[0] * WAVE / TRANS
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-6)


def test_micron(tmp_path):
    path = put(tmp_path / "m.dat", WAVE / 1e4, TRANS, head="")
    filters = FilterSet.from_files({"m": path}, unit="micron")
    np.testing.assert_allclose(filters.wave_aa[0], WAVE, rtol=1e-7)
    with pytest.raises(UserError, match="would reach 0.6 Angstrom: check the columns, or pass unit='micron'"):
        FilterSet.from_files({"m": path})


def test_commas_are_allowed(tmp_path):
    (tmp_path / "c.csv").write_text("4000, 0.1\n5000, 1\n6000,0.1\n")
    assert FilterSet.from_files({"c": tmp_path / "c.csv"}).trans[0][1] == 1.0


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("4000 0.1 7\n5000 1 7\n6000 0 7\n", r"bad.dat has shape \(3, 3\), expected \(rows, 2\)"),
        ("", r"bad.dat has shape \(0,\), expected"),
        ("4000 0.1\n5000\n", "cannot read the filter curve .*bad.dat"),
        ("lambda T\n4000 0.1\n", "cannot read the filter curve .*bad.dat .*lambda.*two col"),
        ("4000 0.1\n5000 -1\n6000 0.1\n", "filter bad has negative or no transmission"),
        ("4000 0.1\n6000 1\n5000 0.1\n7000 1\n", "filter bad is not finite with increasing wavelengths"),
    ],
)
def test_unusable_files(tmp_path, text, match):
    (tmp_path / "bad.dat").write_text(text)
    with pytest.raises(UserError, match=match):
        FilterSet.from_files({"bad": tmp_path / "bad.dat"})


def test_options_are_checked(tmp_path):
    with pytest.raises(UserError, match="counting is 'quantum': give 'photon' or 'energy'"):
        FilterSet.from_files({}, counting="quantum")
    with pytest.raises(UserError, match="unit of wavelength is 'nm': give 'angstrom' or 'micron'"):
        FilterSet.from_files({}, unit="nm")
    with pytest.raises(UserError, match="cannot read the filter curve .*none.dat"):
        FilterSet.from_files({"n": tmp_path / "none.dat"})
