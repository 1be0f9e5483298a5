"""Trained far too short to learn anything: checkpoints, bundles, and inference in filters never seen."""

import importlib
from dataclasses import replace
from functools import partial

import jax
import numpy as np
import pytest
from astropy.table import Table

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.instruments.filters import FilterSet
from dsps_sbi.photometry.universal.train import train_universal
from dsps_sbi.training.trainer import TrainConfig

CONFIG = TrainConfig(steps=2, batch=24, n_z=6, n_per_z=8, pool=6, refresh=100, warmup=1, seed=7)
NAMES = ("bessell_V", "F182M", "hsc_i")


@pytest.fixture(scope="module")
def trained(plain_model, any_filters, tmp_path_factory):
    module = importlib.import_module("dsps_sbi.photometry.universal.train")
    checkpoint = tmp_path_factory.mktemp("training") / "checkpoint"
    told = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "validate", partial(module.validate, n_draws=10, n=256))
        # one number of bands: half as much to compile
        simulator = replace(any_filters, buckets=(5,))
        options = {"simulator": simulator, "checkpoint": checkpoint, "guess_steps": 2, "progress": False}
        options |= {"n_typical": 400}
        post = train_universal(
            plain_model,
            config=CONFIG,
            name="quick",
            command="dsps-sbi train",
            on_record=told.append,
            **options,
        )
        # nothing is left to do
        again = train_universal(plain_model, config=CONFIG, **options)
    assert [record["step"] for record in told] == [2]
    for one, two in zip(jax.tree.leaves(post.weights), jax.tree.leaves(again.weights), strict=True):
        np.testing.assert_array_equal(one, two)
    with pytest.raises(UserError, match="was written with other options"):
        train_universal(plain_model, config=replace(CONFIG, learning_rate=0.02), **options)
    return post


@pytest.fixture(scope="module")
def loaded(trained, tmp_path_factory):
    return ds.load_bundle(ds.save_bundle(trained, tmp_path_factory.mktemp("bundles") / "quick"))


@pytest.fixture(scope="module")
def galaxies():
    rng = np.random.default_rng(0)
    sigma = np.full((3, 3), 0.01)
    return (1.0 + sigma * rng.standard_normal((3, 3))).astype(np.float32), sigma, np.array([0.4, 0.4, 0.4])


def test_provenance(trained, plain_model):
    meta = trained.meta
    assert meta["name"] == "quick" and meta["simulations"] == 48 and meta["skipped_updates"] == 0
    assert "hsc" in meta["filters"]["withheld"] and np.isfinite(meta["loss"])
    assert meta["validation"]["n"] > 20 and set(trained.names) <= set(meta["validation"])
    assert trained.check_match(plain_model) < 1e-3


def test_bundle(trained, loaded):
    assert isinstance(loaded, ds.UniversalPosterior) and loaded.names == trained.names
    assert loaded.noise == trained.noise and loaded.limits == trained.limits
    assert loaded.network.basis.ranks == trained.network.basis.ranks
    for one, two in zip(jax.tree.leaves(loaded.weights), jax.tree.leaves(trained.weights), strict=True):
        np.testing.assert_array_equal(one, two)
    assert "any filters" in loaded.summary()


def test_draws_in_filters_never_seen(loaded, galaxies):
    flux, sigma, z = galaxies
    result = loaded.infer(flux, sigma, z, filters=NAMES, weigh=False, n_draws=20)
    assert np.isfinite(result.draws("log_mass")).all() and result.draws("av").shape == (3, 20)
    # in another order, by their curves, with names of one's own
    curves = FilterSet.from_names(NAMES)
    order = [2, 0, 1]
    own = FilterSet(
        ("a", "b", "c"), tuple(curves.wave_aa[i] for i in order), tuple(curves.trans[i] for i in order)
    )
    other = loaded.infer(flux[:, order], sigma, z, filters=own, weigh=False, n_draws=20)
    np.testing.assert_allclose(other.draws("av"), result.draws("av"), atol=0.02)


def test_weighed_by_the_exact_likelihood(loaded, plain_model, galaxies):
    flux, sigma, z = galaxies
    post = loaded.for_filters(NAMES, floor=0.1)
    assert post is loaded.for_filters(NAMES, floor=0.1)
    result = loaded.infer(flux, sigma, z, filters=NAMES, floor=0.1, model=plain_model, n_draws=50)
    assert np.isfinite(result.posteriors.log_evidence).all() and (result.posteriors.ess >= 1.0).all()
    # what was made for other filters is made again for these
    other = post.likelihood_of(plain_model)
    again = loaded.infer(flux, sigma, z, filters=NAMES, floor=0.1, model=other, n_draws=50)
    np.testing.assert_array_equal(again.posteriors.log_evidence, result.posteriors.log_evidence)
    with pytest.raises(UserError, match="in the same order|give one of the same"):
        post.check_match(plain_model)


def test_mocks_are_of_given_filters(loaded, plain_model):
    with pytest.raises(UserError, match="check post.for_filters"):
        loaded.held_out(plain_model, 2, jax.random.key(0))
    post = loaded.for_filters(NAMES)
    simulator = post.simulator(replace(plain_model, filters=post.filter_set))
    assert simulator.noise.floor == 0.05 and simulator.noise.depth_ujy.shape == (3,)
    assert post.noise.covers(np.array([1e-5, 1.0, 500.0])).all() and not post.noise.covers(1e5).any()


def test_bands_beyond_the_light_are_left_out(loaded):
    post = loaded.for_filters(("hsc_i", "wise_w1", "wise_w2"))
    complete, usable = post.coverage(np.array([0.01, 1.0]))
    np.testing.assert_array_equal(usable, [[True, False, False], [True, True, True]])


def test_light_that_is_not_modelled_is_told(loaded):
    """At z 0.1 WISE's W1 sees 3.06 micron at rest: dust shines there."""
    post = loaded.for_filters({"g": "hsc_g", "r": "hsc_r", "i": "hsc_i", "H": "twomass_H", "W1": "wise_w1"})
    assert post.filters == ("g", "r", "i", "H", "W1")
    edges = loaded.network.basis.pixel_edges_aa
    assert edges[-1] < 3.06e4 or not post.coverage(np.array([0.1]))[1][0, -1]
    flux, sigma = np.ones((2, 5)), np.full((2, 5), 0.1)
    flux[1, 3] = np.nan
    result = loaded.infer(flux, sigma, 0.1, filters=post.filter_set, weigh=False, n_draws=20)
    assert [words.split(", ")[-1] for words in result.bands_left_out()] == ["W1", "W1"]
    table = result.table()
    assert table["n_bands"].tolist() == [5, 4] and (table["n_left_out"] >= 1).all()


def test_tables_with_curves_of_their_own(loaded, tmp_path):
    curve = FilterSet.from_names(["hsc_r"])
    np.savetxt(tmp_path / "wide.dat", np.column_stack([curve.wave_aa[0], curve.trans[0]]))
    table = Table({"id": ["x", "y"], "z": [0.4, 0.5]})
    for name in ("wide", "hsc_g", "F182M"):
        table[f"f_{name}"], table[f"e_{name}"] = [1.0, 2.0], [0.1, 0.1]
        table[f"f_{name}"].unit = table[f"e_{name}"].unit = "uJy"
    options = {"weigh": False, "n_draws": 20}
    catalogue = ds.read_catalogue(table, layout={"curves": {"wide": str(tmp_path / "wide.dat")}})
    result = loaded.infer(catalogue, **options)
    flux, sigma = np.array([[1.0] * 3, [2.0] * 3]), np.full((2, 3), 0.1)
    filters = ["hsc_r", "hsc_g", "F182M"]
    other = loaded.infer(flux, sigma, [0.4, 0.5], filters=filters, **options)
    order = [catalogue.filters.index(name) for name in ("wide", "hsc_g", "jwst_f182m")]
    assert sorted(order) == [0, 1, 2]
    np.testing.assert_allclose(result.draws("av"), other.draws("av"), atol=0.03)
    # errors scaled, curves kept
    assert np.isfinite(loaded.infer(catalogue, error_scale=1.2, **options).draws("av")).all()


def test_tables_on_the_command_line(loaded, run, tmp_path, monkeypatch):
    monkeypatch.setattr("dsps_sbi.bundle.load.load_bundle", lambda name: loaded)
    table = Table({"id": ["x", "y", "x"], "z": [0.4, 0.5, 0.002]})
    for name in ("hsc_g", "hsc_i", "F182M"):
        table[f"f_{name}"], table[f"e_{name}"] = [1.0, 2.0, 1.0], [0.1, 0.1, 0.1]
    table.write(tmp_path / "t.csv")
    argv = ("infer", "--bundle", "any", "-o", tmp_path / "out", tmp_path / "t.csv", "--unweighted")
    argv += ("--draws", 20, "--layout", "unit=uJy", "--floor")
    status, output, error = run(*argv, 0.1, "--catalogue", "ecsv")
    assert status == 0, error
    assert "1 ids stand in several rows" in error
    assert Table.read(tmp_path / "out" / "catalogue.ecsv").meta["noise_floor"] == pytest.approx(0.1)
    status, output, error = run(*argv, 0.9)
    assert status == 1 and "error floor 0.9: the bundle was trained for 0.01 to 0.2" in error


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"filters": None}, "fluxes without filters: give infer"),
        ({"filters": "hsc_i"}, "filters is the single name 'hsc_i'"),
        ({"filters": ("hsc_i", "F182M", "F183M")}, "filter 'F183M' is not known"),
        ({"filters": NAMES, "floor": 0.5}, "error floor 0.5: the bundle was trained for 0.01 to 0.2"),
        ({"filters": NAMES[:2]}, "of 2 filters: expected two arrays"),
    ],
)
def test_bad_input(loaded, galaxies, options, match):
    with pytest.raises(UserError, match=match):
        loaded.infer(*galaxies, **options)


def test_batches_that_surveys_cannot_share(plain_model, any_filters):
    for change, match in (
        ({"batch": 25}, "batch 25 of 6 surveys"),
        ({"n_z": 1, "n_per_z": 24}, "1 surveys of a pool of 6"),
    ):
        with pytest.raises(UserError, match=match):
            train_universal(plain_model, simulator=any_filters, config=replace(CONFIG, **change))


def test_curves_are_bound_once_for_equal_content(trained, monkeypatch):
    made = []
    monkeypatch.setattr(type(trained), "_bound", lambda *args: made.append(args) or object())
    post = replace(trained)

    def curves(last=0.0, names=("a", "b")):
        wave = np.linspace(5000.0, 6000.0, 5)
        return FilterSet(names, (wave, wave + 500.0), (np.array([0.0, 1, 1, 1, last]), np.ones(5)))

    first = post.for_filters(curves())
    assert post.for_filters(curves()) is first and len(made) == 1
    # a curve, a name or a floor that differs
    others = [post.for_filters(curves(0.5)), post.for_filters(curves(names=("a", "c")))]
    others.append(post.for_filters(curves(), 0.1))
    assert len(made) == 4 and all(other is not first for other in others)
    for floor in np.linspace(0.02, 0.03, 8):
        post.for_filters(curves(), floor)
    assert len(post.__dict__["_kept_surveys"]) == 8 and post.for_filters(curves()) is not first
