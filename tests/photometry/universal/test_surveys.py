import jax
import numpy as np
import pytest

from dsps_sbi.instruments.filters import FilterSet
from dsps_sbi.photometry.universal import surveys
from dsps_sbi.photometry.universal.surveys import (
    EXAMINATION,
    curves_of,
    random_redshifts,
    random_survey,
    top_hats,
)


def test_no_filter_of_the_examination_is_trained_on():
    """Nor another curve of the same filter; those that no fit can use are left out too."""
    names = (
        "hsc_g",
        "jwst_moda_f090w",
        "vista_vircam_J_FILTER",
        "bessell_V",
        "herschel_pacs_100",
        "galex_NUV",
    )
    library = surveys.training_filters(names, n_hats=3)
    pivots = FilterSet.from_names(("bessell_V", "galex_NUV")).pivot_aa
    assert len(library) == 5
    np.testing.assert_allclose([curve.pivot for curve in library[:2]], pivots)
    # all of these are known to sedpy
    assert len(EXAMINATION) == 8 and len(FilterSet.from_names(EXAMINATION["candels-goodss"]).names) == 13


def test_a_moved_filter_has_the_pivot_and_width_that_are_told():
    (curve,) = curves_of(FilterSet.from_names(("jwst_f182m",)))
    moved = curve.moved(1.1, 1.5)
    assert np.trapezoid(moved.density, moved.wave) == pytest.approx(1.0, abs=2e-3)
    assert moved.cum[-1] == 1.0 and moved.cum[0] == 0.0
    inverse = np.trapezoid(moved.density / moved.wave**2, moved.wave)
    assert inverse**-0.5 == pytest.approx(moved.pivot, rel=1e-3)
    x = np.log(moved.wave)
    mean = np.trapezoid(moved.density * x, moved.wave)
    spread = np.trapezoid(moved.density * (x - mean) ** 2, moved.wave)
    assert np.sqrt(12.0 * spread) == pytest.approx(moved.width, rel=0.05)


def test_surveys_have_as_many_bands_as_their_bucket():
    rng = np.random.default_rng(0)
    library = top_hats(40, rng)
    numbers = [len(random_survey(library, 4, 9, rng).curves) for _ in range(60)]
    assert min(numbers) >= 4 and max(numbers) <= 9 and len(set(numbers)) >= 4


def test_redshifts_cover_the_prior():
    z = random_redshifts((0.001, 7.5), 400, np.random.default_rng(0))
    assert z.min() < 0.05 and z.max() > 7.3 and np.mean(z < 1.0) == pytest.approx(0.24, abs=0.06)


def test_a_pool_in_buckets(any_filters):
    pool = any_filters.table_pool(jax.random.key(3), 9)
    assert [len(part.z) for part in pool] == any_filters.shared_out(9) and sum(
        len(part.z) for part in pool
    ) == 9
    for part, n_band in zip(pool, any_filters.buckets, strict=True):
        assert part.there.shape == (len(part.z), n_band) and (part.there.sum(axis=1) >= 3).all()
        assert np.isfinite(part.bands.pieces).all() and (np.asarray(part.bands.width) > 0.0).all()
        assert (np.asarray(part.bands.pivot_aa)[~np.asarray(part.there)] == 1e4).all()
