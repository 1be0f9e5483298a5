import jax
import numpy as np
import pytest
from scipy.stats import chisquare

from dsps_sbi.errors import UserError
from dsps_sbi.instruments.filter_names import JADES_BANDS
from dsps_sbi.noise import BandMasks

KEY = jax.random.key(1)
N = 12_000


def test_jades_patterns_are_those_described():
    masks = BandMasks.jades(JADES_BANDS)
    sets = [{n for n, there in zip(JADES_BANDS, row, strict=True) if there} for row in masks.patterns]
    assert all(len(s) >= masks.fewest for s in sets) and len({frozenset(s) for s in sets}) == len(sets)
    nircam = {n for n in JADES_BANDS if n.startswith("jwst")}
    wide = {n for n in nircam if n.endswith("w")}
    assert nircam in sets and wide in sets
    assert set(JADES_BANDS) - {"jwst_f430m", "jwst_f460m", "jwst_f480m"} in sets


def test_probabilities_of_all_pattern_and_random():
    masks = BandMasks.jades(JADES_BANDS, p_all=0.35, p_pattern=0.45)
    valid = np.asarray(masks.sample(KEY, N))
    random = 0.2
    # a random subset of any size from 3 to 19 has all bands once in 17 times
    expected = [0.35 + random / 17, *[0.45 / len(masks.patterns)] * len(masks.patterns)]
    seen = [valid.all(axis=1).mean()] + [(valid == row).all(axis=1).mean() for row in masks.patterns]
    np.testing.assert_allclose(seen, expected, atol=4 * np.sqrt(0.25 / N))


def test_random_subsets_have_uniform_sizes_and_treat_bands_alike():
    masks = BandMasks.jades(JADES_BANDS, p_all=0.0, p_pattern=0.0, fewest=4)
    valid = np.asarray(masks.sample(KEY, N))
    size = valid.sum(axis=1)
    assert size.min() == 4 and size.max() == 19
    assert chisquare(np.bincount(size)[4:]).pvalue > 1e-3
    np.testing.assert_allclose(valid.mean(axis=0), valid.mean(), atol=4 * np.sqrt(0.25 / N))


def test_only_patterns_and_only_all():
    masks = BandMasks.jades(JADES_BANDS, p_all=0.0, p_pattern=1.0)
    valid = np.asarray(masks.sample(KEY, 500))
    assert {row.tobytes() for row in valid} == {row.tobytes() for row in masks.patterns}
    assert BandMasks.jades(JADES_BANDS, p_all=1.0, p_pattern=0.0).sample(KEY, 50).all()


@pytest.mark.parametrize("n", [1, 5, 19])
def test_exactly_so_many_bands(n):
    valid = np.asarray(BandMasks.exactly(n, 19).sample(KEY, 2000))
    assert np.all(valid.sum(axis=1) == n)
    np.testing.assert_allclose(valid.mean(axis=0), n / 19, atol=4 * np.sqrt(0.25 / 2000))


@pytest.mark.parametrize(
    "options, match",
    [
        ({"p_all": 0.7, "p_pattern": 0.4}, "sum to at most 1"),
        ({"p_all": -0.1}, "sum to at most 1"),
        ({"fewest": 7}, "fewer than 7"),
        ({"fewest": 0}, "fewer than 0"),
        ({"most": 2}, "subsets of 3 to 2 bands out of 9"),
        ({"most": 10}, "subsets of 3 to 10 bands out of 9"),
    ],
)
def test_errors(options, match):
    with pytest.raises(UserError, match=match):
        BandMasks(np.array([[True] * 6 + [False] * 3]), **options)
