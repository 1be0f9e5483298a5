"""A bundle's configuration: what was trained, as TOML that a reader can check."""

import json
from dataclasses import dataclass

import numpy as np

from .errors import UserError
from .network import Architecture
from .noise import DepthNoise
from .prior import Prior, Uniform
from .sfh import DelayedTau, StarFormationHistory

FORMAT = 1
_SFH = {"delayed_tau": DelayedTau}


@dataclass(frozen=True)
class Parts:
    """What a configuration describes."""

    arch: Architecture
    filters: tuple[str, ...]
    prior: Prior
    sfh: StarFormationHistory
    noise: DepthNoise


def _line(key, value) -> str:
    # JSON's numbers, strings, booleans and arrays are TOML's too
    return f"{key} = {json.dumps(value)}"


def to_toml(post) -> str:
    """Configuration of an :class:`~dsps_sbi.posterior.AmortizedPosterior` as TOML text."""
    network, noise = post.network, post.noise
    sfh = next(name for name, kind in _SFH.items() if isinstance(network.sfh, kind))
    lines = [
        _line("format", FORMAT),
        _line("cosmology", network.cosmology.name),
        _line("filters", list(post.filters)),
        _line("sfh", sfh),
        _line("z", list(network.prior.z)),
        "\n# uniform priors; of_age: in units of the age of the Universe at z",
    ]
    for name, marginal in network.prior.marginals.items():
        lines += [f"[prior.{name}]", *(_line(k, getattr(marginal, k)) for k in ("low", "high", "of_age"))]
    lines += ["\n# sky in uJy; sigma^2 = sky^2 + (floor * flux)^2", "[noise]"]
    lines.append(_line("depth_ujy", [float(d) for d in noise.depth_ujy]))
    lines.append(_line("offset_dex", list(noise.offset_dex)))
    lines += [_line(k, getattr(noise, k)) for k in ("jitter_dex", "floor")]
    lines += ["\n[network]", *(_line(k, v) for k, v in network.arch.as_dict().items())]
    return "\n".join(lines) + "\n"


def from_config(config: dict, source: str) -> Parts:
    """Components from a parsed configuration.

    Raises
    ------
    UserError
        If the format is another version's or an entry is missing.
    """
    if config.get("format") != FORMAT:
        raise UserError(
            f"bundle {source} has format {config.get('format')}, this version reads {FORMAT}: train it again"
        )
    try:
        marginals = {name: Uniform(**entry) for name, entry in config["prior"].items()}
        noise = dict(config["noise"])
        depth = np.array(noise.pop("depth_ujy"))
        noise["offset_dex"] = tuple(noise["offset_dex"])
        return Parts(
            Architecture(**config["network"]),
            tuple(config["filters"]),
            Prior(marginals, tuple(config["z"])),
            _SFH[config["sfh"]](),
            DepthNoise(depth, **noise),
        )
    except (KeyError, TypeError) as error:
        raise UserError(
            f"configuration of bundle {source} is not complete ({error}): train it again"
        ) from error
