"""Where fetched files are kept."""

import os
from pathlib import Path

import platformdirs

from dsps_sbi.errors import UserError

ENVIRONMENT = "DSPS_SBI_CACHE"


def cache_dir() -> Path:
    """Folder of fetched grids: the user's cache, or what ``DSPS_SBI_CACHE`` names.

    Returns
    -------
    pathlib.Path
        The folder. It need not exist yet.
    """
    given = os.environ.get(ENVIRONMENT)
    return Path(given).expanduser() if given else Path(platformdirs.user_cache_dir("dsps_sbi"))


def make_cache(folder: Path) -> None:
    """Make a folder of fetched files.

    Raises
    ------
    UserError
        If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise UserError(
            f"cannot make the cache {folder}: {err.strerror}: set DSPS_SBI_CACHE to a writable folder"
        ) from err
