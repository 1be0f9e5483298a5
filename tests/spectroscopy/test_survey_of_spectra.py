"""Catalogues of spectra: what is written, what goes on after a bad one or a break, what is refused."""

import dataclasses
import json

import h5py
import numpy as np
import pytest
from astropy.table import Table

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.io.spectrum_list import SpectrumFile
from dsps_sbi.survey import spectra as module
from dsps_sbi.survey.entries import name_id
from dsps_sbi.survey.run_log import LOG

LSF = ds.LSF("fwhm_aa", 5.5)
RUN = {"catalogue.ecsv", "manifest.json"}
# without a model: nothing to compile that other tests do not
FAST = {"model": None, "n_draws": 200, "pictures": False}


@pytest.fixture
def inputs(files):
    """The `files` with what they do not tell."""
    return [SpectrumFile(path, options={"medium": "air", "lsf": LSF}) for path in files.values()]


@pytest.fixture
def counted(monkeypatch):
    """Names of the spectra that were fitted, in turn."""
    real, seen = module._answer, []

    def answer(post, entry, options):
        seen.append(entry.name)
        return real(post, entry, options)

    monkeypatch.setattr(module, "_answer", answer)
    return seen


def names(folder):
    return {path.name for path in folder.iterdir()} - {LOG}


def test_what_is_written(untrained, likelihood, inputs, tmp_path):
    out = tmp_path / "new" / "out"
    table = ds.infer_many(untrained, inputs[:2], out, model=likelihood, n_draws=200, keep_draws=True)
    assert names(out) == {"a.png", "a_fit.ecsv", "b.png", "b_fit.ecsv", "draws.h5", *RUN}
    one = untrained.infer(inputs[1].read(), model=likelihood, n_draws=200, ids=[name_id("b")])
    back = Table.read(out / "catalogue.ecsv", format="ascii.ecsv")
    assert back["name"].tolist() == ["a", "b"] and back.meta["method"] == "weighed"
    np.testing.assert_allclose(back["t50"], table["t50"], rtol=1e-5)
    fit = Table.read(out / "b_fit.ecsv", format="ascii.ecsv")
    assert fit.meta["name"] == "b" and fit.meta["n_draws"] == 200 and 0.5 < fit.meta["chi2_per_pixel"] < 2.0
    assert fit.meta["best_sigma_v"] == pytest.approx(
        one.best_fit().theta[untrained.names.index("sigma_v")], rel=1e-5
    )
    with h5py.File(out / "draws.h5") as file:
        assert file["name"].asstr()[()].tolist() == ["a", "b"] and file.attrs["seed"] == 0
        assert set(file["draws"]) == set(untrained.names)
        np.testing.assert_allclose(np.median(file["draws/sigma_v"], axis=1), table["sigma_v"], rtol=1e-5)
    np.testing.assert_allclose(one.table()["t50"][0], table["t50"][1], rtol=1e-6)


def test_neither_order_nor_company_matter(untrained, inputs, tmp_path):
    one = ds.infer_many(untrained, inputs, tmp_path / "one", **FAST)
    two = ds.infer_many(untrained, inputs[:0:-1], tmp_path / "two", **FAST)
    for name in ("t50", "sigma_v_p84", "p_t90_1gyr"):
        np.testing.assert_array_equal(one[name][[2, 1]], two[name])
    assert len(set(one["t50"])) == 3
    other = ds.infer_many(untrained, inputs[:1], tmp_path / "three", seed=1, **FAST)
    assert other["t50"][0] != one["t50"][0]


def test_without_populations_nothing_is_checked(untrained, inputs, tmp_path):
    """The SSPs of the network are not in any cache: weighing is left out, refining is refused."""
    with pytest.raises(UserError, match="refine needs the stellar populations of the bundle: run"):
        ds.infer_many(untrained, inputs[0], tmp_path / "out", refine=True)
    assert not (tmp_path / "out").exists()
    table = ds.infer_many(untrained, inputs[0], tmp_path / "out", n_draws=200)
    assert table["trust"].tolist() == ["unchecked"] and table.meta["method"] == "flow"
    assert names(tmp_path / "out") == {"a.png", *RUN}


def test_a_bad_spectrum_does_not_stop_the_others(untrained, inputs, galaxies, tmp_path):
    far = dataclasses.replace(galaxies[0], redshift=3.0, wave_aa=3.8 * galaxies[0].wave_aa, source="far.fits")
    bad = [SpectrumFile(tmp_path / "missing.ecsv"), far]
    table = ds.infer_many(untrained, [bad[0], *inputs[:2], bad[1]], tmp_path / "out", keep_draws=True, **FAST)
    assert table["name"].tolist() == ["missing", "a", "b", "far"]
    assert "missing.ecsv does not exist" in table["problem"][0] and table["method"][0] == "none"
    assert "far.fits has redshift 3, the network knows" in table["problem"][3]
    assert table["problem"][1] == "" and table["t50"].mask.tolist() == [True, False, False, True]
    back = Table.read(tmp_path / "out" / "catalogue.ecsv", format="ascii.ecsv")
    assert np.array_equal(back["t50"].mask, table["t50"].mask) and back["trust"][3] == "none"
    with h5py.File(tmp_path / "out" / "draws.h5") as file:
        assert file["name"].asstr()[()].tolist() == ["a", "b"]


def test_merged_shares_are_the_bytes_of_one_run(untrained, inputs, tmp_path):
    """Ten spectra, one of which cannot be used: pictures, the distribution of p-values and all."""
    options = FAST | {"pictures": True, "n_draws": 20}
    paths = [dataclasses.replace(inputs[i % 3], name=f"s{i}") for i in range(4)]
    paths.append(SpectrumFile(tmp_path / "missing.ecsv"))
    ds.infer_many(untrained, paths, tmp_path / "whole", **options)
    for i in (1, 2, 3):
        ds.infer_many(untrained, paths, tmp_path / "shared", shard=f"{i}/3", **options)
    assert names(tmp_path / "shared" / "shard-2-of-3") == {"s1.png", *RUN}
    ds.merge(tmp_path / "shared", tmp_path / "merged")
    contents = [
        {path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()}
        for folder in ("whole", "merged")
    ]
    assert contents[0].keys() == contents[1].keys() and len(contents[0]) == 7
    assert all(contents[0][name] == contents[1][name] for name in contents[0])
    with pytest.raises(UserError, match="shard 1/3 was given with keep_draws: draws of spectra are in one"):
        ds.infer_many(untrained, paths, tmp_path / "other", shard="1/3", keep_draws=True, **options)


def test_what_is_wrong_with_a_single_one_is_told(untrained, galaxies, tmp_path):
    with pytest.raises(UserError, match="missing.ecsv does not exist"):
        ds.infer_many(untrained, tmp_path / "missing.ecsv", tmp_path / "out", **FAST)
    blind = dataclasses.replace(galaxies[0], lsf=None)
    with pytest.raises(UserError, match="does not tell its LSF: pass lsf="):
        ds.infer_many(untrained, blind, tmp_path / "out", **FAST)
    assert not (tmp_path / "out").exists()
    table = ds.infer_many(untrained, blind, tmp_path / "out", lsf=LSF, **FAST)
    assert table["name"].tolist() == ["spectrum_1"] and table["problem"][0] == ""


def test_an_unexpected_error_is_told_by_its_kind(untrained, inputs, tmp_path, monkeypatch):
    def broken(self):
        raise RuntimeError("something\nelse")

    monkeypatch.setattr(ds.SpectrumResult, "rows", broken)
    table = ds.infer_many(untrained, inputs[:2], tmp_path / "out", **FAST)
    assert table["problem"].tolist() == ["RuntimeError: something else"] * 2


def test_a_run_that_was_broken_off_goes_on(untrained, inputs, tmp_path, monkeypatch, counted):
    whole = ds.infer_many(untrained, inputs, tmp_path / "whole", keep_draws=True, **FAST)
    out, real = tmp_path / "out", module._write
    options = FAST | {"keep_draws": True}

    def interrupted(result, *rest):
        if result.labels == ("b",):
            raise KeyboardInterrupt
        return real(result, *rest)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, "_write", interrupted)
        ds.infer_many(untrained, inputs, out, **options)
    assert not (out / "catalogue.ecsv").exists() and not (out / "draws.h5").exists()
    # and half of a line was on its way to the disk
    with (out / LOG).open("a") as file:
        file.write('{"name": "b", "inp')
    counted.clear()
    table = ds.infer_many(untrained, inputs, out, resume=True, **options)
    assert counted == ["b", "c"]
    for name in table.colnames:
        assert table[name].tolist() == whole[name].tolist(), name
    with h5py.File(out / "draws.h5") as one, h5py.File(tmp_path / "whole" / "draws.h5") as two:
        np.testing.assert_array_equal(one["draws/sigma_v"], two["draws/sigma_v"])
    assert names(out) == {"draws.h5", *RUN}


def test_only_what_is_missing_or_new_is_done_again(untrained, inputs, tmp_path, counted):
    out = tmp_path / "out"
    options = FAST | {"keep_draws": True}
    ds.infer_many(untrained, inputs[:2], out, **options)
    counted.clear()
    more = ds.infer_many(untrained, inputs, out, resume=True, **options)
    assert counted == ["c"] and more["name"].tolist() == ["a", "b", "c"]
    with h5py.File(out / "draws.h5") as file:
        assert np.isfinite(file["draws/sigma_v"]).all() and len(file["name"]) == 3
    # another redshift is another spectrum
    moved = SpectrumFile(inputs[1].path, options=dict(inputs[1].options) | {"redshift": 0.051})
    counted.clear()
    again = ds.infer_many(untrained, [inputs[0], moved], out, resume=True, **options)
    assert counted == ["b"] and again["z"].tolist() == [0.05, 0.051]
    # pictures were not asked for before
    counted.clear()
    ds.infer_many(untrained, inputs[:1], out, resume=True, **options | {"pictures": True})
    assert counted == ["a"] and (out / "a.png").is_file()
    counted.clear()
    ds.infer_many(untrained, inputs[:1], out, **FAST)
    assert counted == ["a"]


def test_failures_are_tried_again(untrained, inputs, tmp_path, counted):
    missing = SpectrumFile(tmp_path / "late.ecsv", options=inputs[0].options)
    first = ds.infer_many(untrained, [inputs[0], missing], tmp_path / "out", **FAST)
    assert first["problem"][1] != ""
    missing.path.write_bytes(inputs[1].path.read_bytes())
    counted.clear()
    second = ds.infer_many(untrained, [inputs[0], missing], tmp_path / "out", resume=True, **FAST)
    assert counted == ["late"] and second["problem"].tolist() == ["", ""]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_draws": 100}, "holds a run with n_draws 200, this one has 100: resume with the same options"),
        ({"seed": 3}, "holds a run with seed 0, this one has 3"),
        ({"lsf": LSF}, "holds a run with lsf own, this one has fwhm_aa=5.5"),
    ],
)
def test_other_options_are_not_mixed_in(untrained, inputs, tmp_path, changed, message):
    out = tmp_path / "out"
    ds.infer_many(untrained, inputs[0], out, **FAST)
    before = (out / "catalogue.ecsv").read_bytes()
    with pytest.raises(UserError, match=message):
        ds.infer_many(untrained, inputs[0], out, resume=True, **FAST | changed)
    assert (out / "catalogue.ecsv").read_bytes() == before


def test_the_log_is_lines_of_json(untrained, inputs, tmp_path):
    ds.infer_many(untrained, inputs[:2], tmp_path / "out", **FAST)
    first, *rest = [json.loads(line) for line in (tmp_path / "out" / LOG).read_text().splitlines()]
    assert first["options"]["n_draws"] == 200 and [line["name"] for line in rest] == ["a", "b"]


def test_names(untrained, inputs, tmp_path):
    other = SpectrumFile(inputs[1].path, "A", inputs[1].options)
    with pytest.raises(UserError, match="two spectra are called A, and would overwrite each other"):
        ds.infer_many(untrained, [inputs[0], other], tmp_path / "out", **FAST)
    with pytest.raises(UserError, match="is called '../b': give a name that a file can have"):
        SpectrumFile(inputs[1].path, "../b")
    with pytest.raises(UserError, match="no spectra are given: give at least one"):
        ds.infer_many(untrained, [], tmp_path / "out", **FAST)
    assert not (tmp_path / "out").exists()
    assert SpectrumFile("spec-1234.fits.gz").name == "spec-1234"
    assert name_id("NGC3522") == name_id("NGC3522") != name_id("NGC3523")
