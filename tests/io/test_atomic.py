import os

import pytest

from dsps_sbi.errors import UserError
from dsps_sbi.io.atomic import atomic_path


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
