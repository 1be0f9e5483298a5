"""Views of spectrographs: one program for the spectra of a survey, and none of what is filled in."""

import dataclasses

import numpy as np

import dsps_sbi as ds
from dsps_sbi.spectroscopy.pixels import Pixels, make_view

LSF = ds.LSF("fwhm_aa", 5.0)


def test_spectra_with_other_pixels_share_a_program(dirichlet_model):
    geometry = dirichlet_model.geometry
    seen = []
    for i in range(3):
        pixels = np.arange(4500.0 + i, 5400.0 - 20 * i, 1.4)
        own = dataclasses.replace(geometry, spectrograph=ds.Spectrograph(pixels, LSF))
        view = own.view(0.01 + 0.002 * i)
        assert view.weights.shape[0] == view.basis.shape[0] == view.valid.shape[0] == pixels.size
        seen.append(make_view._cache_size())
    assert seen[0] == seen[1] == seen[2]


def test_pixels_that_are_filled_in_do_not_count(dirichlet_model):
    """However many there are, all others are the same."""
    geometry = dirichlet_model.geometry
    pixels, setting = geometry.pixels, geometry.setting
    z, shift = np.float32(0.01), geometry.shift(0.01)
    n = geometry.spectrograph.wave_aa.size
    assert pixels.real.size % 512 == 0 and pixels.real.sum() == n
    bare = Pixels(**{f.name: getattr(pixels, f.name)[:n] for f in dataclasses.fields(pixels)})
    one, two = (make_view(some, setting, geometry.cosmology, z, *shift, None) for some in (bare, pixels))
    assert not two.covered[n:].any() and not two.valid[n:].any()
    for name in ("start", "weights", "scale", "basis", "covered", "valid"):
        np.testing.assert_allclose(getattr(one, name), getattr(two, name)[:n], rtol=1e-6, atol=1e-7)
    assert float(one.borrowed) == float(two.borrowed)


def test_what_lies_beyond_the_populations_is_not_covered(dirichlet_model, line_grid):
    """The grid is longer than the light in it, so that convolution has room."""
    pixels = np.arange(4400.0, 5600.0, 1.5)
    geometry = dataclasses.replace(dirichlet_model.geometry, spectrograph=ds.Spectrograph(pixels, LSF))
    assert geometry.grid.light.shape[-1] > geometry.grid.n_wave
    covered = np.asarray(geometry.view(0.0).covered)
    # four sigmas of the fastest galaxies, 450 km/s
    last = line_grid.wave_aa[-1] * (1.0 - 4 * 450.0 / 299_792.5)
    assert pixels[covered][-1] < last + 3.0 and pixels[covered][-1] > last - 15.0
