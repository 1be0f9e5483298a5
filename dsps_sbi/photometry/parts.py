"""Posteriors of photometry as a bundle's arrays and configuration, and back."""

from dataclasses import asdict

import numpy as np

from ..bundle.config import check_format, parsed
from ..bundle.files import cosmology_of, part_of, weights_of
from ..bundle.load import register
from ..errors import UserError
from ..noise import DepthNoise, UpperLimits
from .common_parts import common_arrays, common_entries, common_settings, complete, error_of, mass_table_of
from .compressed import TableGrid
from .network import PhotometryArchitecture, PhotometryNetwork
from .posterior import PhotometryPosterior
from .typicality import Typicality

# Format 1 knew delayed-tau histories, Calzetti's dust and uniform priors only, and named none of them;
# networks of these had no forward model of their own, and all the same upper limits. Up to format 4 all Lyman
# alpha left a galaxy, and SSPs had no errors that bands share
FORMAT = 5
_READS = (1, 2, 4, FORMAT)


def to_parts(post: PhotometryPosterior) -> tuple[dict[str, np.ndarray], dict]:
    """Arrays by name and configuration of a posterior.

    Raises
    ------
    UserError
        For components of the user's own, which no configuration can describe.
    """
    arrays = common_arrays(post)
    if post.network.tables is not None:
        arrays |= {f"tables.{name}": array for name, array in post.network.tables.as_arrays().items()}
    noise = post.noise
    config = {
        "format": FORMAT,
        "filters": list(post.filters),
        **common_entries(post),
        "noise": {
            "depth_ujy": [float(d) for d in noise.depth_ujy],
            "offset_dex": list(noise.offset_dex),
            "jitter_dex": noise.jitter_dex,
            "floor": noise.floor,
        },
    }
    return arrays, config


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
    if len(noise.depth_ujy) != len(filters):
        raise UserError(f"bundle {label} is not complete (depths): train it again")
    cosmology = cosmology_of(config, arrays, label)
    tables = _tables(arrays, settings["dust"], label) if arch.guess_width else None
    network = PhotometryNetwork(arch, len(filters), prior, sfh, cosmology, tables)
    typicality = part_of(arrays, "typicality.")
    return PhotometryPosterior(
        network=network,
        weights=weights_of(network, arrays, label),
        mass_table=mass_table_of(arrays, label),
        meta=meta,
        typicality=Typicality.from_arrays(typicality) if typicality and tables is not None else None,
        error=error_of(settings.pop("error"), arrays, label),
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
    return common_settings(config) | {
        "arch": PhotometryArchitecture(**config["network"]),
        "filters": tuple(config["filters"]),
        "noise": DepthNoise(depth, **noise),
    }


def _tables(arrays, dust, label) -> TableGrid:
    return complete(
        lambda: TableGrid.from_arrays(part_of(arrays, "tables."), dust),
        label,
        "table {} of its forward model",
    )


register(PhotometryPosterior.kind, from_parts, to_parts)
