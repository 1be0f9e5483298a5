"""Pixels joined to bins of a signal-to-noise ratio."""

import numpy as np
import pytest
from scipy import ndimage

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.photometry.bins import bin_pixels


def ratios(signal, noise, bins):
    n = np.arange(bins.max() + 1)
    return ndimage.sum(signal, bins, n) / np.sqrt(ndimage.sum(noise**2, bins, n))


@pytest.fixture
def galaxy():
    y, x = np.indices((50, 60))
    signal = 40.0 * np.exp(-np.hypot(y - 24.0, (x - 31.0) / 1.5) / 6.0)
    return signal, np.ones_like(signal)


def test_bins_have_the_ratio_and_hang_together(galaxy):
    signal, noise = galaxy
    target = 20.0
    bins = bin_pixels(signal, noise, target)
    assert sorted(set(bins[bins >= 0])) == list(range(bins.max() + 1))
    # the pixels below S/N 1 are in none, all others are
    assert np.array_equal(bins >= 0, signal > noise)
    found = ratios(signal, noise, bins)
    single = np.array([(bins == k).sum() == 1 for k in range(bins.max() + 1)])
    # bright pixels are bins by themselves; the others scatter about the target
    assert single.sum() > 10 and (found[single] > 0.8 * target).all()
    assert np.std(found[~single] / target) < 0.25 and np.median(found[~single]) == pytest.approx(
        target, rel=0.15
    )
    # cells of a Voronoi tessellation of a region without holes hang together
    touching = np.ones((3, 3))
    assert all(ndimage.label(bins == k, touching)[1] == 1 for k in range(bins.max() + 1))


def test_uniform_light_makes_round_bins_of_as_many_pixels():
    signal, noise = np.full((40, 40), 2.0), np.ones((40, 40))
    bins = bin_pixels(signal, noise, 10.0)
    sizes = np.bincount(bins.ravel())
    # 25 pixels have S/N 10
    assert np.median(sizes) == pytest.approx(25, abs=5) and sizes.sum() == 1600
    assert 45 <= len(sizes) <= 80


def test_what_has_no_light_is_in_no_bin(galaxy):
    signal, noise = galaxy
    noise = noise.copy()
    noise[20:30, 20:25] = np.nan
    signal[0, 0] = np.inf
    bins = bin_pixels(signal, noise, 15.0)
    assert (bins[20:30, 20:25] == -1).all() and bins[0, 0] == -1
    with pytest.raises(UserError, match="S/N of 0 was asked for: expected a number above 0"):
        bin_pixels(signal, noise, 0.0)
    with pytest.raises(
        UserError, match="S/N of 1e.06 was asked for, the .* pixels above S/N 1 reach .* ask for"
    ):
        bin_pixels(signal, noise, 1e6)


def test_bins_of_an_image_are_galaxies_of_a_catalogue(make_cube):
    cube = make_cube()
    flux = cube.flux_ujy.copy()
    flux[5, 3], mask = np.nan, np.zeros((6, 7), bool)
    mask[0, 0] = True
    cube = make_cube(flux=flux, mask=mask)
    use = np.isin(cube.filters, ("jwst_f277w", "jwst_f444w"))
    catalogue, bins = ds.binned(cube, use, 300.0)
    assert bins[0, 0] == -1 and len(catalogue) == bins.max() + 1 < 41 and set(catalogue.redshift) == {2.0}
    for k in range(len(catalogue)):
        rows = np.flatnonzero(bins.ravel() == k)
        expected = cube.flux_ujy[rows].astype(float).sum(axis=0)
        np.testing.assert_allclose(catalogue.flux_ujy[k], expected, rtol=1e-5)
        np.testing.assert_allclose(
            catalogue.sigma_ujy[k][np.isfinite(expected)],
            np.sqrt((cube.sigma_ujy[rows].astype(float) ** 2).sum(axis=0))[np.isfinite(expected)],
            rtol=1e-5,
        )
    # a band that a pixel lacks its bin lacks
    assert np.isnan(catalogue.flux_ujy[bins.ravel()[5], 3])
    with pytest.raises(UserError, match="no band is named to take the S/N in"):
        ds.binned(cube, np.zeros(19, bool), 10.0)
