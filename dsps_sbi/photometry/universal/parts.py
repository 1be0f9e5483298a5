"""Posteriors of photometry in any filters as a bundle's arrays and configuration, and back."""

from dataclasses import asdict

import numpy as np

from ...bundle.config import check_format, parsed
from ...bundle.files import cosmology_of, part_of, weights_of
from ...bundle.load import register
from ...errors import UserError
from ...noise.any_depth import AnyDepth
from ..common_parts import common_arrays, common_entries, common_settings, complete, error_of, mass_table_of
from ..wave_basis import WaveBasis
from .network import UniversalArchitecture, UniversalNetwork
from .posterior import UniversalPosterior
from .typicality import UniversalTypicality

FORMAT = 1
_RANGES = ("log_sky_ujy", "floor")


def to_parts(post: UniversalPosterior) -> tuple[dict[str, np.ndarray], dict]:
    """Arrays by name and configuration of a posterior.

    Raises
    ------
    UserError
        For components of the user's own, which no configuration can describe.
    """
    basis, noise = post.network.basis, asdict(post.noise)
    arrays = common_arrays(post)
    arrays |= {f"light.{name}": array for name, array in basis.as_arrays().items()}
    config = {
        "format": FORMAT,
        **common_entries(post),
        "noise": noise | {name: list(noise[name]) for name in _RANGES},
        "light": {"n_sub": basis.n_sub, "parts": list(basis.parts)},
    }
    return arrays, config


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
    cosmology, error = cosmology_of(config, arrays, label), error_of(settings.pop("error"), arrays, label)
    rest = light | {"cosmology": cosmology, "dust": settings["dust"]}
    basis = complete(lambda: WaveBasis.from_arrays(part_of(arrays, "light."), **rest), label, "light: {}")
    network = UniversalNetwork(arch, prior, sfh, basis, error)
    # bundles of an unfinished training have none
    typicality = part_of(arrays, "typicality.")
    return UniversalPosterior(
        network=network,
        weights=weights_of(network, arrays, label),
        mass_table=mass_table_of(arrays, label),
        meta=meta,
        error=error,
        typicality=UniversalTypicality.from_arrays(typicality) if typicality else None,
        **settings,
    )


def _settings(config):
    noise, light = dict(config["noise"]), config["light"]
    return common_settings(config) | {
        "arch": UniversalArchitecture(**config["network"]),
        "light": {"n_sub": int(light["n_sub"]), "parts": tuple(light["parts"])},
        "noise": AnyDepth(**noise | {name: tuple(noise[name]) for name in _RANGES}),
    }


register(UniversalPosterior.kind, from_parts, to_parts)
