"""A bundle's configuration: what was trained, as TOML that a reader can check."""

from collections.abc import Callable

from ..components import from_entry, to_entry
from ..errors import UserError
from ..priors import MARGINALS, Prior
from ..sfh import FAMILIES, StarFormationHistory

_SFH, _MARGINAL = "star formation history", "prior"


def physics_entries(sfh: StarFormationHistory, prior: Prior) -> dict:
    """History and priors as plain values: ``z``, ``sfh``, ``prior``, in the order of the parameters.

    Raises
    ------
    UserError
        For components of the user's own, which no configuration can describe.
    """
    marginals = {name: to_entry(marginal, MARGINALS, _MARGINAL) for name, marginal in prior.marginals.items()}
    return {"z": list(prior.z), "sfh": to_entry(sfh, FAMILIES, _SFH), "prior": marginals}


def physics_of(config: dict) -> tuple[StarFormationHistory, Prior]:
    """The inverse of :func:`physics_entries`."""
    marginals = {n: from_entry(entry, MARGINALS, _MARGINAL) for n, entry in config["prior"].items()}
    return from_entry(config["sfh"], FAMILIES, _SFH), Prior(marginals, tuple(config["z"]))


def parsed(read: Callable, config: dict, label: str):
    """What ``read`` makes of a configuration.

    Raises
    ------
    UserError
        If an entry is missing or unknown, naming the bundle.
    """
    try:
        return read(config)
    except UserError as error:
        raise UserError(f"bundle {label}: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"configuration of bundle {label} is not complete ({error}): train it again"
        ) from error


def check_format(config: dict, label: str, reads: tuple[int, ...]) -> None:
    """Refuse a bundle of another version's format.

    Raises
    ------
    UserError
    """
    if config.get("format") not in reads:
        raise UserError(
            f"bundle {label} has format {config.get('format')}, this version reads {reads[-1]}: "
            "train it again"
        )
