"""Programs are compiled by content: equal objects made anew share them, whatever is asked of them."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dsps_sbi as ds
from dsps_sbi.dust import Noll
from dsps_sbi.inference.derived import MassTable
from dsps_sbi.inference.importance import network_draws
from dsps_sbi.instruments.jades import JADES_BANDS
from dsps_sbi.noise import BandMasks, DepthNoise
from dsps_sbi.photometry.fingerprint import reference_fluxes
from dsps_sbi.photometry.likelihood import PhotometryLikelihood
from dsps_sbi.photometry.network import PhotometryNetwork
from dsps_sbi.photometry.posterior import PhotometryPosterior
from dsps_sbi.ssp import toy_grid

EVENT = "/jax/core/compile/backend_compile_duration"
BANDS = ("acs_wfc_f606w", "jwst_f200w", "jwst_f444w")
N_DRAWS, KEY = 40, jax.random.key(0)
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


def made():
    """A model of three bands and its simulator, none of whose arrays anybody has seen before."""
    model = ds.GalaxyModel(toy_grid(), ds.FilterSet.from_names(BANDS), ds.photometry_prior(), n_sub=2)
    masks = BandMasks(np.ones((1, 3), bool), fewest=2)
    return model, ds.PhotometrySimulator(model, DepthNoise(np.full(3, 1e-4)), masks)


@pytest.fixture(scope="module")
def world(listener, tiny_posterior, tmp_path_factory):
    """A bundle of three bands on disk, its model, and all that is done with them, done once."""
    model, simulator = made()
    network = PhotometryNetwork(tiny_posterior.network.arch, 3, model.prior, model.sfh, model.cosmology)
    meta = tiny_posterior.meta | {"reference": reference_fluxes(model)}
    parts = network, network.init(0), model.filters.names, simulator.noise, MassTable.from_grid(model.ssp)
    folder = ds.save_bundle(PhotometryPosterior(*parts, meta), tmp_path_factory.mktemp("b") / "three")
    everything(ds.load_bundle(folder), model, simulator)
    return folder


def data_of(n=20, z=2.0):
    """Photometry (Object, Band) of some galaxies: flux, error, redshifts."""
    rng = np.random.default_rng(n)
    sigma = np.full((n, 3), 1e-4, np.float32)
    flux = sigma * (rng.uniform(30.0, 90.0, (n, 1)) + rng.normal(size=(n, 3)))
    return flux.astype(np.float32), sigma, np.resize(np.float32([z, z + 0.5]), n)


def cube_of(n=20, z=2.0):
    flux, sigma, _ = data_of(n)
    return ds.PixelCube(flux, sigma, BANDS, z, (2, n // 2))


def catalogue_of(n=20, z=2.0):
    flux, sigma, redshift = data_of(n, z)
    return ds.Catalogue(flux, sigma, BANDS, redshift)


def steps(post, model, simulator):
    """What a user does, by name; each leaves nothing behind."""
    options = {"model": model, "n_draws": N_DRAWS}

    def draws():
        data = post.prepared(*data_of())
        return network_draws(post.network, post.weights, data, np.arange(20, dtype=np.uint32), KEY, n_draws=8)

    return {
        "infer an image": lambda: post.infer(cube_of(), **options),
        "infer a catalogue": lambda: post.infer(catalogue_of(), **options),
        "weigh": lambda: ds.weigh(post, catalogue_of(), **options).table(),
        "refine": lambda: ds.refine(post, catalogue_of(1), **options),
        "without weights": lambda: post.infer(cube_of(), weigh=False, n_draws=N_DRAWS),
        "tell whether it fits": lambda: post.check_match(model),
        "tabulate": lambda: model.band_table(1.0).trimmed(),
        "cover": lambda: model.coverage(1.0),
        "simulate": lambda: simulator.mocks(KEY, simulator.table_pool(KEY, 3), 3, 4),
        "select": lambda: simulator.detected(KEY, simulator.table_pool(KEY, 3), 3, 4, 6, 5.0, 0.1),
        "draw": draws,
        "sample": lambda: post.sample(*data_of(), n_draws=8),
        "density": lambda: post.log_prob(post.sample(*data_of(), n_draws=8)[:, 0], *data_of()),
    }


def everything(post, model, simulator):
    return {name: step() for name, step in steps(post, model, simulator).items()}


def test_the_listener_hears(compiled):
    jax.jit(lambda x: 3.0 * x + 1.0)(jnp.ones(7)).block_until_ready()
    assert compiled() and not compiled()


STEPS = tuple(steps(None, None, None))


@pytest.fixture(scope="module")
def anew(world):
    """All of it made again: from the file, and from new grids and filters."""
    before = len(LOG)
    objects = (ds.load_bundle(world), *made())
    assert LOG[before:] == [], "to load and to make"
    return objects


@pytest.mark.parametrize("name", STEPS)
def test_equal_objects_made_anew_compile_nothing(world, anew, compiled, name):
    steps(*anew)[name]()
    assert compiled() == []


def test_loading_compiles_nothing(world, compiled):
    one, two = ds.load_bundle(world), ds.load_bundle(world)
    assert one is not two and compiled() == []


@pytest.mark.parametrize(("n", "z"), [(20, 3.3), (18, 2.0), (34, 0.4), (62, 5.0)])
def test_another_galaxy_compiles_nothing(world, anew, compiled, n, z):
    """Images of 17 to 64 pixels are filled up to one size, whatever their redshift."""
    post, model, _ = anew
    result = post.infer(cube_of(n, z), model=model, n_draws=N_DRAWS)
    assert result.fitted.sum() == n
    assert compiled() == []


def test_another_catalogue_compiles_nothing(world, anew, compiled):
    post, model, _ = anew
    # five to sixteen galaxies at each of two redshifts, 17 to 64 in all
    for n, z in ((32, 0.9), (18, 3.0)):
        assert len(post.infer(catalogue_of(n, z), model=model, n_draws=N_DRAWS).table()) == n
    assert compiled() == []


def test_answers_are_the_same(world, anew):
    model, simulator = made()
    one, two = (everything(*some) for some in ((ds.load_bundle(world), model, simulator), anew))
    for name in ("infer an image", "refine"):
        np.testing.assert_array_equal(one[name].percentiles("av"), two[name].percentiles("av"))
    for name in ("tabulate", "simulate", "select", "draw", "sample", "density"):
        for a, b in zip(jax.tree.leaves(one[name]), jax.tree.leaves(two[name]), strict=True):
            np.testing.assert_array_equal(a, b)


def test_another_model_is_another_program(world, anew, compiled):
    """So that nothing above is true because nothing is compiled at all."""
    post, model, _ = anew
    dataclasses.replace(model, n_sub=3).band_table(1.0)
    assert compiled()


def test_a_model_as_an_argument_is_traced_once():
    traced = []

    @jax.jit
    def predict(model, theta, z):
        traced.append(1)
        return ds.GalaxyModel.predict(model, theta, z)

    theta = jnp.array([0.3, 0.5, -0.3, 0.4, 9.0])
    one, two = (predict(made()[0], theta, 1.0 + 0.5 * i) for i in range(2))
    assert len(traced) == 1 and not np.allclose(one, two)
    other = dataclasses.replace(made()[0], log_u=None)
    assert np.isfinite(predict(other, theta, 1.0)).all() and len(traced) == 2
    # and as it stands
    np.testing.assert_array_equal(jax.jit(ds.GalaxyModel.predict)(made()[0], theta, 1.0), one)


def test_copies_that_jax_makes_still_work(world):
    post, (model, simulator) = ds.load_bundle(world), made()
    theta, z = jnp.array([0.3, 0.5, -0.3, 0.4, 9.0]), 1.3
    likelihood = PhotometryLikelihood(post, model)
    copies = [jax.tree.map(lambda x: x, one) for one in (model, post, likelihood, simulator)]
    own_model, own_post, own_likelihood, own_simulator = copies
    assert [type(one) for one in copies] == [type(o) for o in (model, post, likelihood, simulator)]
    predict = jax.jit(ds.GalaxyModel.predict)
    expected = predict(model, theta, z)
    for one in (own_model, own_likelihood.model, own_simulator.model):
        assert one is not model
        np.testing.assert_array_equal(predict(one, theta, z), expected)
        np.testing.assert_array_equal(one.band_table(z).screen, model.band_table(z).screen)
        assert one.names == model.names and one.ssp is model.ssp
    assert own_post.meta == post.meta and own_post.label == "tiny"
    np.testing.assert_array_equal(own_post.sample(*data_of(), n_draws=8), post.sample(*data_of(), n_draws=8))
    one, two = (
        p.infer(cube_of(), model=likelihood, n_draws=N_DRAWS)
        for p, likelihood in ((post, likelihood), (own_post, own_likelihood))
    )
    np.testing.assert_array_equal(one.quantiles, two.quantiles)
    one, two = (s.mocks(KEY, s.table_pool(KEY, 3), 3, 4) for s in (simulator, own_simulator))
    np.testing.assert_array_equal(one.data.flux, two.data.flux)
    # and they can be changed, and are checked again then
    assert dataclasses.replace(own_model, log_u=None).gas is None
    with pytest.raises(ds.UserError, match="this model needs one of"):
        dataclasses.replace(own_model, dust=Noll(slope=None))


def test_parts_of_it_can_be_flattened_too(toy_model, tiny_posterior):
    for part in (
        toy_model.filters,
        toy_model.cosmology,
        tiny_posterior.network,
        tiny_posterior.noise,
        tiny_posterior.mass_table,
        BandMasks.jades(JADES_BANDS),
    ):
        leaves, structure = jax.tree.flatten(part)
        again = jax.tree.unflatten(structure, leaves)
        assert type(again) is type(part) and jax.tree.structure(again) == structure
        assert all(isinstance(leaf, jax.Array | np.ndarray) for leaf in leaves)
