"""The three files of a bundle: weights, configuration, provenance; reading them runs no code."""

import hashlib
import json
import tomllib
from pathlib import Path

import jax
import numpy as np
import tomli_w
from safetensors import SafetensorError
from safetensors.numpy import load, save

from ..cosmology import Cosmology
from ..errors import UserError
from ..io.atomic import atomic_path

WEIGHTS, CONFIG, META = "params.safetensors", "config.toml", "meta.json"
_COSMOLOGY = ("ln_ratio", "age_gyr")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write_files(folder, arrays, config, meta) -> Path:
    """Write the files of a bundle.

    Parameters
    ----------
    folder : path
        Made if missing; its parent must exist.
    arrays : mapping of str to array
    config : mapping
        Plain values.
    meta : mapping
        Plain values; the hashes of the other files are put in.

    Raises
    ------
    UserError
        If the folder cannot be written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        reason = error.strerror
        raise UserError(
            f"bundle folder {folder} cannot be made ({reason}): choose a writable place"
        ) from error
    # safetensors writes the raw buffer: a reversed or transposed view would come back scrambled
    arrays = {name: np.array(array, order="C") for name, array in arrays.items()}
    files = {WEIGHTS: save(arrays), CONFIG: tomli_w.dumps(config).encode()}
    meta = dict(meta) | {"sha256": {name: _sha256(data) for name, data in files.items()}}
    files[META] = (json.dumps(meta, indent=1) + "\n").encode()
    for name, data in files.items():
        with atomic_path(folder / name) as temporary:
            Path(temporary).write_bytes(data)
    return folder


def read_files(folder: Path) -> tuple[dict, dict[str, np.ndarray], dict]:
    """Configuration, arrays and provenance of a bundle.

    Raises
    ------
    UserError
        If it is truncated, tampered with, or has values that are not finite.
    """
    try:
        meta = json.loads((folder / META).read_text())
        files = {part: (folder / part).read_bytes() for part in (WEIGHTS, CONFIG)}
        expected = dict(meta["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"bundle {folder} is incomplete ({error}): copy or train it again") from error
    for part, data in files.items():
        if _sha256(data) != expected.get(part):
            raise UserError(
                f"{folder / part} does not match its recorded SHA-256: it was changed or cut; copy it again"
            )
    try:
        config = tomllib.loads(files[CONFIG].decode())
        arrays = load(files[WEIGHTS])
    except (SafetensorError, ValueError) as error:
        raise UserError(f"bundle {folder} cannot be read ({error}): copy or train it again") from error
    wild = [name for name, array in arrays.items() if not np.isfinite(array).all()]
    if wild:
        raise UserError(f"bundle {folder} has values that are not finite, in {wild[0]}: train it again")
    return config, arrays, meta


def part_of(arrays, prefix: str) -> dict[str, np.ndarray]:
    """Arrays whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}


def weights_to_arrays(weights) -> dict[str, np.ndarray]:
    """Weights by names that say where they belong."""
    leaves = jax.tree_util.tree_flatten_with_path(weights)[0]
    return {"weights" + jax.tree_util.keystr(p): np.asarray(a) for p, a in leaves}


def weights_of(network, arrays, label: str):
    """The inverse of :func:`weights_to_arrays` for a network.

    Raises
    ------
    UserError
        If one is missing or has another shape.
    """

    def stored(path, leaf):
        array = arrays.get("weights" + jax.tree_util.keystr(path))
        if array is None or array.shape != leaf.shape:
            raise UserError(f"bundle {label} lacks weights that its configuration needs: train it again")
        # not jnp.asarray, which compiles a program for each shape
        return jax.device_put(array)

    return jax.tree_util.tree_map_with_path(stored, network.weight_shapes)


def cosmology_to_arrays(cosmology: Cosmology) -> dict[str, np.ndarray]:
    """Tables of a cosmology by name."""
    return {f"cosmology.{name}": np.asarray(getattr(cosmology, name), np.float64) for name in _COSMOLOGY}


def cosmology_of(config, arrays, label: str) -> Cosmology:
    """The cosmology that a bundle was trained with.

    Raises
    ------
    UserError
        If it is not among its files.
    """
    tables = part_of(arrays, "cosmology.")
    if "cosmology" not in config or set(tables) != set(_COSMOLOGY):
        raise UserError(f"bundle {label} is not complete (cosmology): train it again")
    return Cosmology(config["cosmology"], *(tables[name] for name in _COSMOLOGY))
