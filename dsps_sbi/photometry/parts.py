"""Posteriors of photometry as a bundle's arrays and configuration, and back."""

from dataclasses import asdict

import jax.numpy as jnp
import numpy as np

from ..bundle.config import check_format, parsed, physics_entries, physics_of
from ..bundle.files import cosmology_of, cosmology_to_arrays, part_of, weights_of, weights_to_arrays
from ..bundle.load import register
from ..components import from_entry, to_entry
from ..dust import LAWS
from ..errors import UserError
from ..inference.derived import MassTable
from ..noise import DepthNoise, UpperLimits
from .compressed import TableGrid
from .model_error import ModelError
from .network import PhotometryArchitecture, PhotometryNetwork
from .posterior import PhotometryPosterior
from .typicality import Typicality

# Format 1 knew delayed-tau histories, Calzetti's dust and uniform priors only, and named none of them;
# networks of these had no forward model of their own, and all the same upper limits. Up to format 4 all Lyman
# alpha left a galaxy, and SSPs had no errors that bands share
FORMAT = 5
_READS = (1, 2, 4, FORMAT)
_MASS_TABLE = ("edges_gyr", "metallicity", "surviving", "living")
_ERROR = ("wave_aa", "modes")
_DUST = "dust law"


def to_parts(post: PhotometryPosterior) -> tuple[dict[str, np.ndarray], dict]:
    """Arrays by name and configuration of a posterior.

    Raises
    ------
    UserError
        For components of the user's own, which no configuration can describe.
    """
    arrays = weights_to_arrays(post.weights)
    arrays |= {f"mass_table.{name}": np.asarray(getattr(post.mass_table, name)) for name in _MASS_TABLE}
    if post.typicality is not None:
        arrays |= {f"typicality.{name}": array for name, array in post.typicality.as_arrays().items()}
    if post.network.tables is not None:
        arrays |= {f"tables.{name}": array for name, array in post.network.tables.as_arrays().items()}
    if post.error is not None:
        arrays |= {f"error.{name}": np.array(getattr(post.error, name), order="C") for name in _ERROR}
    network, noise = post.network, post.noise
    config = {
        "format": FORMAT,
        "kind": post.kind,
        "cosmology": network.cosmology.name,
        "filters": list(post.filters),
        "log_u": "none" if post.log_u is None else post.log_u,
        "lya_escape": post.lya_escape,
        "model_error": "none" if post.error is None else post.error.as_entry(),
        **physics_entries(network.sfh, network.prior),
        "dust": to_entry(post.dust, LAWS, _DUST),
        "noise": {
            "depth_ujy": [float(d) for d in noise.depth_ujy],
            "offset_dex": list(noise.offset_dex),
            "jitter_dex": noise.jitter_dex,
            "floor": noise.floor,
        },
        "limits": asdict(post.limits) | {"k": list(post.limits.k)},
        "network": network.arch.as_dict(),
    }
    return arrays | cosmology_to_arrays(network.cosmology), config


def from_parts(config, arrays, meta, label: str, ssp=None) -> PhotometryPosterior:
    """The inverse of :func:`to_parts`.

    Raises
    ------
    UserError
        If something is missing or of another format, or SSPs are given, which it does not need.
    """
    if ssp is not None:
        raise UserError(f"bundle {label} is one of photometry, which needs no SSPs: leave out ssp=")
    check_format(config, label, _READS)
    settings = parsed(_settings, config, label)
    (sfh, prior), noise = settings.pop("physics"), settings["noise"]
    arch, filters = settings.pop("arch"), settings["filters"]
    mass_table = part_of(arrays, "mass_table.")
    if set(mass_table) != set(_MASS_TABLE) or len(noise.depth_ujy) != len(filters):
        raise UserError(f"bundle {label} is not complete (mass table or depths): train it again")
    cosmology = cosmology_of(config, arrays, label)
    tables = _tables(arrays, settings["dust"], label) if arch.guess_width else None
    network = PhotometryNetwork(arch, len(filters), prior, sfh, cosmology, tables)
    typicality = part_of(arrays, "typicality.")
    return PhotometryPosterior(
        network=network,
        weights=weights_of(network, arrays, label),
        mass_table=MassTable(**{name: jnp.asarray(array) for name, array in mass_table.items()}),
        meta=meta,
        typicality=Typicality.from_arrays(typicality) if typicality and tables is not None else None,
        error=_error(settings.pop("error"), arrays, label),
        **settings,
    )


def _settings(config):
    if config["format"] == 1:
        marginals = {name: {"kind": "uniform"} | entry for name, entry in config["prior"].items()}
        config = config | {"sfh": {"kind": config["sfh"]}, "dust": {"kind": "calzetti"}}
        config |= {"log_u": -2.0, "prior": marginals}
    if config["format"] < 4:
        network = {"guess_width": 0} | config["network"]
        config = config | {"network": network, "limits": asdict(UpperLimits())}
    if config["format"] <= 4:
        config = config | {"lya_escape": 1.0, "model_error": "none"}
    noise = dict(config["noise"])
    depth = np.array(noise.pop("depth_ujy"))
    noise["offset_dex"] = tuple(noise["offset_dex"])
    return {
        "physics": physics_of(config),
        "arch": PhotometryArchitecture(**config["network"]),
        "filters": tuple(config["filters"]),
        "dust": from_entry(config["dust"], LAWS, _DUST),
        "log_u": None if config["log_u"] == "none" else config["log_u"],
        "lya_escape": float(config["lya_escape"]),
        "error": config["model_error"],
        "noise": DepthNoise(depth, **noise),
        "limits": UpperLimits(**config["limits"] | {"k": tuple(config["limits"]["k"])}),
    }


def _error(entry, arrays, label) -> ModelError | None:
    if entry == "none":
        return None
    try:
        return ModelError(**part_of(arrays, "error."), **ModelError.of_entry(entry))
    except (KeyError, TypeError) as error:
        raise UserError(f"bundle {label} is not complete (model error: {error}): train it again") from error


def _tables(arrays, dust, label) -> TableGrid:
    try:
        return TableGrid.from_arrays(part_of(arrays, "tables."), dust)
    except KeyError as error:
        raise UserError(
            f"bundle {label} is not complete (table {error} of its forward model): train it again"
        ) from error


register(PhotometryPosterior.kind, from_parts, to_parts)
