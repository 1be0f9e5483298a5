from dataclasses import replace

import h5py
import numpy as np
import pytest

from dsps_sbi.errors import UserError
from dsps_sbi.ssp import hdf5, read_grid, write_grid


@pytest.mark.parametrize("nebular", [True, False])
def test_round_trip(toy, tmp_path, nebular):
    grid = toy if nebular else replace(toy, nebular=None, living_fraction=None, fwhm_aa=2.5)
    back = read_grid(write_grid(grid, tmp_path / "deep" / "grid.h5"))
    assert back.sha == grid.sha
    for key in ("name", "imf", "tracks", "library", "wave_medium", "fwhm_aa"):
        assert getattr(back, key) == getattr(grid, key)
    np.testing.assert_array_equal(back.flux, grid.flux)
    if nebular:
        assert back.nebular.line_names == grid.nebular.line_names
        np.testing.assert_array_equal(back.nebular.continuum, grid.nebular.continuum)
    else:
        assert back.nebular is None and back.living_fraction is None


def test_a_write_that_breaks_off_leaves_the_old_file(toy, tmp_path, monkeypatch):
    path = write_grid(toy, tmp_path / "grid.h5")
    old = path.read_bytes()

    def cut_short(grid, file):
        file["flux"] = grid.flux[:1]
        raise KeyboardInterrupt

    monkeypatch.setattr(hdf5, "_write", cut_short)
    with pytest.raises(KeyboardInterrupt):
        write_grid(toy, path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_unwritable_folder(toy, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot write .*grid.h5 .*choose a writable folder"):
        write_grid(toy, tmp_path / "file" / "grid.h5")


def test_bad_files_are_named_with_the_remedy(toy, tmp_path):
    path = write_grid(toy, tmp_path / "grid.h5")
    data = path.read_bytes()
    remedy = "run 'dsps-sbi fetch bc03-miles'"
    with pytest.raises(UserError, match=f"no SSP grid at .*none.h5: {remedy}"):
        read_grid(tmp_path / "none.h5")
    for bad in (data[: len(data) // 2], data[:100], b"", b"not HDF5"):
        path.write_bytes(bad)
        with pytest.raises(UserError, match=f"grid.h5 is cut short or is not .*{remedy}"):
            read_grid(path)
    with h5py.File(path, "w") as f:
        f["flux"] = np.ones(3)
    with pytest.raises(UserError, match=f"grid.h5 is cut short or is not .*{remedy}"):
        read_grid(path)


def test_changed_numbers_are_noticed(toy, tmp_path):
    path = write_grid(toy, tmp_path / "grid.h5")
    with h5py.File(path, "r+") as f:
        f["flux"][0, 0, 0] = 7.0
    with pytest.raises(UserError, match="grid.h5 is damaged .*delete it and run 'dsps-sbi fetch bc03-miles'"):
        read_grid(path)
