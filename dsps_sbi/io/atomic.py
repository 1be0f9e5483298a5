"""Files that appear whole or not at all."""

import contextlib
import os
import secrets
from pathlib import Path

from ..errors import UserError


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
        If the folder is missing or cannot be written, or `path` is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path} is a folder: expected the name of a file to write; add one")
    if not path.parent.is_dir():
        raise UserError(f"folder {path.parent} does not exist: expected one for {path.name}; create it")
    temporary = path.with_name(f".{os.getpid()}-{secrets.token_hex(4)}-{path.name}")
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
    finally:
        temporary.unlink(missing_ok=True)
