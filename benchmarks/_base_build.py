"""The build that speeds are compared with: the last commit before 0.2, in an environment of its own."""

import json
import subprocess
import tarfile
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

COMMIT = "5bcafabdda54de8b3f1f02fdba9ae238b4742e43"
_ROOT = Path(__file__).parents[1]
_VERSIONS = """
import importlib.metadata, json
names = ("dsps_sbi", "jax", "jaxlib", "flax", "distrax", "numpy")
print(json.dumps({name: importlib.metadata.version(name) for name in names}))
"""


@contextmanager
def base_build(folder: Path | None = None) -> Iterator[Path]:
    """The Python of an environment with the build at :data:`COMMIT`.

    The source comes from the history of this repository, the versions of its dependencies from its own
    ``constraints.txt``. Installing takes a minute or more and needs a network.

    Parameters
    ----------
    folder : path, optional
        Where the environment is kept and found again. Default: a temporary one, removed afterwards.

    Yields
    ------
    pathlib.Path
        The Python; the commands of the build lie beside it.
    """
    if folder is not None:
        yield _installed(Path(folder))
        return
    with tempfile.TemporaryDirectory(prefix="dsps-sbi-base-") as temporary:
        yield _installed(Path(temporary))


def versions(python: Path) -> dict[str, str]:
    """Versions of the packages that speed depends on, in an environment."""
    done = subprocess.run([python, "-I", "-c", _VERSIONS], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def _installed(folder: Path) -> Path:
    # not resolved: the link in the environment is what makes Python use it
    folder = folder.absolute()
    python, complete = folder / "env" / "bin" / "python", folder / "complete"
    if complete.is_file() and complete.read_text() == COMMIT:
        return python
    source = folder / "source"
    _extract(source)
    venv.create(folder / "env", with_pip=True, clear=True)
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    if subprocess.run([*pip, "-c", source / "constraints.txt", source], check=False).returncode:
        # as the Makefile does, should one of the tested versions have gone from the index
        print("NOTICE: tested versions of the base build are not available, installing current ones")
        subprocess.run([*pip, source], check=True)
    complete.write_text(COMMIT)
    return python


def _extract(target: Path) -> None:
    """Put the files of the commit into a folder."""
    target.mkdir(parents=True, exist_ok=True)
    command = ["git", "-C", str(_ROOT), "archive", "--format=tar", COMMIT]
    with tempfile.TemporaryFile() as archive:
        if subprocess.run(command, stdout=archive, check=False).returncode:
            raise SystemExit(
                f"commit {COMMIT[:7]} is not in the history of {_ROOT}: run this in a clone of the "
                "repository, and git fetch --unshallow if the clone is shallow"
            )
        archive.seek(0)
        with tarfile.open(fileobj=archive) as tar:
            tar.extractall(target, filter="data")
