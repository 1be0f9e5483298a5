"""[alpha/Fe] with history and metallicity: against weighed draws of the prior, and what is refused."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.spectroscopy.by_prior import PriorLikelihood
from dsps_sbi.ssp import IndexTable

NAMES = ("Fe4531", "Hbeta", "Fe5015", "Mg2", "Mgb", "Fe5270")
TRUTH, SNR = 0.27, 30.0


@pytest.fixture(scope="module")
def table():
    """Changes that grow with metallicity, of one table for all ages."""
    met = np.array([-1.0, 0.4])
    change = np.array([0.2, 0.3, -0.4, 0.03, 1.2, -0.8])
    values = np.zeros((2, 2, 2, 6))
    values[1] = change * (1.0 + 0.3 * met)[:, None, None]
    return IndexTable("made-up", 8.4, NAMES, np.array([0.0, 0.4]), met, np.array([0.5, 13.0]), values)


@pytest.fixture(scope="module")
def source(trained, line_grid, table):
    return ds.AlphaSource.of(trained, table, line_grid)


@pytest.fixture(scope="module")
def mock(source):
    """In the network's own pixels at rest, with errors of the indices as the likelihood has them."""
    model = source.model
    wave = model.spectrograph.wave_aa
    blank = ds.Spectrum(
        wave, np.ones_like(wave), np.ones_like(wave), "vacuum", 0.0, lsf=ds.LSF("fwhm_aa", 3.5)
    )
    view = source.with_errors(model.view(0.0), blank)
    theta = jnp.array([0.3, 0.5, -0.1, TRUTH, 180.0, -2.5, 8.0])
    sigma = model.predict_fast(theta, view) / SNR
    flux = jax.jit(model.simulate)(jax.random.key(3), theta, view, sigma)
    return replace(blank, flux=np.asarray(flux), sigma=np.asarray(sigma), absolute=False)


@pytest.fixture(scope="module")
def result(trained, mock, source):
    return ds.infer_alpha(trained, mock, source, n_draws=1000)


def test_all_parameters_are_inferred_together(result, source):
    names = ("log_tau", "t_start", "metallicity", "alpha_fe", "sigma_v", "log_model_error", "log_mass_formed")
    assert result.names == source.model.names == names
    assert result.ess >= 100.0 and result.source == "indices of made-up"
    alpha = result.draws("alpha_fe")
    assert alpha.shape == (1000,) and 0.0 <= alpha.min() < alpha.max() <= 0.4
    assert abs(alpha.mean() - TRUTH) < 3.0 * alpha.std() < 0.3
    times = result.formation_times([0.1, 0.5, 0.9])
    assert (np.diff(times, axis=1) >= 0.0).all() and times.max() <= result.universe_gyr * 1.0001
    np.testing.assert_array_equal(result.draws("t50"), times[:, 1])
    assert "+-" in result.told("alpha_fe") and result.told("metallicity")
    assert result.draws("mass_weighted_age").shape == (1000,)
    with pytest.raises(UserError, match="quantity 'tau' is not there: choose from log_tau, t_start"):
        result.draws("tau")


def test_it_is_the_exact_posterior(trained, mock, source, result, by_prior):
    """Weighed draws of the prior owe nothing to the network, nor to what the spectrum was divided by."""
    scaled, rest = trained.prepared(mock)
    observed = PriorLikelihood.of(source.model).observed(scaled, rest.extra_km_s)
    view = source.with_errors(observed.target.view, scaled)
    observed = replace(observed, target=replace(observed.target, view=view))
    theta, weight, _ = by_prior(source.model, observed, 12_000)
    effective = 1.0 / np.sum(weight**2)
    assert effective > 30.0
    for name in ("alpha_fe", "metallicity", "sigma_v"):
        i = result.names.index(name)
        mean = np.sum(weight * theta[:, i])
        spread = np.sqrt(np.sum(weight * (theta[:, i] - mean) ** 2))
        found = result.draws(name)
        error = spread * np.sqrt(1.0 / effective + 1.0 / result.ess)
        assert abs(found.mean() - mean) < 4.0 * error, name
        assert found.std() == pytest.approx(
            spread, rel=float(4.0 / np.sqrt(2.0 * min(effective, result.ess)))
        )


def test_errors_of_the_indices_are_terms_beside_the_polynomial(trained, mock, source, table, line_grid):
    view = source.model.view(0.0)
    exact = ds.AlphaSource.of(trained, table, line_grid, {"Angstrom": 0.0, "mag": 0.0})
    assert exact.changes.shape[0] == 0 and exact.with_errors(view, mock) is view
    terms = np.asarray(source.with_errors(view, mock).basis)[:, view.basis.shape[1] :]
    assert terms.shape == (mock.wave_aa.size, len(NAMES))
    # one standard deviation of an index, 0.1 Angstrom or 0.003 mag, in units of the polynomial's
    terms = terms * source.model.continuum.sigma
    light = np.asarray(source.model.unit_flux(jnp.array([0.0, 0.1, 0.0, 0.0, 30.0, -3.0, 8.0]), view))
    one = replace(mock, flux=light / light.mean(), sigma=np.full(light.size, 0.01))
    both = [replace(one, flux=one.flux * (1.0 + step * terms[:, NAMES.index("Mgb")])) for step in (0.0, 1.0)]
    # the pixels do not hold all of Mg2
    seen = [name for name in NAMES if name != "Mg2"]
    before, after = (ds.line_indices(s, seen, system="LIS-8.4", sigma_v=30.0).values for s in both)
    np.testing.assert_allclose(after - before, 0.1 * np.equal(seen, "Mgb"), atol=0.015)


def test_what_is_refused_is_one_line(trained, mock, line_grid, table):
    with pytest.raises(
        UserError, match=r"\[alpha/Fe\] needs a source, nothing was given: give read_index_tab"
    ):
        ds.infer_alpha(trained, mock, None)
    with pytest.raises(UserError, match="needs a source, a str was given"):
        ds.infer_alpha(trained, mock, "MILES_KB_LIS8.4.fits")
    with pytest.raises(UserError, match=r"1 grid by \[alpha/Fe\] was given: give two at least"):
        ds.infer_alpha(trained, mock, {0.0: line_grid})
    with pytest.raises(UserError, match="index_error goes with a table of indices"):
        ds.infer_alpha(trained, mock, {0.0: line_grid, 0.4: line_grid}, index_error={"mag": 0.1})
    with pytest.raises(
        UserError, match="index_error has 'aa': 0.1: give numbers of 0 or more for 'Angstrom'"
    ):
        ds.AlphaSource.of(trained, table, line_grid, {"aa": 0.1})
    with pytest.raises(UserError, match="no redshift: read it with redshift="):
        ds.infer_alpha(trained, replace(mock, redshift=None), table, ssp=line_grid)
