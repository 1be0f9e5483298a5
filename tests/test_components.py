"""Components to plain values and back."""

import json

import pytest

from dsps_sbi.components import from_entry, named, to_entry
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
