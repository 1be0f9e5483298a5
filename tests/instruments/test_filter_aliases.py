"""Names that surveys and codes give to filters: each means one filter of sedpy, or is refused."""

import pytest
from sedpy.observate import list_available_filters

from dsps_sbi.errors import UserError
from dsps_sbi.instruments.filter_aliases import alias_of
from dsps_sbi.instruments.filter_names import canonical_filter

KNOWN = {
    # CANDELS
    "IRAC_CH1": "spitzer_irac_ch1",
    "ISAAC_KS": "vlt_isaac_Ks",
    "VIMOS_U": "vlt_vimos_U",
    "ACS_F435W": "acs_wfc_f435w",
    "WFC3_F098M": "wfc3_ir_f098m",
    # COSMOS2020 and 3D-HST
    "UVISTA_Ks": "vista_vircam_Ks",
    "uvista_Y": "vista_vircam_Y",
    "SC_IB427": "subaru_suprimecam_ia427",
    "IA679": "subaru_suprimecam_ia679",
    "SC_zp": "subaru_suprimecam_zp",
    "GALEX_FUV": "galex_FUV",
    "SPLASH_CH3": "spitzer_irac_ch3",
    "HSC_g": "hsc_g",
    "irac1": "spitzer_irac_ch1",
    "irac_4.5": "spitzer_irac_ch2",
    "ch4": "spitzer_irac_ch4",
    # wide surveys
    "W1": "wise_w1",
    "WISE2": "wise_w2",
    "unWISE_W2": "wise_w2",
    "sdss_u": "sdss_u0",
    "PS1_i": "panstarrs_i",
    "DES_Y": "decam_Y",
    "DECaLS_g": "decam_g",
    "LSST_y": "lsst_baseline_y",
    "2MASS_J": "twomass_J",
    "2MASS.Ks": "twomass_Ks",
    "CFHTLS_u": "cfht_megacam_us_9301",
    "WIRCam_Ks": "cfht_wircam_Ks_8302",
    "kpno_U": "mayall_mosaic_U_k1001",
    "Roman F106": "roman_wfi_f106",
    "UVW1": "uvot_w1",
    # CIGALE
    "u_prime": "sdss_u0",
    "sdss.ip": "sdss_i0",
    "Ks_2mass": "twomass_Ks",
    "V_B90": "bessell_V",
    "galex.NUV": "galex_NUV",
    "MIPS1": "spitzer_mips_24",
    "PACS_green": "herschel_pacs_100",
    "PSW": "herschel_spire_250",
    # Hubble, spelled otherwise
    "wfc3ir_f160w": "wfc3_ir_f160w",
    "HST_WFC3_IR_F105W": "wfc3_ir_f105w",
    "UVIS_F275W": "wfc3_uvis_f275w",
    "hst_acswfc_f606w": "acs_wfc_f606w",
}


@pytest.mark.parametrize("name", KNOWN)
def test_names_of_surveys(name):
    assert canonical_filter(name) == KNOWN[name]


def test_no_name_of_sedpy_means_another():
    for name in list_available_filters():
        assert alias_of(name.lower()) in (None, name.lower())


@pytest.mark.parametrize(
    "name, nearest",
    [
        ("CTIO_U", "vlt_vimos_U"),
        ("HAWKI_KS", "vlt_isaac_Ks"),
        ("g", "hsc_g"),
        ("euclid_y", "hsc_y"),
        ("wfpc2_f606w", "acs_wfc_f606w"),
        ("cfht_u", "decam_u"),
        ("SC_NB711", "spell it like jwst_f277w"),
    ],
)
def test_what_is_not_one_filter_is_refused_with_the_nearest(name, nearest):
    with pytest.raises(UserError, match=f"is not known: .*{nearest}.* are given by their curves"):
        canonical_filter(name)
