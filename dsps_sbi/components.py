"""What every component has in common: a place among jax's pytrees, and plain values for a configuration.

Pytrees by content: the arrays of a component are its leaves and so arguments of whatever is compiled; the
rest is compared by value. Two equal components, made apart, therefore share one compiled program.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import jax
import jax.numpy as jnp

from .errors import UserError


@dataclass(frozen=True, eq=False)
class _Aside:
    """What compiled code never reads: equal to any other, so that it never asks for another program."""

    value: object

    def __eq__(self, other):
        return isinstance(other, _Aside)

    def __hash__(self):
        return 0

    def __repr__(self):
        return "aside"


def pytree(*, arrays: tuple[str, ...], static: tuple[str, ...] = (), aside: tuple[str, ...] = ()):
    """Register a class as a pytree by content.

    A copy that jax makes, inside of what is compiled or by ``jax.tree.map``, is not validated again. Names
    may be those of fields or of cached properties: what is computed once from fields that are left out
    travels with the copy.

    Parameters
    ----------
    arrays : tuple of str
        Leaves, or pytrees themselves.
    static : tuple of str
        Hashable values that programs depend on.
    aside : tuple of str
        What programs do not depend on: provenance, and what ``arrays`` were computed from.

    Returns
    -------
    callable
        Class decorator.
    """

    def register(cls):
        def flatten(self):
            rest = tuple(getattr(self, name) for name in static)
            return [getattr(self, name) for name in arrays], (
                rest,
                *(_Aside(getattr(self, n)) for n in aside),
            )

        def flatten_with_keys(self):
            leaves, rest = flatten(self)
            keys = [jax.tree_util.GetAttrKey(name) for name in arrays]
            return list(zip(keys, leaves, strict=True)), rest

        def unflatten(rest, leaves):
            new = object.__new__(cls)
            values = new.__dict__
            values.update(zip(arrays, leaves, strict=True))
            values.update(zip(static, rest[0], strict=True))
            values.update((name, kept.value) for name, kept in zip(aside, rest[1:], strict=True))
            return new

        jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
        return cls

    return register


def constant(values) -> jax.Array | tuple:
    """Numbers as an array in single precision, also where something is being compiled."""
    with jax.ensure_compile_time_eval():
        return jnp.asarray(values, jnp.float32)


# How a configuration spells None, which TOML does not have: a parameter that each galaxy has of its own
_FREE = "free"


def to_entry(component, kinds: Mapping[str, type], what: str) -> dict:
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


def from_entry(entry: Mapping, kinds: Mapping[str, type], what: str):
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
