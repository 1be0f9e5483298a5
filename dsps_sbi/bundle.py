"""Trained posteriors on disk: weights, configuration and provenance; loading runs no code."""

import hashlib
import json
import tomllib
from importlib import resources
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from . import bundle_config
from .cosmology import Cosmology
from .derived import MassTable
from .errors import UserError
from .io.atomic import atomic_path
from .network import PixelNetwork
from .posterior import AmortizedPosterior
from .table_grid import TableGrid
from .typicality import Typicality

WEIGHTS, CONFIG, META = "params.safetensors", "config.toml", "meta.json"


def shipped() -> dict[str, Path]:
    """Names and folders of the bundles that come with the package."""
    root = Path(str(resources.files("dsps_sbi") / "bundles"))
    return {path.parent.name: path.parent for path in sorted(root.glob(f"*/{META}"))}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def save_bundle(post: AmortizedPosterior, folder) -> Path:
    """Write a bundle: ``params.safetensors``, ``config.toml``, ``meta.json``.

    Parameters
    ----------
    post : AmortizedPosterior
    folder : path
        Made if missing; its parent must exist.

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
    leaves = jax.tree_util.tree_flatten_with_path(post.weights)[0]
    arrays = {"weights" + jax.tree_util.keystr(p): np.asarray(a) for p, a in leaves}
    for name in ("edges_gyr", "metallicity", "surviving", "living"):
        arrays[f"mass_table.{name}"] = np.asarray(getattr(post.mass_table, name))
    if post.typicality is not None:
        arrays |= {f"typicality.{name}": array for name, array in post.typicality.as_arrays().items()}
    if post.network.tables is not None:
        arrays |= {f"tables.{name}": array for name, array in post.network.tables.as_arrays().items()}
    arrays["cosmology.ln_ratio"] = np.asarray(post.network.cosmology.ln_ratio, np.float64)
    arrays["cosmology.age_gyr"] = np.asarray(post.network.cosmology.age_gyr, np.float64)
    # safetensors writes the raw buffer: a reversed or transposed view would come back scrambled
    arrays = {name: np.array(array, order="C") for name, array in arrays.items()}
    files = {WEIGHTS: save(arrays), CONFIG: bundle_config.to_toml(post).encode()}
    meta = dict(post.meta) | {"sha256": {name: _sha256(data) for name, data in files.items()}}
    files[META] = (json.dumps(meta, indent=1) + "\n").encode()
    for name, data in files.items():
        with atomic_path(folder / name) as temporary:
            Path(temporary).write_bytes(data)
    return folder


def load_bundle(name) -> AmortizedPosterior:
    """Load a shipped bundle by name, or any bundle by its folder.

    Parameters
    ----------
    name : str or path
        ``jades-pixels``, or the folder of a bundle.

    Raises
    ------
    UserError
        If there is no such bundle, or it is truncated, tampered with or of another format.
    """
    folder = shipped().get(str(name), Path(name))
    if not (folder / META).is_file():
        known = ", ".join(shipped()) or "none"
        raise UserError(f"no bundle at {name}: give a bundle's folder or one of the shipped ones ({known})")
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
    parts = bundle_config.from_config(config, str(folder))
    table_names = ("edges_gyr", "metallicity", "surviving", "living")
    needed = {f"mass_table.{name}" for name in table_names} | {"cosmology.ln_ratio", "cosmology.age_gyr"}
    complete = "cosmology" in config and needed <= set(arrays)
    if not complete or len(parts.noise.depth_ujy) != len(parts.filters):
        raise UserError(f"bundle {folder} is not complete (cosmology, mass table or depths): train it again")
    cosmology = Cosmology(config["cosmology"], arrays["cosmology.ln_ratio"], arrays["cosmology.age_gyr"])
    tables = None
    if parts.arch.guess_width:
        tables = _tables(_of(arrays, "tables."), parts.dust, str(folder))
    network = PixelNetwork(parts.arch, len(parts.filters), parts.prior, parts.sfh, cosmology, tables)
    wild = [name for name, array in arrays.items() if not np.isfinite(array).all()]
    if wild:
        raise UserError(f"bundle {folder} has values that are not finite, in {wild[0]}: train it again")
    template = jax.eval_shape(lambda: network.init(0))

    def stored(path, leaf):
        array = arrays.get("weights" + jax.tree_util.keystr(path))
        if array is None or array.shape != leaf.shape:
            raise UserError(f"bundle {folder} lacks weights that its configuration needs: train it again")
        return jnp.asarray(array)

    weights = jax.tree_util.tree_map_with_path(stored, template)
    table = {name: jnp.asarray(arrays[f"mass_table.{name}"]) for name in table_names}
    typical = _of(arrays, "typicality.")
    return AmortizedPosterior(
        network,
        weights,
        parts.filters,
        parts.noise,
        MassTable(**table),
        meta,
        parts.dust,
        parts.log_u,
        Typicality.from_arrays(typical) if typical and tables is not None else None,
        parts.limits,
    )


def _of(arrays, prefix):
    """Arrays whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}


def _tables(arrays, dust, folder) -> TableGrid:
    try:
        return TableGrid.from_arrays(arrays, dust)
    except KeyError as error:
        raise UserError(
            f"bundle {folder} is not complete (table {error} of its forward model): train it again"
        ) from error
