import contextlib
import os
import resource

import numpy as np
import pytest

from dsps_sbi.errors import UserError
from dsps_sbi.io.atomic import atomic_path
from dsps_sbi.io.draws import DrawWriter


def test_the_file_appears_at_the_end(tmp_path):
    path = tmp_path / "a.fits.gz"
    with atomic_path(path) as temporary:
        assert temporary.parent == tmp_path and temporary.name.endswith("a.fits.gz")
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert [file.name for file in tmp_path.iterdir()] == ["a.fits.gz"]


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="halfway"), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("halfway")
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


@contextlib.contextmanager
def largest_file(size):
    """No file of this process may grow beyond a size, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_told_by_the_name_of_the_file(tmp_path):
    message = r"a.txt cannot be written \(File too large\): make room on the disk, or choose another folder"
    with largest_file(1000), pytest.raises(UserError, match=message), atomic_path(tmp_path / "a.txt") as file:
        file.write_bytes(b"0" * 5000)
    with pytest.raises(OSError, match="another matter"), atomic_path(tmp_path / "a.txt"):
        raise OSError(5, "another matter")
    assert not list(tmp_path.iterdir())


def test_draws_on_a_full_disk_are_refused_before_the_work(tmp_path):
    writer = DrawWriter(tmp_path / "draws.h5", ("a", "b"), np.arange(100), 500, (10, 10), {})
    message = r"draws.h5 cannot be written \(File too large\)"
    with largest_file(100_000), pytest.raises(UserError, match=message), writer:
        raise AssertionError("nothing is drawn")
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fills_up_while_draws_are_written(tmp_path):
    """Where room cannot be asked for; HDF5 says it in its own way, once more where the file is closed."""
    names = tuple("abcdefgh")
    writer = DrawWriter(tmp_path / "draws.h5", names, np.arange(100), 500, (10, 10), {})
    message = r"draws.h5 cannot be written \(File too large\)"
    with contextlib.ExitStack() as limit, pytest.raises(UserError, match=message), writer:
        limit.enter_context(largest_file(100_000))
        writer.add(np.zeros((8, 100, 500), np.float32))
    assert not list(tmp_path.iterdir())


def test_missing_folders_and_folders_are_refused(tmp_path):
    with (
        pytest.raises(UserError, match="does not exist: expected one for a.txt; create it"),
        atomic_path(tmp_path / "none" / "a.txt"),
    ):
        pass
    with pytest.raises(UserError, match="is a folder: expected the name of a file"), atomic_path(tmp_path):
        pass


def test_folders_without_permission_are_refused(tmp_path, monkeypatch):
    def refuse(self, **options):
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr("pathlib.Path.touch", refuse)
    with (
        pytest.raises(UserError, match=r"cannot write in folder .* \(Permission denied\)"),
        atomic_path(tmp_path / "a.txt"),
    ):
        pass
