"""Components as plain values: what a configuration file says of them, and back. No code is run."""

from collections.abc import Mapping
from dataclasses import fields

from .errors import UserError

# How a configuration spells None, which TOML does not have: a parameter that each galaxy has of its own
_FREE = "free"


def to_plain(component, kinds: Mapping[str, type], what: str) -> dict:
    """Kind and fields of a component.

    Parameters
    ----------
    component : dataclass
        Its fields must be numbers, booleans, strings or None.
    kinds : mapping of str to type
        Registered classes by name.
    what : str
        How messages name such a component.

    Returns
    -------
    dict
        ``kind`` and the fields; None is spelled ``"free"``.

    Raises
    ------
    UserError
        For a component of a class that is not registered.
    """
    # the class itself: a subclass may need more than its parent's fields
    kind = next((name for name, cls in kinds.items() if type(component) is cls), None)
    if kind is None:
        raise UserError(
            f"{what} of type {type(component).__name__} cannot be written down: use one of {', '.join(kinds)}"
        )
    values = {field.name: getattr(component, field.name) for field in fields(component)}
    return {"kind": kind} | {name: _FREE if value is None else value for name, value in values.items()}


def from_plain(entry: Mapping, kinds: Mapping[str, type], what: str):
    """Component from its kind and fields; fields that are left out have their defaults.

    Raises
    ------
    UserError
        For an unknown kind, fields that it does not have, or values that it refuses.
    """
    values = dict(entry)
    cls = _of_kind(values.pop("kind", None), kinds, what)
    known = [field.name for field in fields(cls)]
    unknown = [name for name in values if name not in known]
    if unknown:
        raise UserError(
            f"{what} {entry['kind']!r} has no {', '.join(unknown)}: give of {', '.join(known) or 'nothing'}"
        )
    values = {name: None if value == _FREE else value for name, value in values.items()}
    try:
        return cls(**values)
    except TypeError as error:
        raise UserError(f"{what} {entry['kind']!r} cannot be made of {values} ({error}): mend it") from error


def named(component, kinds: Mapping[str, type], what: str):
    """A component as it is, or one of a registered kind with its defaults, by name.

    Raises
    ------
    UserError
        For an unknown name.
    """
    return _of_kind(component, kinds, what)() if isinstance(component, str) else component


def _of_kind(kind, kinds, what):
    if not isinstance(kind, str) or kind not in kinds:
        raise UserError(f"{what} {kind!r} is unknown: use one of {', '.join(kinds)}")
    return kinds[kind]
