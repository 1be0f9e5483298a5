"""Names that surveys and codes give to filters of astro-sedpy, such as ``IRAC_CH1`` and ``uvista_Ks``.

Only one and the same filter counts: CTIO's U is not Kitt Peak's (pivots 3732 and 3593 Angstrom), ``cfht_u``
may be the old or the new one, and ``g`` is of many cameras. These are not known, and have to be named or
given as curves.
"""

import re

_IRAC = {"3_6": "1", "4_5": "2", "5_8": "3", "8_0": "4", "36": "1", "45": "2", "58": "3", "80": "4"}
_PACS, _SPIRE = {"blue": "70", "green": "100", "red": "160"}, {"s": "250", "m": "350", "l": "500"}
_WFI = {"u38": "u38_eso841", "b": "b_eso842", "v": "v_eso843", "rc": "rc_eso844", "ic": "ic_eso845"}
_CFHTLS = {"u": "us_9301", "g": "gs_9401", "r": "rs_9601", "i": "is_9701", "z": "zs_9801"}
_WIRCAM = {"j": "j_8101", "h": "h_8201", "k": "ks_8302"}
_SUPRIME = "(?:subaru|sc|suprime|suprimecam|subaru_(?:sc|suprime|suprimecam))"
_VISTA = "(?:uvista|ultravista|ultra_vista|vista|vircam|viking|vhs|vista_vircam)"

# Patterns of lower-case names with underscores, and what they mean: a name of sedpy in small letters
_RULES = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"(?:spitzer_|splash_|seds_)?irac_?(?:ch_?|i)?([1-4])", r"spitzer_irac_ch\1"),
        (
            r"(?:spitzer_)?irac_?(3_6|4_5|5_8|8_0|36|45|58|80)(?:_?um)?",
            lambda m: "spitzer_irac_ch" + _IRAC[m[1]],
        ),
        (r"(?:splash_|seds_)?ch_?([1-4])", r"spitzer_irac_ch\1"),
        (r"(?:spitzer_)?mips_?(24|70|160)(?:_?um)?", r"spitzer_mips_\1"),
        # CIGALE
        (r"mips([123])", lambda m: "spitzer_mips_" + ("24", "70", "160")[int(m[1]) - 1]),
        (r"pacs_(blue|green|red)", lambda m: "herschel_pacs_" + _PACS[m[1]]),
        (r"(?:herschel_spire_)?p([sml])w", lambda m: "herschel_spire_" + _SPIRE[m[1]]),
        (r"([ugriz])_prime|sdss_([ugriz])p", lambda m: f"sdss_{m[1] or m[2]}0"),
        (r"(j|h|k)s?_2mass", lambda m: "twomass_" + m[1].replace("k", "ks")),
        (r"([ubvri])_b90", r"bessell_\1"),
        (r"(?:herschel_)?pacs_?(70|100|160)(?:_?um)?", r"herschel_pacs_\1"),
        (r"(?:herschel_)?spire_?(250|350|500)(?:_?um)?", r"herschel_spire_\1"),
        (r"(?:(?:un|all|cat)?wise_?)?w([1-4])|wise_?([1-4])", lambda m: "wise_w" + (m[1] or m[2])),
        (r"(?:galex_)?(fuv|nuv)", r"galex_\1"),
        (r"(?:swift_)?(?:uvot_)?uv(w1|w2|m2)", r"uvot_\1"),
        (r"(?:2mass|twomass)_?(j|h|k)s?", lambda m: "twomass_" + m[1].replace("k", "ks")),
        (rf"{_VISTA}_?(z|y|j|h|k)s?", lambda m: "vista_vircam_" + m[1].replace("k", "ks")),
        (r"(?:ukirt|ukidss|wfcam|ukirt_wfcam)_(j|h|k)", r"ukirt_wfcam_\1"),
        (r"(?:vlt_)?isaac_(j|h|k)s?", lambda m: "vlt_isaac_" + m[1].replace("k", "ks")),
        (r"(?:vlt_)?vimos_(u|r)", r"vlt_vimos_\1"),
        (r"(?:subaru_)?moircs_(j|h|k)s?", lambda m: "subaru_moircs_" + m[1].replace("k", "ks")),
        (r"(?:mayall_|kpno_)?newfirm_(j[123]|h[12]|k)", r"mayall_newfirm_\1"),
        (r"(?:mayall|kpno)_(?:mosaic_)?u", "mayall_mosaic_u_k1001"),
        (r"(?:cfht_)?wircam_(j|h|k)s?", lambda m: "cfht_wircam_" + _WIRCAM[m[1]]),
        (r"(?:cfht_)?(?:megacam_|megaprime_)?(?:us|ustar|u_star)", "cfht_megacam_us_9301"),
        (r"cfhtls_([ugriz])", lambda m: "cfht_megacam_" + _CFHTLS[m[1]]),
        (r"(?:eso_|mpgeso_)?wfi_(u38|b|v|rc|ic)", lambda m: "mpgeso_wfi_" + _WFI[m[1]]),
        (r"(?:subaru_)?(?:hsc|hypersuprimecam|hsc_ssp)_?([grizy])", r"hsc_\1"),
        (rf"(?:{_SUPRIME}_)?i[ab]_?(\d{{3}})", r"subaru_suprimecam_ia\1"),
        (rf"{_SUPRIME}_(b|v|rc|rp|ip|zp)", r"subaru_suprimecam_\1"),
        (r"(?:decals|des|ctio_decam|blanco_decam)_([ugrizy])", r"decam_\1"),
        (r"90prime_([gr])", r"bass_\1"),
        (r"sdss_?([ugriz])", r"sdss_\g<1>0"),
        (r"(?:ps1?|panstarrs1?|pan_starrs1?)_?([grizy])(?:p1)?", r"panstarrs_\1"),
        (r"(?:lsst|rubin|rubin_lsst)_([ugrizy])", r"lsst_baseline_\1"),
        (r"(?:roman|wfirst)_(f\d{3})", r"roman_wfi_\1"),
        (r"bessel_([ubvri])", r"bessell_\1"),
        (r"(?:hst_)?acs_?wfc_?(f\d{3}(?:w|lp))", r"acs_wfc_\1"),
        (r"(?:hst_)?(?:wfc3_?ir|ir_wfc3)_?(f\d{3}[wm])", r"wfc3_ir_\1"),
        (r"(?:hst_)?(?:wfc3_?uvis|uvis_wfc3|uvis)_?(f\d{3}[wm])", r"wfc3_uvis_\1"),
    )
)


def alias_of(text: str) -> str | None:
    """What a lower-case name with underscores means in sedpy, in small letters; None if nobody says."""
    for pattern, name in _RULES:
        match = pattern.fullmatch(text)
        if match:
            return name(match) if callable(name) else match.expand(name)
    return None
