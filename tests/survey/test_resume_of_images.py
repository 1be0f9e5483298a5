"""A run of images that is resumed, killed, or given the folder of another: nothing stale stays."""

import os

import h5py
import numpy as np
import pytest
from astropy.io import fits

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.instruments.jades import JADES_BANDS
from dsps_sbi.photometry import result as result_module
from dsps_sbi.photometry.maps import Maps
from dsps_sbi.survey.image_entries import file_entry
from dsps_sbi.survey.run_log import LOG

OPTIONS = {"n_draws": 20, "seed": 4}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Pictures that only say of which redshift they are: drawing takes longer than all else."""

    def plot(maps, path):
        path.write_text(str(maps.meta["redshift"]))

    monkeypatch.setattr(result_module, "plot_maps", plot)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != LOG}


def test_resuming_under_changed_options_is_refused_in_each_of_eight_ways(
    infer, make_cutout, mock_pixels, loaded, tmp_path, monkeypatch
):
    out, file = tmp_path / "out", make_cutout("one.fits")
    assert infer(file, "--seed", 4)[0] == 0
    before = contents(out)

    def refused(message, *argv):
        status, output, error = infer(*argv, "--resume")
        assert status == 1 and output == "" and error.count("\n") == 1 and message in error, error
        assert contents(out) == before

    same = (file, "--seed", 4)
    other = make_cutout("two.fits", flux=2 * mock_pixels[0])
    refused(f"holds the maps of {file}, which those of {other} would take the place of", other, "--seed", 4)
    refused("holds a run with z None, this one has 1.5: resume with the same options", *same, "--z", 1.5)
    refused("holds a run with n_draws 20, this one has 30", *same, "--draws", 30)
    refused("holds a run with seed 4, this one has 9", file, "--seed", 9)
    refused("holds a run with filters None, this one has jades", *same, "--filters", "jades")
    with monkeypatch.context() as patch:
        # it is refused before anything is weighed
        patch.setattr(type(loaded), "likelihood", lambda self, model: object())
        refused("holds a run with method flow, this one has refined", *same, "--refine")
    with monkeypatch.context() as patch:
        # and another bundle, of the same name
        patch.setitem(loaded.meta, "sha256", {"params.safetensors": "0123"})
        refused("holds a run with weights", *same)
    make_cutout("one.fits", flux=2 * mock_pixels[0])
    refused(f"{file} is not what it was in the run that {out} holds: remove its outputs", *same)
    file.unlink()
    refused("one.fits does not exist: expected an input file", *same)
    refused("nowhere.fits does not exist", tmp_path / "nowhere.fits", "--seed", 4)
    make_cutout("one.fits")
    status, output, _ = infer(*same, "--resume")
    assert status == 0 and "one.fits: outputs are complete, skipped" in output and contents(out) == before


def test_another_image_does_not_take_the_place_of_the_first(infer, make_cutout, mock_pixels, tmp_path):
    """Also without --resume, and also of the same name in another folder; the same image may come again."""
    first, out = make_cutout("one.fits"), tmp_path / "out"
    assert infer(first)[0] == 0
    before = contents(out)
    (tmp_path / "elsewhere").mkdir()
    other = tmp_path / "elsewhere" / "one.fits"
    make_cutout("elsewhere/one.fits", flux=2 * mock_pixels[0])
    status, _, error = infer(other)
    assert status == 1 and f"out holds the maps of {first}, which those of {other} would take" in error
    assert contents(out) == before
    # a copy is the same image
    other.write_bytes(first.read_bytes())
    assert infer(other)[0] == 0 and infer(first, "--seed", 8)[0] == 0
    # without the log, as version 0.1 left it, names are compared
    (out / LOG).unlink()
    assert "holds the maps of" in infer(make_cutout("two.fits"))[2]
    assert infer(other)[0] == 0


def test_a_run_that_was_killed_while_writing_is_not_complete(
    tiny_posterior, make_cutout, tmp_path, monkeypatch
):
    out, file = tmp_path / "out", make_cutout("a.fits")
    place = out / "a"
    options = OPTIONS | {"keep_draws": True}
    ds.infer_many(tiny_posterior, file, out, **options)
    before = contents(place)
    make_cutout("a.fits", REDSHIFT=1.5)
    real = os.replace

    def killed_at(name):
        def replace(source, target):
            if source.parent.name == ".unfinished" and source.name == name:
                raise KeyboardInterrupt
            return real(source, target)

        return replace

    # before anything is moved all is as it was; later there is no picture beside the maps of another redshift
    cases = {"draws.h5": {"maps.fits", "summary.ecsv"}, "summary.ecsv": set(before) - {"maps.png"}}
    for name, left in cases.items():
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr("dsps_sbi.survey.images.os.replace", killed_at(name))
            ds.infer_many(tiny_posterior, file, out, **options)
        assert set(contents(place)) == left
    # what a killed process cannot clear itself
    (place / ".123-0123abcd-draws.h5").touch()
    (place / ".unfinished").mkdir()
    (place / ".unfinished" / ".77-0123abcd-draws.h5").touch()
    table = ds.infer_many(tiny_posterior, file, out, resume=True, **options)
    assert set(contents(place)) == set(before) and table["z"][0] == 1.5
    with h5py.File(place / "draws.h5") as draws:
        z = draws.attrs["redshift"]
    assert z == Maps.read(place / "maps.fits").meta["redshift"] == 1.5
    assert (place / "maps.png").read_text() == "1.5"


def test_the_log_of_an_earlier_run_does_not_vouch_for_new_files(
    tiny_posterior, make_cutout, tmp_path, monkeypatch
):
    """Killed after the files and before the row: the next run does not know whose they are."""
    out, file = tmp_path / "out", make_cutout("a.fits")
    ds.infer_many(tiny_posterior, file, out, **OPTIONS)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):

        def stop(name, result):
            raise KeyboardInterrupt

        patch.setattr("dsps_sbi.survey.images._row", stop)
        ds.infer_many(tiny_posterior, file, out, **OPTIONS | {"seed": 5})
    assert Maps.read(out / "a" / "maps.fits").meta["seed"] == 5
    ds.infer_many(tiny_posterior, file, out, resume=True, **OPTIONS)
    assert Maps.read(out / "a" / "maps.fits").meta["seed"] == 4


def test_images_that_a_list_names_are_part_of_it(mock_pixels, tmp_path):
    bands = JADES_BANDS[:3]
    text = "redshift = 2.0\n"
    for i, band in enumerate(bands):
        text += f'[[band]]\nfilter = "{band}"\nflux = "{i}.fits"\nerror = "error.fits"\nunit = "uJy"\n'
        fits.PrimaryHDU(mock_pixels[0][:, i].reshape(6, 7)).writeto(tmp_path / f"{i}.fits")
    fits.PrimaryHDU(mock_pixels[1][:, 0].reshape(6, 7)).writeto(tmp_path / "error.fits")
    (tmp_path / "list.toml").write_text(text)
    entry = file_entry(tmp_path / "list.toml", {}, ds.read)
    first = entry.fingerprint()
    assert first == entry.fingerprint()
    fits.PrimaryHDU(2 * mock_pixels[0][:, 1].reshape(6, 7)).writeto(tmp_path / "1.fits", overwrite=True)
    assert entry.fingerprint() != first
    assert np.allclose(entry.read().flux_ujy[:, 1], 2 * mock_pixels[0][:, 1])
    (tmp_path / "2.fits").unlink()
    with pytest.raises(OSError, match="2.fits"):
        entry.fingerprint()


def test_large_files_are_told_by_size_and_time(tmp_path, monkeypatch):
    path = tmp_path / "a.fits"
    path.write_bytes(b"0" * 100)
    monkeypatch.setattr("dsps_sbi.survey.image_entries._HASHED_BYTES", 10)
    entry = file_entry(path, {}, ds.read)
    first = entry.fingerprint()
    os.utime(path, ns=(1, 1))
    assert entry.fingerprint() != first


def test_a_single_image_whose_maps_name_another_is_told_in_python(tiny_posterior, make_cutout, tmp_path):
    ds.infer_many(tiny_posterior, make_cutout("a.fits"), tmp_path / "out", **OPTIONS)
    (tmp_path / "b").mkdir()
    other = make_cutout("b/a.fits", REDSHIFT=1.0)
    with pytest.raises(UserError, match="out/a holds the maps of .*a.fits, which those of .*b/a.fits would"):
        ds.infer_many(tiny_posterior, other, tmp_path / "out", **OPTIONS)
