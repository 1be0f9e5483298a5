import dataclasses
import hashlib
import json
import re

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file, save

import dsps_sbi as ds
from dsps_sbi.bundle.files import CONFIG, META, WEIGHTS
from dsps_sbi.errors import UserError
from dsps_sbi.inference.importance import network_draws
from dsps_sbi.spectroscopy.network import SpectrumArchitecture
from dsps_sbi.ssp import SSPGrid

ARCH = SpectrumArchitecture(
    conv_width=4, n_latent=4, width=16, n_blocks=1, n_context=12, flow_width=12, n_layers=2, n_bins=4,
    guess_width=12, n_component=4, n_light=8, n_node=6,
)  # fmt: skip


@pytest.fixture(scope="module")
def grid():
    """Populations whose slope and one line depend on age and metallicity."""
    wave = np.arange(4300.0, 5500.0, 2.0)
    age, met = np.array([0.5, 2.0, 6.0, 13.0]), np.array([-1.0, 0.0, 0.4])
    line = np.exp(-0.5 * ((wave - 4861.3) / 4.0) ** 2)
    flux = [
        [1e-4 / a * (wave / 5e3) ** (-1.0 / a) * (1 - 0.3 * (1 + m / 4) * line) for a in age] for m in met
    ]
    return SSPGrid("one-line", wave, age, met, np.array(flux), wave_medium="air", fwhm_aa=4.0)


@pytest.fixture(scope="module")
def model(grid):
    wave = np.arange(4400.0, 5400.0, 3.0)
    lsf = ds.LSF("fwhm_aa", np.linspace(8.0, 9.0, 5), np.linspace(4300.0, 5500.0, 5))
    frame = ds.Spectrograph(wave, lsf, "air", mask_lines=("Hbeta",), mask_windows_aa=((5000.0, 5010.0),))
    prior = ds.spectrum_prior(metallicity=(-1.0, 0.4), z=(0.001, 0.5))
    return ds.SpectrumModel(
        grid, frame, prior, continuum=ds.Continuum(3, 0.2), sharper="mask", rest_aa=(4310.0, 5490.0)
    )


@pytest.fixture(scope="module")
def post(model):
    config = ds.TrainConfig(steps=2, batch=16, n_z=1, n_per_z=16, pool=4, warmup=1)
    simulator = ds.SpectrumSimulator(model, snr=(8.0, 90.0), n_gap=2)
    options = {"guess_steps": 2, "guess_batch": 16, "progress": False, "command": "as it was made"}
    return ds.train_spectra(model, simulator=simulator, arch=ARCH, config=config, name="tiny", **options)


@pytest.fixture
def folder(post, tmp_path):
    return ds.save_bundle(post, tmp_path / "bundle")


def test_round_trip(post, model, folder, grid):
    again = ds.load_bundle(folder, grid)
    assert isinstance(again, ds.SpectrumPosterior) and again.names == post.names
    for name in ("noise", "continuum", "model_error", "sharper", "rest_aa"):
        assert getattr(again, name) == getattr(post, name), name
    assert dict(again.network.prior.marginals) == dict(post.network.prior.marginals)
    np.testing.assert_array_equal(again.frame.ln_edges, post.frame.ln_edges)
    np.testing.assert_array_equal(again.frame.ln_variance, post.frame.ln_variance)
    simulator = ds.SpectrumSimulator(model, **again.noise)
    assert simulator.identity() == ds.SpectrumSimulator(model, snr=(8.0, 90.0), n_gap=2).identity()
    # the components are made again of rounded shares, all else is as it was
    for name in ("encoder", "flow", "newton", "wavelength"):
        for one, two in zip(
            jax.tree.leaves(again.weights[name]), jax.tree.leaves(post.weights[name]), strict=True
        ):
            np.testing.assert_array_equal(one, two)
    theirs, ours = (p.network.subspace for p in (again, post))
    np.testing.assert_allclose(theirs.components, ours.components, atol=1e-4)
    tables = [np.einsum("al,nlc->nac", s.light, s.broadened) for s in (theirs, ours)]
    np.testing.assert_allclose(*tables, atol=1e-3 * np.abs(tables[0]).max())
    mocks = simulator.draw(jax.random.key(1), simulator.table_pool(jax.random.key(0), 4), 6, 1)
    ids, key = np.arange(6, dtype=np.uint32), jax.random.key(2)
    one, two = (
        np.asarray(network_draws(p.network, p.weights, mocks.data, ids, key, n_draws=7))
        for p in (post, again)
    )
    assert np.median(np.abs(one - two)) < 1e-3
    assert again.meta["command"] == "as it was made" and again.meta["ssp"]["name"] == ["one-line"]


def test_training_begins_with_a_bundle(post, model, folder, grid):
    """Its network and its first guess, for a step so short that both can be recognised."""
    config = ds.TrainConfig(steps=1, batch=16, n_z=1, n_per_z=16, pool=4, warmup=1, learning_rate=1e-6)
    simulator = ds.SpectrumSimulator(model, snr=(8.0, 90.0), n_gap=2)
    start = ds.load_bundle(folder, grid)
    options = {"simulator": simulator, "arch": ARCH, "config": config, "progress": False}
    more = ds.train_spectra(model, start=start, name="more", **options)
    for one, two in zip(jax.tree.leaves(more.weights), jax.tree.leaves(post.weights), strict=True):
        np.testing.assert_allclose(one, two, atol=2e-4 * max(1.0, float(np.abs(two).max())))
    assert more.meta["start"]["name"] == "tiny" and more.meta["start"]["command"] == "as it was made"
    again = ds.train_spectra(model, start=start, name="more", guess_steps=2, guess_batch=16, **options)
    own, theirs = (np.asarray(jax.tree.leaves(w["newton"])[0]) for w in (again.weights, post.weights))
    assert 0.0 < np.abs(own - theirs).max() < 0.1
    other = dataclasses.replace(ARCH, width=ARCH.width + 8)
    with pytest.raises(UserError, match="cannot start from a network that differs in .*encoder"):
        ds.train_spectra(model, start=start, **options | {"arch": other})


def test_it_finds_its_model_by_fluxes(post, grid, folder):
    again = ds.load_bundle(folder, grid)
    found = again.model(grid)
    assert again.check_match(found) < 1e-5
    # another name is the same physics, other light is not
    assert again.model(dataclasses.replace(grid, name="renamed")).ssp.name == "renamed"
    flux = grid.flux.copy()
    flux[..., 500:] *= 1.003
    with pytest.raises(
        UserError, match=r"fluxes at 5[1-4]\d\d-5[1-4]\d\d Angstrom differ by 0\.\d+ % \(0.1 %"
    ):
        again.model(dataclasses.replace(grid, flux=flux))
    with pytest.raises(UserError, match="trained on the grid one-line: give it as ssp="):
        again.model()
    with pytest.raises(UserError, match="trained on the grid one-line: give it as ssp="):
        ds.load_bundle(folder)


def test_no_spectrum_can_be_made_of_its_files(post, folder):
    """Populations must not be passed on: the files hold shares of spectra that only their owner can draw."""
    arrays = load_file(folder / WEIGHTS)
    n_pixel = len(post.frame.wave_aa)
    wide = {name: a.shape for name, a in arrays.items() if n_pixel in a.shape}
    assert set(wide) == {"frame.wave_aa", "frame.usable", "frame.basis"}
    assert not any("subspace']" in name for name in arrays)
    assert arrays["subspace.mixture"].shape == (ARCH.n_component, 4000)


def test_other_nuisances_are_another_model(post, model):
    with pytest.raises(UserError, match=r"a polynomial \(3, 0.2\), the model has \(4, 0.2\): weigh"):
        post.check_match(dataclasses.replace(model, continuum=ds.Continuum(4, 0.2)))
    prior = ds.spectrum_prior(metallicity=(-1.0, 0.2), z=(0.001, 0.5))
    with pytest.raises(UserError, match="trained with priors"):
        post.check_match(dataclasses.replace(model, prior=prior))


def resigned(folder, text):
    """Another configuration, with the hash that belongs to it."""
    (folder / CONFIG).write_text(text)
    meta = json.loads((folder / META).read_text())
    meta["sha256"][CONFIG] = hashlib.sha256(text.encode()).hexdigest()
    (folder / META).write_text(json.dumps(meta))
    return folder


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("format = 2", "format = 9", "has format 9, this version reads 2: train it again"),
        ("width = 16", "width = 32", "lacks weights that its configuration needs"),
        ("n_latent = 4", "n_latents = 4", "configuration of bundle .* is not complete"),
        ('lsf = "fwhm_aa"', 'lsf = "width"', "bundle .*: LSF quantity 'width' is unknown"),
    ],
)
def test_broken_configurations(folder, grid, old, new, message):
    text = (folder / CONFIG).read_text()
    assert old in text
    resigned(folder, text.replace(old, new, 1))
    with pytest.raises(UserError, match=message):
        ds.load_bundle(folder, grid)


def test_arrays_that_are_gone(folder, grid):
    arrays = load_file(folder / WEIGHTS)
    del arrays["frame.basis"]
    data = save(arrays)
    (folder / WEIGHTS).write_bytes(data)
    meta = json.loads((folder / META).read_text())
    meta["sha256"][WEIGHTS] = hashlib.sha256(data).hexdigest()
    (folder / META).write_text(json.dumps(meta))
    with pytest.raises(UserError, match=re.escape("is not complete ('frame.basis'): train it again")):
        ds.load_bundle(folder, grid)
