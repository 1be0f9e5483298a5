"""Errors of the SSPs that bands share: the same in simulator and likelihood, and in what a bundle keeps."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from dsps_sbi import UserError
from dsps_sbi.bundle.load import load_bundle, save_bundle
from dsps_sbi.photometry.fisher import fisher
from dsps_sbi.photometry.likelihood import PhotometryLikelihood
from dsps_sbi.photometry.model_error import GreyScatter, ModelError, with_grey
from dsps_sbi.photometry.simulator import PhotometrySimulator


def error(grey_dex=0.1):
    modes = np.array([[[0.0, 0.1, 0.3], [0.0, 0.0, 0.2]], [[-0.2, 0.0, 0.0], [0.1, 0.1, 0.1]]])
    more = {"metallicity": (-2.0, 0.0), "strength": ((2.0, 1.0), (0.5, 1.5))}
    return ModelError(np.array([1e3, 5e3, 3e4]), modes, (0.1,), grey_dex, "made up", **more)


@pytest.fixture(scope="module")
def widened(three_bands):
    model = replace(three_bands.model, error=error())
    return PhotometrySimulator(model, three_bands.noise, three_bands.masks, three_bands.limits)


@pytest.fixture(scope="module")
def table(widened):
    return widened.model.band_table(2.0, trim=False)


def test_errors_are_linear_in_log_wavelength_and_constant_beyond():
    got = error().at(jnp.array([500.0, np.sqrt(5e6), 1e5]))
    np.testing.assert_allclose(got[0, 0], [0.0, 0.05, 0.3], atol=1e-6)
    np.testing.assert_allclose(got[1, 0], [-0.2, -0.1, 0.0], atol=1e-6)


def test_errors_depend_on_metallicity_where_libraries_say_so():
    got = error().strengths(jnp.array([[-3.0, -1.0], [0.0, 1.0]]))
    expected = [[[2.0, 0.5], [1.5, 1.0]], [[1.0, 1.5], [1.0, 1.5]]]
    np.testing.assert_allclose(got, expected, atol=1e-6)
    everywhere = replace(error(), metallicity=(), strength=())
    np.testing.assert_array_equal(everywhere.strengths(jnp.zeros(3)), np.ones((3, 2)))
    with pytest.raises(UserError, match=r"factors of shape \(1, 2\): expected \(2 modes, 2 metallicities\)"):
        replace(error(), strength=((1.0, 1.0),))
    with pytest.raises(UserError, match="metallicities that do not increase"):
        replace(error(), metallicity=(0.0, -2.0))


def test_modes_of_the_package_are_large_where_libraries_differ():
    shipped = ModelError.shipped()
    optical, infrared = np.sqrt(np.sum(np.asarray(shipped.at(jnp.array([5500.0, 16000.0]))) ** 2, axis=0)).T
    # least for old stars in the optical; worst of those without gas are the giants of 0.1 to 1 Gyr
    assert optical[-1] == optical.min() and infrared[2] == infrared[1:].max() > 2.0 * optical[-1]


def test_light_of_all_ages_is_the_sum_of_its_parts(widened, table):
    u = jax.random.normal(jax.random.key(0), (8, len(widened.model.names)))
    total, theta = widened.noiseless(u, table)
    parts = widened.model.predict_parts(theta, table)
    assert parts.shape == (8, 2, 3)
    np.testing.assert_allclose(parts.sum(axis=1), total, rtol=1e-5)


def test_scatter_of_mocks_is_the_covariance_of_the_likelihood(widened, table):
    model = widened.model
    u = jnp.tile(jax.random.normal(jax.random.key(1), (1, len(model.names))), (4000, 1))
    flux, theta = widened.emitted(jax.random.key(2), u, table)
    parts = model.predict_parts(theta[:1], table)[0]
    metallicity = float(theta[0, model.names.index("metallicity")])
    factor = [np.interp(metallicity, (-2.0, 0.0), row) for row in ((2.0, 1.0), (0.5, 1.5))]
    errors = np.einsum("m,pb,mpb->mb", factor, parts, model.band_errors(2.0))
    # units of the flux: uJy squared would underflow
    scale = np.asarray(parts.sum(axis=0))
    got = np.cov((np.asarray(flux) / scale).T)
    np.testing.assert_allclose(got, (errors / scale).T @ (errors / scale), atol=0.1 * got.max())


def test_evidence_is_that_of_the_wider_gaussian(widened, table, tiny_posterior):
    likelihood = PhotometryLikelihood(replace(tiny_posterior, noise=widened.noise), widened.model)
    mocks = widened.draw(jax.random.key(3), jax.tree.map(lambda a: a[None], table), 1, 4)
    data = mocks.data._replace(valid=jnp.ones((4, 3), bool), upper=jnp.zeros((4, 3), bool))
    n = len(widened.model.names) - 1
    # near the truth: of shapes that fit nowhere the peak lies far up in mass, where errors are largest
    u = mocks.u[:, None, :n] + 0.3 * jax.random.normal(jax.random.key(4), (4, 2, n))
    got = likelihood.shape_evidence(u, data, table)[0]
    parts = np.asarray(likelihood.unit_fluxes(u, table), float)
    errors = np.asarray(likelihood.shared_errors(parts, table, u), float)
    low, high = likelihood.mass_range
    for i in range(4):
        sky, flux = np.asarray(data.sigma[i], float), np.asarray(data.flux[i], float)
        for k in range(2):
            light, shared = parts[i, k].sum(axis=0) / sky, errors[i, k] / sky
            fine = np.linspace(low, high, 4001)
            logs = []
            for m in 10.0**fine:
                own = np.diag(1.0 + (widened.noise.floor * m * light) ** 2)
                covariance = own + m**2 * shared.T @ shared
                logs.append(stats.multivariate_normal.logpdf(flux / sky, m * light, covariance))
            logs = np.array(logs) - np.log(sky).sum()
            expected = logs.max() + np.log(np.mean(np.exp(logs - logs.max())))
            assert float(got[i, k]) == pytest.approx(expected, abs=5e-3)


def test_mocks_of_the_wider_model_are_typical_of_it(widened, table, tiny_posterior):
    likelihood = PhotometryLikelihood(replace(tiny_posterior, noise=widened.noise), widened.model)
    mocks = widened.draw(jax.random.key(5), jax.tree.map(lambda a: a[None], table), 1, 300)
    p = likelihood.ppc_p(mocks.u[:, None], mocks.data, table)
    assert stats.kstest(p, "uniform").pvalue > 1e-3
    # without the errors the same mocks are not
    plain = PhotometryLikelihood(likelihood.post, replace(widened.model, error=None))
    p = plain.ppc_p(mocks.u[:, None], mocks.data, table)
    assert stats.kstest(p, "uniform").pvalue < 1e-6


def test_masses_scatter_as_mass_to_light_ratios_do(widened):
    prior = widened.model.prior
    u = jax.random.normal(jax.random.key(7), (2, 3000, len(prior.names)))
    theta = prior.from_normal(u, jnp.full((2, 1), 3.0))
    moved = with_grey(prior, GreyScatter(0.1), u, theta)
    change = np.asarray(moved - theta)
    assert np.all(change[..., :-1] == 0.0) and np.std(change[..., -1]) == pytest.approx(0.1, rel=0.05)
    # a draw's deviate is its own, whatever the batch
    np.testing.assert_array_equal(with_grey(prior, GreyScatter(0.1), u[1:], theta[1:]), moved[1:])
    # what is uniform over the prior stays so, its edges included
    mass = prior.marginals["log_mass_formed"]
    share = (np.asarray(moved[..., -1]).ravel() - mass.low) / (mass.high - mass.low)
    assert stats.kstest(share, "uniform").pvalue > 1e-3


def test_few_libraries_give_wide_tails(widened):
    prior = widened.model.prior
    u = jax.random.normal(jax.random.key(8), (1, 4000, len(prior.names)))
    # far from the edges of the prior
    theta = prior.from_normal(u, jnp.full((1, 1), 3.0)).at[..., -1].set(9.0)
    change = np.asarray(with_grey(prior, GreyScatter(0.1, 3), u, theta) - theta)[0, :, -1]
    assert stats.kstest(change / 0.1, stats.t(3).cdf).pvalue > 1e-3
    assert stats.kstest(change / 0.1, "norm").pvalue < 1e-3
    assert ModelError.shipped().grey == GreyScatter(np.float32(ModelError.shipped().grey_dex), 3)


def test_bundles_keep_errors_and_escape_of_lyman_alpha(tiny_posterior, tmp_path):
    post = replace(tiny_posterior, error=error(), lya_escape=0.25)
    again = load_bundle(save_bundle(post, tmp_path / "wide"))
    assert (
        again.lya_escape == 0.25 and again.error.edges_gyr == (0.1,) and again.error.grey == GreyScatter(0.1)
    )
    assert again.error.identity() == error().identity()
    np.testing.assert_allclose(again.error.modes, error().modes)
    u = np.random.default_rng(0).standard_normal((1, 400, len(post.names))).astype(np.float32)
    z = np.array([2.0], np.float32)
    names = ("log_mass_formed", "av")
    wide, narrow = (np.asarray(p.derived_draws(u, z, names)) for p in (again, tiny_posterior))
    np.testing.assert_allclose(wide[1], narrow[1], rtol=1e-5)
    assert np.std(wide[0] - narrow[0]) == pytest.approx(0.1, rel=0.15)


def test_model_error_that_does_not_fit_together_is_refused():
    wave = np.array([1e3, 1e4])
    with pytest.raises(UserError, match="expected .modes, 2 ranges of ages, 2 wavelengths.; give these"):
        ModelError(wave, np.zeros((1, 3, 2)), (0.1,))
    with pytest.raises(UserError, match="do not increase, or with NaN: mend its table"):
        ModelError(wave[::-1], np.zeros((1, 2, 2)), (0.1,))


def test_fisher_information_does_not_pretend_to_know_shared_errors(widened):
    theta = widened.model.prior.sample(jax.random.key(8), jnp.array([2.0]), widened.model.cosmology.age(2.0))
    with pytest.raises(UserError, match="errors that bands share, .*: give dataclasses.replace"):
        fisher(widened.model, theta[0], 2.0, np.full(3, 1e-4))
