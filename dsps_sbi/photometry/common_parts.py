"""What bundles of photometry have in common, whatever their bands: as arrays and configuration, and back."""

from collections.abc import Callable
from dataclasses import asdict

import jax.numpy as jnp
import numpy as np

from ..bundle.config import physics_entries, physics_of
from ..bundle.files import cosmology_to_arrays, part_of, weights_to_arrays
from ..components import from_entry, to_entry
from ..dust import LAWS
from ..errors import UserError
from ..inference.derived import MassTable
from ..noise import UpperLimits
from .model_error import ModelError

_MASS_TABLE = ("edges_gyr", "metallicity", "surviving", "living")
_ERROR = ("wave_aa", "modes")
_DUST = "dust law"


def common_arrays(post) -> dict[str, np.ndarray]:
    """Arrays by name: weights, cosmology, masses of SSPs, and where there are such, typicality and errors."""
    arrays = weights_to_arrays(post.weights) | cosmology_to_arrays(post.network.cosmology)
    arrays |= {f"mass_table.{name}": np.asarray(getattr(post.mass_table, name)) for name in _MASS_TABLE}
    if post.typicality is not None:
        arrays |= {f"typicality.{name}": array for name, array in post.typicality.as_arrays().items()}
    if post.error is not None:
        arrays |= {f"error.{name}": np.array(getattr(post.error, name), order="C") for name in _ERROR}
    return arrays


def common_entries(post) -> dict:
    """Plain values: physics, upper limits, sizes of the network.

    Raises
    ------
    UserError
        For components of the user's own, which no configuration can describe.
    """
    network = post.network
    return {
        "kind": post.kind,
        "cosmology": network.cosmology.name,
        "log_u": "none" if post.log_u is None else post.log_u,
        "lya_escape": post.lya_escape,
        "model_error": "none" if post.error is None else post.error.as_entry(),
        **physics_entries(network.sfh, network.prior),
        "dust": to_entry(post.dust, LAWS, _DUST),
        "limits": asdict(post.limits) | {"k": list(post.limits.k)},
        "network": network.arch.as_dict(),
    }


def common_settings(config) -> dict:
    """What :func:`common_entries` wrote but for the network, as keywords of a posterior.

    Beside these, ``physics`` holds history and prior, and ``error`` the entry that :func:`error_of` takes.
    """
    return {
        "physics": physics_of(config),
        "dust": from_entry(config["dust"], LAWS, _DUST),
        "log_u": None if config["log_u"] == "none" else config["log_u"],
        "lya_escape": float(config["lya_escape"]),
        "error": config["model_error"],
        "limits": UpperLimits(**config["limits"] | {"k": tuple(config["limits"]["k"])}),
    }


def complete(read: Callable, label: str, what: str):
    """What ``read`` makes of a bundle's arrays; ``what`` says which, with {} where the missing one is named.

    Raises
    ------
    UserError
        If it lacks one, naming it.
    """
    try:
        return read()
    except (KeyError, TypeError) as error:
        raise UserError(f"bundle {label} is not complete ({what.format(error)}): train it again") from error


def mass_table_of(arrays, label: str) -> MassTable:
    """Masses of SSPs.

    Raises
    ------
    UserError
        If an array is missing.
    """
    found = part_of(arrays, "mass_table.")
    return complete(
        lambda: MassTable(**{name: jnp.asarray(found[name]) for name in _MASS_TABLE}), label, "mass table: {}"
    )


def error_of(entry, arrays, label: str) -> ModelError | None:
    """Errors of the SSPs, of their entry in a configuration; None without such.

    Raises
    ------
    UserError
        If something is missing.
    """
    if entry == "none":
        return None
    return complete(
        lambda: ModelError(**part_of(arrays, "error."), **ModelError.of_entry(entry)),
        label,
        "model error: {}",
    )
