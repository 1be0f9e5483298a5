"""How long does a user wait? Whole ``dsps-sbi infer`` processes, beside the build before 0.2.

Both builds run in turn, in one run on one machine: ours, and the build at commit 5bcafab in an environment
of its own (``_base_build.py``). Seconds are those of whole processes, from the start of Python to the files
on disk.

- ``pixels``: the demo galaxy with the bundle ``jades-pixels``;
- ``spectrum``: NGC 3522 with ``miles-optical``, refined, and (``_weighed``) weighed only;
- ``tenth_galaxy``: the last of ten galaxies like the demo's, 12 x 12 pixels, at ten redshifts, in one run of
  the command.

``_cold`` is the first call with an empty cache of compiled programs, ``_warm`` the next call. The base
build has no such cache: it compiles in every call. A ratio is the time of ours over the time of the base
build.

``compilations_second_call`` counts what is compiled when ``infer`` is called a second time in one process,
with a bundle that was loaded again and data that were read again: a cutout at another redshift, a spectrum
at another redshift, and the same spectrum refined. It must be 0.

The stellar populations and the spectrum have to be in the user's cache: ``dsps-sbi fetch bc03-miles``,
``dsps-sbi fetch miles``, ``dsps-sbi fetch ngc3522``.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import jax
import numpy as np
from _base_build import COMMIT, base_build, versions
from _contract import options, report, terms
from astropy.io import fits
from make_demo import galaxy_theta

import dsps_sbi as ds
from dsps_sbi.ssp import available
from dsps_sbi.ssp.cache import ENVIRONMENT, cache_dir
from dsps_sbi.ssp.fetch_spectrum import FILE

DEMO = Path(ds.__file__).parent / "demo" / "demo_galaxy.fits"
REDSHIFTS = (0.7, 6.0)
SIZE = 12
# Resolution of SDSS spectra, FWHM [Angstrom]: files of DR8 do not hold it
FWHM_AA = 2.76
PIXELS, SPECTRA = "jades-pixels", "miles-optical"


def cutouts(folder: Path, n: int) -> list[Path]:
    """The middle SIZE x SIZE pixels of a galaxy like the demo's, seen at n redshifts, as bright at each."""
    model, paths = ds.GalaxyModel.preset("jades-pixels"), []
    simulator = ds.PhotometrySimulator.jades_pixels(model)
    with fits.open(DEMO) as demo:
        ny, nx = demo["FLUX"].shape[1:]
        middle = tuple(slice((size - SIZE) // 2, (size + SIZE) // 2) for size in (ny, nx))
        seen = demo["FLUX"].data[:, *middle].reshape(-1, SIZE**2)
        for i, z in enumerate(np.round(np.linspace(*REDSHIFTS, n), 3)):
            table = model.band_table(z)
            theta = galaxy_theta(float(table.universe_gyr)).reshape(ny, nx, -1)[middle].reshape(SIZE**2, -1)
            u = model.prior.to_normal(theta, table.universe_gyr)
            light = np.asarray(simulator.noiseless(u, table)[0])
            # light is linear in mass
            light = light * (seen.sum() / light.sum())
            sky = np.broadcast_to(np.float32(simulator.noise.depth_ujy), light.shape)
            noisy = simulator.noise.add(jax.random.key(i), light, sky)
            planes = [fits.PrimaryHDU()]
            for name, values in (("FLUX", noisy), ("ERROR", sky)):
                header = demo[name].header.copy()
                header["REDSHIFT"] = z
                header["CRPIX1"] -= middle[1].start
                header["CRPIX2"] -= middle[0].start
                values = np.asarray(values, np.float32).T.reshape(-1, SIZE, SIZE)
                planes.append(fits.ImageHDU(values, header, name))
            paths.append(folder / f"galaxy_{i + 1}.fits")
            fits.HDUList(planes).writeto(paths[-1])
    return paths


@contextmanager
def fresh_cache():
    """A folder for ``DSPS_SBI_CACHE`` that has what was fetched, and no compiled program."""
    with tempfile.TemporaryDirectory(prefix="dsps-sbi-cache-") as temporary:
        for file in cache_dir().iterdir():
            if file.is_file():
                (Path(temporary) / file.name).symlink_to(file.absolute())
        yield Path(temporary)


def run(python: Path, cache: Path, *arguments) -> tuple[float, list[float]]:
    """Run ``dsps-sbi infer`` into a folder that is removed.

    Returns
    -------
    seconds : float
        Of the whole process.
    lines : list of float
        Seconds from the start at which it told of each image.
    """
    environment = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    environment |= {ENVIRONMENT: str(cache), "PYTHONUNBUFFERED": "1"}
    with tempfile.TemporaryDirectory(prefix="dsps-sbi-out-") as output:
        command = [python.with_name("dsps-sbi"), "infer", *arguments, "-o", Path(output) / "out"]
        start, lines = time.perf_counter(), []
        with (
            tempfile.TemporaryFile("w+") as errors,
            subprocess.Popen(
                [str(part) for part in command],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            ) as process,
        ):
            for line in process.stdout:
                # others tell of notes, and of all pixels together
                if "pixels fitted" in line:
                    lines.append(time.perf_counter() - start)
            status = process.wait()
            seconds = time.perf_counter() - start
            errors.seek(0)
            if status:
                raise SystemExit(f"{' '.join(map(str, command))} failed:\n{errors.read()}")
    return seconds, lines


class Race:
    """Both builds at the same work, one after the other.

    Parameters
    ----------
    ours, base : path
        Their Pythons.
    repeats : int
    """

    def __init__(self, ours: Path, base: Path, repeats: int):
        self.ours, self.base, self.repeats = ours, base, repeats

    def __call__(self, label, own, other) -> dict[str, float]:
        """Median seconds and ratios of calls with arguments of ours and of the base build."""
        found = {"cold": [], "warm": [], "base": []}
        for _ in range(self.repeats):
            with fresh_cache() as cache:
                found["base"].append(run(self.base, cache, *other)[0])
                for kind in ("cold", "warm"):
                    found[kind].append(run(self.ours, cache, *own)[0])
            print(label, {kind: round(values[-1], 1) for kind, values in found.items()}, flush=True)
        seconds = {kind: float(np.median(values)) for kind, values in found.items()}
        return {kind: seconds[kind] / seconds["base"] for kind in ("cold", "warm")} | {"seconds": seconds}

    def many(self, paths) -> dict[str, np.ndarray]:
        """Median seconds (3,) of a run over some images, of its first and of its last one, by build."""
        found = {"ours": [], "base": []}
        for _ in range(self.repeats):
            for name, python in (("base", self.base), ("ours", self.ours)):
                with fresh_cache() as cache:
                    whole, lines = run(python, cache, *paths, "--bundle", PIXELS)
                if len(lines) < len(paths):
                    raise SystemExit(f"{len(lines)} lines were printed about {len(paths)} images")
                at = lines[: len(paths)]
                found[name].append((whole, at[0], at[-1] - at[-2]))
            print(
                f"{len(paths)} galaxies",
                {k: np.round(v[-1], 2).tolist() for k, v in found.items()},
                flush=True,
            )
        return {name: np.median(rows, axis=0) for name, rows in found.items()}


class Compilations:
    """Counts what jax compiles in this process."""

    def __init__(self):
        self.n = 0
        jax.monitoring.register_event_duration_secs_listener(self._listen)

    def _listen(self, event, seconds, **_):
        self.n += event.endswith("/backend_compile_duration")

    def of_second(self, call, *arguments) -> int:
        """Programs that are compiled when a function is called on the second of two arguments."""
        call(arguments[0])
        before = self.n
        call(arguments[1])
        return self.n - before


def infer_cutout(path):
    """Load the bundle, read a cutout, and write its maps."""
    with tempfile.TemporaryDirectory() as folder:
        ds.load_bundle(PIXELS).infer(ds.read_cutout(path)).write(folder)


def infer_spectrum(redshift, refine=False):
    """Load the bundle, read NGC 3522 at a redshift, and make its row of a catalogue."""
    lsf = ds.LSF("fwhm_aa", FWHM_AA)
    spectrum = ds.read_spectrum(cache_dir() / FILE, redshift=redshift)
    ds.load_bundle(SPECTRA).infer(spectrum, lsf=lsf, refine=refine).table()


def second_calls(paths, spectra) -> dict[str, float]:
    """Programs compiled by second calls in this process."""
    count = Compilations()
    found = {"compilations_second_call_pixels": count.of_second(infer_cutout, paths[0], paths[-1])}
    if spectra:
        z = ds.read_spectrum(cache_dir() / FILE).redshift
        found["compilations_second_call_spectrum"] = count.of_second(infer_spectrum, z, z + 0.003)
        refined = count.of_second(lambda z: infer_spectrum(z, refine=True), z, z)
        found["compilations_second_call_refined"] = refined
    return found | {"compilations_second_call": sum(found.values())}


def compared(prefix, race) -> dict[str, float]:
    """Metrics of a :class:`Race` under a prefix."""
    metrics = {f"{prefix}_{kind}_ratio": race[kind] for kind in ("cold", "warm")}
    return metrics | {f"{prefix}_seconds_{kind}": value for kind, value in race["seconds"].items()}


def main():
    parser = options(__doc__.splitlines()[0])
    parser.add_argument(
        "--base", type=Path, help="folder to keep the base build in; default: a temporary one"
    )
    parser.add_argument("--repeats", type=int, default=3, help="the median of so many counts")
    args = parser.parse_args()
    wanted = ["bc03-miles"] if args.quick else ["bc03-miles", "miles"]
    missing = [name for name in wanted if not available(name)]
    missing += [] if args.quick or (cache_dir() / FILE).is_file() else ["ngc3522"]
    if missing:
        parser.error("needs " + " and ".join(f"dsps-sbi fetch {name}" for name in missing))
    load_average, repeats = round(os.getloadavg()[0], 2), 1 if args.quick else args.repeats
    # not resolved: the link in the environment is what makes Python use it
    ours, n = Path(sys.executable), 3 if args.quick else 10
    if not ours.with_name("dsps-sbi").is_file():
        parser.error(f"there is no dsps-sbi beside {ours}: install the package into that environment")
    with tempfile.TemporaryDirectory(prefix="dsps-sbi-startup-") as temporary, base_build(args.base) as base:
        for python in (ours, base):
            # from disk once, so that the first call does not pay for that
            subprocess.run([python, "-I", "-c", "import dsps_sbi, distrax, matplotlib.pyplot"], check=True)
        race, paths = Race(ours, base, repeats), cutouts(Path(temporary), n)
        demo = Path(temporary) / "demo_galaxy.fits"
        shutil.copy(paths[0] if args.quick else DEMO, demo)
        pixels = (demo, "--bundle", PIXELS)
        metrics = compared("pixels", race("pixels", pixels, pixels))
        if not args.quick:
            spectrum = (cache_dir() / FILE, "--bundle", SPECTRA, "--lsf", f"fwhm_aa={FWHM_AA}")
            refined = (*spectrum, "--refine")
            metrics |= compared("spectrum", race("spectrum, refined", refined, refined))
            weighed = race("spectrum, weighed", spectrum, (*spectrum, "--no-refine"))
            metrics |= {f"{name}_weighed": value for name, value in compared("spectrum", weighed).items()}
        many = race.many(paths)
        for i, name in enumerate(("galaxies", "first_galaxy", "tenth_galaxy")):
            metrics[f"{name}_ratio"] = many["ours"][i] / many["base"][i]
            metrics |= {f"{name}_seconds{end}": many[k][i] for end, k in (("", "ours"), ("_base", "base"))}
        metrics |= second_calls(paths, spectra=not args.quick)
        base_versions = versions(base)
    report(
        args.json,
        terms(
            objects={"pixels": "demo galaxy" if not args.quick else f"{SIZE} x {SIZE} pixels", "galaxies": n},
            repeats=repeats,
            statistic="median of whole processes, both builds in turn",
            io="in",
            cold="no compiled program is kept; files of the packages are in memory",
            warm="the same call again",
            tenth_galaxy="from the line about the last but one image to the line about the last one",
            cutouts=f"{SIZE} x {SIZE} pixels, z = {REDSHIFTS[0]:g} to {REDSHIFTS[1]:g}, cold",
            base={"commit": COMMIT[:7], "versions": base_versions},
            load_average_at_start=load_average,
        ),
        {name: float(value) for name, value in metrics.items()},
    )


if __name__ == "__main__":
    main()
