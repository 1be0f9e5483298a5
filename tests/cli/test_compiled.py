"""Where the command line keeps what it has compiled."""

import jax
import pytest

from dsps_sbi.cli import app
from dsps_sbi.cli import compiled as module

OPTIONS = (
    "jax_compilation_cache_dir",
    "jax_compilation_cache_max_size",
    "jax_persistent_cache_min_compile_time_secs",
    "jax_persistent_cache_min_entry_size_bytes",
)


@pytest.fixture
def settings(monkeypatch, tmp_path):
    """What jax is told, without telling it: the tests keep what they compile in a place of their own."""
    told = {}
    monkeypatch.setattr(jax.config, "update", told.__setitem__)
    monkeypatch.setenv("DSPS_SBI_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    return told


@pytest.mark.filterwarnings("ignore")
def test_in_the_cache_or_where_jax_is_told(settings, tmp_path, monkeypatch, capsys):
    module.keep_compiled()
    folder = tmp_path / "cache" / "compiled"
    assert set(settings) == set(OPTIONS) and settings[OPTIONS[0]] == str(folder)
    # nothing is left of the attempt to write
    assert folder.is_dir() and not list(folder.iterdir()) and capsys.readouterr().err == ""
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "other"))
    module.keep_compiled()
    assert settings[OPTIONS[0]] == str(tmp_path / "other") and (tmp_path / "other").is_dir()
    (tmp_path / "other" / "program").write_bytes(bytes(3_000_000))
    assert module.describe() == f"{tmp_path / 'other'} (3 MB, at most 1074)"


def test_a_place_that_cannot_be_written_costs_a_notice(settings, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("DSPS_SBI_CACHE", str(tmp_path / "file"))
    module.keep_compiled()
    assert settings == {}
    error = capsys.readouterr().err
    assert error.startswith("NOTICE: compiled programs cannot be kept in") and error.count("\n") == 1
    assert "set DSPS_SBI_CACHE to a folder that can be written" in error
    assert module.describe().startswith(f"{tmp_path / 'file' / 'compiled'} (0 MB")


def test_commands_that_compile_keep_it(monkeypatch, capsys):
    kept = []
    monkeypatch.setattr(app, "keep_compiled", lambda: kept.append(1))
    assert app.main(["infer", "--bundle", "none", "-o", "nowhere", "no.fits"]) == 1 and kept == [1]
    assert app.main(["cite"]) == 0 and kept == [1]
    capsys.readouterr()
