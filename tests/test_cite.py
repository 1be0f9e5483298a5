"""What is cited follows the components of a bundle."""

import importlib
from dataclasses import fields
from importlib import resources
from types import SimpleNamespace

import bibtexparser
import pytest

from dsps_sbi.cite import cite
from dsps_sbi.dust import Calzetti, CharlotFall, Noll, Salim
from dsps_sbi.photometry.posterior import PhotometryPosterior
from dsps_sbi.sfh import Continuity, DelayedTau, Dirichlet
from dsps_sbi.spectroscopy.posterior import SpectrumPosterior

module = importlib.import_module("dsps_sbi.cite")
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


def test_a_parser_reads_every_entry_and_each_is_picked_by_its_key():
    text = resources.files("dsps_sbi").joinpath("references.bib").read_text("utf-8")
    parsed, entries = bibtexparser.parse_string(text), module._entries()
    # a key that stands twice is a failed block
    assert not parsed.failed_blocks and len(parsed.entries) == text.count("\n@") == len(entries)
    assert list(entries) == list(parsed.entries_dict)
    for key, entry in entries.items():
        assert entry.count("{") == entry.count("}") and entry.endswith("}")
        names = set(parsed.entries_dict[key].fields_dict)
        assert {"author", "title"} <= names and (key == "sedpy" or "year" in names)
    groups = (module._METHOD, module._BC03, module._MILES, module._LIGHT, module._OF_COMPONENT.values())
    assert {key for group in groups for key in group} == set(entries)


def test_what_the_default_prints_is_bibtex():
    parsed = bibtexparser.parse_string(cite())
    assert not parsed.failed_blocks
    assert [entry.key for entry in parsed.entries] == [*module._METHOD, *module._BC03, *module._LIGHT]
