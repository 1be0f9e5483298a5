"""Folders of experiments: their settings, and a file of arrays for each answer, so that runs go on."""

import json
import zipfile
from pathlib import Path

import numpy as np

from ..arrays import whole
from ..errors import UserError
from .atomic import atomic_path

#: Of the folder of a run: its settings
SETTINGS = "study.json"


def check_numbers(n_galaxies, at_most, folder) -> None:
    """Refuse numbers that no study can have.

    Parameters
    ----------
    n_galaxies : int
    at_most : int or None
        New answers after which a run stops; None for all.
    folder : path-like or None
        Where answers are kept.

    Raises
    ------
    UserError
    """
    whole(n_galaxies, "number of galaxies", least=1, most=100_000)
    if at_most is None:
        return
    whole(at_most, "at_most", least=1, most=10_000_000)
    if folder is None:
        raise UserError("at_most without a folder: what is left over could not be made later; give a folder")


def open_study(folder, settings: dict, kept: str) -> Path:
    """The folder of answers, of these settings and no others.

    Parameters
    ----------
    folder : path-like
        Made if missing.
    settings : dict
        Plain values.
    kept : str
        Name of the folder of answers in it.

    Raises
    ------
    UserError
        If it cannot be made, or holds another study.
    """
    folder = Path(folder)
    path = folder / SETTINGS
    try:
        (folder / kept).mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise UserError(f"cannot make folder {folder} ({err.strerror}): choose another") from err
    if path.exists():
        try:
            before = json.loads(path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as err:
            raise UserError(f"{path} cannot be read ({err}): choose another folder") from err
        for name, value in settings.items():
            there = before.get(name) if isinstance(before, dict) else None
            if there != value:
                raise UserError(
                    f"{folder} holds a study with {name} {there}, this one has {value}: choose another "
                    "folder, or the same settings to go on"
                )
    else:
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(settings, indent=1) + "\n", "utf-8")
    return folder / kept


def read_answer(path) -> dict | None:
    """Arrays of an answer that was kept; None where there is none.

    Raises
    ------
    UserError
        If the file is damaged.
    """
    if path is None or not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, zipfile.BadZipFile, KeyError) as err:
        raise UserError(f"{path} cannot be read ({err}): remove it, and it is made again") from err


def write_answer(path, arrays: dict) -> None:
    """Keep an answer, whole or not at all; nowhere without a path."""
    if path is not None:
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)
