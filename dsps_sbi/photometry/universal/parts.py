"""Posteriors of photometry in any filters as a bundle's arrays and configuration, and back."""

from dataclasses import asdict

import jax.numpy as jnp
import numpy as np

from ...bundle.config import check_format, parsed, physics_entries, physics_of
from ...bundle.files import cosmology_of, cosmology_to_arrays, part_of, weights_of, weights_to_arrays
from ...bundle.load import register
from ...components import from_entry, to_entry
from ...dust import LAWS
from ...errors import UserError
from ...inference.derived import MassTable
from ...noise import UpperLimits
from ...noise.any_depth import AnyDepth
from ..model_error import ModelError
from ..wave_basis import WaveBasis
from .network import UniversalArchitecture, UniversalNetwork
from .posterior import UniversalPosterior

FORMAT = 1
_MASS_TABLE = ("edges_gyr", "metallicity", "surviving", "living")
_ERROR = ("wave_aa", "modes")
_RANGES = ("log_sky_ujy", "floor")
_DUST = "dust law"


def to_parts(post: UniversalPosterior) -> tuple[dict[str, np.ndarray], dict]:
    """Arrays by name and configuration of a posterior.

    Raises
    ------
    UserError
        For components of the user's own, which no configuration can describe.
    """
    network = post.network
    arrays = weights_to_arrays(post.weights)
    arrays |= {f"mass_table.{name}": np.asarray(getattr(post.mass_table, name)) for name in _MASS_TABLE}
    arrays |= {f"light.{name}": array for name, array in network.basis.as_arrays().items()}
    if post.error is not None:
        arrays |= {f"error.{name}": np.array(getattr(post.error, name), order="C") for name in _ERROR}
    noise = asdict(post.noise)
    config = {
        "format": FORMAT,
        "kind": post.kind,
        "cosmology": network.cosmology.name,
        "log_u": "none" if post.log_u is None else post.log_u,
        "lya_escape": post.lya_escape,
        "model_error": "none" if post.error is None else post.error.as_entry(),
        **physics_entries(network.sfh, network.prior),
        "dust": to_entry(post.dust, LAWS, _DUST),
        "noise": noise | {name: list(noise[name]) for name in _RANGES},
        "limits": asdict(post.limits) | {"k": list(post.limits.k)},
        "light": {"n_sub": network.basis.n_sub, "parts": list(network.basis.parts)},
        "network": network.arch.as_dict(),
    }
    return arrays | cosmology_to_arrays(network.cosmology), config


def from_parts(config, arrays, meta, label: str, ssp=None) -> UniversalPosterior:
    """The inverse of :func:`to_parts`.

    Raises
    ------
    UserError
        If something is missing or of another format, or SSPs are given, which it does not need.
    """
    if ssp is not None:
        raise UserError(f"bundle {label} is one of photometry, which needs no SSPs: leave out ssp=")
    check_format(config, label, (FORMAT,))
    settings = parsed(_settings, config, label)
    (sfh, prior), arch, light = (settings.pop(name) for name in ("physics", "arch", "light"))
    entry = settings.pop("error")
    cosmology = cosmology_of(config, arrays, label)
    mass_table = part_of(arrays, "mass_table.")
    try:
        error = (
            None if entry == "none" else ModelError(**part_of(arrays, "error."), **ModelError.of_entry(entry))
        )
        rest = light | {"cosmology": cosmology, "dust": settings["dust"]}
        basis = WaveBasis.from_arrays(part_of(arrays, "light."), **rest)
        table = MassTable(**{name: jnp.asarray(mass_table[name]) for name in _MASS_TABLE})
    except (KeyError, TypeError) as missing:
        raise UserError(f"bundle {label} is not complete ({missing}): train it again") from missing
    network = UniversalNetwork(arch, prior, sfh, basis, error)
    weights = weights_of(network, arrays, label)
    return UniversalPosterior(
        network=network, weights=weights, mass_table=table, meta=meta, error=error, **settings
    )


def _settings(config):
    noise, light = dict(config["noise"]), config["light"]
    return {
        "physics": physics_of(config),
        "arch": UniversalArchitecture(**config["network"]),
        "light": {"n_sub": int(light["n_sub"]), "parts": tuple(light["parts"])},
        "dust": from_entry(config["dust"], LAWS, _DUST),
        "log_u": None if config["log_u"] == "none" else config["log_u"],
        "lya_escape": float(config["lya_escape"]),
        "error": config["model_error"],
        "noise": AnyDepth(**noise | {name: tuple(noise[name]) for name in _RANGES}),
        "limits": UpperLimits(**config["limits"] | {"k": tuple(config["limits"]["k"])}),
    }


register(UniversalPosterior.kind, from_parts, to_parts)
