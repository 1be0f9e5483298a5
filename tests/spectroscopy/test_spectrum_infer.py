import dataclasses

import numpy as np
import pytest
from scipy.stats import kstest

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.inference.trust import Method, Trust
from dsps_sbi.sfh import DelayedTau
from dsps_sbi.spectroscopy.likelihood import SpectrumLikelihood


@pytest.fixture(scope="module")
def model(tau_model):
    return tau_model


@pytest.fixture(scope="module")
def post(trained):
    return trained


@pytest.fixture(scope="module")
def spectra(galaxies):
    return galaxies


@pytest.fixture(scope="module")
def answers(post, model, spectra):
    return ds.refine(post, spectra, model=model, n_draws=500)


@pytest.mark.optimized
def test_answers_are_those_of_the_exact_posterior(post, model, spectra, answers, by_prior):
    assert (answers.posteriors.method == Method.IS).all()
    assert answers.posteriors.trusted.all()
    likelihood = SpectrumLikelihood(post, model)
    spectrum, rest = post.prepared(spectra[0])
    theta, weight, log_evidence = by_prior(model, likelihood.observed(spectrum, rest.extra_km_s))
    effective = 1.0 / np.sum(weight**2)
    assert effective > 30
    for name in ("metallicity", "sigma_v"):
        ours, exact = answers.draws(name)[0], theta[:, model.names.index(name)]
        mean = weight @ exact
        width = np.sqrt(weight @ (exact - mean) ** 2)
        assert abs(ours.mean() - mean) < 4.0 * width * np.hypot(effective**-0.5, 100.0**-0.5), name
        assert 0.6 < ours.std() / width < 1.6, name
    error = np.hypot(effective**-0.5, answers.posteriors.ess[0] ** -0.5)
    assert abs(answers.posteriors.log_evidence[0] - log_evidence) < 4.0 * error + 0.05


def test_truth_is_found(answers, truth):
    for i, (metallicity, sigma_v) in enumerate(truth):
        for name, true in (("metallicity", metallicity), ("sigma_v", sigma_v)):
            draws = answers.draws(name)[i]
            assert abs(draws.mean() - true) < 4.0 * draws.std() + 1e-3, (name, i)
    mass = answers.draws("log_mass_formed")
    assert np.all(np.abs(mass.mean(axis=1) - 10.5) < 4.0 * mass.std(axis=1) + 0.05)


def test_catalogue_and_best_fits(answers, truth):
    table = answers.table()
    assert set(table["method"]) == {"is"} and set(table["trust"]) == {"trusted"}
    assert table.meta["method"] == "refined" and table["r_hat"].mask.all()
    for name, column in zip(("metallicity", "sigma_v"), np.transpose(truth), strict=True):
        width = table[f"{name}_p84"] - table[f"{name}_p16"]
        assert np.all(np.abs(table[name] - column) < 2.0 * width), name
    for i in range(len(table)):
        # as good as noise allows: the polynomial and six parameters take little from 700 pixels
        fit = answers.best_fit(i)
        assert 0.85 < fit.chi2_per_pixel < 1.15 and np.nanmax(np.abs(fit.residual)) < 5.0


def test_formation_times_are_ordered_and_cosmic(answers):
    times = answers.formation_times()
    assert times.shape == (3, 500, 9)
    assert np.all(np.diff(times, axis=-1) >= 0.0)
    assert np.all((times >= 0.0) & (times <= answers.universe_gyr[:, None, None]))
    assert np.all(answers.probability_formed_by(14.0) == 1.0)
    expected = np.mean(answers.formation_times([0.5])[..., 0] < 5.0, axis=1)
    np.testing.assert_allclose(answers.probability_formed_by(5.0, 0.5), expected)


def test_scale_does_not_matter_where_it_is_not_known(post, model, spectra, answers):
    relative = dataclasses.replace(
        spectra[0], flux=1e6 * spectra[0].flux, sigma=1e6 * spectra[0].sigma, absolute=False
    )
    again = ds.refine(post, relative, model=model, n_draws=500)
    assert again.posteriors.method[0] == Method.IS
    one, two = again.draws("metallicity")[0], answers.draws("metallicity")[0]
    assert abs(one.mean() - two.mean()) < 0.5 * two.std()
    np.testing.assert_allclose(again.posteriors.ppc_p, answers.posteriors.ppc_p[:1], atol=0.3)


def test_without_a_model_nothing_is_checked(post, spectra):
    out = post.infer(spectra[:1], n_draws=500)
    assert out.posteriors.trust[0] == Trust.UNCHECKED
    assert out.posteriors.method[0] == Method.FLOW
    assert np.isfinite(out.theta).all()
    assert kstest(out.draws("sigma_v")[0], "uniform", args=(0, 450)).pvalue < 1e-3


def test_nonsense_is_not_trusted(post, model, spectra):
    rng = np.random.default_rng(3)
    noise = dataclasses.replace(
        spectra[0], flux=spectra[0].flux * rng.choice([0.5, 1.5], spectra[0].flux.shape)
    )
    assert not post.infer(noise, model=model, n_draws=500).posteriors.trusted[0]


def test_what_is_refused(post, model, spectra, line_grid):
    with pytest.raises(UserError, match="has redshift 3, the network knows 0.0001-1"):
        post.infer(dataclasses.replace(spectra[0], redshift=3.0, wave_aa=3.8 * spectra[0].wave_aa))
    with pytest.raises(UserError, match="refine needs the stellar populations"):
        post.infer(spectra, refine=True)
    with pytest.raises(UserError, match="refine=True was given with weigh=False: refining needs the weights"):
        post.infer(spectra, weigh=False, refine=True)
    with pytest.raises(UserError, match="no spectrum is given"):
        post.infer([])
    with pytest.raises(UserError, match="no quantity av: choose from t10"):
        post.infer(spectra[:1], n_draws=500).draws("av")
    prior = ds.spectrum_prior(DelayedTau(), metallicity=(-1.0, 0.4))
    other = dataclasses.replace(model, continuum=ds.Continuum(5, 0.1), prior=prior)
    with pytest.raises(UserError, match=r"trained with a polynomial \(2, 0.1\), the model has \(5, 0.1\)"):
        post.infer(spectra, model=other)
