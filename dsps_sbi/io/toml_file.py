"""TOML files that users write."""

import tomllib
from pathlib import Path

from ..errors import UserError


def read_toml(path) -> dict:
    """Content of a TOML file.

    Parameters
    ----------
    path : str or os.PathLike

    Raises
    ------
    UserError
        If it cannot be read, or is no TOML.
    """
    path = Path(path)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): give a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid TOML ({error}): mend that line") from error
