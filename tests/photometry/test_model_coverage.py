"""Bands that lie in part or wholly beyond the wavelengths of the SSPs."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi.errors import UserError
from dsps_sbi.instruments.coverage import USABLE, redshift_ranges
from dsps_sbi.instruments.filters import FilterSet
from dsps_sbi.instruments.jades import JADES_BANDS
from dsps_sbi.noise import BandMasks, DepthNoise
from dsps_sbi.photometry.fingerprint import check_match, reference_fluxes
from dsps_sbi.photometry.fisher import fisher
from dsps_sbi.photometry.flags import PixelFlag
from dsps_sbi.photometry.model import GalaxyModel
from dsps_sbi.photometry.prior import photometry_prior
from dsps_sbi.photometry.simulator import PhotometrySimulator
from dsps_sbi.priors import Prior

BANDS = ("acs_wfc_f606w", "acs_wfc_f814w", "jwst_f090w", "jwst_f115w", "jwst_f150w", "jwst_f200w")
THETA = jnp.array([0.3, 0.5, -0.3, 0.4, 9.0])
# F606W is missing from z = 0.6 on, F150W up to 0.85, F200W up to 1.4
Z = 1.0
SEEN = [False, True, True, True, True, False]


def cut(grid, low, high):
    keep = (grid.wave_aa >= low) & (grid.wave_aa <= high)
    return replace(grid, wave_aa=grid.wave_aa[keep], flux=grid.flux[..., keep], nebular=None, name="cut")


@pytest.fixture(scope="module")
def whole(toy):
    prior = Prior(photometry_prior().marginals, (0.8, 1.1))
    return GalaxyModel(toy, FilterSet.from_names(BANDS), prior, log_u=None, n_sub=2)


@pytest.fixture(scope="module")
def model(whole):
    """As ``whole``, its SSPs between 3000 and 9000 Angstrom only."""
    return replace(whole, ssp=cut(whole.ssp, 3000.0, 9000.0))


def test_missing_bands_are_nan_with_gradients_of_zero(model, whole):
    flux = jax.jit(model.predict)(THETA, Z)
    assert np.isfinite(flux).tolist() == SEEN and not model.sees_all and whole.sees_all
    np.testing.assert_allclose(flux[1:5], jax.jit(whole.predict)(THETA, Z)[1:5], rtol=1e-4)
    slopes = jax.jit(jax.jacfwd(model.predict))(THETA, Z)
    assert np.isfinite(slopes).all() and np.abs(slopes[~np.array(SEEN)]).max() == 0.0
    by_chi2 = jax.jit(jax.grad(lambda t: jnp.sum(jnp.where(jnp.array(SEEN), model.predict(t, Z), 0.0) ** 2)))
    assert np.isfinite(by_chi2(THETA)).all()


def test_the_fast_path_misses_the_same(model):
    fast = model.predict_fast(THETA[None], model.band_table(Z))[0]
    np.testing.assert_allclose(fast, jax.jit(model.predict)(THETA, Z), rtol=5e-3)
    assert np.isfinite(fast).tolist() == SEEN


def test_the_part_inside_stands_for_the_whole(model, whole):
    z = np.linspace(0.8, 1.1, 1201)
    share = np.asarray(model.coverage(z))
    edge = (share < 1.0 - 5e-3) & (share >= 1.0 - USABLE)
    assert edge.any(), "no redshift at which a band is cut"
    for i, band in list(zip(*np.nonzero(edge), strict=True))[:3]:
        full, part = (float(jax.jit(m.predict)(THETA, z[i])[band]) for m in (whole, model))
        # not its share of the flux, and within the error that the rule states
        assert abs(part / full - 1.0) < USABLE
        assert part / full > share[i, band] + 1e-3


def test_check_says_when_nothing_is_left(model):
    model.check(THETA, Z)
    blind = replace(model, filters=FilterSet.from_names(("jwst_f277w", "jwst_f444w")))
    with pytest.raises(
        UserError, match="no band lies within the wavelengths of SSP grid cut at z = 1: use oth"
    ):
        blind.check(THETA, Z)


def test_mocks_have_no_flux_where_the_model_has_none(model):
    every = BandMasks(np.ones((1, 6), bool), p_all=0.2, p_pattern=0.0)
    simulator = PhotometrySimulator(model, DepthNoise(np.full(6, 1e-3)), every)
    pool = simulator.table_pool(jax.random.key(0), 3)
    mocks = simulator.mocks(jax.random.key(1), pool, 3, 50)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(mocks))
    usable = np.asarray(model.coverage(mocks.z)) >= 1.0 - USABLE
    assert not np.any(np.asarray(mocks.data.valid) & ~usable) and np.all(mocks.data.valid.sum(axis=1) >= 3)
    assert 0 < np.mean(np.asarray(mocks.data.valid)[:, 1]) < 1
    with pytest.raises(
        UserError, match="bands lie within the wavelengths of SSP grid cut at z = .*, 3 are need"
    ):
        PhotometrySimulator(replace(model, filters=FilterSet.from_names(BANDS[:3])), simulator.noise, every)


def test_reference_fluxes_know_what_is_missing(model):
    class Post:
        filters, names = model.filters.names, model.names
        meta = {"name": "cut", "reference": reference_fluxes(model)}  # noqa: RUF012

    assert None in Post.meta["reference"]["flux_ujy"][16]
    assert check_match(Post, model) == 0.0
    Post.meta["reference"]["flux_ujy"][16] = [1.0] * 6
    with pytest.raises(UserError, match="trained on another model: .* differs by inf"):
        check_match(Post, model)


def test_fisher_counts_missing_bands_for_nothing(model):
    information = fisher(model, THETA, Z, np.full(6, 1e-2))
    assert np.isfinite(information.matrix).all()
    np.testing.assert_array_equal(np.abs(information.rows).max(axis=1) > 0, SEEN)


def test_inference_leaves_out_and_flags(tiny_posterior, make_cube):
    everything = [[0.001, 7.5]] * 19
    usable, complete = (list(everything) for _ in range(2))
    complete[6], complete[0], usable[0] = [2.5, 7.5], [], []
    meta = dict(tiny_posterior.meta) | {"coverage": {"complete": complete, "usable": usable}}
    narrow = replace(tiny_posterior, meta=meta)
    result = narrow.infer(make_cube(), n_draws=20)
    assert np.all(result.flags & PixelFlag.BAND_OUT_OF_RANGE) and np.all(result.n_bands == 18)
    assert np.all(result.flags & PixelFlag.BAND_MISSING) and result.fitted.all()
    # as if the band had not been given
    flux = make_cube().flux_ujy.copy()
    flux[:, 0] = np.nan
    same = tiny_posterior.infer(make_cube(flux), n_draws=20)
    np.testing.assert_array_equal(result.quantiles, same.quantiles)
    assert not np.any(same.flags & PixelFlag.BAND_OUT_OF_RANGE)
    kept = [i for i in range(19) if i not in (0, 6)]
    whole = make_cube(flux[:, kept], make_cube().sigma_ujy[:, kept], [JADES_BANDS[i] for i in kept])
    flags = narrow.infer(whole, n_draws=20).flags
    assert not np.any(flags & PixelFlag.BAND_OUT_OF_RANGE)


def test_ranges_of_a_model_go_into_its_bundle(model):
    ranges = redshift_ranges(model.coverage, model.prior.z)
    assert ranges["usable"][0] == [] and ranges["complete"][1] == [0.8, 1.1]
