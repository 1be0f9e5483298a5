"""Output folders: proven writable before the work, removed again where it fails."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from ..errors import UserError
from .atomic import atomic_path, clear_temporary

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None


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


@contextlib.contextmanager
def alone_in(folder) -> Iterator[None]:
    """Refuse a folder that another process is at work in; the lock goes with the process, even if killed.

    What a killed process left there of files that it was writing is removed. Where the file system cannot
    lock folders, nothing is refused or removed.

    Raises
    ------
    UserError
    """
    if fcntl is None:
        yield
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
                raise UserError(
                    f"another process is at work in {folder}: expected to be alone there; wait until it "
                    "ends, or give another folder"
                ) from error
        else:
            clear_temporary(folder)
        yield
    finally:
        os.close(number)
