"""A training in one file: what is read, and what is refused with the nearest name."""

from dataclasses import replace

import pytest

from dsps_sbi.errors import UserError
from dsps_sbi.photometry.model_toml import CheckOptions, TrainingFile
from dsps_sbi.photometry.prior import beyond_defaults
from dsps_sbi.photometry.universal.network import UniversalArchitecture

FULL = """
name = "mine"
output = "mine.bundle"
preset = "any-filters"

[model]
ssp = "bc03-miles"
log_u = "free"
lya_escape = 0.0
model_error = "libraries"
dust = "noll"

[model.sfh]
kind = "dirichlet"
n_quantiles = 2
alpha = 5.0

[prior]
z = [0.01, 3]
av = [0.0, 2.5]
log_u = [-3.5, -1.5]

[network]
width = 12

[training]
steps = 7
learning_rate = 1e-3
guess_steps = 5

[check]
n = 200
filters = ["hsc_g", "hsc_r", "hsc_i"]
"""


@pytest.fixture
def read(tmp_path):
    def read(text):
        (tmp_path / "model.toml").write_text(text)
        return TrainingFile.read(tmp_path / "model.toml")

    return read


def test_all_that_a_file_says(read, toy, tmp_path):
    said = read(FULL)
    assert said.text("name") == "mine" and said.place("output") == tmp_path / "mine.bundle"
    model = said.model(toy)
    assert model.names == (
        "stick_1",
        "stick_2",
        "log_ssfr_now",
        "metallicity",
        "av",
        "log_u",
        "log_mass_formed",
    )
    assert model.sfh.alpha == 5.0 and model.lya_escape == 0.0 and model.error is not None
    assert model.prior.z == (0.01, 3.0) and model.prior.marginals["av"].high == 2.5
    assert model.prior.marginals["log_u"].low == -3.5
    assert said.architecture() == UniversalArchitecture(width=12)
    assert said.training == {"steps": 7, "learning_rate": 1e-3} and said.guess_steps == 5
    assert said.check == CheckOptions(n=200, filters=("hsc_g", "hsc_r", "hsc_i"))


def test_what_is_left_out_has_its_default(read, toy, plain):
    said = read('name = "mine"\n[model]\nlya_escape = 0.0')
    model = said.model(toy)
    assert said.preset == "any-filters" and said.architecture() is None and said.check.n == 10_000
    assert model.prior == plain.prior and model.log_u == plain.log_u
    assert beyond_defaults(model) == {}


@pytest.fixture(scope="module")
def plain(toy):
    from dsps_sbi.photometry.model import GalaxyModel

    return GalaxyModel.preset(ssp=toy, lya_escape=0.0)


def test_mocks_under_another_prior_are_told_apart(read, toy, plain):
    other = read("[prior]\nav = [0.0, 2.0]").model(toy)
    assert set(beyond_defaults(other)) == {"prior"} and "2.0" in beyond_defaults(other)["prior"]
    history = read('[model]\nsfh = {kind = "dirichlet", alpha = 3.0}').model(toy)
    assert set(beyond_defaults(history)) == {"sfh"}
    assert beyond_defaults(replace(plain, lya_escape=1.0)) == {}


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("nmae = 'x'", "the file has the unknown key nmae: do you mean name. It may have name, output"),
        ("[modell]\nsfh = 'burst'", "unknown key modell: do you mean model"),
        ("[model]\nlogu = -2", r"\[model\] has the unknown key logu: do you mean log_u"),
        ("[training]\nstep = 5", r"\[training\] has the unknown key step: do you mean steps"),
        ("[network]\nwidht = 5", r"\[network\] has the unknown key widht: do you mean width"),
        ("[check]\nmocks = 5", r"\[check\] has the unknown key mocks: It may have n, draws"),
        ("[training]\nsteps = 5.5", r"\[training\] steps = 5.5: give a whole number, such as 20000"),
        ("[training]\nguess_steps = 0", r"guess_steps = 0: give a positive integer"),
        ("[prior]\nav = 2.0", r"\[prior\] av = 2.0: give two numbers, low < high"),
        ("[prior]\nav = [2.0, 1.0]", "give two numbers, low < high"),
        ("[model]\nlog_u = 'high'", r"\[model\] log_u = 'high': give a number such as -2"),
        ("[model]\nmodel_error = 'all'", "model_error = 'all': give 'libraries' or 'none'"),
        ("model = 'x'", r"model = 'x': give a table \[model\]"),
        ("name = 5", "name = 5: give a text in quotes"),
        ("preset = 'sdss'\n[prior]\nz = [0.1, 1.0]", r"\[prior\] beside sdss, which is of spectra"),
        ("preset = 'sdss'\ninstrument = 'a.toml'", "preset sdss and instrument a.toml: give one"),
        ("[check]\nfilters = 5", r"\[check\] filters = 5: give names of filters, or 'jades'"),
        ("name = ", "is not valid TOML"),
    ],
)
def test_bad_files(read, text, match):
    with pytest.raises(UserError, match=match):
        read(text)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (
            "[model]\nsfh = 'tau'",
            "model.toml: star formation history 'tau' is unknown: use one of delayed_tau",
        ),
        ("[model.dust]\nkind = 'noll'\nbumps = 1.0", "dust law 'noll' has no bumps: give of slope, bump"),
        (
            "[prior]\nmetalicity = [-1, 0]",
            r"\[prior\] metalicity is no parameter of this model: do you mean metall",
        ),
        ("[model]\nsfh = 'dirichlet'\n[prior]\nstick_1 = [0, 1]", "its prior is a Beta, which has no bounds"),
        ("[model]\nlog_u = 'free'\n[prior]\nlog_u = [-5, -1]", "give bounds within -4 to -1"),
        ("[prior]\nz = [0.0, 5]", "redshift range"),
    ],
)
def test_models_that_cannot_be(read, toy, text, match):
    with pytest.raises(UserError, match=match):
        read(text).model(toy)


def test_grids_of_ones_own(read, toy, tmp_path):
    from dsps_sbi.ssp import write_grid

    write_grid(toy, tmp_path / "own.h5")
    assert read('[model]\nssp = "own.h5"').model().ssp.sha == toy.sha
    with pytest.raises(UserError, match="none.h5"):
        read('[model]\nssp = "none.h5"').model()
    with pytest.raises(UserError, match="cannot be read"):
        TrainingFile.read(tmp_path / "other.toml")
