"""What the README promises: its example runs, its commands are those that are tested."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

import dsps_sbi as ds
from dsps_sbi.photometry.maps import Maps

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
EXAMPLE = re.search(r"```python\n(.*?)```", README, re.DOTALL).group(1)


def test_version_is_said_once():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert ds.__version__ == version("dsps_sbi") == project["version"]
    assert f"\nversion: {ds.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## [{ds.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\bds\.(\w+)", README))))
def test_names_of_the_readme_exist(name):
    assert hasattr(ds, name)


def test_the_example_of_the_readme_runs(tiny_posterior, toy_model, make_cutout, tmp_path, monkeypatch):
    """With the quick network and grid of the tests under the names of the real ones."""
    make_cutout("galaxy.fits")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ds, "load_bundle", {"photometry": tiny_posterior}.get)
    monkeypatch.setattr(ds.GalaxyModel, "preset", {"jades-pixels": toy_model}.get)
    scope = {}
    exec(EXAMPLE, scope)
    assert set(Maps.read(tmp_path / "maps.fits").names) == {
        "log_mass",
        "log_sfr_100",
        "mass_weighted_age",
        "av",
    }
    assert scope["flux"].shape == (19,) and scope["jac"].shape == (19, 5)
    assert np.isfinite(scope["jac"]).all() and len(EXAMPLE.strip().splitlines()) <= 14


def test_commands_of_the_readme():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"demo", "test"} <= targets
    for target in ("demo", "test"):
        assert f"make {target}" in README and f"\nmake {target}\n" in (ROOT / ".ci" / "run").read_text()
    for picture in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README):
        assert not picture.startswith("http")


def test_importing_leaves_precision_alone():
    code = "import jax; import dsps_sbi; print(jax.config.jax_enable_x64)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False" and done.stderr == ""
