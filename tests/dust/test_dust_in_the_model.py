"""Dust laws with free parameters or two screens in the forward model, fast and at full resolution."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi.dust import Calzetti, CharlotFall, Salim
from dsps_sbi.errors import UserError
from dsps_sbi.instruments.filters import FilterSet
from dsps_sbi.photometry.band_table import fast_fluxes
from dsps_sbi.photometry.model import GalaxyModel
from dsps_sbi.priors import Prior, Uniform
from dsps_sbi.sfh import Burst, Constant

BANDS = ("acs_wfc_f435w", "acs_wfc_f775w", "jwst_f115w", "jwst_f200w", "jwst_f444w")
RANGES = {"dust_slope": (-1.2, 0.4), "dust_bump": (0.0, 4.0), "dust_mu": (0.2, 1.0)}
Z = 1.3


def make(toy, dust, sfh=None):
    sfh = Constant() if sfh is None else sfh
    marginals = {**sfh.marginals(), "metallicity": Uniform(-2.0, 0.4), "av": Uniform(0.0, 3.0)}
    marginals |= {name: Uniform(*RANGES[name]) for name in getattr(dust, "names", ())}
    prior = Prior(marginals | {"log_mass_formed": Uniform(8.0, 9.0)})
    return GalaxyModel(toy, FilterSet.from_names(BANDS), prior, sfh=sfh, dust=dust)


def fast(model, theta, z=Z):
    table = model.band_table(z)
    params, metallicity, av, log_mass = model.split(theta)
    return fast_fluxes(table, model.sfh, params, metallicity, av) * 10.0 ** log_mass[:, None]


def draws(model, n=30):
    return model.prior.sample(jax.random.key(0), jnp.full(n, Z), model.cosmology.age(jnp.float32(Z)))


@pytest.mark.parametrize(
    "dust", [Salim(None, None), CharlotFall(), CharlotFall(birth_slope=-1.3, mu=None)], ids=repr
)
def test_fast_path_agrees_with_full_resolution(toy, dust):
    model = make(toy, dust)
    theta = draws(model)
    exact = jax.vmap(model.predict, (0, None))(theta, Z)
    off = np.asarray(fast(model, theta) / exact - 1.0)
    assert np.percentile(np.abs(off), 99) < 5e-3
    slope = jax.jacfwd(model.predict)(theta[0], Z)
    assert slope.shape == (len(BANDS), len(model.names)) and np.isfinite(slope).all()


def test_free_parameters_come_after_av_and_act_as_fixed_ones_do(toy):
    free, fixed = make(toy, Salim(None, None)), make(toy, Salim(-0.5, 2.0))
    assert free.names[-5:] == ("metallicity", "av", "dust_slope", "dust_bump", "log_mass_formed")
    theta = draws(fixed)
    own = jnp.tile(jnp.array([-0.5, 2.0]), (len(theta), 1))
    wider = jnp.concatenate([theta[:, :-1], own, theta[:, -1:]], axis=1)
    for k in range(3):
        np.testing.assert_allclose(free.predict(wider[k], Z), fixed.predict(theta[k], Z), rtol=2e-5)
    # pieces of bands see the law at one wavelength, the fixed one its mean
    np.testing.assert_allclose(fast(free, wider), fast(fixed, theta), rtol=5e-3)


def test_prior_without_the_parameters_of_the_law_is_refused(toy):
    model = make(toy, Calzetti())
    with pytest.raises(UserError, match="needs one of .*av, dust_slope, dust_bump, log_mass_formed"):
        replace(model, dust=Salim(None, None))


def test_clouds_that_add_nothing_are_a_single_screen(toy):
    two = make(toy, CharlotFall(mu=1.0))

    class Screen:
        def __call__(self, wave_aa, params=None):
            return CharlotFall()(wave_aa)

    one = make(toy, Screen())
    theta = draws(two)
    np.testing.assert_allclose(fast(two, theta), fast(one, theta), rtol=5e-3)
    np.testing.assert_allclose(two.predict(theta[0], Z), one.predict(theta[0], Z), rtol=2e-5)


def test_only_young_stars_are_behind_their_birth_clouds(toy):
    """A burst of 5 Myr is dimmed by medium and cloud, one of 50 Myr by the medium alone."""
    model, bare = (make(toy, CharlotFall(mu=mu), Burst()) for mu in (0.25, 1.0))
    for age, extra in ((0.005, 1.0), (0.05, 0.0)):
        theta = jnp.array([[age, 0.0, 0.4, 9.0]])
        for flux in (lambda m, theta=theta: m.predict(theta[0], Z), lambda m, theta=theta: fast(m, theta)[0]):
            dimming = -2.5 * np.log10(np.asarray(flux(model) / flux(bare)))
            wave = np.asarray(model.filters.pivot_aa) / (1 + Z)
            expected = extra * 0.4 * 3.0 * (wave / 5500.0) ** -0.7
            np.testing.assert_allclose(dimming, expected, rtol=0.05, atol=1e-4)


def test_light_is_continuous_as_clouds_live_longer(toy):
    """The age bin in which clouds end is divided: no step at the edges of the SSPs' bins."""
    fluxes = []
    theta = jnp.array([[2.0, 0.0, 1.0, 9.0]])
    edges = make(toy, Calzetti()).edges_gyr
    edge = edges[np.searchsorted(edges, 0.01)]
    for life in edge * np.array([0.98, 0.999, 1.001, 1.02]):
        fluxes.append(np.asarray(fast(make(toy, CharlotFall(birth_gyr=float(life))), theta))[0])
    steps = np.abs(np.diff(fluxes, axis=0) / fluxes[0])
    assert steps[1].max() < 2e-3 and steps.max() < 2e-2


def test_tables_stack_over_redshift(toy):
    model = make(toy, CharlotFall(mu=None))
    tables = [model.band_table(z) for z in (0.5, 1.5)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *tables)
    second = jax.tree.map(lambda leaf: leaf[1], stacked)
    params, metallicity, av, _ = model.split(draws(model))
    np.testing.assert_array_equal(
        fast_fluxes(second, model.sfh, params, metallicity, av),
        fast_fluxes(tables[1], model.sfh, params, metallicity, av),
    )
