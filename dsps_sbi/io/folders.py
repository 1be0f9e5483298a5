"""Output folders: proven writable before the work, removed again where it fails."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from ..errors import UserError
from .atomic import atomic_path


def output_folder(folder) -> Path:
    """The folder as a path, made if missing and proven writable.

    Raises
    ------
    UserError
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"output folder {folder} cannot be made ({error.strerror}): choose another"
        ) from error
    with atomic_path(folder / ".writable") as probe:
        Path(probe).touch()
    (folder / ".writable").unlink()
    return folder


@contextlib.contextmanager
def filling(folder) -> Iterator[Path]:
    """:func:`output_folder` for the time that the work takes: tried before it, not after it.

    If it fails or is interrupted, folders that were made for it and are still empty go again.
    """
    folder = Path(folder)
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    output_folder(folder)
    try:
        yield folder
    except BaseException:
        with contextlib.suppress(OSError):
            for path in missing:
                path.rmdir()
        raise
