"""Every history, dust law and prior can be trained, saved, loaded and used: a few steps on the toy grid."""

import importlib
from dataclasses import replace

import numpy as np
import pytest

from dsps_sbi.bundle.files import CONFIG
from dsps_sbi.bundle.load import load_bundle, save_bundle
from dsps_sbi.dust import LAWS, CharlotFall, Noll, Salim
from dsps_sbi.errors import UserError
from dsps_sbi.inference.derived import MassTable, describe
from dsps_sbi.instruments.filters import FilterSet
from dsps_sbi.instruments.jades import JADES_BANDS, JADES_DEPTH_UJY
from dsps_sbi.noise import BandMasks, DepthNoise, UpperLimits
from dsps_sbi.photometry.maps import Maps
from dsps_sbi.photometry.model import GalaxyModel
from dsps_sbi.photometry.network import PhotometryArchitecture, PhotometryNetwork
from dsps_sbi.photometry.parts import from_parts, to_parts
from dsps_sbi.photometry.posterior import PhotometryPosterior
from dsps_sbi.photometry.prior import photometry_prior
from dsps_sbi.photometry.simulator import PhotometrySimulator
from dsps_sbi.photometry.train import train
from dsps_sbi.priors import MARGINALS
from dsps_sbi.sfh import FAMILIES, Continuity, Dirichlet
from dsps_sbi.training.trainer import TrainConfig

ARCH = PhotometryArchitecture(
    width=16, n_blocks=1, n_context=8, flow_width=8, n_layers=2, n_bins=3, guess_width=0
)
TRAINING = TrainConfig(steps=3, batch=64, n_z=4, n_per_z=32, pool=4, refresh=100, warmup=1)
# one of each history and of each dust law, free parameters and fixed ones, log U fixed, free and off
BANDS = (3, 6, 8, 17)
NOISE = DepthNoise(JADES_DEPTH_UJY[list(BANDS)])
FILTERS = tuple(JADES_BANDS[i] for i in BANDS)
CASES = {
    "delayed_tau": ("delayed_tau", Noll(slope=None, bump=2.0), "free"),
    "dirichlet": (Dirichlet(4, 0.7, log_ssfr_low=-13.0), CharlotFall(mu=None), "free"),
    "continuity": (Continuity(5, scale=0.5, nu=1), Salim(slope=None, bump=None), None),
    "constant": ("constant", "calzetti", -3.0),
    "dirichlet_burst": ("dirichlet_burst", "calzetti", -2.0),
    "burst": ("burst", CharlotFall(slope=-1.0, mu=0.5), -2.0),
}


def test_every_family_and_law_is_here():
    parts = [case[:2] for case in CASES.values()]
    assert {FAMILIES[s] if isinstance(s, str) else type(s) for s, _ in parts} == set(FAMILIES.values())
    assert {LAWS[d] if isinstance(d, str) else type(d) for _, d in parts} == set(LAWS.values())


@pytest.fixture
def make(toy):
    """Factory of a small model of a case, four bands, and of its simulator."""

    def make(name):
        sfh, dust, log_u = CASES[name]
        whole = GalaxyModel.preset(ssp=toy, sfh=sfh, dust=dust, log_u=log_u)
        model = replace(whole, filters=FilterSet.from_names(FILTERS), n_sub=2)
        return model, PhotometrySimulator(model, NOISE, BandMasks(np.ones((1, len(BANDS)), bool)))

    return make


def untrained(model, toy, **more):
    network = PhotometryNetwork(ARCH, len(BANDS), model.prior, model.sfh, model.cosmology)
    parts = network, network.init(0), model.filters.names, NOISE, MassTable.from_grid(toy)
    meta = {"name": "new", "ssp": {"name": toy.name}}
    return PhotometryPosterior(*parts, meta, **{"dust": model.dust, "log_u": model.log_u} | more)


@pytest.fixture
def few(make_cube, mock_pixels):
    flux, sigma = (a[:12, BANDS] for a in mock_pixels)
    return make_cube(flux, sigma, FILTERS, shape=(3, 4))


@pytest.mark.parametrize("name", CASES)
def test_saved_loaded_and_used(make, few, toy, tmp_path, name):
    model, _ = make(name)
    back = load_bundle(save_bundle(untrained(model, toy), tmp_path / "b"))
    assert (back.network.sfh, back.dust, back.log_u) == (model.sfh, model.dust, model.log_u)
    assert dict(back.network.prior.marginals) == dict(model.prior.marginals)
    assert back.names == model.names
    result = back.infer(few, n_draws=20)
    assert result.fitted.all() and set(model.names) <= set(result.names)
    result.maps().write(tmp_path / "maps.fits")
    maps = Maps.read(tmp_path / "maps.fits")
    assert maps.names == back.quantities
    for quantity in maps.names:
        unit, text = maps.descriptions[quantity]
        assert (unit, text) == describe(quantity) and text
        assert np.isfinite(maps.median(quantity)).all()


@pytest.mark.parametrize("name", ["dirichlet", "continuity"])
def test_trained_saved_and_made_again(make, toy, tmp_path, monkeypatch, name):
    model, simulator = make(name)
    module = importlib.import_module("dsps_sbi.photometry.train")
    monkeypatch.setattr(module, "validate", lambda *args, **options: {})
    options = {"arch": ARCH, "config": TRAINING, "progress": False}
    trained = train(model, simulator=simulator, **options)
    assert np.isfinite(trained.meta["loss"]) and trained.meta["skipped_updates"] == 0
    post = load_bundle(save_bundle(trained, tmp_path / "b"))
    again = post.model(toy)
    assert (again.sfh, again.dust, again.names) == (model.sfh, model.dust, model.names)
    if model.log_u is None:
        with pytest.raises(UserError, match="trained on another model: .* differs by"):
            replace(post, log_u=-3.5).model(toy)


def test_format_1_is_still_read(toy):
    post = untrained(GalaxyModel.preset(ssp=toy), toy)
    arrays, config = to_parts(replace(post, filters=FILTERS))
    later = ("guess_width", "rank", "n_redshifts")
    config = {name: config[name] for name in ("cosmology", "filters", "z", "noise", "network", "prior")} | {
        "format": 1,
        "sfh": "delayed_tau",
        "network": {k: v for k, v in config["network"].items() if k not in later},
        # priors had no kinds
        "prior": {
            k: {"low": p["low"], "high": p["high"], "of_age": p["of_age"]} for k, p in config["prior"].items()
        },
    }
    back = from_parts(config, arrays, {}, "old")
    assert back.network.arch.guess_width == 0 and back.limits == UpperLimits()
    assert (back.network.sfh, back.dust, back.log_u) == (FAMILIES["delayed_tau"](), LAWS["calzetti"](), -2.0)
    assert back.network.prior.marginals["log_tau"] == MARGINALS["uniform"](-2.0, 2.0)
    # what format 1 did not know is not read as if it had
    with pytest.raises(UserError, match="bundle old: prior 'uniform' has no a: give of low, high, of_age"):
        from_parts(config | {"prior": {"a": {"a": 1.0}}}, arrays, {}, "old")


def test_ssps_are_refused(make, toy):
    arrays, config = to_parts(untrained(make("constant")[0], toy))
    with pytest.raises(
        UserError, match="bundle own is one of photometry, which needs no SSPs: leave out ssp="
    ):
        from_parts(config, arrays, {}, "own", toy)


def test_histories_of_the_user_are_refused_by_name(make, toy, tmp_path):
    class Mine:
        names = ("a",)

    post = untrained(make("constant")[0], toy)
    mine = replace(post, network=replace(post.network, sfh=Mine()))
    with pytest.raises(
        UserError, match="star formation history of type Mine cannot be written down: use one"
    ):
        save_bundle(mine, tmp_path / "mine")
    assert not (tmp_path / "mine" / CONFIG).exists()


def test_quantities_of_the_user_s_own_have_no_unit():
    assert describe("log_sfr_ratio_12")[0] == "dex" and describe("stick_3")[1].startswith("share")
    assert describe("my_parameter") == ("", "parameter my_parameter")


def test_presets_by_name_and_by_component(toy):
    model = GalaxyModel.preset("jades-pixels", toy, sfh="dirichlet", dust=Salim(slope=None))
    assert model.names == (
        *("stick_1", "stick_2", "stick_3", "log_ssfr_now", "metallicity", "av", "dust_slope"),
        "log_mass_formed",
    )
    assert model.sfh == Dirichlet(3, 1.0) and model.prior.z == (0.001, 7.5)
    with pytest.raises(
        UserError, match="star formation history 'tau' is unknown: use one of delayed_tau, dir"
    ):
        GalaxyModel.preset(ssp=toy, sfh="tau")
    with pytest.raises(UserError, match="dust law 'smc' is unknown: use one of calzetti"):
        GalaxyModel.preset(ssp=toy, dust="smc")
    assert photometry_prior().names == GalaxyModel.preset(ssp=toy).names
