"""Programs are compiled by content: equal objects made anew share them, and spectra of one padded size."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dsps_sbi as ds
from dsps_sbi.inference.trust import Method

EVENT = "/jax/core/compile/backend_compile_duration"
# shared with other tests of repairs
OPTIONS = {"n_draws": 500}
LOG = []


@pytest.fixture(scope="module", autouse=True)
def listener():
    """Keeps the names of all programs that are compiled, those that come from the cache on disk too."""

    def listen(event, duration, **more):
        if event == EVENT:
            LOG.append(more.get("fun_name", "unnamed"))

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield
    jax.monitoring.unregister_event_duration_listener(listen)


@pytest.fixture
def compiled():
    """Names of the programs that were compiled since the last call."""
    seen = [len(LOG)]

    def compiled():
        new = LOG[seen[0] :]
        seen[0] = len(LOG)
        return new

    return compiled


def copied(spectrum):
    """The same spectrum, none of whose arrays is."""
    arrays = {name: getattr(spectrum, name).copy() for name in ("wave_aa", "flux", "sigma")}
    return dataclasses.replace(spectrum, **arrays, lsf=ds.LSF("fwhm_aa", 5.5))


@pytest.fixture(scope="module")
def further(galaxies):
    """The second galaxy further away, in fewer pixels of another step; filled up they are as many."""
    galaxy, stretch = galaxies[1], 1.06 / 1.05
    inside = slice(8, -9)
    arrays = {name: getattr(galaxy, name)[inside] for name in ("flux", "sigma", "mask")}
    return dataclasses.replace(galaxy, wave_aa=stretch * galaxy.wave_aa[inside], redshift=0.06, **arrays)


@pytest.fixture(scope="module")
def first(listener, anew, galaxies):
    """All that is done, once."""
    post, model = anew()
    weighed = post.infer(galaxies[0], model=model, **OPTIONS)
    refined = ds.refine(post, galaxies[0], model=model, **OPTIONS)
    return post, model, weighed, refined, refined.table(), refined.best_fit()


def test_the_listener_hears(compiled):
    jax.jit(lambda x: 3.0 * x + 1.0)(jnp.ones(7)).block_until_ready()
    assert compiled() and not compiled()


@pytest.mark.optimized
def test_equal_objects_made_anew(first, anew, galaxies, compiled):
    post, model, weighed, refined, table, fit = first
    compiled()
    again, other = anew()
    assert again is not post and other.ssp is not model.ssp and other.light is not model.light
    assert compiled() == [], "to make them"
    spectrum = copied(galaxies[0])
    own = again.infer(spectrum, model=other, **OPTIONS)
    assert compiled() == [], "to weigh"
    np.testing.assert_array_equal(own.theta, weighed.theta)
    own = ds.refine(again, spectrum, model=other, **OPTIONS)
    assert compiled() == [], "to refine"
    np.testing.assert_array_equal(own.theta, refined.theta)
    assert own.table()["t50"][0] == table["t50"][0]
    np.testing.assert_array_equal(own.best_fit().best_fit, fit.best_fit)
    assert compiled() == [], "to summarise and to draw"


def test_another_spectrum_of_the_same_padded_size(first, galaxies, further, compiled):
    post, model, *_ = first
    assert further.wave_aa.size < galaxies[0].wave_aa.size and further.redshift != galaxies[0].redshift
    compiled()
    weighed = post.infer(further, model=model, **OPTIONS)
    assert compiled() == [], "to weigh"
    refined = ds.refine(post, further, model=model, **OPTIONS)
    assert compiled() == [], "to refine"
    # it was in need of that
    assert weighed.columns["ess"][0] < 100.0 <= refined.columns["ess"][0]
    assert refined.columns["method"][0] == Method.IS
    fit, table = refined.best_fit(), refined.table()
    assert compiled() == [], "to summarise and to draw"
    assert fit.best_fit.size == further.wave_aa.size and 0.85 < fit.chi2_per_pixel < 1.15
    assert table["sigma_v_p16"][0] - 50.0 < 250.0 < table["sigma_v_p84"][0] + 50.0


def test_without_populations(first, anew, galaxies, further, compiled):
    first[0].infer(galaxies[0], model=None, **OPTIONS)
    compiled()
    anew()[0].infer(further, model=None, **OPTIONS).table()
    assert compiled() == []


def test_mocks_of_simulators_made_anew(first, anew, compiled):
    post, model, *_ = first

    def mocks(post, model, **options):
        simulator = ds.SpectrumSimulator(model, **dict(post.noise) | options)
        pool = simulator.table_pool(jax.random.key(0), 16)
        return simulator.mocks(jax.random.key(1), pool, 8, 1)

    one = mocks(post, model)
    compiled()
    again, other = anew()
    two = mocks(again, other)
    assert compiled() == []
    jax.tree.map(np.testing.assert_array_equal, one, two)
    # another depth is another number, not another program
    deeper = mocks(again, other, snr=(300.0, 400.0))
    assert compiled() == []
    assert np.all(np.asarray(deeper.data.sigma) < np.asarray(one.data.sigma))


def test_a_bundle_loaded_twice(first, galaxies, tmp_path, compiled):
    post, model, *_ = first
    folder = ds.save_bundle(post, tmp_path / "bundle")
    one = ds.load_bundle(folder, model.ssp)
    found = one.infer(galaxies[0], model=model, **OPTIONS)
    compiled()
    two = ds.load_bundle(folder, dataclasses.replace(model.ssp, flux=model.ssp.flux.copy()))
    assert compiled() == [], "to load it"
    again = two.infer(copied(galaxies[0]), model=two.model(model.ssp), **OPTIONS)
    assert compiled() == [], "to weigh"
    np.testing.assert_array_equal(again.theta, found.theta)
