"""One line for each thing that can be wrong with the input, and nothing half-written."""

import shutil

import numpy as np
import pytest

from dsps_sbi.bundle.files import WEIGHTS
from dsps_sbi.photometry.maps import Maps


def test_unusable_values_are_counted_in_the_flags(infer, make_cutout, mock_pixels, tmp_path):
    flux, sigma = (a.copy() for a in mock_pixels)
    flux[:3, 4], sigma[3:5, 0] = np.nan, -1.0
    status, output, _ = infer(make_cutout(flux=flux, sigma=sigma))
    assert status == 0 and "42 of 42 pixels fitted, 0 trusted; flags: 5 BAND_MISSING, 42 UNCHECKED" in output
    assert np.sum((Maps.read(tmp_path / "out" / "maps.fits").flags & 4) != 0) == 5


@pytest.mark.parametrize(
    ("message", "cards"),
    [
        ("filter 'F278W' is not known", {"FILTER7": "F278W"}),
        ("are unknown to the bundle", {"FILTER7": "F770W"}),
        ("is listed twice", {"FILTER7": "F356W"}),
        ("18 filters are named: expected 19", {"FILTER19": None}),
        ("which cannot be read", {"BUNIT": "uJyy"}),
        ("has no unit", {"BUNIT": None}),
        ("is not a flux density", {"BUNIT": "km"}),
        ("has no redshift", {"REDSHIFT": None}),
        ("expected a finite number above 0", {"REDSHIFT": -1.0}),
        ("redshift 7.9 is outside the bundle's range 0.001-7.5", {"REDSHIFT": 7.9}),
    ],
)
def test_wrong_headers(refused, make_cutout, message, cards):
    refused(message, make_cutout(**cards))


def test_wrong_arrays(refused, make_cutout, mock_pixels):
    flux, sigma = mock_pixels
    refused("ERROR has shape (19, 6, 6): expected (19, 6, 7)", make_cutout(sigma=np.ones((19, 6, 6))))
    five = np.ones((5, 6, 7))
    refused("expected 5, one for each plane", make_cutout(flux=five, sigma=five))
    refused("MASK has shape (3, 7)", make_cutout(mask=np.zeros((3, 7))))
    refused("all pixels are masked", make_cutout(mask=np.ones((6, 7))))
    refused("no error is finite and positive", make_cutout(sigma=-sigma))
    refused("no unmasked pixel has a flux", make_cutout(flux=np.nan * flux))
    few = np.where(np.arange(19)[:, None] < 2, flux.T, np.nan).T
    refused("has 3 bands that can be used, 2 at most: give an image with", make_cutout(flux=few))
    refused("the highest S/N is 0.2", make_cutout(flux=flux / 1e3))
    refused("check fluxes, errors and their units", make_cutout(flux=flux / 1e3))
    refused("if the errors are inverse variances (S/N up to", make_cutout(sigma=sigma**-2))
    refused("lower the cut, --snr-min", make_cutout(), "--snr-min", 1e4)


def test_wrong_files(refused, make_cutout, tmp_path):
    refused("nowhere.fits does not exist", tmp_path / "nowhere.fits")
    path = make_cutout()
    path.write_bytes(path.read_bytes()[:-4000])
    refused("cannot be read as FITS", path)
    (tmp_path / "notes.txt").write_text("hello")
    refused("has no flux with an error in a band of use: columns are hello", tmp_path / "notes.txt")
    (tmp_path / "notes.doc").write_text("hello")
    refused("is of an unknown kind", tmp_path / "notes.doc")


def test_wrong_options(refused, make_cutout, mock_pixels, tmp_path):
    path = make_cutout()
    refused("redshift 11 is outside", path, "--z", 11)
    refused("1 filters are named: expected 19", path, "--filters", "F277W")
    refused("--error and --shape were given with", path, "--shape", "6,7")
    refused("galaxy= was given with", path, "--galaxy", "3")
    refused("ask for at least 2", path, "--draws", 1)
    refused("Invalid value for '--draws'", path, "--draws", 10**9)
    for seed in (2**64, 2**32, -1):
        refused("Invalid value for '--seed'", path, "--seed", seed)
    refused("No such option: --nope", path, "--nope")
    refused(
        "two images are called galaxy, and would overwrite each other",
        path,
        path.parent / "." / "galaxy.fits.gz",
    )
    np.save(tmp_path / "flux.npy", mock_pixels[0])
    np.save(tmp_path / "err.npy", mock_pixels[1][:, :4])
    flux, error = tmp_path / "flux.npy", ("--error", tmp_path / "err.npy")
    refused("holds only fluxes: give --error, --shape, --filters, --z too", flux)
    common = ("--filters", "jades", "--z", 2)
    refused("--shape 6x7: give rows and columns", flux, *error, *common, "--shape", "6x7")
    refused("err.npy has shape (42, 4): expected (42, 19)", flux, *error, *common, "--shape", "6,7")


def test_broken_bundles(refused, make_cutout, tiny_bundle, tmp_path):
    path = make_cutout()
    refused("no bundle at jades: give a bundle's folder", path, bundle="jades")
    copy = shutil.copytree(tiny_bundle, tmp_path / "copy")
    (copy / WEIGHTS).write_bytes((copy / WEIGHTS).read_bytes()[:-10])
    refused("was changed or cut", path, bundle=copy)
    (copy / WEIGHTS).unlink()
    refused("is incomplete", path, bundle=copy)


def test_output_that_cannot_be_written(infer, make_cutout, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    status, _, error = infer(make_cutout(), out=tmp_path / "file" / "out")
    assert status == 1 and "cannot be made" in error and error.count("\n") == 1

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dsps_sbi.photometry.result.write_summary", full)
    status, _, error = infer(make_cutout())
    assert status == 1 and error == "error: [Errno 28] No space left on device\n"


def test_a_full_disk_is_told_before_draws_are_made(infer, make_cutout, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    status, output, error = infer(make_cutout(), "--keep-draws")
    assert status == 1 and output == "" and error.count("\n") == 1
    assert "draws.h5 cannot be written (No space left on device): make room on the disk" in error
    assert not (tmp_path / "out").exists()


def test_memory_that_is_not_enough(infer, make_cutout, monkeypatch):
    def fit(*args):
        raise MemoryError("Unable to allocate 53 GiB")

    monkeypatch.setattr("dsps_sbi.survey.images.ImageJob.fit", fit)
    status, _, error = infer(make_cutout())
    assert status == 1 and error.startswith("error: there is not enough memory (Unable to allocate 53 GiB)")


def test_interruption(infer, make_cutout, tmp_path, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("dsps_sbi.photometry.reduce.percentiles", interrupt)
    status, _, error = infer(make_cutout(), "--keep-draws")
    assert (status, error) == (130, "error: interrupted\n") and not (tmp_path / "out").exists()


def test_commands_that_need_a_grid_say_how_to_get_it(run, tmp_path, monkeypatch):
    monkeypatch.setenv("DSPS_SBI_CACHE", str(tmp_path / "empty"))
    for argv in (["simulate", tmp_path / "a.h5"], ["train", "--name", "a", "-o", tmp_path / "a"]):
        status, _, error = run(*argv)
        assert status == 1 and "run 'dsps-sbi fetch bc03-miles'" in error


def test_scales_of_errors(refused, make_cutout):
    refused("--error-scale much: give a number above 0, or fit", make_cutout(), "--error-scale", "much")
    refused("--error-scale 0: give a number above 0, or fit", make_cutout(), "--error-scale", "0")
    words = "--unweighted and --error-scale fit were given: fitting needs weights"
    refused(words, make_cutout(), "--error-scale", "fit", "--unweighted")
    refused("cannot be fitted (no object has a p-value)", make_cutout(), "--error-scale", "fit")


def test_refine_needs_weights(refused, make_cutout):
    refused("--unweighted and --refine were given", make_cutout(), "--unweighted", "--refine")
    refused("--refine was given without the stellar populations of the bundle", make_cutout(), "--refine")
