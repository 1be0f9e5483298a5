"""Do files of spectra and cubes that others published open with nothing but their name?

All files of data in six packages that anyone can download: ppxf, specutils, fastspecfit, msaexp, MaNGA's
data analysis pipeline, mpdaf. Each file is listed with what was read from it, or the line that refuses it.
Which of them are spectra of galaxies or stars, or cubes of fluxes, is told by the table ``NO_SPECTRA`` below:
it says of every other file what it is. Stars and fibres count too; templates of libraries do not.

- ``opened_fraction``: of the spectra and cubes that have errors in the file, those that open; of a file of
  several spectra one has to. Files in ``NO_ERRORS`` have none at all, and are refused until ``--snr`` says
  something; ``opened_fraction_without_errors_too`` counts them as not opened. Cubes count if there is a
  reader of cubes (``cubes_counted``).
- ``pixels_used_min``: of galaxies of S/N above 10 per pixel whose file tells the LSF, the least share of good
  pixels that the likelihood uses, of those that the SSPs reach outside the masks of emission lines. At the
  redshift of the file; LEGA-C's file has none (0.6686 is from the survey's catalogue).
- Two of them are answered, weighed and refined: a galaxy of DESI and LEGA-C's M19_56670. ``desi_masked`` is
  the former, a starburst, with more of its emission lines masked than the model masks by itself.

``--packages FOLDER`` holds archives, so that they are downloaded once; ``--pictures FOLDER`` gets pictures.
"""

import tempfile
import time
import warnings
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from _contract import options, report, terms
from _exact import likelihood_of
from _packages import archive, unpacked

import dsps_sbi as ds
from dsps_sbi.constants import C_KM_S
from dsps_sbi.errors import UserError
from dsps_sbi.inference.trust import Method
from dsps_sbi.instruments.emission_lines import EMISSION_LINES
from dsps_sbi.io.read_spectrum import spectrum_names
from dsps_sbi.plots.spectrum_figure import plot_spectrum

PACKAGES = {
    "ppxf": "9.5.2",
    "specutils": "2.4.0",
    "fastspecfit": "3.6.1",
    "sdss-mangadap": "4.5.0",
    "msaexp": "0.9.19",
    "mpdaf": "3.6",
}
# Many and large, and all of one kind: not even taken out of the archive
LEFT_OUT = ("*/spectral_templates/*", "*/drs/mumdatMask*", "*/msaexp/data/psf/*")
# What is neither a spectrum of a galaxy or a star nor a cube of fluxes
NO_SPECTRA = {
    "*/sps_models/*": "templates",
    "*-tpl.fits": "template",
    "*/MILES_res2.50_star_*": "template of a library",
    "*/FILTER.RES*": "filter curves",
    "*/filter_list.fits": "filter curves",
    "*_reference_output.txt": "printed output",
    "*/desi_fiducial_cosmology.dat": "table of cosmology",
    "*emlines*.ecsv": "list of lines",
    "*linelist*": "list of lines",
    "*/SFD_dust_*": "map of dust",
    "*/tractor-*": "catalogue of photometry",
    "*/redrock-*": "catalogue of redshifts",
    "*-photinfo.fits": "catalogue of photometry",
    "*/tiles-*.csv": "catalogue of pointings",
    "*/segmap/catalog.fits": "catalogue",
    "*/msaexp/data/*": "calibration",
    "*/msaexp/tests/data/*.csv": "plan of shutters, or calibration",
    "*_phot.*.fits": "two-dimensional slit, not extracted",
    "*/segmap/*": "image",
    "*HST-HDFS.fits": "image",
    "*IMAGE-HDFS-1.34.fits": "image",
    "*a370II.fits": "image",
    "*a478hst-cutout.fits": "image",
    "*/origin-*.fits": "lines and images of a source",
    "*/sing-*.fits": "lines and images of a source",
    "*.txt": "text about the package",
}
NO_ERRORS = ("NGC4550_SAURON.fits", "Spectrum_Novariance.fits", "Vega.fits")
CUBES = ("CUBE.fits", "Central_Datacube_bkg.fits", "minicube.fits", "subcub_mosaic.fits")
STARS = ("xsl_*", "Spectrum_*variance.fits", "Vega.fits", "coadd-special-dark-27247.fits")
LEGAC, LEGAC_Z = "legac_M19_56670_v3.0.fits", 0.6686
DESI = "coadd-4-80613-thru20210324.fits"
# Weak lines of starbursts, which the model does not mask (vacuum [Angstrom]): Balmer lines beyond Hdelta,
# He I, [S II] 4070, [Fe III] 4659, [Ar IV], [S III] 6314, [Ar III]
WEAK_LINES_AA = (
    *(3771.7, 3799.0, 3836.5, 3890.2, 4027.3, 4069.8, 4472.7, 4659.4, 4712.7, 4741.5),
    *(4922.9, 5017.1, 6313.8, 6680.0, 7067.1, 7137.8),
)
# How far from weak and from strong lines [km/s]
_WEAK_KM_S, _STRONG_KM_S = 500.0, 1200.0
# Per pixel; of galaxies whose pixels are counted
_SNR = 10.0


def spectra_of(path) -> tuple[list, int, str]:
    """Spectra of a file that open, how many it has, and the first line that refuses one."""
    spectra, reason = [], ""
    try:
        names = spectrum_names(path)
    except UserError as error:
        return [], 0, str(error)
    for name in names:
        try:
            spectra += ds.read_spectra(path, targets=(name,))
        except UserError as error:
            reason = reason or str(error)
    return spectra, len(names), reason


def pixels(likelihood, spectrum, z) -> tuple[float, int, int]:
    """Share of good pixels that are used, their number, and that of all pixels that the SSPs reach."""
    spectrum = replace(spectrum, redshift=z)
    view = likelihood.observed(spectrum, 0.0)
    n, share = likelihood.pixels_used(spectrum, view)
    whole = replace(spectrum, mask=np.zeros(spectrum.wave_aa.size, bool))
    could = likelihood.pixels_used(whole, view)
    return share, n, round(could[0] / max(could[1], 1e-9))


def snr_of(spectrum) -> float:
    """Of the median good pixel."""
    good = spectrum.valid
    return float(np.median(spectrum.flux[good] / spectrum.sigma[good]))


def described(likelihood, path, spectrum) -> tuple[str, float]:
    """A spectrum in a line, and the share of its pixels that is used, NaN where that cannot be told."""
    z = spectrum.redshift if spectrum.redshift is not None else LEGAC_Z if path.name == LEGAC else 0.0
    share, words = np.nan, "the SSPs' resolution is not compared: no LSF"
    if spectrum.lsf is not None:
        try:
            share, n, could = pixels(likelihood, spectrum, z)
            words = f"{n} pixels used, {100.0 * share:.1f} % of the good ones of {could} in reach"
        except UserError as error:
            words = f"no pixel used ({error})"
    lsf = "no LSF" if spectrum.lsf is None else f"{spectrum.lsf.quantity} {np.median(spectrum.lsf.value):.4g}"
    known = "z not in the file" if spectrum.redshift is None else f"z {spectrum.redshift:.5g}"
    return f"{words}; {spectrum.medium}; {lsf}; {known}; S/N {snr_of(spectrum):.3g}", share


def cube_of(path) -> tuple[bool, str]:
    """Whether a cube opens, and what is told of it."""
    reader = getattr(ds, "read_spectral_cube", None)
    if reader is None:
        return False, "cube, for which there is no reader"
    try:
        cube = reader(path)
    except UserError as error:
        return False, str(error)
    return True, f"cube {np.shape(cube.flux)}"


def opened(likelihood, files) -> dict[str, float]:
    """Metrics of all files; each is told in lines."""
    count = {"opened": 0, "of": 0, "without_errors": 0, "skipped": 0, "cubes": 0}
    shares, cubes = {}, hasattr(ds, "read_spectral_cube")
    for package, path in files:
        what = next((text for pattern, text in NO_SPECTRA.items() if fnmatch(path.as_posix(), pattern)), None)
        if what is not None:
            count["skipped"] += 1
            print(f"{package} {path.name}: skipped, {what}")
            continue
        if path.name in CUBES:
            good, text = cube_of(path)
            count["cubes"] += 1
            count["opened"] += good
            count["of"] += cubes
            print(f"{package} {path.name}: {'opened' if good else 'NOT OPENED'}, {text}")
            continue
        spectra, n, reason = spectra_of(path)
        without = path.name in NO_ERRORS
        count["without_errors" if without else "of"] += 1
        count["opened"] += bool(spectra)
        shown = f"opened, {len(spectra)} of {n}" if spectra else "NOT OPENED"
        print(f"{package} {path.name}: {shown}" + (f"; refused: {reason}" if reason else ""))
        star = any(fnmatch(path.name, pattern) for pattern in STARS)
        for spectrum in spectra:
            text, share = described(likelihood, path, spectrum)
            print(f"    {'' if len(spectra) == 1 else spectrum.source.rsplit(':')[-1] + ': '}{text}")
            if not star and np.isfinite(share) and snr_of(spectrum) > _SNR:
                shares[f"{path.name} {spectrum.source.rsplit(':')[-1]}"] = share
    return {
        "opened_fraction": count["opened"] / count["of"],
        "opened_fraction_without_errors_too": count["opened"] / (count["of"] + count["without_errors"]),
        "files_counted": count["of"],
        "files_without_errors": count["without_errors"],
        "files_skipped": count["skipped"],
        "cubes": count["cubes"],
        "cubes_counted": float(cubes),
        "pixels_used_min": min(shares.values()),
        "pixels_used_spectra": len(shares),
    }


def without_lines(spectrum):
    """The spectrum with weak and strong emission lines masked."""
    rest = spectrum.wave_aa / (1.0 + spectrum.redshift)
    near = np.zeros(rest.size, bool)
    for lines, km_s in ((WEAK_LINES_AA, _WEAK_KM_S), (EMISSION_LINES.values(), _STRONG_KM_S)):
        for line in lines:
            near |= np.abs(rest / line - 1.0) * C_KM_S < km_s
    return replace(spectrum, mask=spectrum.mask | near)


def answered(likelihood, spectrum, key, n_draws, seed, refine, picture) -> dict[str, float]:
    """Metrics of one galaxy's posterior."""
    start = time.perf_counter()
    result = likelihood.post.infer(
        spectrum, model=likelihood, n_draws=n_draws, seed=seed, refine=refine, labels=[key]
    )
    columns, end = result.rows()[0], "" if refine else "_weighed"
    if picture is not None:
        plot_spectrum(result, path=picture / f"{key}{end}.png")
    found = {f"{key}.{name}{end}": float(columns[name]) for name in ("ess", "ppc_p", "population_p")}
    found |= {
        f"{key}.trusted{end}": float(result.posteriors.trusted[0]),
        f"{key}.hmc{end}": float(result.posteriors.method[0] == Method.HMC),
        f"{key}.failed{end}": float(result.posteriors.method[0] == Method.FAILED),
        f"{key}.wave_used{end}": float(columns["wave_used"]),
        f"{key}.n_pixels{end}": float(columns["n_pixels"]),
        f"{key}.seconds{end}": time.perf_counter() - start,
    }
    for name in ("t50", "mass_weighted_age", "metallicity", "sigma_v"):
        low, middle, high = (float(columns[f"{name}{part}"]) for part in ("_p16", "", "_p84"))
        found |= {f"{key}.{name}{end}": middle, f"{key}.{name}_error{end}": 0.5 * (high - low)}
    print(key, {name: round(value, 3) for name, value in found.items()}, flush=True)
    return found


def main():
    parser = options(__doc__.splitlines()[0])
    parser.add_argument("--bundle", default="miles-optical")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--packages", type=Path, help="folder of the packages' archives")
    parser.add_argument("--pictures", type=Path, help="folder for pictures of the two galaxies")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    post = ds.load_bundle(args.bundle)
    likelihood = likelihood_of(parser, post)
    n_draws = 200 if args.quick else 1000
    with tempfile.TemporaryDirectory() as folder:
        files, left_out = [], 0
        for name, version in PACKAGES.items():
            found, n = unpacked(archive(name, version, args.packages or Path(folder)), Path(folder), LEFT_OUT)
            files += [(name, path) for path in found]
            left_out += n
        metrics = opened(likelihood, files) | {"files_left_out": left_out}
        paths = {path.name: path for _, path in files}
        galaxies = {"desi": ds.read_spectrum(paths[DESI])}
        galaxies["desi_masked"] = without_lines(galaxies["desi"])
        if not args.quick:
            galaxies["legac"] = ds.read_spectrum(paths[LEGAC], redshift=LEGAC_Z)
        for key, spectrum in galaxies.items():
            for refine in (False,) if args.quick else (False, True):
                metrics |= answered(likelihood, spectrum, key, n_draws, args.seed, refine, args.pictures)
    more = {"bundle": str(post.meta["name"]), "draws": n_draws, "seed": args.seed, "packages": PACKAGES}
    counted = (
        "opened_fraction: files of spectra of galaxies or stars, and of cubes if they can be read, that have "
        "errors in the file; a file of several spectra is opened if one of them is; files without any error "
        f"({', '.join(NO_ERRORS)}) only count in opened_fraction_without_errors_too; files_skipped are no "
        "spectra (NO_SPECTRA says what each is), files_left_out templates and calibration of many files"
    )
    used = "galaxies of S/N > 10 with an LSF in the file; LEGA-C's redshift is given, others are of the file"
    report(args.json, terms(**more, counted=counted, pixels_used=used), metrics)


if __name__ == "__main__":
    main()
