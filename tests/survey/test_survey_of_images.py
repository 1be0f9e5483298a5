"""Many images: the catalogue, what goes on after a bad one or a break, what is refused."""

import json
import shutil

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.photometry import result as result_module
from dsps_sbi.photometry.maps import Maps
from dsps_sbi.survey.image_entries import cube_fingerprint
from dsps_sbi.survey.images import ImageJob
from dsps_sbi.survey.run_log import LOG

OUTPUTS = {"maps.fits", "summary.ecsv", "maps.png"}
OPTIONS = {"n_draws": 20, "seed": 4}


@pytest.fixture
def counted(monkeypatch):
    """Names of the images that were fitted, in turn."""
    real, seen = ImageJob.fit, []

    def fit(self, entry, folder):
        seen.append(entry.name)
        return real(self, entry, folder)

    monkeypatch.setattr(ImageJob, "fit", fit)
    return seen


@pytest.fixture
def quick(monkeypatch):
    """Empty files instead of pictures, which take longer than all else."""
    monkeypatch.setattr(result_module, "plot_maps", lambda maps, path: path.touch())


def names(folder):
    return {path.name for path in folder.iterdir()} - {LOG}


def stamps(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_a_row_of_the_catalogue_is_what_the_maps_say(tiny_posterior, make_cutout, make_cube, tmp_path):
    out = tmp_path / "new" / "out"
    files = [make_cutout("one.fits"), make_cube(source="two.fits", redshift=1.5)]
    table = ds.infer_many(tiny_posterior, files, out, **OPTIONS)
    assert names(out) == {"catalogue.ecsv", "manifest.json", "one", "two"}
    assert names(out / "one") == names(out / "two") == OUTPUTS
    assert table["name"].tolist() == ["one", "two"] and table["z"].tolist() == [2.0, 1.5]
    assert table["n_pixels"].tolist() == table["n_fitted"].tolist() == [42, 42]
    assert table["n_trusted"].tolist() == [0, 0] and table["problem"].tolist() == ["", ""]
    # where an untrained network piles up is no matter here
    assert [text.split(", ")[0] for text in table["flags"]] == ["42 UNCHECKED"] * 2
    for i, name in enumerate(("one", "two")):
        totals = Table.read(out / name / "summary.ecsv", format="ascii.ecsv")
        for quantity in ("log_mass", "log_sfr_100"):
            (row,) = totals[totals["quantity"] == quantity]
            for ending, column in (("", "50"), ("_p16", "16"), ("_p84", "84")):
                assert table[quantity + ending][i] == pytest.approx(row[f"independent_{column}"], abs=1e-4)
        assert Maps.read(out / name / "maps.fits").meta["seed"] == 4
    assert np.all(table["log_mass_p16"] < table["log_mass"]) and np.all(
        table["log_mass"] < table["log_mass_p84"]
    )
    back = Table.read(out / "catalogue.ecsv", format="ascii.ecsv")
    np.testing.assert_allclose(back["log_mass"], table["log_mass"], rtol=1e-5)
    assert back["log_mass"].unit == u.dex(u.Msun) and all(back[name].description for name in back.colnames)
    expected = {"bundle": "tiny", "method": "flow", "n_draws": 20, "seed": 4, "snr_min": 5.0}
    assert expected.items() <= back.meta.items()


@pytest.mark.usefixtures("quick")
def test_a_run_that_was_broken_off_goes_on(tiny_posterior, make_cutout, tmp_path, monkeypatch, counted):
    files = [make_cutout(f"{name}.fits") for name in "abc"]
    whole = ds.infer_many(tiny_posterior, files, tmp_path / "whole", **OPTIONS)
    out, real = tmp_path / "out", ds.ImageResult.write

    def interrupted(self, folder, **rest):
        if folder.parent.name == "b":
            raise KeyboardInterrupt
        return real(self, folder, **rest)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ds.ImageResult, "write", interrupted)
        ds.infer_many(tiny_posterior, files, out, **OPTIONS)
    # no folder that would look like an answer
    assert names(out) == {"a"}
    before = stamps(out / "a")
    counted.clear()
    table = ds.infer_many(tiny_posterior, files, out, resume=True, **OPTIONS)
    assert counted == ["b", "c"] and stamps(out / "a") == before
    for name in table.colnames:
        assert table[name].tolist() == whole[name].tolist(), name


@pytest.mark.usefixtures("quick")
def test_only_what_is_missing_or_has_changed_is_done_again(
    tiny_posterior, make_cutout, mock_pixels, tmp_path, counted
):
    out = tmp_path / "out"
    files = [make_cutout("a.fits"), make_cutout("b.fits.gz")]
    first = ds.infer_many(tiny_posterior, files, out, **OPTIONS)
    counted.clear()
    again = ds.infer_many(tiny_posterior, files, out, resume=True, **OPTIONS)
    assert counted == [] and again["log_mass"].tolist() == first["log_mass"].tolist()
    # a file of an answer is gone
    (out / "b" / "maps.png").unlink()
    ds.infer_many(tiny_posterior, files, out, resume=True, **OPTIONS)
    assert counted == ["b"] and names(out / "b") == OUTPUTS
    # another image under the same name: only once its answer is gone; one more
    counted.clear()
    make_cutout("a.fits", flux=2.0 * mock_pixels[0])
    files.append(make_cutout("c.fits"))
    with pytest.raises(UserError, match="a.fits is not what it was in the run that .*: remove its outputs"):
        ds.infer_many(tiny_posterior, files, out, resume=True, **OPTIONS)
    shutil.rmtree(out / "a")
    third = ds.infer_many(tiny_posterior, files, out, resume=True, **OPTIONS)
    assert counted == ["a", "c"] and third["log_mass"][0] > first["log_mass"][0] + 0.1
    assert third["log_mass"][1] == first["log_mass"][1]
    # draws were not asked for before
    counted.clear()
    ds.infer_many(tiny_posterior, files[:1], out, resume=True, keep_draws=True, **OPTIONS)
    assert counted == ["a"] and names(out / "a") == OUTPUTS | {"draws.h5"}
    counted.clear()
    ds.infer_many(tiny_posterior, files[:1], out, **OPTIONS)
    assert counted == ["a"]


def test_images_in_memory_are_told_by_all_of_them(make_cube, mock_pixels):
    flux, sigma = mock_pixels
    upper, mask = np.zeros(flux.shape, bool), np.zeros(len(flux), bool)
    upper[0, 0] = mask[0] = True
    one = cube_fingerprint(make_cube())
    assert one == cube_fingerprint(make_cube())
    changes = (
        {"flux": 2 * flux},
        {"sigma": 2 * sigma},
        {"redshift": 1.9},
        {"shape": (7, 6)},
        {"upper": upper},
    )
    others = {cube_fingerprint(make_cube(**change)) for change in (*changes, {"mask": mask})}
    assert len(others) == 6 and one not in others


@pytest.mark.usefixtures("quick")
def test_any_fault_costs_one_image(tiny_posterior, make_cutout, tmp_path, monkeypatch):
    real = ImageJob.fit

    def fit(self, entry, folder):
        if entry.name == "a":
            raise MemoryError("Unable to allocate 53 GiB")
        return real(self, entry, folder)

    monkeypatch.setattr(ImageJob, "fit", fit)
    (tmp_path / "folder.fits").mkdir()
    files = [make_cutout("a.fits"), tmp_path / "folder.fits", make_cutout("b.fits")]
    table = ds.infer_many(tiny_posterior, files, tmp_path / "out", **OPTIONS)
    assert table["problem"][0] == "MemoryError: Unable to allocate 53 GiB" and table["problem"][2] == ""
    assert "folder.fits is a folder" in table["problem"][1] and table["n_fitted"][2] == 42


@pytest.mark.usefixtures("quick")
def test_draws_of_an_earlier_run_go(tiny_posterior, make_cutout, tmp_path):
    file, out = make_cutout("a.fits"), tmp_path / "out"
    ds.infer_many(tiny_posterior, file, out, keep_draws=True, **OPTIONS)
    assert names(out / "a") == OUTPUTS | {"draws.h5"}
    ds.infer_many(tiny_posterior, file, out, **OPTIONS | {"seed": 5})
    assert names(out / "a") == OUTPUTS


@pytest.mark.usefixtures("quick")
def test_one_bad_image_costs_itself_alone(tiny_posterior, make_cutout, tmp_path, counted):
    out = tmp_path / "out"
    far, good = make_cutout("far.fits", REDSHIFT=9.0), make_cutout("good.fits")
    missing = tmp_path / "late.fits"
    table = ds.infer_many(tiny_posterior, [far, good, missing], out, **OPTIONS)
    assert table["name"].tolist() == ["far", "good", "late"] and names(out) == {
        "catalogue.ecsv",
        "manifest.json",
        "good",
    }
    assert "redshift 9 is outside the bundle's range" in table["problem"][0] and table["problem"][1] == ""
    assert "late.fits does not exist" in table["problem"][2]
    assert table["log_mass"].mask.tolist() == table["n_fitted"].mask.tolist() == [True, False, True]
    back = Table.read(out / "catalogue.ecsv", format="ascii.ecsv")
    assert back["log_mass"].mask.tolist() == [True, False, True]
    # and is tried again
    counted.clear()
    missing.write_bytes(good.read_bytes())
    again = ds.infer_many(tiny_posterior, [far, good, missing], out, resume=True, **OPTIONS)
    assert counted == ["far", "late"] and again["problem"][2] == "" and again["problem"][0] != ""


def test_what_is_wrong_with_a_single_one_is_told(tiny_posterior, make_cutout, tmp_path):
    with pytest.raises(UserError, match="redshift 9 is outside the bundle's range"):
        ds.infer_many(tiny_posterior, make_cutout("far.fits", REDSHIFT=9.0), tmp_path / "out", **OPTIONS)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_draws": 30}, "holds a run with n_draws 20, this one has 30: resume with the same options"),
        ({"seed": 3}, "holds a run with seed 4, this one has 3"),
        ({"snr_min": 7.0}, "holds a run with snr_min 5.0, this one has 7.0"),
        ({"quantities": ("log_mass", "t10")}, r"with quantities None, this one has \['log_mass', 't10'\]"),
    ],
)
@pytest.mark.usefixtures("quick")
def test_other_options_are_not_mixed_in(tiny_posterior, make_cutout, tmp_path, changed, message):
    out, file = tmp_path / "out", make_cutout("a.fits")
    ds.infer_many(tiny_posterior, file, out, **OPTIONS)
    before = (out / "catalogue.ecsv").read_bytes(), stamps(out / "a")
    with pytest.raises(UserError, match=message):
        ds.infer_many(tiny_posterior, file, out, resume=True, **OPTIONS | changed)
    assert ((out / "catalogue.ecsv").read_bytes(), stamps(out / "a")) == before


def test_what_is_refused(tiny_posterior, make_cutout, make_cube, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(UserError, match="two images are called A, and would overwrite each other"):
        ds.infer_many(tiny_posterior, [make_cutout("a.fits"), make_cube(source="A.npy")], out, **OPTIONS)
    with pytest.raises(UserError, match="no images are given: give at least one"):
        ds.infer_many(tiny_posterior, [], out, **OPTIONS)
    with pytest.raises(UserError, match="refine needs the stellar populations of the bundle"):
        ds.infer_many(tiny_posterior, make_cutout("a.fits"), out, refine=True, **OPTIONS)
    assert not out.exists()


@pytest.mark.usefixtures("quick")
def test_the_log_is_lines_of_json(tiny_posterior, make_cutout, tmp_path):
    ds.infer_many(tiny_posterior, make_cutout("a.fits"), tmp_path / "out", **OPTIONS)
    first, line = [json.loads(line) for line in (tmp_path / "out" / LOG).read_text().splitlines()]
    assert first["options"]["n_draws"] == 20 and line["name"] == "a" and line["row"]["n_fitted"] == 42
