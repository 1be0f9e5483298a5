"""A bundle is accepted for the model that it was trained on, and for no other."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from dsps_sbi import GalaxyModel, UserError, load_bundle
from dsps_sbi.cosmology import Cosmology
from dsps_sbi.instruments.filters import FilterSet
from dsps_sbi.photometry.fingerprint import check_match, reference_fluxes
from dsps_sbi.photometry.prior import photometry_prior

BANDS = ("F814W", "F200W", "F444W")


@pytest.fixture(scope="module")
def model(toy):
    return GalaxyModel(toy, FilterSet.from_names(BANDS), photometry_prior())


@pytest.fixture(scope="module")
def post(model):
    meta = {"name": "toy", "reference": reference_fluxes(model)}
    return SimpleNamespace(meta=meta, filters=model.filters.names, names=model.names)


def test_the_same_model_is_accepted(post, model):
    assert check_match(post, replace(model, n_sub=2)) < 1e-4


def test_other_physics_is_refused_naming_a_band(post, model):
    from astropy.cosmology import Planck18

    for other in (replace(model, log_u=-3.0), replace(model, cosmology=Cosmology.from_astropy(Planck18))):
        with pytest.raises(UserError, match=r"trained on another model: (acs|jwst)_\w+ differs by"):
            check_match(post, other)


def test_other_bands_and_missing_fluxes_are_refused(post, model):
    fewer = replace(model, filters=FilterSet.from_names(BANDS[:2]))
    with pytest.raises(UserError, match="other bands or parameters"):
        check_match(post, fewer)
    empty = SimpleNamespace(**(vars(post) | {"meta": {"name": "toy"}}))
    with pytest.raises(UserError, match="no reference fluxes"):
        check_match(empty, model)


def test_the_shipped_bundle_matches_the_real_grid(real_grid):
    assert check_match(load_bundle("jades-pixels"), GalaxyModel.preset(ssp=real_grid)) < 1e-3
