import pytest
from sedpy.observate import list_available_filters

from dsps_sbi.errors import UserError
from dsps_sbi.instruments.filter_names import JADES_BANDS, canonical_filter


@pytest.mark.parametrize(
    "name, expected",
    [
        ("F277W", "jwst_f277w"),
        ("f277w-clear", "jwst_f277w"),
        ("jwst_f277w", "jwst_f277w"),
        ("JWST_NIRCam_F090W", "jwst_f090w"),
        ("JWST_NIRCam.F182M", "jwst_f182m"),
        ("JWST/NIRCam.F182M", "jwst_f182m"),
        ("NIRCam F090W", "jwst_f090w"),
        ("NRC_F322W2", "jwst_f322w2"),
        ("MIRI F770W", "jwst_f770w"),
        ("NIRISS F200W", "jwst_niriss_f200w"),
        ("jwst_niriss_f158m", "jwst_niriss_f158m"),
        (b"HST_ACS.F850LP", "acs_wfc_f850lp"),
        ("F850LP", "acs_wfc_f850lp"),
        ("HST_ACS_WFC.F435W", "acs_wfc_f435w"),
        ("acs_wfc_f435w", "acs_wfc_f435w"),
        ("F814W", "acs_wfc_f814w"),
        ("HST F606W", "acs_wfc_f606w"),
        ("WFC3_UVIS F814W", "wfc3_uvis_f814w"),
        ("HST/WFC3_UVIS2.F336W", "wfc3_uvis_f336w"),
        ("HST/WFC3_IR.F160W", "wfc3_ir_f160w"),
        ("WFC3 F160W", "wfc3_ir_f160w"),
        ("F140W", "wfc3_ir_f140w"),
        ("F140M", "jwst_f140m"),
        ("Bessell_b", "bessell_B"),
    ],
)
def test_usual_spellings(name, expected):
    assert canonical_filter(name) == expected


def test_every_sedpy_name_is_its_own():
    for name in list_available_filters():
        assert canonical_filter(name) == name


def test_jades_bands_are_19_canonical_names():
    assert len(set(JADES_BANDS)) == 19
    assert all(canonical_filter(name) == name for name in JADES_BANDS)
    assert (
        JADES_BANDS[6] == "jwst_f277w" and JADES_BANDS[8] == "jwst_f356w" and JADES_BANDS[11] == "jwst_f444w"
    )


@pytest.mark.parametrize(
    "name", ["F277X", "MIRI F277W", "NIRCam F770W", "jwst_f435w", "acs_f277w", "Spam F277W", ""]
)
def test_unknown_names_are_refused(name):
    with pytest.raises(UserError, match="is not known: expected one such as F277W"):
        canonical_filter(name)


def test_unknown_names_have_hints():
    with pytest.raises(UserError, match="did you mean .*jwst_f277w"):
        canonical_filter("MIRI F277W")
    with pytest.raises(UserError, match="did you mean .*wise_w2"):
        canonical_filter("wise_w9")
