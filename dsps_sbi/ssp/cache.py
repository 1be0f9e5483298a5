"""Where fetched files are kept."""

import os
from pathlib import Path

import platformdirs

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
