"""The share of filters within a range of wavelengths, and what follows from it."""

import numpy as np
import pytest

from dsps_sbi.instruments.coverage import (
    COMPLETE,
    USABLE,
    always_complete,
    covered_bands,
    covered_share,
    is_starlight,
    redshift_ranges,
)
from dsps_sbi.instruments.filters import FilterSet

BANDS = FilterSet.from_names(("acs_wfc_f606w", "jwst_f200w", "jwst_f356w"))
LOW, HIGH = 3000.0, 9000.0


def direct(z):
    """Share of lambda T inside, by quadrature of the curves themselves."""
    out = []
    for wave, trans in zip(BANDS.wave_aa, BANDS.trans, strict=True):
        fine = np.linspace(wave[0], wave[-1], 20_001)
        photons = fine * np.interp(fine, wave, trans)
        inside = (fine >= LOW * (1 + z)) & (fine <= HIGH * (1 + z))
        out.append(np.sum(photons * inside) / np.sum(photons))
    return np.array(out)


@pytest.mark.parametrize("z", [0.0, 0.3, 0.7, 1.15, 1.4, 4.2, 9.0])
def test_share_against_quadrature(z):
    share = covered_share(BANDS.curves, LOW, HIGH, z)
    np.testing.assert_allclose(share, direct(z), atol=2e-4)
    assert np.all((share >= 0.0) & (share <= 1.0))


def test_many_redshifts_at_once():
    z = np.array([[0.1, 1.0, 2.0], [3.0, 4.0, 5.0]])
    share = np.asarray(covered_share(BANDS.curves, LOW, HIGH, z))
    assert share.shape == (2, 3, 3)
    np.testing.assert_array_equal(share[1, 0], covered_share(BANDS.curves, LOW, HIGH, 3.0))


@pytest.mark.parametrize("z_range", [(0.1, 0.3), (0.3, 0.9), (0.01, 5.0)])
@pytest.mark.parametrize("high", [9000.0, 40000.0])
def test_whether_all_are_complete_everywhere(z_range, high):
    share = covered_share(BANDS.curves, LOW, high, np.linspace(*z_range, 500))
    expected = bool(np.min(share) >= 1.0 - COMPLETE)
    assert always_complete(BANDS.running, LOW, high, z_range) == expected
    assert expected == (high == 40000.0 and z_range[1] < 0.5)


def test_ranges_hold_the_rule():
    ranges = redshift_ranges(lambda z: covered_share(BANDS.curves, LOW, HIGH, z), (0.01, 5.0))
    assert ranges["complete"][2][1] == 5.0 and ranges["usable"][0][0] == 0.01
    z = np.linspace(0.01, 5.0, 197)
    share = np.array([direct(one) for one in z])
    for got, outside in zip(covered_bands(ranges, 3, z), (COMPLETE, USABLE), strict=True):
        # up to the step in redshift and the round-off of shares
        assert np.all(share[got] > 1.0 - outside - 1e-3)
        near = np.abs(share - (1.0 - outside)) < 2e-3
        assert np.mean(got[~near] == (share >= 1.0 - outside)[~near]) > 0.99
    complete, usable = covered_bands(ranges, 3, 0.2)
    assert complete.tolist() == [True, False, False] == usable.tolist()


def test_bands_that_are_never_covered_and_bundles_that_do_not_say():
    ranges = {"complete": [[], [0.5, 1.0]], "usable": [[0.1, 0.2], [0.4, 1.1]]}
    complete, usable = covered_bands(ranges, 2, np.float32([0.15, 0.4, 1.0]))
    assert complete.tolist() == [[False, False], [False, False], [False, True]]
    assert usable.tolist() == [[True, False], [False, True], [False, True]]
    assert all(known.all() and known.shape == (4,) for known in covered_bands(None, 4, 2.0))


def test_dust_shines_beyond_three_micron_at_rest():
    pivots = np.array([2.2e4, 3.55e4, 4.5e4])
    seen = np.asarray(is_starlight(pivots, np.array([0.0, 0.2, 0.6])))
    assert seen.tolist() == [[True, False, False], [True, True, False], [True, True, True]]
