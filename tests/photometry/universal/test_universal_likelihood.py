"""Weights of objects at redshifts of their own: those of the exact likelihood, by one compiled program."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi.inference import repair
from dsps_sbi.inference.derived import MassTable
from dsps_sbi.inference.importance import WeightedDraws
from dsps_sbi.instruments.filters import FilterSet
from dsps_sbi.photometry.data import PhotometryData
from dsps_sbi.photometry.filter_integrals import MOST_REDSHIFTS
from dsps_sbi.photometry.likelihood import PhotometryLikelihood
from dsps_sbi.photometry.model import GalaxyModel
from dsps_sbi.photometry.model_error import ModelError
from dsps_sbi.photometry.universal import weight_basis as module
from dsps_sbi.photometry.universal.posterior import UniversalPosterior
from dsps_sbi.photometry.universal.survey_network import N_BANDS, n_filled
from dsps_sbi.photometry.universal.train import universal_simulator
from dsps_sbi.photometry.universal.weight_basis import weight_basis, with_filters
from dsps_sbi.photometry.universal.weight_light import WeightLight

# the last band is beyond 3 micron at rest
NAMES = ("bessell_B", "hsc_i", "jwst_f182m", "jwst_f277w", "wise_w2")
REDSHIFTS = np.array([0.3, 1.1, 1.1, 4.0], np.float32)


@pytest.fixture(scope="module")
def model(toy):
    made = GalaxyModel.preset(ssp=toy, log_u="free", lya_escape=0.3, error=ModelError.shipped())
    return replace(made, filters=FilterSet.from_names(NAMES))


@pytest.fixture(scope="module")
def post(model, any_filters):
    simulator = universal_simulator(
        model, arch=any_filters.network.arch, library=any_filters.library[:4], ranks=(8, 3)
    )
    network = simulator.network
    table = MassTable.from_grid(model.ssp)
    universal = UniversalPosterior(
        network, network.init(0), simulator.noise, table, {}, log_u="free", lya_escape=0.3, error=model.error
    )
    return universal.for_filters(NAMES)


@pytest.fixture(scope="module")
def likelihood(post, model):
    return post.likelihood_of(model)


@jax.jit
def _evidence(likelihood, u, data, view):
    return likelihood.shape_evidence(u, data, view)[0]


@jax.jit
def _target(likelihood, u, data, view):
    return likelihood.log_target(u, data, view)


@jax.jit
def _light(likelihood, u, view):
    return likelihood.unit_fluxes(u, view)


@pytest.fixture(scope="module")
def galaxies(post, model):
    """Data of four galaxies, and shapes about the truth."""
    rng = np.random.default_rng(3)
    u = rng.standard_normal((4, 1, len(post.names) - 1)).astype(np.float32)
    exact, flux = PhotometryLikelihood(post, model), []
    for z, one in zip(REDSHIFTS, u, strict=True):
        flux.append(np.asarray(_light(exact, one[None], exact.one_view(z))).sum(axis=2)[0, 0])
    flux = 1e10 * np.array(flux)
    sigma = np.maximum(0.03 * flux, 0.02 * flux[:, :4].max(axis=1, keepdims=True))
    flux = np.nan_to_num(flux + sigma * rng.standard_normal(flux.shape))
    data = post.prepared(flux, np.nan_to_num(sigma, nan=1.0), REDSHIFTS)
    return data, u + 0.2 * rng.standard_normal((4, 70, u.shape[-1])).astype(np.float32)


def test_evidence_is_that_of_the_exact_likelihood(post, model, likelihood, galaxies):
    """To 0.05 in log, where the posterior is; at all redshifts in one call, of bands filled up."""
    data, u = galaxies
    np.testing.assert_array_equal(data.valid[:, 4], REDSHIFTS > 0.9)
    filled = post.filled(data)
    assert filled.flux.shape == (4, 6) and not filled.valid[:, 5].any()
    found = np.asarray(_evidence(likelihood, u, filled, likelihood.view_of(None, filled)))
    exact = PhotometryLikelihood(post, model)
    for i, z in enumerate(REDSHIFTS):
        one = PhotometryData(*(a[i : i + 1] for a in data))
        truth = np.asarray(_evidence(exact, u[i : i + 1], one, exact.one_view(z)))[0]
        near = truth > truth.max() - 8.0
        assert near.sum() > 10
        np.testing.assert_allclose(found[i, near], truth[near], atol=0.05)


def test_few_draws_at_once_are_those_one_by_one(post, likelihood, galaxies):
    data, u = galaxies
    filled = post.filled(data)
    view = likelihood.view_of(None, filled)
    all_at_once, one_by_one = (np.asarray(_light(likelihood, u[:, :n], view)) for n in (5, 70))
    np.testing.assert_allclose(all_at_once, one_by_one[:, :5], rtol=2e-4, atol=1e-6 * one_by_one.max())


def test_parts_of_a_view_are_those_of_the_objects(post, likelihood, galaxies):
    filled = post.filled(galaxies[0])
    rows = np.array([3, 0])
    part = likelihood.part_of(likelihood.view_of(None, filled), rows)
    own = likelihood.view_of(None, PhotometryData(*(a[rows] for a in filled)))
    jax.tree.map(np.testing.assert_array_equal, part, own)
    assert likelihood.own_views and not PhotometryLikelihood(post, likelihood.model).own_views


def test_chains_take_each_object_with_its_own_view(post, likelihood, galaxies, monkeypatch):
    """With a sampler that stays where it starts, and tells the density there in place of R-hat."""
    data, u = galaxies
    filled = post.filled(data)
    view = likelihood.view_of(None, filled)

    def stay(log_density, keys, start):
        first, of_object = start
        told = jax.vmap(log_density)(first[:, 0], of_object)
        return jnp.repeat(first[:, :1, None], 4, axis=2), told, told

    monkeypatch.setattr(repair, "run_chains", stay)
    weighted = WeightedDraws.of(jnp.pad(u, [(0, 0), (0, 0), (0, 1)]), jnp.zeros(u.shape[:2]))
    ids, key = np.arange(4, dtype=np.uint32), jax.random.key(0)
    drawn, told, *_ = repair.by_chains(likelihood, filled, view, ids, key, 4, weighted)
    expected = _target(likelihood, drawn[:, :1, :-1], filled, view)[:, 0]
    np.testing.assert_allclose(told, expected, rtol=2e-3, atol=0.1)


def test_surveys_of_about_as_many_bands_share_a_program(post, model, likelihood, galaxies):
    data, u = galaxies
    before = _evidence._cache_size()
    other = post.universal.for_filters(NAMES[:3] + ("vista_vircam_J",), floor=0.1)
    again = other.likelihood_of(with_filters(model, other.filter_set))
    filled = other.filled(PhotometryData(*(a[:, :4] for a in data[:4]), data.z + np.float32(0.2)))
    assert np.isfinite(_evidence(again, u, filled, again.view_of(None, filled))).all()
    assert _evidence._cache_size() <= max(before, 1)
    assert again.basis is likelihood.basis


@pytest.mark.parametrize(("n", "filled"), [(1, 6), (6, 6), (7, 10), (19, 20), (40, 40), (41, 60), (61, 80)])
def test_numbers_of_bands_are_few(n, filled):
    assert n_filled(n) == filled and N_BANDS[-1] == 40


def test_integrals_at_many_redshifts_are_those_one_by_one(post, model):
    basis = post.network.network.basis
    z = np.linspace(0.01, 7.0, MOST_REDSHIFTS + 6)
    together = basis.pieces(model.filters, z)
    for i in (0, 30, MOST_REDSHIFTS + 5):
        alone = basis.pieces(model.filters, z[i])
        for one, many in zip(alone, together, strict=True):
            scale = np.abs(one).max()
            np.testing.assert_allclose(many[i] / scale, one[0] / scale, atol=1e-6)


def test_light_is_kept_on_disk(model, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "cache_dir", lambda: tmp_path)
    fresh = replace(model)
    made = weight_basis(fresh)
    (file,) = (tmp_path / "light").iterdir()
    assert weight_basis(fresh) is made
    monkeypatch.setattr(module, "wave_basis", None)
    again = weight_basis(replace(model))
    np.testing.assert_array_equal(again.curves, made.curves)
    assert again.parts == made.parts and again.ranks == made.ranks
    # another escape of Lyman alpha is other light
    with pytest.raises(TypeError):
        weight_basis(replace(model, lya_escape=0.0))
    file.write_bytes(b"damaged")
    with pytest.raises(TypeError):
        weight_basis(replace(model))
    assert not file.exists()


def test_without_gas_and_errors(toy):
    bare = GalaxyModel.preset(ssp=toy, log_u=None)
    basis = weight_basis(bare)
    light = WeightLight.of(basis)
    assert light.gas is None and len(light.stars) == 1
    sfh, z = bare.sfh, 0.5
    bare = replace(bare, filters=FilterSet.from_names(NAMES[:3]))
    pieces, screen, _ = basis.pieces(bare.filters, z)
    table = bare.band_table(z, trim=False)
    u = np.random.default_rng(0).standard_normal((30, len(bare.names))).astype(np.float32)
    theta = bare.prior.from_normal(jnp.asarray(u), table.universe_gyr).at[:, -1].set(0.0)
    exact = np.asarray(bare.predict_fast(theta, table))
    found = np.asarray(light.fluxes(sfh, theta[:, :-1], table.universe_gyr, pieces[0], screen[0]))[:, 0]
    ratio = found / exact
    np.testing.assert_allclose(ratio / np.median(ratio), 1.0, rtol=5e-3)
