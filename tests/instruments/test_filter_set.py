import numpy as np
import pytest
from sedpy.observate import Filter

from dsps_sbi.errors import UserError
from dsps_sbi.instruments.filter_names import JADES_BANDS
from dsps_sbi.instruments.filters import FilterSet
from dsps_sbi.instruments.jades import JADES_DEPTH_UJY, SNR_BANDS

WAVE = np.linspace(4000.0, 5000.0, 6)
TOP = np.array([0.0, 0.5, 1.0, 0.9, 0.2, 0.0])


def test_jades_by_default():
    filters = FilterSet.from_names()
    assert filters.names == JADES_BANDS and len(JADES_DEPTH_UJY) == 19 and set(SNR_BANDS) < set(JADES_BANDS)
    # sedpy knows pivots too, by its own sum over the table of the curve
    expected = [Filter(name).wave_pivot for name in JADES_BANDS]
    np.testing.assert_allclose(filters.pivot_aa, expected, rtol=2e-3)
    for fine, density, cum in filters.running:
        assert np.all(np.diff(fine) > 0) and np.all(np.diff(cum) >= 0)
        assert cum[0] == 0.0 and cum[-1] == 1.0
        assert np.trapezoid(density, fine) == pytest.approx(1.0, rel=1e-12)


def test_pivot_and_running_integral_against_a_fine_grid():
    filters = FilterSet(("top",), (WAVE,), (TOP,))
    fine = np.linspace(4000.0, 5000.0, 1_000_001)
    t = np.interp(fine, WAVE, TOP)
    pivot = np.sqrt(np.trapezoid(fine * t, fine) / np.trapezoid(t / fine, fine))
    assert filters.pivot_aa[0] == pytest.approx(pivot, rel=1e-5)
    cum = np.cumsum(fine * t) / np.sum(fine * t)
    nodes, _, running = filters.running[0]
    # a curve far coarser than any real one
    np.testing.assert_allclose(running, np.interp(nodes, fine, cum), atol=1e-4)
    assert filters.quantile_wave_aa(0.5)[0] == pytest.approx(np.interp(0.5, cum, fine), abs=1.0)


def test_scale_of_the_curve_does_not_matter():
    one, other = FilterSet(("top",), (WAVE,), (TOP,)), FilterSet(("top",), (WAVE,), (7.0 * TOP,))
    np.testing.assert_allclose(one.running[0][1], other.running[0][1], rtol=1e-12)


def test_curves_of_one_length_are_the_running_ones_and_nothing_beyond():
    filters = FilterSet.from_names(("F606W", "F444W", "F090W"))
    wave, density, cum = (np.asarray(a) for a in filters.curves)
    assert wave.shape == density.shape == cum.shape and wave.dtype == np.float32
    assert wave.shape[1] == max(len(curve[0]) for curve in filters.running)
    inside = np.linspace(3000.0, 60000.0, 5001)
    for i, (own_wave, own_density, own_cum) in enumerate(filters.running):
        n = len(own_wave)
        for padded, own in ((wave, own_wave), (density, own_density), (cum, own_cum)):
            np.testing.assert_array_equal(padded[i, :n], own.astype(np.float32))
        assert np.all(np.diff(wave[i]) >= 0) and np.all(density[i, n:] == 0.0) and np.all(cum[i, n:] == 1.0)
        np.testing.assert_allclose(
            np.interp(inside, wave[i], cum[i]), np.interp(inside, own_wave, own_cum), atol=1e-5
        )
        # a line right beyond the end is not seen
        assert np.interp(own_wave[-1] * (1.0 + 1e-5), wave[i], density[i], right=0.0) == 0.0
    np.testing.assert_allclose(filters.pivots, filters.pivot_aa, rtol=1e-6)


def test_any_spelling():
    assert FilterSet.from_names(("F277W", "JWST/NIRCam.F444W")).names == ("jwst_f277w", "jwst_f444w")


@pytest.mark.parametrize(
    "names, waves, trans, match",
    [
        ((), (), (), "give one of each per band"),
        (("a", "b"), (WAVE,), (TOP,), "2 filter names with 1"),
        (("a", "a"), (WAVE, WAVE), (TOP, TOP), "repeat"),
        (("a",), (WAVE,), (TOP[1:],), "filter a has shapes"),
        (("a",), (WAVE[:2],), (TOP[:2],), "filter a has shapes"),
        (("a",), (WAVE[::-1],), (TOP,), "increasing"),
        (("a",), (WAVE,), (TOP * np.nan,), "not finite"),
        (("a",), (WAVE,), (-TOP,), "negative or no transmission"),
        (("a",), (WAVE,), (0 * TOP,), "negative or no transmission"),
    ],
)
def test_unusable_curves_are_refused(names, waves, trans, match):
    with pytest.raises(UserError, match=match):
        FilterSet(names, waves, trans)


def test_one_name_is_one_filter():
    assert FilterSet.from_names("jwst_f090w").names == ("jwst_f090w",)
