"""What do two million pixels of 1083 galaxies cost, from files to maps?

Synthetic galaxies at redshifts of their own, 43 x 43 pixels in the 19 bands of JADES, one FITS file each, are
fitted by whole processes of ``dsps-sbi infer``, every draw weighed, programs at hand; pixels above S/N 5
count. ``--pixels`` makes fewer galaxies of the same size; ``cpu_hours_extrapolated`` is for 2,000,000 then,
and the terms say how many were fitted.

- ``wall_seconds``, ``cpu_seconds`` (user + system), ``peak_memory_gb``: of the process with all files;
  ``..._per_pixel`` in ms; ``wall_core_use``: CPU over wall and cores.
- ``linearity_max_deviation``: the largest deviation of CPU per pixel of runs over parts of the files, of a
  tenth of the galaxies and so on down to 10,000 pixels, from that of all of them, start-up included.
- ``cpu_speedup_to_base``: CPU per pixel of the build before 0.2 (500 independent draws, weighed, pictures)
  over ours with pictures, on a part of the same files in the same run; ``cpu_speedup_to_base_no_pictures``:
  over ours without, which the base build cannot leave out. ``cpu_speedup_to_base_more``: with pictures, of
  each pixel beyond the first galaxy, so that neither start-up nor compiling counts.
- ``draws``: as many as have percentile errors no larger than 500 independent ones have (``quasi_random.py``).
- ``sampling.*``, in memory and warm, microseconds: ``encode_per_pixel``, ``flow_per_draw_N``,
  ``weighed_per_draw_N`` and ``..._per_pixel_N`` of N draws of a pixel.

``--base FOLDER`` keeps the base build, ``--files FOLDER`` the images. Needs ``dsps-sbi fetch bc03-miles``.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from _base_build import COMMIT, base_build, versions
from _contract import options, report, terms
from astropy.io import fits
from astropy.wcs import WCS

import dsps_sbi as ds
from dsps_sbi.inference.engine import BATCH_DRAWS, Engine
from dsps_sbi.inference.importance import base_noise

BUNDLE, GALAXIES, SIDE, PIXELS, SEED = "jades-pixels", 1083, 43, 2_000_000, 0
BASE_DRAWS, DRAWS = 500, 200
REDSHIFTS = (0.2, 7.0)
SMALLEST = 10_000
# S/N that 95 % of the pixels of a galaxy exceed: nearly all are fitted
FAINTEST = 7.0


def disk(rng, universe_gyr):
    """Parameters (Pixel, Param) of a galaxy: log_tau, t_start, metallicity, av, log of a relative mass."""
    y, x = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    angle, ratio = rng.uniform(0, np.pi), rng.uniform(0.4, 1.0)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    radius = np.hypot(along, across / ratio) / SIDE
    arm = np.cos(2.0 * np.arctan2(across, along) - 20.0 * radius)
    bulge = np.exp(-((radius / 0.08) ** 2))
    columns = (
        np.clip(rng.uniform(-0.5, 1.0) - 0.3 * bulge + 0.3 * arm, -1.9, 1.9),
        np.clip(rng.uniform(0.05, 0.5) + 0.4 * radius, 0.02, 0.9) * universe_gyr,
        np.clip(rng.uniform(-1.0, 0.2) - 0.5 * radius, -2.2, 0.35),
        np.clip(rng.uniform(0.1, 1.5) + 0.2 * arm - 0.5 * radius, 0.0, 3.9),
        -1.5 * radius + 0.7 * bulge + 0.1 * arm,
    )
    return np.stack([column.ravel() for column in columns], axis=1).astype(np.float32)


def write_galaxies(folder: Path, n: int) -> list[Path]:
    """Images of n galaxies, those that are not there yet."""
    model = ds.GalaxyModel.preset(BUNDLE)
    noise = ds.PhotometrySimulator.jades_pixels(model).noise
    paths = [folder / f"galaxy{i:04d}.fits" for i in range(n)]
    for i, path in enumerate(paths):
        if path.is_file():
            continue
        rng = np.random.default_rng([SEED, i])
        # spread over all redshifts, whatever the number of galaxies
        share = (i * 0.6180339887498949) % 1.0
        z = float(np.expm1(np.log1p(REDSHIFTS[0]) + share * np.log(np.divide(*np.add(REDSHIFTS, 1.0)[::-1]))))
        table = model.band_table(z, trim=False)
        theta = disk(rng, float(table.universe_gyr))
        flux = np.asarray(model.predict_fast(jnp.asarray(theta), table))
        sky = np.asarray(noise.depth_ujy, np.float32)
        rows = [model.filters.names.index(f"jwst_f{band}w") for band in (277, 356, 444)]
        # of as many solar masses as make the faintest pixels bright enough
        flux = flux * (FAINTEST / np.quantile((flux[:, rows] / sky[rows]).mean(axis=1), 0.05))
        noisy = np.asarray(noise.add(jax.random.key(i), jnp.asarray(flux), jnp.broadcast_to(sky, flux.shape)))
        _write(path, noisy, np.broadcast_to(sky, flux.shape), model.filters.names, z)
    return paths


def _write(path, flux, sigma, names, z):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [53.16, -27.78]
    wcs.wcs.crpix, wcs.wcs.cdelt = [SIDE / 2] * 2, [-0.03 / 3600, 0.03 / 3600]
    header = wcs.to_header()
    header["BUNIT"], header["REDSHIFT"] = "uJy", z
    header.update({f"FILTER{i}": name for i, name in enumerate(names, 1)})
    images = (np.asarray(a, np.float32).T.reshape(-1, SIDE, SIDE) for a in (flux, sigma))
    hdus = [fits.ImageHDU(a, header, name) for a, name in zip(images, ("FLUX", "ERROR"), strict=True)]
    unfinished = path.with_suffix(".part")
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(unfinished, overwrite=True)
    unfinished.rename(path)


def infer(python, files, draws, *more) -> dict[str, float]:
    """Seconds, memory and fitted pixels of a whole process."""
    with tempfile.TemporaryDirectory(prefix="dsps-sbi-survey-") as folder:
        out = Path(folder) / "out"
        # the base build knows no lists and no folders
        command = [python.with_name("dsps-sbi"), "infer", *files, "--bundle", BUNDLE, "--draws", draws]
        command = [*map(str, [*command, *more]), "-o", str(out)]
        # another build must not find this one
        own = python == Path(sys.executable)
        hidden = () if own else ("PYTHONPATH", "JAX_COMPILATION_CACHE_DIR")
        environment = {key: value for key, value in os.environ.items() if key not in hidden}
        start = time.perf_counter()
        with open(os.devnull, "w") as nothing:
            process = subprocess.Popen(
                command, stdout=nothing, stderr=subprocess.PIPE, text=True, env=environment
            )
            said = process.stderr.read()
            _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(command[:6])} ... failed:\n{said[-2000:]}")
        pixels = sum(_fitted(path) for path in out.rglob("maps.fits"))
    # Linux counts in kilobytes
    peak = usage.ru_maxrss / 1024**2
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "peak_gb": peak, "pixels": pixels}


def _fitted(path) -> int:
    """Pixels of maps that have an answer, of both builds."""
    with fits.open(path) as hdus:
        return int(np.isfinite(hdus["LOG_MASS"].data[1]).sum())


def _more(whole, first) -> float:
    """Milliseconds of CPU for each pixel beyond those of the first galaxy: start-up and compiling are out."""
    return 1e3 * (whole["cpu"] - first["cpu"]) / (whole["pixels"] - first["pixels"])


def sampling(quick) -> dict[str, float]:
    """Microseconds of parts of the work on one galaxy's pixels, in memory, warm."""
    post = ds.load_bundle(BUNDLE)
    rng = np.random.default_rng(1)
    n, key, z = 1024 if quick else 4096, jax.random.key(0), 1.5
    model = ds.GalaxyModel.preset(BUNDLE)
    table = model.band_table(z, trim=False)
    theta = disk(rng, float(table.universe_gyr))[:n]
    theta = np.resize(theta, (n, theta.shape[1]))
    flux = np.asarray(model.predict_fast(jnp.asarray(theta + np.float32([0, 0, 0, 0, 7])), table))
    sky = np.broadcast_to(np.asarray(post.noise.depth_ujy), flux.shape)
    data = post.prepared(flux + sky * rng.standard_normal(flux.shape), sky, z)
    network, weights = post.network, post.weights
    encoded = jax.jit(lambda weights, data: network.condition(weights, *data))
    drawn = jax.jit(
        lambda weights, data, noise: network.draw(weights, network.condition(weights, *data), noise)[0]
    )
    found = {"encode_per_pixel": _seconds(lambda: encoded(weights, data)) / n}
    engine = Engine(post, post.likelihood(), False)
    view = engine.likelihood.one_view(np.float32(z))
    for n_draws in (50, 100, 500):
        size = min(BATCH_DRAWS // n_draws, n)
        ids = np.arange(size)
        some = jax.tree.map(lambda a: np.asarray(a)[ids], data)  # noqa: B023
        noise = base_noise(key, jnp.asarray(ids), n_draws, len(network.prior.names))
        flow = _seconds(lambda: drawn(weights, some, noise)) / size  # noqa: B023
        whole = _seconds(
            lambda: engine.finish(engine.start(some, view, ids, key, n_draws), size).u  # noqa: B023
        )
        found[f"flow_per_draw_{n_draws}"] = (flow - found["encode_per_pixel"]) / n_draws
        found[f"flow_per_pixel_{n_draws}"] = flow
        found[f"weighed_per_draw_{n_draws}"] = whole / size / n_draws
        found[f"weighed_per_pixel_{n_draws}"] = whole / size
    return {f"sampling.{name}": 1e6 * value for name, value in found.items()}


def _seconds(call, repeats=3) -> float:
    """Processor seconds of a call, the least of some after one to warm up."""
    jax.block_until_ready(call())
    found = []
    for _ in range(repeats):
        start = time.process_time()
        jax.block_until_ready(call())
        found.append(time.process_time() - start)
    return min(found)


def main():
    parser = options(__doc__)
    parser.add_argument("--pixels", type=float, default=PIXELS, help="pixels in all")
    parser.add_argument("--base-pixels", type=float, default=20_000, help="for the base build; 0: none")
    parser.add_argument("--no-sampling", action="store_true", help="leave sampling.* out")
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--base", type=Path, help="folder of the base build")
    parser.add_argument("--files", type=Path, help="folder of the images, kept")
    args = parser.parse_args()
    if args.quick:
        args.pixels, args.base_pixels = 4_000, 0
    n = max(1, min(GALAXIES, round(args.pixels * GALAXIES / PIXELS)))
    ours = Path(sys.executable)
    with tempfile.TemporaryDirectory(prefix="dsps-sbi-images-") as temporary:
        folder = args.files or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        files = write_galaxies(folder, n)
        # programs are compiled once
        infer(ours, files[:1], args.draws, "--no-pictures")
        sizes = [n]
        while sizes[-1] // 10 * SIDE**2 >= 0.9 * SMALLEST:
            sizes.append(sizes[-1] // 10)
        runs = {size: infer(ours, files[:size], args.draws, "--no-pictures") for size in sizes}
        whole = runs[n]
        cores = len(os.sched_getaffinity(0))
        each = {size: one["cpu"] / one["pixels"] for size, one in runs.items()}
        hours = whole["cpu"] / 3600.0 * PIXELS / whole["pixels"]
        metrics = {
            "galaxies": n,
            "pixels": whole["pixels"],
            "wall_seconds": whole["wall"],
            "cpu_seconds": whole["cpu"],
            "wall_ms_per_pixel": 1e3 * whole["wall"] / whole["pixels"],
            "cpu_ms_per_pixel": 1e3 * each[n],
            "cpu_hours" if n == GALAXIES else "cpu_hours_extrapolated": hours,
            "wall_core_use": whole["cpu"] / whole["wall"] / cores,
            "peak_memory_gb": whole["peak_gb"],
        }
        if len(sizes) > 1:
            metrics["linearity_max_deviation"] = max(abs(each[size] / each[n] - 1.0) for size in sizes[1:])
            metrics |= {f"cpu_ms_per_pixel_{size}_galaxies": 1e3 * each[size] for size in sizes[1:]}
        of_base = {}
        if args.base_pixels:
            part = files[: max(1, min(n, round(args.base_pixels * GALAXIES / PIXELS)))]
            with base_build(args.base) as python:
                of_base = versions(python)
                base, base_first = (infer(python, some, BASE_DRAWS) for some in (part, part[:1]))
            same, first = (infer(ours, some, args.draws) for some in (part, part[:1]))
            plain = infer(ours, part, args.draws, "--no-pictures")
            base_each = base["cpu"] / base["pixels"]
            metrics |= {
                "base.pixels": base["pixels"],
                "base.cpu_ms_per_pixel": 1e3 * base_each,
                "base.peak_memory_gb": base["peak_gb"],
                "cpu_speedup_to_base": base_each / (same["cpu"] / same["pixels"]),
                "cpu_speedup_to_base_no_pictures": base_each / (plain["cpu"] / plain["pixels"]),
            }
            if len(part) > 1:
                of_more = [_more(*pair) for pair in ((base, base_first), (same, first))]
                metrics["base.cpu_ms_per_pixel_more"], metrics["cpu_ms_per_pixel_more"] = of_more
                metrics["cpu_speedup_to_base_more"] = of_more[0] / of_more[1]
        metrics |= {} if args.no_sampling else sampling(args.quick)
    report(
        args.json,
        terms(
            objects=f"{whole['pixels']} pixels above S/N 5 of {n} galaxies", draws=args.draws, bundle=BUNDLE,
            base={"commit": COMMIT[:7], "draws": BASE_DRAWS, "versions": of_base}, seed=SEED,
            warm="programs at hand; the base build compiles in each process", io="files to maps",
            noise="JADES depths, 5 % floor",
        ),
        metrics,
    )  # fmt: skip


if __name__ == "__main__":
    main()
