"""A bundle's configuration: what was trained, as TOML that a reader can check."""

import json
from dataclasses import asdict, dataclass

import numpy as np

from .dust import LAWS, DustLaw
from .errors import UserError
from .network import Architecture
from .noise import DepthNoise, UpperLimits
from .plain import from_plain, to_plain
from .prior import MARGINALS, Prior
from .sfh import FAMILIES, StarFormationHistory

# Format 1 knew delayed-tau histories, Calzetti's dust and uniform priors only, and named none of them;
# networks of these had no forward model of their own, and all the same upper limits
FORMAT = 4
_READS = (1, 2, FORMAT)
_SFH, _DUST, _MARGINAL = "star formation history", "dust law", "prior"


@dataclass(frozen=True)
class Parts:
    """What a configuration describes; ``log_u`` is that of :class:`~dsps_sbi.model.GalaxyModel`."""

    arch: Architecture
    filters: tuple[str, ...]
    prior: Prior
    sfh: StarFormationHistory
    dust: DustLaw
    log_u: float | str | None
    noise: DepthNoise
    limits: UpperLimits


def lines(values: dict) -> list[str]:
    """Entries of TOML."""
    # JSON's numbers, strings, booleans and arrays are TOML's too
    return [f"{key} = {json.dumps(value)}" for key, value in values.items()]


def physics_lines(sfh: StarFormationHistory, prior: Prior) -> list[str]:
    """History and priors as TOML."""
    out = ["\n# in the order of the parameters; of_age: in units of the age of the Universe at z"]
    for name, marginal in prior.marginals.items():
        out += [f"[prior.{name}]", *lines(to_plain(marginal, MARGINALS, _MARGINAL))]
    return ["\n[sfh]", *lines(to_plain(sfh, FAMILIES, _SFH)), *out]


def physics_of(config: dict) -> tuple[StarFormationHistory, Prior]:
    """The inverse of :func:`physics_lines`."""
    marginals = {n: from_plain(entry, MARGINALS, _MARGINAL) for n, entry in config["prior"].items()}
    return from_plain(config["sfh"], FAMILIES, _SFH), Prior(marginals, tuple(config["z"]))


def to_toml(post) -> str:
    """Configuration of an :class:`~dsps_sbi.posterior.AmortizedPosterior` as TOML text.

    Raises
    ------
    UserError
        For components of the user's own, which no configuration can describe.
    """
    network, noise = post.network, post.noise
    top = {
        "format": FORMAT,
        "cosmology": network.cosmology.name,
        "filters": list(post.filters),
        "z": list(network.prior.z),
    }
    out = [
        *lines(top),
        '\n# log_u: ionisation parameter of the gas; "free", one of the parameters; "none", no gas',
        *lines({"log_u": "none" if post.log_u is None else post.log_u}),
        "\n[dust]",
        *lines(to_plain(post.dust, LAWS, _DUST)),
        *physics_lines(network.sfh, network.prior),
        "\n# sky in uJy; sigma^2 = sky^2 + (floor * flux)^2",
        "[noise]",
        *lines({"depth_ujy": [float(d) for d in noise.depth_ujy], "offset_dex": list(noise.offset_dex)}),
        *lines({"jitter_dex": noise.jitter_dex, "floor": noise.floor}),
        "\n# shares of objects with upper limits of k sigma: one k for all bands, or each its own",
        "[limits]",
        *lines(asdict(post.limits)),
        "\n[network]",
        *lines(network.arch.as_dict()),
    ]
    return "\n".join(out) + "\n"


def from_config(config: dict, source: str) -> Parts:
    """Components from a parsed configuration.

    Raises
    ------
    UserError
        If the format is another version's, or an entry is missing or unknown.
    """
    if config.get("format") not in _READS:
        raise UserError(
            f"bundle {source} has format {config.get('format')}, this version reads {FORMAT}: train it again"
        )
    try:
        if config["format"] == 1:
            config = _of_format_1(config)
        if config["format"] < FORMAT:
            network = {"guess_width": 0} | config["network"]
            config = config | {"network": network, "limits": asdict(UpperLimits())}
        sfh, prior = physics_of(config)
        noise = dict(config["noise"])
        depth = np.array(noise.pop("depth_ujy"))
        noise["offset_dex"] = tuple(noise["offset_dex"])
        return Parts(
            Architecture(**config["network"]),
            tuple(config["filters"]),
            prior,
            sfh,
            from_plain(config["dust"], LAWS, _DUST),
            None if config["log_u"] == "none" else config["log_u"],
            DepthNoise(depth, **noise),
            UpperLimits(**config["limits"] | {"k": tuple(config["limits"]["k"])}),
        )
    except UserError as error:
        raise UserError(f"bundle {source}: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"configuration of bundle {source} is not complete ({error}): train it again"
        ) from error


def _of_format_1(config):
    """A configuration of format 1 as one of format 2."""
    marginals = {name: {"kind": "uniform"} | entry for name, entry in config["prior"].items()}
    parts = {"sfh": {"kind": config["sfh"]}, "dust": {"kind": "calzetti"}, "log_u": -2.0, "prior": marginals}
    return config | parts
