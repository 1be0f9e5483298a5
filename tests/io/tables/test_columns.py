"""Columns are found by the names that surveys give them, and never guessed."""

import pytest

from dsps_sbi.errors import UserError
from dsps_sbi.io.tables.columns import bands_by_template, find_bands, find_id, find_redshift

STYLES = {
    "eazy": ("f_F200W", "e_F200W", "error", False),
    "cosmos": ("JWST_F200W_FLUX", "JWST_F200W_FLUXERR", "error", False),
    "upper": ("FLUX_F200W", "FLUXERR_F200W", "error", False),
    "tractor": ("flux_f200w", "flux_ivar_f200w", "ivar", False),
    "cigale": ("jwst_f200w", "jwst_f200w_err", "error", False),
    "candels": ("NIRCam_F200W", "eNIRCam_F200W", "error", False),
    "magnitudes": ("F200W_mag", "F200W_magerr", "error", True),
    "vizier": ("F200Wmag", "e_F200Wmag", "error", True),
}


@pytest.mark.parametrize("style", STYLES)
def test_conventions(style):
    flux, error, kind, magnitude = STYLES[style]
    (band,) = find_bands(["ID", "z", flux, error, "chi2", "f_other"]).bands
    assert band.filter == "jwst_f200w" and (band.flux, band.error) == (flux, error)
    assert (band.kind, band.magnitude) == (kind, magnitude)


def test_an_inverse_variance_is_not_taken_for_a_band():
    found = find_bands(["flux_f200w", "flux_ivar_f200w", "flux_f277w", "flux_ivar_f277w"])
    assert {band.filter for band in found.bands} == {"jwst_f200w", "jwst_f277w"}
    assert all(band.kind == "ivar" for band in found.bands) and not found.strangers


def test_unknown_filters_are_told_and_can_be_named():
    names = ["f_Ks", "e_Ks", "f_F200W", "e_F200W"]
    found = find_bands(names)
    assert [band.filter for band in found.bands] == ["jwst_f200w"] and len(found.strangers) == 1
    assert found.strangers[0].startswith("f_Ks (no filter of that name: twomass_Ks or vlt_isaac_Ks?)")
    found = find_bands(names, {"KS": "F444W"})
    assert {band.filter for band in found.bands} == {"jwst_f200w", "jwst_f444w"} and not found.strangers


def test_two_fluxes_of_one_filter_are_not_guessed():
    with pytest.raises(
        UserError, match="f_F200W, f_NIRCam_F200W are all of the filter jwst_f200w: say which"
    ):
        find_bands(["f_F200W", "e_F200W", "f_NIRCam_F200W", "e_NIRCam_F200W"])


def test_templates():
    names = ["F200W_KRON", "F200W_KRON_e", "F200W_CIRC1", "F200W_CIRC1_e", "F277W_KRON", "F277W_KRON_e"]
    found = bands_by_template(names, "{}_KRON", "{}_KRON_e", "error")
    assert [band.flux for band in found.bands] == ["F200W_KRON", "F277W_KRON"]
    with pytest.raises(UserError, match="no columns are called {}_AUTO and {}_AUTO_e .* F200W_KRON"):
        bands_by_template(names, "{}_AUTO", "{}_AUTO_e", "error")
    with pytest.raises(UserError, match="flux 'KRON': expected one {} where the name of the band is"):
        bands_by_template(names, "KRON", "{}_KRON_e", "error")


def test_names_and_redshifts():
    assert find_id(["RA", "TARGETID", "z"]) == "TARGETID" and find_id(["RA"]) is None
    assert find_redshift(["id", "zz"]) == "zz" and find_redshift(["id"]) is None
    with pytest.raises(
        UserError, match="z_spec, z_phot may all be the redshift: say which, as --layout redshift"
    ):
        find_redshift(["z_spec", "z_phot"])
