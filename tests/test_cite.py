"""What is cited follows the components of a bundle."""

from dataclasses import fields
from types import SimpleNamespace

import pytest

from dsps_sbi.cite import cite
from dsps_sbi.dust import Calzetti, CharlotFall, Noll, Salim
from dsps_sbi.photometry.posterior import PhotometryPosterior
from dsps_sbi.sfh import Continuity, DelayedTau, Dirichlet
from dsps_sbi.spectroscopy.posterior import SpectrumPosterior

KEYS = {"Noll2009", "Salim2018", "CharlotFall2000", "Iyer2019", "Leja2019"}


@pytest.mark.parametrize(
    ("sfh", "dust", "expected"),
    [
        (DelayedTau(), Calzetti(), set()),
        (Dirichlet(), Salim(), {"Iyer2019", "Salim2018"}),
        (Continuity(), CharlotFall(), {"Leja2019", "CharlotFall2000"}),
        (DelayedTau(), Noll(slope=None), {"Noll2009"}),
    ],
)
def test_history_and_dust(sfh, dust, expected):
    meta = {"ssp": {"name": "bc03-miles"}}
    text = cite(PhotometryPosterior(SimpleNamespace(sfh=sfh), None, (), None, None, meta, dust=dust))
    assert {key for key in KEYS if key in text} == expected
    assert "Calzetti2000" in text and text.count("{") == text.count("}")


def test_spectra_rest_on_miles_and_on_no_filters():
    meta = {"ssp": {"name": ["miles"]}}
    parts = {field.name: None for field in fields(SpectrumPosterior)}
    text = cite(SpectrumPosterior(**parts | {"network": SimpleNamespace(sfh=Dirichlet()), "meta": meta}))
    assert "Iyer2019" in text and text.count("{") == text.count("}")
    assert "Vazdekis2010" in text and "Girardi2000" in text and "Kroupa2001" not in text
    assert "sedpy" not in text.lower() and "VERSION" not in text
