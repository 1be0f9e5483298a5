"""The check verb on posteriors in closed form: the right one passes, slightly wrong ones do not."""

import importlib
import json
import re
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from dsps_sbi import UserError
from dsps_sbi import check as run_check
from dsps_sbi.calibration.report import as_dict, to_html, write_report
from dsps_sbi.inference.trust import Method
from dsps_sbi.photometry import held_out as slices
from dsps_sbi.photometry.likelihood import PhotometryLikelihood

module = importlib.import_module("dsps_sbi.calibration.check")
N, NAMES = 10_000, ("log_tau", "t_start", "metallicity", "av", "log_mass_formed")
METHODS = ("method_is", "method_hmc", "method_failed")
WIDTH = np.array([0.9, 0.8, 0.5, 0.3, 0.002])


def posterior(stretch=1.0, shift=0.0, refined=False):
    """Draws about a datum that lies a WIDTH off the truth, under a flat prior: exact by symmetry."""

    def drawn(_, data, n_draws, key):
        # all that the data are is the truth
        (truth,) = data
        rng = np.random.default_rng(3)
        for rows in np.array_split(np.arange(len(truth)), 20):
            datum = truth[rows] + WIDTH * rng.standard_normal((len(rows), 5))
            noise = shift + stretch * rng.standard_normal((len(rows), n_draws, 5))
            yield rows, posteriors_of(rows, datum[:, None] + WIDTH * noise, refined)

    return drawn


def posteriors_of(rows, u, refined):
    """Refined: one in four from chains, worth a draw and a half each; of these one in two can be trusted."""
    if not refined:
        nothing = np.full(len(rows), np.nan)
        return SimpleNamespace(u=u, ess=nothing, method=np.full(len(rows), Method.FLOW), trusted=nothing > 0)
    chains = rows % 4 == 0
    return SimpleNamespace(
        u=u,
        ess=u.shape[1] * np.where(chains, 1.5, 0.6),
        method=np.where(chains, Method.HMC, Method.IS),
        trusted=rows % 8 != 0,
    )


@pytest.fixture
def world(monkeypatch, toy_simulator, tiny_posterior, toy_model):
    """A check of two slices, whose mocks are truths and nothing else."""
    seen = {}

    def fill(simulator, wanted, n, key, on_chunk):
        seen["slices"], seen["simulator"] = wanted, simulator
        mocks = {}
        for i, s in enumerate(wanted):
            u = np.asarray(jax.random.normal(jax.random.fold_in(key, i), (n, 5)))
            mocks[s.name] = SimpleNamespace(u=u, data=(u,))
        return mocks, 5 * n

    every = slices.default_slices
    monkeypatch.setattr(slices, "default_slices", lambda s: every(s)[2:4])
    monkeypatch.setattr(slices, "fill_slices", fill)
    own = PhotometryLikelihood(tiny_posterior, toy_model)
    monkeypatch.setattr(type(tiny_posterior), "likelihood", lambda *given: seen.update(match=given) or own)

    def check(raw=None, **options):
        monkeypatch.setattr(module, "raw_draws", raw or posterior())
        monkeypatch.setattr(module, "refined_draws", posterior(refined=True))
        return run_check(tiny_posterior, toy_model, **{"n": N, "n_draws": 100} | options)

    return check, seen


def test_the_exact_posterior_passes(world, tiny_posterior, toy_model):
    passing = world[0](n_refined=2000, n_draws_refined=200)
    assert passing.passed and passing.failures == () and passing.methods == ("flow", "refined")
    assert world[1]["match"] == (tiny_posterior, toy_model)
    assert world[1]["simulator"].noise is tiny_posterior.noise
    m = passing.metrics
    for suffix in ("", "_refined"):
        assert m[f"sbc_min_p{suffix}"] >= 0.01 and m[f"coverage68_max_deviation{suffix}"] <= 0.01
        assert m[f"tarp_max_deviation{suffix}"] == max(
            m[f"{s}.tarp_max_deviation{suffix}"] for s in ("snr_30_100", "snr_100")
        )
    assert m["tarp_max_deviation"] <= 0.02
    assert m["snr_100.ess_median"] == 1.0 and m["snr_100.ess_median_refined"] == pytest.approx(0.6)
    shares = {name: m.get(f"snr_100.{name}_refined") for name in ("trusted_fraction", *METHODS)}
    assert shares == {"trusted_fraction": 0.875, "method_is": 0.75, "method_hmc": 0.25, "method_failed": 0.0}
    assert "snr_100.trusted_fraction" not in m
    assert m["snr_100.av.coverage68"] == pytest.approx(0.6827, abs=0.02)
    assert [s.n for s in passing.scores] == [N, N, 2000, 2000]
    assert str(passing).startswith("tiny: calibration passed") and "refined   S/N > 100" in str(passing)
    assert "0.60  88 % trusted, 75 % weighed, 25 % chains, 0 % failed" in str(passing)


def test_what_users_get_is_judged_apart_from_the_network(world):
    result = world[0](posterior(stretch=0.8), n=2000, n_refined=2000)
    assert result.metrics["sbc_min_p"] < 1e-3 < 0.01 <= result.metrics["sbc_min_p_refined"]
    assert result.failures and all(line.startswith("raw flow") for line in result.failures)


@pytest.mark.parametrize("wrong", [{"stretch": 0.9}, {"stretch": 1.1}, {"shift": 0.1}, {"shift": -0.1}])
def test_slightly_wrong_ones_fail(world, wrong):
    result = world[0](posterior(**wrong))
    assert not result.passed and result.metrics["sbc_min_p"] < 1e-3
    text = str(result)
    assert text.startswith("tiny: calibration FAILED")
    for name in NAMES:
        assert f"ranks of {name} are not uniform" in text
    if "stretch" in wrong:
        assert result.metrics["tarp_max_deviation"] > 0.02
        assert result.metrics["coverage68_max_deviation"] > 0.01
        assert "joint coverage is off by" in text and "68 % intervals of av hold" in text


def test_one_wrong_parameter_is_named(world):
    def drawn(*given):
        for rows, posteriors in posterior()(*given):
            posteriors.u[..., 3] += 0.1 * WIDTH[3]
            yield rows, posteriors

    lines = world[0](drawn).failures
    assert len(lines) == 2 and all("ranks of av are not uniform" in line for line in lines)


def test_draws_that_are_not_finite_fail(world):
    def drawn(*given):
        for rows, posteriors in posterior()(*given):
            posteriors.u[rows == 7, 3] = np.nan
            yield rows, posteriors

    result = world[0](drawn)
    assert result.failures == ("raw flow, S/N 30-100: 1 of 10000 mocks have draws that are not finite",)
    assert all(np.isfinite(value) for value in result.metrics.values())


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"n": 50}, "50 mocks per slice, 0 refined: give at least 100"),
        ({"n_refined": 20}, "10000 mocks per slice, 20 refined: give at least 100"),
        ({"n": 200, "n_refined": 300}, "no more refined ones than mocks"),
        ({"n_draws": 64}, "64 draws per mock: the tests need more than 64"),
        ({"n_draws_refined": 3}, "3 draws per mock"),
    ],
)
def test_too_few_are_refused(world, options, match):
    with pytest.raises(UserError, match=match):
        world[0](**options)


def test_the_report_needs_nothing_else(world, tmp_path):
    passing = world[0](n=1000, n_refined=300)
    html = to_html(passing)
    assert "passed</span>" in html and html.count("<img ") == 4
    assert html.count('src="data:image/png;base64,iVBOR') == 4
    assert not re.search(r'(src|href)="(?!data:)|<script|<link|url\(|http', html)
    for word in (*NAMES, "S/N 30-100", "S/N &gt; 100", "refined", "88 % trusted", "TARP", "mocks_simulated"):
        assert word in html
    failed = to_html(world[0](posterior(stretch=0.7), n=500))
    assert "failed</span>" in failed and 'class="bad"' in failed and "not uniform" in failed

    paths = write_report(passing, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(p.name for p in paths)
    data = json.loads((tmp_path / "check.json").read_text())
    assert data == json.loads(json.dumps(as_dict(passing)))
    assert data["passed"] is True and data["thresholds"]["tarp_max_deviation"] == 0.02
    assert data["terms"]["mocks_per_slice"] == {"flow": 1000, "refined": 300}
    with pytest.raises(UserError, match="does not exist"):
        write_report(passing, tmp_path / "no")
