"""The posterior of the redshift against quadrature with exact band tables, and what comes of it."""

from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.photometry.likelihood import PhotometryLikelihood
from dsps_sbi.photometry.redshift.likelihood import RedshiftLikelihood
from dsps_sbi.photometry.universal.weight_basis import with_filters

NAMES = ("sdss_u0", "sdss_g0", "sdss_r0", "sdss_i0", "sdss_z0")
RANGE = (0.1, 5.0)
N_Z, N_PRIOR = 36, 8192


@pytest.fixture(scope="module")
def result(untrained, plain_galaxies, mocks):
    options = {"z_range": RANGE, "filters": NAMES, "model": plain_galaxies, "refine": True, "n_draws": 400}
    return untrained.infer(*mocks[:2], **options)


# what runs for long is compiled as users have it
@partial(
    jax.jit,
    compiler_options={"xla_backend_optimization_level": 3, "xla_llvm_disable_expensive_passes": False},
)
def prior_evidence(likelihood, u, data, view):
    evidence = likelihood.shape_evidence(u, data, view)[0]
    return jax.scipy.special.logsumexp(evidence, axis=1) - jnp.log(u.shape[1])


def quadrature(post, likelihood, flux, sigma, z):
    """Log evidence (Object, Z) at redshifts z, from draws of the prior."""
    shape = (len(flux), N_PRIOR, len(post.names) - 1)
    out = []
    for i, one in enumerate(z):
        u = jax.random.normal(jax.random.fold_in(jax.random.key(7), i), shape)
        data = post.prepared(flux, sigma, one)
        out.append(prior_evidence(likelihood, u, data, likelihood.model.band_table(one, trim=False)))
    return np.stack(out, axis=1).astype(float)


def test_redshifts_are_those_of_quadrature(result, untrained, plain_galaxies, mocks):
    post = untrained.for_filters(NAMES)
    # by band tables
    likelihood = PhotometryLikelihood(post, replace(plain_galaxies, filters=post.filter_set))
    edges = np.expm1(np.linspace(*np.log1p(RANGE), N_Z + 1))
    middle = np.sqrt((1.0 + edges[1:]) * (1.0 + edges[:-1])) - 1.0
    log_p = quadrature(post, likelihood, *mocks[:2], middle) + np.log(np.diff(edges) / np.ptp(RANGE))
    assert (result.posteriors.ess > 100.0).all()
    total = np.log(np.exp(log_p - log_p.max(axis=1, keepdims=True)).sum(axis=1)) + log_p.max(axis=1)
    np.testing.assert_allclose(result.posteriors.log_evidence, total, atol=0.25)
    exact = np.cumsum(np.exp(log_p - total[:, None]), axis=1)
    found = np.stack([(result.draws("z") < edge).mean(axis=1) for edge in edges[1:]], axis=1)
    assert np.abs(found - exact).max() < 0.08
    # the data tell something: what they tell is not the prior's
    before = (edges[1:] - RANGE[0]) / np.ptp(RANGE)
    assert (np.abs(found - before).max(axis=1) > 0.12).all()


def test_light_is_that_of_band_tables(untrained, plain_galaxies):
    post = untrained.for_filters(NAMES)
    # by band tables
    likelihood = PhotometryLikelihood(post, replace(plain_galaxies, filters=post.filter_set))
    free = RedshiftLikelihood.of(likelihood, RANGE)
    assert RedshiftLikelihood.of(likelihood, (0.5, 2.0)) is free
    z = np.float32([0.3, 1.237])
    u = jax.random.normal(jax.random.key(0), (2, 20, len(post.names) - 1))
    # without bands that are filled in
    found = np.asarray(free.unit_fluxes(u, free.view(jnp.asarray(z))))[..., : len(NAMES)]
    for i, one in enumerate(z):
        exact = np.asarray(likelihood.unit_fluxes(u[i : i + 1], likelihood.model.band_table(one)))[0]
        bright = exact > 1e-2 * exact.sum(axis=1, keepdims=True).max(axis=-1, keepdims=True)
        np.testing.assert_allclose(found[i][bright], exact[bright], rtol=0.02)
        assert np.median(np.abs(found[i][bright] / exact[bright] - 1.0)) < 2e-3


def test_bands_are_filled_up_as_those_of_the_network_are(untrained, plain_galaxies):
    post = untrained.for_filters(NAMES)
    model = replace(plain_galaxies, filters=post.filter_set)
    known = SimpleNamespace(network=None, weights=None, noise=post.noise)
    of_given, of_any = (
        RedshiftLikelihood.of(PhotometryLikelihood(p, model), (0.5, 0.51)) for p in (known, post)
    )
    assert len(of_given.pivot_aa) == 5 and len(of_any.pivot_aa) == 6
    assert of_given.screen.shape[2] == of_given.covered.shape[1] == 5 and of_any.screen.shape[2] == 6
    usable = of_any.usable(np.float32([[0.5, 0.51]]))
    assert usable.shape == (1, 2, 6) and usable[..., :5].all() and not usable[..., 5].any()


def test_draws_carry_redshifts(result, mocks):
    assert result.names[:2] == ("z", "log_mass") and result.draws("z").shape == (3, 400)
    low, middle, high = result.percentiles("z", (16, 50, 84))
    assert (low < middle).all() and (middle < high).all()
    table = result.table()
    for name in ("z", "z_p16", "z_p84", "z_best", "z_odds", "z_peaks", "log_mass", "trust"):
        assert name in table.colnames
    np.testing.assert_allclose(table["z"], middle, rtol=1e-5)
    assert ((table["z_odds"] > 0.0) & (table["z_odds"] <= 1.0)).all() and (table["z_peaks"] >= 1).all()
    assert result.meta["redshift"] == "unknown, 0.1 to 5"
    # mass goes with distance: the draws have one redshift for both
    z, mass = result.draws("z"), result.draws("log_mass_formed")
    assert min(np.corrcoef(np.log(a), b)[0, 1] for a, b in zip(z, mass, strict=True)) > 0.3
    grid = np.linspace(0.01, 6.0, 2000)
    density = result.p_z(grid)
    np.testing.assert_allclose(np.trapezoid(density, grid, axis=1), 1.0, atol=0.02)


def test_draws_depend_on_the_galaxy_alone(result, untrained, plain_galaxies, mocks):
    options = {"z_range": RANGE, "model": plain_galaxies, "refine": True, "n_draws": 400}
    flux, sigma, _ = mocks
    one = ds.Catalogue(flux[1:2], sigma[1:2], NAMES, ids=[1])
    found = untrained.infer(one, **options)
    np.testing.assert_allclose(np.sort(found.draws("z")[0]), np.sort(result.draws("z")[1]), rtol=0.02)


def test_surveys_of_about_as_many_bands_share_programs(untrained, plain_galaxies):
    def light(*names):
        post = untrained.for_filters(names)
        behind = post.likelihood_of(with_filters(plain_galaxies, post.filter_set))
        return RedshiftLikelihood.of(behind, (0.5, 0.51))

    # programs are found by structure and shapes
    one, other, more = (
        light(*NAMES),
        light("hsc_g", "hsc_r", "hsc_i", "hsc_z"),
        light(*NAMES, "hsc_g", "hsc_r"),
    )
    assert jax.tree.structure(one) == jax.tree.structure(other) == jax.tree.structure(more)
    shapes = [[leaf.shape for leaf in jax.tree.leaves(likelihood)] for likelihood in (one, other, more)]
    assert shapes[0] == shapes[1] != shapes[2]


def test_a_small_error_is_as_good_as_none(untrained, plain_galaxies, mocks):
    flux, sigma, z = mocks
    options = {"filters": NAMES, "model": plain_galaxies, "n_draws": 400}
    found = untrained.infer(flux, sigma, z, z_err=1e-4, **options)
    np.testing.assert_allclose(found.draws("z").std(axis=1), 1e-4, rtol=0.3)
    np.testing.assert_allclose(np.median(found.draws("z"), axis=1), z, atol=3e-5)
    exact = untrained.infer(flux, sigma, z, **options)
    np.testing.assert_allclose(found.posteriors.log_evidence, exact.posteriors.log_evidence, atol=0.4)


def test_a_density_of_the_same_fluxes_is_kept(untrained, plain_galaxies, mocks):
    flux, sigma, _ = mocks
    grid = np.array([0.5, 1.0, 1.5])
    options = {"filters": NAMES, "model": plain_galaxies, "n_draws": 400}
    kept = untrained.infer(flux, sigma, p_z=(grid, [0.0, 1.0, 0.0]), keep_p_z=True, **options)
    z = kept.draws("z")
    np.testing.assert_allclose(z.mean(axis=1), 1.0, atol=0.03)
    np.testing.assert_allclose(z.std(axis=1), 0.5 / np.sqrt(6.0), rtol=0.15)
    assert np.isnan(kept.posteriors.log_evidence).all()


def test_a_distance_stands_for_the_redshift(untrained, plain_galaxies, mocks):
    flux, sigma, _ = mocks
    cosmology = untrained.network.cosmology
    options = {"filters": NAMES, "model": plain_galaxies, "n_draws": 50}
    at_z = untrained.infer(flux, sigma, 0.02, **options)
    distance = float(cosmology.distance_mpc(np.float32(0.02)))
    found = untrained.infer(flux, sigma, distance_mpc=distance, **options)
    np.testing.assert_allclose(found.catalogue.redshift, 0.02, rtol=1e-4)
    np.testing.assert_allclose(found.percentiles("log_mass"), at_z.percentiles("log_mass"), atol=0.05)
    # nearer than all that the network knows: a tenth of the distance, a hundredth of the mass
    near = untrained.infer(flux, sigma, distance_mpc=[3.0, 0.3, 0.03], **options)
    np.testing.assert_allclose(near.catalogue.redshift, 0.001, rtol=1e-5)
    expected = flux[1] * (0.3 / float(cosmology.distance_mpc(np.float32(0.001)))) ** 2
    np.testing.assert_allclose(near.catalogue.flux_ujy[1], expected, rtol=2e-3)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "fluxes without z: give infer"),
        ({"z": 0.5, "z_range": (0.1, 2.0)}, "z, z_range were given: each of them tells the redshift"),
        ({"z": 0.05, "distance_mpc": 200.0}, "z, distance_mpc were given"),
        ({"distance_mpc": 900.0}, "distance 900 Mpc of 0 .3 in all.: expected one above 0, up to 4"),
        ({"distance_mpc": -1.0}, "distance -1 Mpc of 0"),
        ({"z": 0.5, "z_err": 0.0}, "z_err 0 of row 0, counted from 0 .3 in all.: expected errors above 0"),
        ({"z_err": 0.1}, "fluxes without z"),
        ({"z": 9.0, "z_err": 0.1}, "redshift 9 of row 0"),
        ({"z_range": (0.1, 20.0)}, "z_range 0.1-20 is not within the bundle's range 0.001-7.5"),
        ({"z_range": (2.0, 1.0)}, "expected .low, high. with low < high"),
        ({"p_z": ([1.0, 0.5], [1.0, 1.0])}, "redshifts of p_z do not increase"),
        ({"p_z": ([0.5, 1.0], [1.0, -1.0])}, "p_z has values that are negative"),
        ({"p_z": ([0.5, 1.0], [0.0, 0.0])}, "p_z of row 0, counted from 0 .3 in all., is 0 at all redshifts"),
        ({"p_z": ([8.0, 9.0], [1.0, 1.0])}, "p_z from 8 to 9 is outside the bundle's range"),
        ({"p_z": ([0.5, 1.0], np.ones((2, 2)))}, "or a row of them for each of 3 galaxies"),
        ({"z_range": (0.1, 2.0), "keep_p_z": True}, "keep_p_z was given without p_z"),
        ({"z_range": (0.1, 2.0), "model": None}, "needs the stellar populations of the bundle"),
        ({"z_range": (0.1, 2.0), "error_scale": "fit"}, "of galaxies without redshifts: give a number"),
    ],
)
def test_bad_input(untrained, plain_galaxies, mocks, options, match):
    with pytest.raises(UserError, match=match):
        untrained.infer(*mocks[:2], **{"filters": NAMES, "model": plain_galaxies} | options)


def test_a_catalogue_without_redshifts(untrained, plain_galaxies, mocks):
    catalogue = ds.Catalogue(*mocks[:2], NAMES)
    assert np.isnan(catalogue.redshift).all()
    with pytest.raises(UserError, match="the catalogue has no redshifts: give z_range"):
        untrained.infer(catalogue, model=plain_galaxies)
