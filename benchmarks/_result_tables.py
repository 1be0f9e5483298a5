"""Tables of the documentation from the committed results; not run by itself, see ``make_tables.py``."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
NONE = "-"
TABLES: dict[str, Callable[[], str]] = {}


def table(function):
    """Make a function known as the table of its name."""
    TABLES[function.__name__] = function
    return function


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell or " " for cell in line) + " |" for line in lines)


class Metrics:
    """Metrics of a result, as text; a dash where the file or the number is missing."""

    def __init__(self, name: str):
        path = RESULTS / f"{name}.json"
        content = json.loads(path.read_text()) if path.is_file() else {}
        self.values = content.get("metrics", {})
        self.terms = content.get("terms", {})

    def __call__(self, key: str, form: str = ".3f", scale: float = 1.0) -> str:
        value = self.values.get(key)
        if value is None:
            return NONE
        text = format(value * scale, form)
        # no minus before a zero
        return text.lstrip("-") if not text.strip("-0.%") else text

    def percent(self, key: str, digits: int = 0) -> str:
        """A share in per cent."""
        text = self(key, f".{digits}f", 100.0)
        return text if text == NONE else f"{text} %"

    def with_error(self, key: str, form: str = ".1f") -> str:
        """``value ± error``, the error being that of the metric ``KEY_err``."""
        if key not in self.values:
            return NONE
        return f"{self(key, form)} ± {self(key + '_err', form)}"


_RECOVERED = {
    "log_mass": "log M* [dex]",
    "log_sfr_100": "log SFR over 100 Myr [dex]",
    "mass_weighted_age": "mass-weighted age [Gyr]",
    "t50": "t50 [Gyr]",
    "metallicity": "[M/H] [dex]",
    "av": "A_V [mag]",
    "log_tau": "log tau [dex]",
    "t_start": "t_start [Gyr]",
}


@table
def readme_numbers():
    """The three numbers of the README, with links."""
    pixels, exact, spectra = (Metrics(n) for n in ("recovery_pixels", "exactness_pixels", "recovery_spectra"))

    def item(head, text, section, result):
        links = f"[table](docs/validation.md#{section}), [JSON](benchmarks/results/{result}.json)"
        return f"- **{head}**\n  {text}\n  {links}"

    return "\n".join(
        [
            item(
                f"Stellar mass of a pixel: R2 = {pixels('log_mass.r2')}, "
                f"RMSE = {pixels('log_mass.rmse')} dex.",
                "The 68 % interval holds the truth for "
                f"{pixels('log_mass.coverage68', '.1f', 100)} % of the mocks.",
                "recovery-of-pixels",
                "recovery_pixels",
            ),
            item(
                f"Distance of the network from the exact posterior: {exact('kl_gap_mean_nats', '.2f')} nat.",
                f"{exact('ess_median', '.0f', 100)} % of the draws are effective once they are weighed "
                f"(median). A flow of the package sbi: {exact('peer_kl_gap_mean_nats', '.1f')} nat, "
                f"{exact('peer_ess_median', '.1f', 100)} %.",
                "distance-of-pixels-from-the-exact-posterior",
                "exactness_pixels",
            ),
            item(
                f"Spectra of S/N 50: R2 = {spectra('t90.r2_sn50')} for t90, "
                f"but {spectra('t50.r2_sn50', '.2f')} for t50.",
                "The data leave t50 open, and the 68 % interval says so: it holds the truth for "
                f"{spectra('t50.coverage68_sn50', '.0f', 100)} % of the mocks.",
                "recovery-of-spectra",
                "recovery_spectra",
            ),
        ]
    )


@table
def recovery_pixels():
    """Recovery of mock pixels under two noise models."""
    m = Metrics("recovery_pixels")
    rows = []
    for key, label in _RECOVERED.items():
        own = [m(f"{key}.{name}") for name in ("r2", "rmse", "coverage68", "coverage95")]
        other = [m(f"sbipix_noise.{key}.{name}") for name in ("r2", "rmse", "coverage68")]
        rows.append([label, *own, *other])
    header = ["", "R2", "RMSE", "68 % interval holds", "95 % interval holds"]
    return markdown([*header, "SBIPIX noise: R2", "RMSE", "68 % interval holds"], rows)


@table
def speed_pixels():
    """Seconds of sampling and of the forward model."""
    m, forward = Metrics("speed_sampling"), Metrics("speed_forward")
    rate = forward.values.get("photometric_seds_per_s")
    rows = [
        ["one draw of all parameters", m("seconds_per_draw", ".1e"), "speed_sampling"],
        ["one pixel, 50 draws", m("seconds_per_pixel_50", ".1e"), "speed_sampling"],
        ["one pixel, 500 draws", m("seconds_per_pixel_500", ".1e"), "speed_sampling"],
        [
            "one pixel, 500 draws, with all derived quantities",
            m("seconds_per_pixel_500_with_quantities", ".1e"),
            "speed_sampling",
        ],
        [
            "fluxes of one galaxy in 19 bands from its parameters, batch of 10,000",
            NONE if rate is None else f"{1 / rate:.1e}",
            "speed_forward",
        ],
        [
            "ratio: draws weighed in memory over draws unweighted",
            m("weighted_ratio", ".2f"),
            "speed_sampling",
        ],
        ["matrix products of this machine [GFLOP/s]", m("gemm_peak_gflops", ".0f"), "speed_sampling"],
    ]
    return markdown(["two CPU cores, warm, no reading or writing", "seconds", "result"], rows)


_SLICES = {
    "snr_5_10": "S/N 5-10",
    "snr_10_30": "S/N 10-30",
    "snr_30_100": "S/N 30-100",
    "snr_100": "S/N > 100",
    "bands_5": "5 bands",
    "bands_10": "10 bands",
    "bands_19": "19 bands",
}


@table
def calibration_pixels():
    """Calibration per slice of the network and of refined answers."""
    m = Metrics("calibration_pixels")
    rows = []
    for prefix, label in [("", "all slices, the worst of them"), *((f"{k}.", v) for k, v in _SLICES.items())]:
        row = [label, m(f"{prefix}sbc_min_p", ".2f"), m(f"{prefix}tarp_max_deviation")]
        row += [m(f"{prefix}coverage68_max_deviation")]
        row += [m(f"{prefix}sbc_min_p_refined", ".2f")]
        row += [m(f"{prefix}{name}_refined") for name in ("tarp_max_deviation", "tarp_chance99")]
        rows.append([*row, m.percent(f"{prefix}trusted_fraction_refined", 1)])
    header = ["slice", "network: SBC p", "TARP deviation", "68 % interval off by"]
    return markdown([*header, "refined: SBC p", "TARP deviation", "reached by chance", "trusted"], rows)


@table
def exactness_pixels():
    """Distance from the exact posterior, ours and the peer's."""
    m = Metrics("exactness_pixels")

    def both(gap, share, gap_form, share_form):
        ends = ("", "_all_bands")
        return [f"{m(gap + end, gap_form)} nat, {m(share + end, share_form, 100)} %" for end in ends]

    rows = [
        ["network, mass integrated out", *both("kl_gap_mean_nats", "ess_median", ".2f", ".0f")],
        [
            "network, the flow's own mass",
            *both("kl_gap_with_mass_mean_nats", "ess_with_mass_median", ".2f", ".0f"),
        ],
        [
            "sbi's MAF on 100,000 stored simulations of the same simulator, as SBIPIX trains it",
            *both("peer_kl_gap_mean_nats", "peer_ess_median", ".1f", ".1f"),
        ],
    ]
    return markdown(["", "masks, depths, limits as in training", "all bands at JADES depth"], rows)


@table
def trust_pixels():
    """What share of mock pixels can be trusted, and what that costs."""
    m = Metrics("exactness_pixels")
    rows = [
        ["trusted as weighed", m.percent("trusted_fraction_flow", 1)],
        ["trusted once refined", m.percent("trusted_fraction_after_refine", 1)],
        ["needed refining", m.percent("refined_fraction", 1)],
        ["untrusted because of a p-value (false alarms)", m.percent("false_flag_rate", 1)],
        ["weighing one pixel, 500 draws [s]", m("weigh_seconds_per_object", ".3f")],
        ["refining one pixel that needs it [s]", m("refine_seconds_per_object", ".2f")],
    ]
    return markdown(["1000 mocks; masks, depths, limits as in training", ""], rows)


@table
def refine_reference():
    """Refined answers against NUTS chains and dense importance sampling."""
    m, dense = Metrics("refine_reference"), Metrics("refine_reference_dense")
    kinds = ("mocks", "pixels")
    rows = [
        [
            "NUTS: medians differ by, at most [sigma]",
            [m(f"{k}.median_offset_max_sigma", ".2f") for k in kinds],
        ],
        ["NUTS: widths differ by, at most", [m(f"{k}.width_ratio_max", ".1%") for k in kinds]],
        ["NUTS: R-hat, at most", [m(f"{k}.reference_rhat_max", ".2f") for k in kinds]],
        ["NUTS: effective draws, median", [m(f"{k}.reference_ess_median", ".0f") for k in kinds]],
        ["NUTS: effective draws, at least", [m(f"{k}.reference_ess_min", ".0f") for k in kinds]],
        [
            "dense: medians differ by [sigma]",
            [dense(f"{k}.dense_median_offset_max_sigma", ".2f") for k in kinds],
        ],
        ["dense: widths differ by", [dense(f"{k}.dense_width_ratio_max", ".1%") for k in kinds]],
        ["dense: effective draws, at least", [dense(f"{k}.is_ess_min", ".0f") for k in kinds]],
        ["refined answers that are trusted", [m(f"{k}.answer_trusted_fraction", ".0%") for k in kinds]],
    ]
    rows = [[label, *(cell.replace("%", " %") for cell in cells)] for label, cells in rows]
    return markdown(["", "20 mocks", "20 pixels of a galaxy at z = 3.475"], rows)


@table
def outliers_pixels():
    """Share of odd objects that are called untrusted."""
    m = Metrics("outliers_pixels")
    labels = {
        "star": "stars",
        "agn": "active nuclei",
        "band_off": "one band off by 10 sigma",
        "redshift": "wrong redshift",
        "units": "units wrong by 1000 in one of two instruments",
        "units_up": "units 1000 times too large in all bands",
        "units_down": "units 1000 times too small in all bands",
    }
    rows = [
        [text, m(f"{key}.flag_rate", ".1f", 100), m(f"{key}.chi2_flag_rate", ".1f", 100)]
        for key, text in labels.items()
    ]
    rows.append(
        [
            "units 1000 times too large in all bands, errors in the trained range all the same",
            m("units_up.in_range_flag_rate", ".1f", 100),
            "-",
        ]
    )
    rows.append(["sound galaxies", m("false_flag_rate", ".1f", 100), m("chi2_false_flag_rate", ".1f", 100)])
    return markdown(["S/N > 20, at least 10 bands", "untrusted [%]", "seen by the smallest chi2 [%]"], rows)


@table
def accuracy_forward():
    """Errors of the forward model of photometry."""
    m = Metrics("accuracy_forward")
    gradient = (f"gradient_{name}_rel_error" for name in ("p50", "p99", "max"))
    percent = [
        [
            "fast path against full wavelength resolution",
            *(f"fast_vs_exact_{p}" for p in ("p50", "p99", "max")),
        ],
        ["gradients against central differences", *gradient],
        ["DSPS 0.4.8, its age bins in both codes", "dsps_p50", "dsps_p99", "dsps_p100"],
        ["DSPS 0.4.8, each code with its own age bins", *(f"dsps_own_age_bins_p{p}" for p in (50, 99, 100))],
    ]
    rows = [[label, *(m(key, ".2g", 100) for key in keys)] for label, *keys in percent]
    return markdown(["difference [%]", "median", "99th percentile", "largest"], rows)


@table
def fsps():
    """Offsets from galaxies that FSPS made."""
    m = Metrics("accuracy_forward")
    labels = {
        "fsps.step.bands.worst_mag": "largest median offset of a band",
        "fsps.step.imf.worst_mag": "the same, IMF accounted for",
        "fsps.cause.imf_mag": "what the IMF does",
        "fsps.left.by_metallicity_-2.3_-1.2.uv_mag": "left below 0.3 micron at [M/H] -2.3 to -1.2",
        "fsps.left.by_metallicity_0_0.41.uv_mag": "left below 0.3 micron at [M/H] 0 to 0.41",
    }
    return markdown(
        ["FSPS (MIST, Chabrier)", "[mag]"], [[text, m(key, ".2f")] for key, text in labels.items()]
    )


@table
def closed_forms():
    """Errors against closed forms, quadrature and astropy."""
    m = Metrics("closed_forms")
    labels = {
        "sfh.delayed_tau.quadrature_error": "shares of mass, delayed tau, against quadrature",
        "sfh.constant.quadrature_error": "shares of mass, constant, against quadrature",
        "sfh.dirichlet.mass_error": "total mass, Dirichlet",
        "sfh.continuity.mass_error": "total mass, continuity",
        "dust.calzetti_error": "Calzetti's law against dust_extinction",
        "dust.bump_error": "2175 Angstrom bump against the printed formula",
        "cosmology.distance_error": "luminosity distance against astropy",
        "cosmology.age_error": "age of the Universe against astropy",
        "photometry_error": "bands against quadrature in float64",
    }
    return markdown(["", "largest error"], [[text, m(key, ".0e")] for key, text in labels.items()])


@table
def field_gsz14():
    """Totals of a real galaxy."""
    m = Metrics("field_gsz14")
    rows = []
    for key, text in (("log_mass", "log M*"), ("log_sfr_100", "log SFR over 100 Myr")):
        cells = []
        for kind in ("independent", "correlated"):
            low, mid, high = (m(f"total_{key}.{kind}_{p}", ".2f") for p in (16, 50, 84))
            cells.append(f"{mid} ({low} to {high})")
        rows.append([text, *cells])
    return markdown(
        [f"{m('pixels_fitted', '.0f')} pixels", "errors independent", "errors fully correlated"], rows
    )


@table
def outshining():
    """Totals of simulated galaxies by both ways, by mass and by history."""
    m = Metrics("outshining")
    ranges = {"all": "", "10^6.5 to 10^8": ".log_mass_6.5_8", "10^8 to 10^9": ".log_mass_8_9"}
    ranges |= {"10^9 to 10^10": ".log_mass_9_10", "10^10 to 10^11": ".log_mass_10_11"}
    rows = []
    for history, word in (("delayed_tau", "delayed tau"), ("dirichlet", "Dirichlet")):
        for text, group in ranges.items():
            place = f"{history}{group}"
            cells = [f"{m(f'{place}.outshined', '+.2f')} ± {m(f'{place}.outshined_err', '.2f')}"]
            cells.append(m(f"{place}.outshined_scatter", ".2f"))
            for way in ("pixels", "integrated"):
                cells.append(f"{m(f'{place}.{way}_bias', '+.2f')} ± {m(f'{place}.{way}_scatter', '.2f')}")
                cells.append(m.percent(f"{place}.{way}_coverage68"))
            rows.append([word if not group else "", text, m(f"{place}.n", ".0f"), *cells])
    header = ["history", "mass [Msun]", "galaxies", "whole over pixels [dex]", "its scatter"]
    header += ["pixels over true", "68 % holds", "whole over true", "68 % holds"]
    return markdown(header, rows)


@table
def outshining_words():
    """What histories do to totals, and outshining below and above 10^8 solar masses."""
    m = Metrics("outshining")
    parts = []
    for way, word in (("pixels", "summed over pixels"), ("integrated", "of wholes")):
        median, rms = (m(f"between_histories.{way}.{key}", ".2f") for key in ("median", "rms"))
        parts.append(f"{median} dex in the median ({rms} rms) for masses {word}")
    below, above = (
        f"{m(f'outshined_{side}_1e8', '+.2f')} ± {m(f'outshined_{side}_1e8_err', '.2f')} dex {side} 10^8"
        for side in ("below", "above")
    )
    trusted = [m.percent(f"{history}.share_of_wholes_trusted") for history in ("delayed_tau", "dirichlet")]
    return (
        f"Dirichlet over delayed tau: {' and '.join(parts)}. Whole over pixels, delayed tau: {below} solar "
        f"masses, {above}. Trusted wholes: {trusted[0]} with delayed tau, {trusted[1]} with "
        f"Dirichlet: `trust` does not see outshining."
    )


@table
def noise_learned():
    """Scatter of sums of empty pixels over their errors, and a galaxy's total."""
    m = Metrics("noise_learned")
    rows = [
        [f"sums of {side} x {side} empty pixels", m(f"field.side_{side}.scatter_stated", ".2f"),
         m(f"field.side_{side}.scatter_learned", ".2f")]
        for side in (1, 3, 5, 9)
    ]  # fmt: skip
    stated, learned = (
        f"{m(f'galaxy.total_log_mass_{word}', '.2f')} ± {m(f'galaxy.total_log_mass_error_{word}', '.3f')}"
        for word in ("stated", "learned")
    )
    rows.append([f"log M* of {m('galaxy.pixels', '.0f')} pixels of the galaxy", stated, learned])
    return markdown([" ", "errors as stated, independent", "errors as learned"], rows)


@table
def recovery_spectra():
    """Recovery of mock spectra by signal-to-noise ratio."""
    m = Metrics("recovery_spectra")
    labels = {
        "noise_free": "noise-free, labelled 1000",
        "sn100": "100",
        "sn50": "50",
        "sn20": "20",
        "sn10": "10",
        "sn100_least_error": "100, the model error at the lower end of its prior",
    }
    rows = []
    for end, label in labels.items():
        row = [label, m(f"t50.r2_{end}", ".2f"), *(m(f"{q}.r2_{end}") for q in ("t70", "t90", "metallicity"))]
        held = [m.percent(f"{q}.coverage68_{end}") for q in ("t50", "metallicity")]
        rows.append([*row, m(f"sigma_v.r2_{end}"), *held])
    header = ["S/N per pixel", "R2 of t50", "t70", "t90", "[M/H]", "sigma_v"]
    return markdown([*header, "68 % interval of t50 holds", "of [M/H] holds"], rows)


_TOLD, _P_VALUES = ("t50", "metallicity"), ("ppc_p", "population_p")


@table
def resolution_spectra():
    """Coverage of mock spectra that are sharper than the SSPs."""
    m = Metrics("resolution_spectra")
    labels = {"_r2000": "R = 2000", "_r3500": "R = 3500", "_r5500": "R = 5500", "_sdss": "SDSS", "": "all"}
    rows = []
    for end, label in labels.items():
        kinds = "trusted_coverage68", "coverage68"
        held = [m.percent(f"{q}.{kind}{end}") for kind in kinds for q in ("sigma_v", "t50", "metallicity")]
        shares = [m.percent(f"{key}{end}") for key in ("smoothed", "wave_used_min", "converged")]
        rows.append([label, *held, *(m(f"{p}_ks{end}", ".2g") for p in ("ppc_p", "population_p")), *shares])
    header = ["instrument", "68 % interval of trusted answers holds sigma_v", "t50", "[M/H]"]
    header += ["all answers: sigma_v", "t50", "[M/H]", "`ppc_p` uniform: p"]
    header += ["`population_p` uniform: p", "pixels smoothed", "least `wave_used`", "converged"]
    return markdown(header, rows)


@table
def real_galaxies():
    """Two real galaxies, weighed and refined."""
    m = Metrics("real_files")
    rows = []
    labels = {"desi": "DESI, z = 0.369, starburst", "desi_masked": "the same, more lines masked"}
    for key, label in (labels | {"legac": "LEGA-C M19_56670, z = 0.669"}).items():
        for end, method in (("_weighed", "weighed"), ("", "refined")):
            trusted = {"1": "yes", "0": "no"}.get(m(f"{key}.trusted{end}", ".0f"), NONE)
            numbers = m(f"{key}.ess{end}", ".0f"), *(m(f"{key}.{p}{end}", ".1g") for p in _P_VALUES)
            both = [f"{m(f'{key}.{q}{end}', '.2f')} ± {m(f'{key}.{q}_error{end}', '.2f')}" for q in _TOLD]
            rows.append([label, method, m.percent(f"{key}.wave_used{end}"), *numbers, trusted, *both])
    header = ["galaxy", "", "pixels used", "effective draws", "`ppc_p`", "`population_p`", "trusted"]
    return markdown([*header, "t50 [Gyr]", "[M/H]"], rows)


@table
def calibration_spectra():
    """Calibration of the network for spectra per slice of S/N."""
    m = Metrics("recovery_spectra")
    rows = []
    for key in ("5_10", "10_30", "30_100", "100_300", "300_1000"):
        values = m(f"snr_{key}.sbc_min_p", ".2f"), m(f"snr_{key}.tarp_max_deviation", ".4f")
        rows.append([key.replace("_", "-"), *values, m(f"snr_{key}.tarp_error", ".4f")])
    return markdown(["S/N per pixel", "SBC p after Holm's correction", "TARP deviation", "its error"], rows)


@table
def exactness_spectra():
    """Distance from the exact posterior of spectra."""
    m = Metrics("recovery_spectra")
    rows = []
    for end, label in (("_sn5_50", "5-50"), ("_sn50_200", "50-200")):
        gap = f"{m('kl_gap_mean_nats' + end, '.2f')} ± {m('kl_gap_mean_error' + end, '.2f')}"
        rows.append([label, gap, m("ess_median" + end, ".2f")])
    return markdown(["S/N per pixel", "distance, mean [nat]", "effective share of the draws, median"], rows)


@table
def speed_spectra():
    """Seconds for spectra."""
    m = Metrics("recovery_spectra")
    rows = [
        ["encoding, in batches", m("seconds_encoding_batch", ".1e")],
        ["encoding, one at a time", m("seconds_encoding_one", ".1e")],
        ["one draw", m("seconds_per_draw_batch", ".0e")],
        ["1000 draws weighed with the exact likelihood", m("seconds_per_spectrum_weighed", ".2f")],
    ]
    return markdown(["one spectrum, two CPU cores, warm", "seconds"], rows)


@table
def as_the_paper():
    """Training recipes on one problem."""
    m = Metrics("as_the_paper")
    labels = {
        "ours": "ours: components, steps to the peak, convolutions",
        "two_stage": "convolutions and attention, then the flow, in two stages",
        "joint": "the same, trained as one",
        "two_stage_wide": "two stages, convolutions as wide as the paper's",
        "joint_wide": "trained as one, as wide",
    }
    # two stages and one need twice the steps of ours, see the script
    steps = {"ours": m.terms.get("steps", NONE)}
    rows = []
    for key, label in labels.items():
        r2 = m(f"{key}.t10.r2", ".3f"), m(f"{key}.t50.r2", ".3f"), m(f"{key}.t90.r2", ".4f")
        rest = m(f"{key}.t50.rmse", ".2f"), m(f"{key}.loss", ".1f")
        count = steps.get(key, m.terms.get("latent_steps", NONE))
        rows.append([label, *r2, *rest, str(count), m(f"{key}.seconds", ".0f")])
    header = ["recipe", "R2 of t10", "t50", "t90", "RMSE of t50 [Gyr]", "mean of -log q [nat]"]
    return markdown([*header, "steps", "seconds"], rows)


_TRUST = {0: "trusted", 1: "untrusted", 2: "unchecked"}
_STACKS = {"high_in": "high dispersion, centre", "high_mid": "high, middle", "high_out": "high, outskirts"}
_STACKS |= {"low_in": "low dispersion, centre", "low_mid": "low, middle", "low_out": "low, outskirts"}


@table
def etg_stacks():
    """Stacks of early-type galaxies."""
    m = Metrics("etg_stacks")
    rows = []
    for key, label in _STACKS.items():
        values = [m.with_error(f"{key}.{name}") for name in ("mass_weighted_age", "t50", "t90")]
        values += [m(f"{key}.p_t90_1gyr", ".0f"), m.with_error(f"{key}.metallicity", ".3f")]
        values += [m.with_error(f"{key}.sigma_v", ".0f"), m(f"{key}.population_p", ".0f")]
        values += [m(f"{key}.ess", ".0f"), m(f"{key}.ppc_p", ".1g")]
        rows.append([label, *values, _TRUST.get(m.values.get(f"{key}.trust"), NONE)])
    header = ["stack", "age [Gyr]", "t50 [Gyr]", "t90 [Gyr]", "P(t90 < 1 Gyr)", "[M/H]", "sigma_v [km/s]"]
    return markdown([*header, "`population_p`", "`ess`", "`ppc_p`", "`trust`"], rows)


@table
def etg_differences():
    """High minus low dispersion, by radius."""
    m = Metrics("etg_stacks")
    rows = []
    for key, label in (("in", "centre"), ("mid", "middle"), ("out", "outskirts")):
        age, met = f"older_at_high_sigma.{key}", f"richer_at_high_sigma.{key}"
        rows.append([label, m.with_error(age), m.with_error(met, ".2f")])
    return markdown(["high minus low dispersion", "age [Gyr]", "[M/H] [dex]"], rows)


@table
def odd_histories():
    """Histories that the prior does not have."""
    m = Metrics("odd_histories")
    n = m.terms.get("realisations", 3)
    labels = {
        "delta_1gyr": "all stars 1 Gyr old",
        "delta_4gyr": "all stars 4 Gyr old",
        "delta_10gyr": "all stars 10 Gyr old",
        "old_and_burst_5_percent": "13 to 9 Gyr ago, and 5 % 0.5 Gyr ago",
        "old_and_burst_30_percent": "13 to 9 Gyr ago, and 30 % 2 Gyr ago",
        "two_bursts": "half 12 Gyr ago, half 3 Gyr ago",
        "lorentzian_9gyr": "Lorentzian, 9 Gyr ago",
        "lorentzian_5gyr": "Lorentzian, 5 Gyr ago",
        "lorentzian_2gyr": "Lorentzian, 2 Gyr ago",
    }
    rows = []
    for key, label in labels.items():
        t50 = m(f"{key}.t50_truth", ".1f"), m(f"{key}.t50_bias", "+.1f"), m(f"{key}.t50_pull", "+.1f")
        t90 = m(f"{key}.t90_truth", ".1f"), m(f"{key}.t90_bias", "+.1f")
        rest = m(f"{key}.metallicity_bias", "+.2f"), f"{m(f'{key}.trusted', '.0f', n)} of {n}"
        rows.append([label, *t50, *t90, *rest, m(f"{key}.population_p_median", ".1g")])
    n = m.terms.get("of_prior", 60)
    prior = f"{m('prior.trusted', '.0f', n)} of {n}", f"uniform (KS p = {m('prior.population_p_ks', '.2f')})"
    rows.append(["galaxies of the prior", *[NONE] * 6, *prior])
    header = ["history", "t50 [Gyr]", "error of t50", "in its own errors", "t90 [Gyr]", "error of t90"]
    return markdown([*header, "error of [M/H]", "trusted", "`population_p`, median"], rows)


@table
def ppxf_mocks():
    """Bias, scatter and calibration beside pPXF."""
    m = Metrics("compare_ppxf")
    names = ("mass_weighted_age", "t50", "metallicity")
    forms = (".2f", ".1f", ".2f")
    rows = []
    for key, label in (("ours", "ours, refined"), ("ppxf", "pPXF, errors by bootstrap of 20")):
        cells = [
            f"{m(f'{key}.{name}.bias', form)}, {m(f'{key}.{name}.scatter', form)}"
            for name, form in zip(names, forms, strict=True)
        ]
        rows.append([label, *cells, ", ".join(m(f"{key}.{name}.calibration", ".2f") for name in names)])
    header = ["200 mocks: bias, scatter of", "mass-weighted age [dex]", "t50 [Gyr]", "[M/H]"]
    return markdown([*header, "rms of error / stated error: age, t50, [M/H]"], rows)


@table
def ppxf_speed():
    """Seconds beside pPXF."""
    m = Metrics("compare_ppxf")
    rows = []
    for key, label in (("network", "network alone"), ("weighed", "weighed"), ("refined", "refined")):
        end = "" if key == "weighed" else f"_{key}"
        ratios = m(f"speedup_per_object{end}", ".2g"), m(f"speedup_with_errors{end}", ".2g")
        ratios = [format(float(r), "g") if r != NONE else r for r in ratios]
        rows.append([f"ours, 1000 draws, {label}", m(f"ours.seconds_{key}", ".2f"), *ratios])
    rows.append(["pPXF, one regularised fit", m("ppxf.seconds_fit", ".1f"), "1", NONE])
    rows.append(["pPXF, with twenty resamplings", m("ppxf.seconds_with_errors", ".0f"), NONE, "1"])
    header = ["one spectrum", "seconds", "times as fast as one fit of pPXF", "as pPXF with errors"]
    return markdown(header, rows)


@table
def ppxf_galaxies():
    """Real galaxies beside pPXF."""
    m = Metrics("compare_ppxf")
    labels = {"ngc3522": "NGC 3522", "ngc3073": "NGC 3073", "ngc4636": "NGC 4636"} | {
        key: f"stack, {label}" for key, label in _STACKS.items()
    }
    rows = []
    for key, label in labels.items():
        cells = []
        for name, form in (("mass_weighted_age", ".1f"), ("metallicity", ".2f")):
            cells += [m.with_error(f"real.{key}.{code}.{name}", form) for code in ("ours", "ppxf")]
        trusted = {1.0: "yes", 0.0: "no"}.get(m.values.get(f"real.{key}.ours.trusted"), NONE)
        rows.append([label, *cells, trusted])
    return markdown(["", "age, ours [Gyr]", "age, pPXF", "[M/H], ours", "[M/H], pPXF", "ours trusted"], rows)


@table
def forward_spectra():
    """Speed of the forward model of spectra."""
    m = Metrics("forward_spectra")
    labels = {
        "spectra_per_s": "spectra, 4300 pixels, batch of 256",
        "likelihoods_per_s": "likelihoods, polynomial integrated out",
        "gradients_per_s": "likelihoods with gradients",
    }
    return markdown(["two CPU cores", "per second"], [[text, m(key, ".0f")] for key, text in labels.items()])


@table
def ngc3522():
    """One galaxy fitted by two families of populations."""
    m = Metrics("forward_spectra")
    rows = []
    for prefix, label in (
        ("ngc3522.", "Dirichlet history, one metallicity"),
        ("ngc3522.all_ssps.", "non-negative least squares of all SSPs, metallicities mixed freely"),
    ):
        age, met = m(f"{prefix}mass_weighted_age", ".1f"), m(f"{prefix}metallicity", ".2f")
        rows.append([label, age, met, m(f"{prefix}rms", ".1f", 100)])
    rows.append(["errors of the file", NONE, NONE, m("ngc3522.rms_of_errors", ".1f", 100)])
    return markdown(["NGC 3522 (SDSS)", "mass-weighted age [Gyr]", "[M/H]", "rms of the residuals [%]"], rows)


@table
def startup():
    """Whole processes of the command line beside the build before 0.2."""
    m = Metrics("startup")
    labels = {
        "pixels_cold_ratio": "demo galaxy, empty cache of compiled programs",
        "pixels_warm_ratio": "demo galaxy, filled cache",
        "spectrum_warm_ratio": "NGC 3522, refined, filled cache",
        "tenth_galaxy_ratio": "the last of ten galaxies at ten redshifts, in one run",
    }
    rows = [[text, m(key, ".2f")] for key, text in labels.items()]
    rows.append(["programs compiled in a second call of `infer`", m("compilations_second_call", ".0f")])
    return markdown(["`dsps-sbi infer`", "time / time of the build before 0.2"], rows)


@table
def model_error():
    """How much libraries of stellar populations differ."""
    m = Metrics("model_error")
    labels = {"10myr": "< 10 Myr", "100myr": "10-100 Myr", "1gyr": "0.1-1 Gyr", "older": "> 1 Gyr"}
    waves = (1500, 2300, 3100, 5500, 8000, 16_000, 25_000)
    rows = [[label, *(m.percent(f"rms_{key}.{wave}aa") for wave in waves)] for key, label in labels.items()]
    return markdown(["stars of", *(f"{wave} Angstrom" for wave in waves)], rows)


@table
def suite_time():
    """Seconds of the test suite."""
    m = Metrics("suite_time")
    rows = [
        ["no compiled programs kept", m("suite_seconds_cold", ".0f"), m("suite_ratio", ".2f")],
        ["programs kept from a run before", m("suite_seconds_warm", ".0f"), NONE],
    ]
    return markdown(["`make test`, two cores", "seconds", "of the 45 minutes of the build before 0.2"], rows)


@table
def verdict():
    """Does the verdict stand still, and what does it see?"""
    m = Metrics("verdict")
    shares = {
        "flips_refined": "verdict changes with the seed, refined",
        "flips": "verdict changes with the seed, weighed",
        "flips_p": "p-value changes sides with the seed",
        "trusted_refined": "trusted, refined",
        "informed": "informed",
    }
    kinds = ("mocks", "candels")
    rows = [[label, *(m.percent(f"{kind}.{key}", 1) for kind in kinds)] for key, label in shares.items()]
    rows += [
        ["test of uniformity of the two-sided p, weighed", m("mocks.ks_two_sided", ".2g"), NONE],
        ["test of uniformity of the two-sided p, refined", m("mocks.ks_two_sided_refined", ".2g"), NONE],
    ]
    return markdown(["", "mocks", "CANDELS, ACS bands"], rows)


@table
def verdict_scales():
    """Scales of errors that were made wrong, and of a real field."""
    m = Metrics("verdict")
    rows = [
        [f"mocks, {true}", m(f"scale_{true}.told", ".2f"), m.with_error(f"scale_{true}.fitted", ".2f")]
        for true in (0.4, 0.7, 1.5, 2.5)
    ]
    rows.append(["field of JADES-GS-z14-0", m("field.scale_seen", ".2f"), m("field.fitted_scale", ".2f")])
    return markdown(["true over stated errors", "told at once", "fitted"], rows)
