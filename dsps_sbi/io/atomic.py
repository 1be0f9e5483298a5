"""Files that appear whole or not at all."""

import contextlib
import errno
import os
import re
import secrets
from pathlib import Path

from ..errors import UserError

# What the system says where a file does not fit on a disk, into a quota, or under a limit of size
_NO_ROOM = tuple(getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG") if hasattr(errno, name))
# How libraries that do not set errno spell it
_ERRNO = re.compile(r"\berrno = (\d+)")
# Names of temporary files
_TEMPORARY = re.compile(r"\.\d+-[0-9a-f]{8}-.+")


@contextlib.contextmanager
def atomic_path(path):
    """Write to a temporary file beside `path`, and rename it at the end.

    Parameters
    ----------
    path : str or os.PathLike
        The file that shall appear. Its folder must exist.

    Yields
    ------
    pathlib.Path
        An empty file in the same folder, with the same suffixes, to be written over. If the
        block raises, it is removed and `path` is left as it was.

    Raises
    ------
    UserError
        If the folder is missing or cannot be written, `path` is a folder, or the disk is full.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path} is a folder: expected the name of a file to write; add one")
    if not path.parent.is_dir():
        raise UserError(f"folder {path.parent} does not exist: expected one for {path.name}; create it")
    temporary = temporary_beside(path)
    try:
        temporary.touch(exist_ok=False)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(
            f"cannot write in folder {path.parent} ({reason}): expected a writable folder for {path.name}; "
            "choose another or change its permissions"
        ) from error
    try:
        yield temporary
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:
        if no_room(error) is None:
            raise
        raise _full(path, error) from None
    finally:
        temporary.unlink(missing_ok=True)


def reserve(path) -> None:
    """Ask for the disk space of a whole file that has its length already: a full disk is found out at once.

    Where the system cannot do that, nothing happens.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    with open(path, "r+b") as file:
        size = os.fstat(file.fileno()).st_size
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise


def temporary_beside(path) -> Path:
    """A name for a temporary file that becomes `path`."""
    path = Path(path)
    return path.with_name(f".{os.getpid()}-{secrets.token_hex(4)}-{path.name}")


def clear_temporary(folder) -> None:
    """Remove the temporary files that killed processes left in a folder which this one has to itself."""
    for path in Path(folder).iterdir():
        if _TEMPORARY.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def full_disk_told(path):
    """Turn what the system says of a full disk into one line, where a file is added to.

    Raises
    ------
    UserError
        If the disk is full.
    """
    try:
        yield
    except OSError as error:
        if no_room(error) is None:
            raise
        raise _full(path, error) from None


def _full(path, error) -> UserError:
    return UserError(
        f"{path} cannot be written ({no_room(error)}): make room on the disk, or choose another folder"
    )


def no_room(error) -> str | None:
    """Why a file has no room; None for errors of another kind, and of none that they come from.

    Parameters
    ----------
    error : BaseException
    """
    while error is not None:
        said = _ERRNO.search(str(error))
        number = int(said[1]) if said else getattr(error, "errno", None)
        if number in _NO_ROOM:
            return os.strerror(number)
        error = error.__context__
    return None
