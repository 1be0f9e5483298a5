"""Components: to plain values and back, and as pytrees by content."""

import json
from dataclasses import dataclass, replace
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi.components import constant, from_entry, named, pytree, to_entry
from dsps_sbi.dust import LAWS, CharlotFall, Noll, Salim
from dsps_sbi.errors import UserError
from dsps_sbi.priors import MARGINALS, Beta, StudentT, Uniform
from dsps_sbi.sfh import FAMILIES, Burst, Continuity, DelayedTau, Dirichlet

COMPONENTS = [
    *((sfh, FAMILIES) for sfh in (DelayedTau(), Burst(), Dirichlet(5, 2.0), Continuity(9, 0.2, 1))),
    *((law, LAWS) for law in (LAWS["calzetti"](), Noll(None, 1.0), Salim(), CharlotFall(mu=None))),
    *((m, MARGINALS) for m in (Uniform(0.0, 0.5, of_age=True), Beta(1.0, 3.0), StudentT(0.3, 1, 5.0))),
]


@pytest.mark.parametrize(("component", "kinds"), COMPONENTS, ids=lambda c: type(c).__name__)
def test_there_and_back(component, kinds):
    entry = json.loads(json.dumps(to_entry(component, kinds, "part")))
    assert None not in entry.values()
    back = from_entry(entry, kinds, "part")
    assert back == component and type(back) is type(component)


def test_a_subclass_is_not_its_parent():
    class Mine(Noll):
        pass

    assert to_entry(Salim(), LAWS, "law")["kind"] == "salim"
    with pytest.raises(UserError, match="law of type Mine cannot be written down: use one of calzetti, noll"):
        to_entry(Mine(), LAWS, "law")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({}, "part None is unknown: use one of"),
        ({"kind": "no_such"}, "part 'no_such' is unknown: use one of delayed_tau, dirichlet"),
        ({"kind": ["a"]}, "is unknown"),
        ({"kind": "dirichlet", "bins": 3}, "part 'dirichlet' has no bins: give of n_quantiles, alpha"),
        ({"kind": "burst", "names": ["x"]}, "part 'burst' has no names: give of nothing"),
        ({"kind": "dirichlet", "n_quantiles": "many"}, "part 'dirichlet' cannot be made of"),
        ({"kind": "dirichlet", "n_quantiles": 0}, "0 quantiles"),
    ],
)
def test_refusals(entry, message):
    with pytest.raises(UserError, match=message):
        from_entry(entry, FAMILIES, "part")


def test_by_name_or_as_it_is():
    sfh = Dirichlet(2)
    assert named(sfh, FAMILIES, "part") is sfh
    assert named("dirichlet", FAMILIES, "part") == Dirichlet()


@pytree(arrays=("values", "inner", "total"), static=("kind",), aside=("source",))
@dataclass(frozen=True, eq=False)
class Part:
    """With what it was made of, and what is computed from that once."""

    source: list
    kind: str
    values: jax.Array
    inner: object = None

    def __post_init__(self):
        if not self.source:
            raise UserError("made of nothing")

    @cached_property
    def total(self):
        return constant(sum(self.source))


def part(kind="a", *source):
    return Part(list(source or (1.0, 2.0)), kind, jnp.arange(3.0))


def test_what_is_aside_does_not_ask_for_another_program():
    traced = []

    @jax.jit
    def total(part):
        traced.append(part.kind)
        return part.total + part.values.sum()

    assert [float(total(part("a", *source))) for source in ((1.0,), (1.0, 2.0), (5.0,))] == [4.0, 6.0, 8.0]
    assert traced == ["a"]
    total(part("b"))
    total(replace(part("b"), inner=part("b")))
    assert traced == ["a", "b", "b"]


def test_copies_keep_everything_and_are_not_validated_again():
    given = replace(part(), inner=part("b", 7.0))
    copy = jax.tree.map(lambda a: 2.0 * a, given)
    assert type(copy) is Part and copy.source is given.source and copy.kind == "a"
    assert float(copy.total) == 6.0 and float(copy.inner.total) == 14.0
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(given)]
    assert paths == [".values", ".inner.values", ".inner.total", ".total"]
    empty = jax.tree.unflatten(jax.tree.structure(part()), [None, None])
    assert empty.values is None and empty.total is None
    with pytest.raises(UserError, match="made of nothing"):
        replace(given, source=[])


def test_constants_are_arrays_inside_of_what_is_compiled_too():
    inside = []
    jax.jit(lambda x: inside.append(constant([1.0, 2.0])) or x)(1.0)
    assert not isinstance(inside[0], jax.core.Tracer) and inside[0].dtype == jnp.float32
    np.testing.assert_array_equal(inside[0], [1.0, 2.0])
