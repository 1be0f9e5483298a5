"""Posteriors of photometry as a bundle's arrays and configuration, and back."""

import jax.numpy as jnp
import numpy as np

from . import bundle_config
from .bundle_files import cosmology_of, cosmology_to_arrays, part_of, weights_of, weights_to_arrays
from .derived import MassTable
from .errors import UserError
from .network import PixelNetwork
from .posterior import AmortizedPosterior
from .table_grid import TableGrid
from .typicality import Typicality

_MASS_TABLE = ("edges_gyr", "metallicity", "surviving", "living")


def to_parts(post: AmortizedPosterior) -> tuple[dict[str, np.ndarray], str]:
    """Arrays and configuration (TOML) of a posterior."""
    arrays = weights_to_arrays(post.weights)
    arrays |= {f"mass_table.{name}": np.asarray(getattr(post.mass_table, name)) for name in _MASS_TABLE}
    if post.typicality is not None:
        arrays |= {f"typicality.{name}": array for name, array in post.typicality.as_arrays().items()}
    if post.network.tables is not None:
        arrays |= {f"tables.{name}": array for name, array in post.network.tables.as_arrays().items()}
    return arrays | cosmology_to_arrays(post.network.cosmology), bundle_config.to_toml(post)


def from_parts(config, arrays, meta, label: str) -> AmortizedPosterior:
    """The inverse of :func:`to_parts`.

    Raises
    ------
    UserError
        If something is missing or of another format.
    """
    parts = bundle_config.from_config(config, label)
    table = part_of(arrays, "mass_table.")
    if set(table) != set(_MASS_TABLE) or len(parts.noise.depth_ujy) != len(parts.filters):
        raise UserError(f"bundle {label} is not complete (mass table or depths): train it again")
    cosmology = cosmology_of(config, arrays, label)
    tables = _tables(arrays, parts.dust, label) if parts.arch.guess_width else None
    network = PixelNetwork(parts.arch, len(parts.filters), parts.prior, parts.sfh, cosmology, tables)
    weights = weights_of(network, arrays, label)
    typical = part_of(arrays, "typicality.")
    return AmortizedPosterior(
        network,
        weights,
        parts.filters,
        parts.noise,
        MassTable(**{name: jnp.asarray(array) for name, array in table.items()}),
        meta,
        parts.dust,
        parts.log_u,
        Typicality.from_arrays(typical) if typical and tables is not None else None,
        parts.limits,
    )


def _tables(arrays, dust, label) -> TableGrid:
    try:
        return TableGrid.from_arrays(part_of(arrays, "tables."), dust)
    except KeyError as error:
        raise UserError(
            f"bundle {label} is not complete (table {error} of its forward model): train it again"
        ) from error
