"""Environments of their own for other groups' codes, made on first use in the user's cache."""

import subprocess
import sys
import venv
from pathlib import Path

import platformdirs

CACHE = Path(platformdirs.user_cache_dir("dsps_sbi")) / "benchmarks"


def python_with(name: str, *requirements: str) -> Path:
    """The Python of an environment called ``name`` in which the requirements are installed."""
    folder = CACHE / f"{name}-py{sys.version_info[0]}{sys.version_info[1]}"
    path = folder / "bin" / "python"
    if not (folder / "complete").exists():
        venv.create(folder, with_pip=True, clear=True)
        pip = [path, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        subprocess.run([*pip, *requirements], check=True)
        (folder / "complete").touch()
    return path
