"""The notebooks run from top to bottom, and find what they simulated."""

import json
from pathlib import Path

import matplotlib
import numpy as np
import pytest

import dsps_sbi.ssp
from dsps_sbi.bundle.load import shipped

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def cells_of(path, kind):
    notebook = json.loads(path.read_text())
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == kind]


def run(path, monkeypatch):
    """The namespace that the code cells leave, run one after the other with short chains."""
    monkeypatch.setenv("DSPS_SBI_QUICK", "1")
    monkeypatch.setattr(dsps_sbi.ssp, "available", lambda name: False)
    scope = {"__name__": "__main__"}
    with matplotlib.rc_context({"backend": "Agg", "figure.max_open_warning": 0}):
        for number, source in enumerate(cells_of(path, "code")):
            exec(compile(source, f"{path.name}, code cell {number}", "exec"), scope)
        scope["plt"].close("all")
    return scope


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebooks_are_valid_and_clean(path):
    notebook = json.loads(path.read_text())
    assert notebook["nbformat"] == 4 and notebook["metadata"]["language_info"]["name"] == "python"
    assert cells_of(path, "markdown")[0].startswith("# ")
    for cell in notebook["cells"]:
        assert cell["cell_type"] in ("code", "markdown")
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None, "clear the outputs"


def test_every_notebook_is_run_here():
    assert [path.stem for path in NOTEBOOKS] == ["fit_by_gradient", "formation_clocks", "latents_of_spectra"]


@pytest.mark.slow
@pytest.mark.optimized
# what blackjax imports, not what we call
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_fit_by_gradient(monkeypatch):
    scope = run(NOTEBOOKS[0], monkeypatch)
    recovered, model = scope["recovered"], scope["model"]
    assert tuple(recovered) == model.names
    assert all(row["sigmas"] < 3.0 for row in recovered.values())
    # the best fit is no worse than the truth, and several starts find it
    assert scope["chi2"] < 35.0
    assert np.sum(scope["losses"][:, -1] < scope["losses"][:, -1].min() + 2.0) >= 2
    # chains agree, none got stuck
    assert scope["r_hat"].max() < 1.2 and scope["n_divergent"] < 0.05 * len(scope["draws"])
    # the parameters whose posterior is nearly Gaussian have the errors that Fisher expects
    for name in ("log_mass_formed", "av"):
        assert 0.5 < recovered[name]["sd"] / scope["fisher_error"][name] < 2.0
    assert len(scope["gain"]) == 19 and all(0.0 <= share <= 1.0 for share in scope["gain"].values())


def test_formation_clocks(monkeypatch):
    scope = run(NOTEBOOKS[1], monkeypatch)
    # the same change of the history changes the young spectrum more, which so tells more of it
    contrast, width = scope["contrast"], scope["width"]
    assert contrast["z = 3.2"] > 3.0 * contrast["today"]
    assert width["z = 3.2"] < 0.5 * width["today"] < 0.55 * width["prior"]
    assert scope["effective"]["z = 3.2"] > 20
    t50, drawn = scope["t50"], scope["posterior"]["z = 3.2"]
    assert abs(t50[drawn].mean() - t50[scope["truth"]]) < 4.0 * t50[drawn].std()
    # a relic is of the same stars, the other one is not
    assert scope["beside"]["relic"].p_value()[1] > 0.01 > 1e-3 > scope["beside"]["not one"].p_value()[1]
    assert scope["clocks"]["z = 3.2"].universe_gyr < 2.0 < scope["clocks"]["today"].universe_gyr


@pytest.mark.slow
@pytest.mark.skipif(
    not dsps_sbi.ssp.available("miles"), reason="the grid miles is not in the cache: dsps-sbi fetch miles"
)
@pytest.mark.skipif("miles-optical" not in shipped(), reason="no bundle miles-optical comes with the package")
def test_latents_of_spectra(monkeypatch):
    scope = run(NOTEBOOKS[2], monkeypatch)
    assert scope["with_flux"].shape == (scope["n_latent"] + scope["n_shown"], len(scope["wave"]))
    # the mean of the posterior knows more than a straight line through the latents
    r2 = {name: shares for name, shares in scope["r2"].items() if name in scope["names"]}
    assert all(posterior > max(latents, 0.0) for latents, _, posterior in r2.values())
    assert r2["sigma_v"][2] > 0.8 and r2["metallicity"][2] > 0.5
    for response in scope["saliency"].values():
        assert np.isfinite(response).all() and response.max() > 0.0
    # weighed draws hold the truth, and the answer rests on more than one of them
    assert scope["ess"] > 30
    assert abs(scope["mean_t50"] - scope["expected"]) < 4.0 * scope["spread"]
    assert np.isfinite(scope["age_response"]).all() and np.abs(scope["age_response"]).max() > 0.0
