"""Tables of the examinations of bundles for any filters; not run by itself, see ``make_tables.py``."""

from _result_tables import NONE, TABLES, Metrics, markdown, table

__all__ = ["TABLES"]

_SURVEYS = {
    "candels-goodss": "CANDELS GOODS-S",
    "cosmos2020": "COSMOS2020",
    "lsst": "LSST, Euclid",
    "desi-legacy": "DESI Legacy",
    "hsc": "HSC",
    "sdss": "SDSS, z < 0.3",
    "jwst": "JWST, 7 bands",
    "medium": "30 medium bands",
    "jades19": "JADES, 19 bands",
}
_FSPS = {
    "log_mass": "log M*",
    "av": "A_V",
    "log_sfr_100": "log SFR over 100 Myr, tau atlas",
    "t50": "t50",
    "metallicity": "[M/H]",
}


@table
def any_filters():
    """Surveys that `photometry` was not trained on."""
    return _surveys_of("any_filters")


@table
def any_filters_dirichlet():
    """Surveys that `photometry-dirichlet` was not trained on."""
    return _surveys_of("any_filters_dirichlet")


def _surveys_of(result):
    m = Metrics(result)
    rows = [
        [
            label,
            m(f"{key}.kl_gap_nats", ".2f"),
            m.percent(f"{key}.ess_median"),
            m.percent(f"{key}.trusted_before_refine", 1),
            m.percent(f"{key}.trusted_after_refine", 1),
            m(f"{key}.sbc_min_p", ".2g"),
            m(f"{key}.sbc_min_p_refined", ".2g"),
            m(f"{key}.tarp_max_deviation", ".3f"),
        ]
        for key, label in _SURVEYS.items()
    ]
    header = ["", "gap [nat]", "effective draws", "trusted, weighed", "trusted, refined", "ranks: p"]
    return markdown([*header, "refined: p", "joint coverage off by"], rows)


@table
def other_universe():
    """Galaxies made by FSPS, by quantity."""
    m = Metrics("other_universe")
    rows = []
    for key, label in _FSPS.items():
        prefix = "tau" if key == "log_sfr_100" else "all"
        own = [m.percent(f"{prefix}.{key}.{name}") for name in ("coverage68", "coverage95")]
        trusted = [m.percent(f"{prefix}.trusted.{key}.{name}") for name in ("coverage68", "coverage95")]
        rows.append(
            [label, *own, *trusted, m(f"{prefix}.{key}.bias", "+.2f"), m(f"{prefix}.{key}.nmad", ".2f")]
        )
    header = ["", "68 % interval holds", "95 % interval holds", "trusted: 68 %", "95 %", "bias", "scatter"]
    return markdown(header, rows)


@table
def other_universe_sets():
    """The same of log M*, by the data."""
    m = Metrics("other_universe")
    sets = {
        "tau": "delayed-tau atlas, JADES depth",
        "dirichlet": "Dirichlet atlas, JADES depth",
        "sn_10": "both, S/N 10",
        "sn_30": "both, S/N 30",
        "sn_100": "both, S/N 100",
        "released": "delayed-tau atlas, bands as released",
    }
    rows = [
        [
            label,
            m.percent(f"{key}.log_mass.coverage68"),
            m.percent(f"{key}.log_mass.coverage95"),
            m(f"{key}.log_mass.bias", "+.2f"),
            m.percent(f"{key}.trusted"),
            m.percent(f"{key}.ppc_low", 1),
        ]
        for key, label in sets.items()
    ]
    header = ["log M*", "68 % interval holds", "95 % interval holds", "bias [dex]", "trusted"]
    return markdown([*header, "p below 0.005"], rows)


@table
def candels():
    """Masses and dust beside those of eight codes."""
    m = Metrics("candels")
    bundles = list(m.terms.get("bundles", {"photometry": {}}))
    rows = []
    for bundle in bundles:
        own = [m(f"{bundle}.{q}.{name}", form) for q in ("log_mass", "av") for name, form in _OFFSETS]
        more = [m.percent(f"{bundle}.{name}", 1) for name in ("trusted", "ppc_low")]
        rows.append([f"`{bundle}`", *own, *more])
    codes = sorted({key.split(".")[1] for key in m.values if key.startswith("code.")})
    for code in codes:
        own = [m(f"code.{code}.{q}.{name}", form) for q in ("log_mass", "av") for name, form in _OFFSETS]
        rows.append([code, *own, NONE, NONE])
    header = ["against the median of the codes", "log M* [dex]", "scatter", "A_V [mag]", "scatter"]
    return markdown([*header, "trusted", "p below 0.005"], rows)


_OFFSETS = (("offset", "+.2f"), ("nmad", ".2f"))


@table
def zf_uds_7329():
    """A massive quiescent galaxy at z = 3.2 by its photometry, with two histories."""
    m = Metrics("zf_uds_7329")

    def interval(key, form):
        low, high = (m(f"{key}_{end}", form) for end in ("p16", "p84"))
        return f"{m(key, form)} ({low} to {high})"

    rows = [
        [
            label,
            interval(f"{key}.log_mass", ".2f"),
            interval(f"{key}.t50", ".2f"),
            interval(f"{key}.t90_t10", ".2f"),
            m.percent(f"{key}.p_formed_by_z7"),
            m(f"{key}.ppc_p", ".2f"),
        ]
        for key, label in (("tau", "`photometry`"), ("dirichlet", "`photometry-dirichlet`"))
    ]
    return markdown(["", "log M*", "t50 [Gyr]", "t90 - t10 [Gyr]", "half formed by z = 7", "`ppc_p`"], rows)


@table
def real_spectra():
    """Spectra of real galaxies under the wide model of spectra, without its misfit and with it."""
    m, bare = Metrics("real_spectra"), Metrics("real_spectra_none")
    names = [key.removesuffix(".population_p") for key in m.values if key.endswith(".population_p")]
    rows = []
    for name in names:
        p_values = (
            bare(f"{name}.population_p", ".1g"),
            *(m(f"{name}.{p}", ".1g") for p in ("population_p", "ppc_p")),
        )
        sizes = m(f"{name}.misfit_percent", ".2f"), m(f"{name}.error_scale", ".2f")
        told = [m.with_error(f"{name}.{q}", form) for q, form in _SPECTRA.items()]
        rows.append([name, m(f"{name}.snr", ".0f"), *p_values, m(f"{name}.ess", ".0f"), *sizes, *told])
    header = ["spectrum", "S/N", "`population_p` without misfit", "`population_p`", "`ppc_p`", "`ess`"]
    header += ["misfit [%]", "scale of the errors", "sigma_v [km/s]", "[M/H]", "age [Gyr]"]
    return markdown(header, rows)


_SPECTRA = {"sigma_v": ".0f", "metallicity": ".2f", "mass_weighted_age": ".1f"}
