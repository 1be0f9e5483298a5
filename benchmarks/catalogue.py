"""How long does a catalogue take, whose galaxies have redshifts of their own, and how much memory?

Mocks of the prior of the bundle for any filters in the 19 JADES bands, at the depths of JADES, with observed
S/N > 5, at redshifts of which no two are equal. A FITS table in, a FITS catalogue out: whole processes of
``dsps-sbi infer``, all draws weighed, compiled programs at hand (``seconds_first`` is what a first run of few
rows takes, which compiles them).

- ``seconds_per_object``: of the whole process, start-up included; ``seconds_per_object_more``: of further
  objects, from the difference between runs with half of the rows and with all. ``cores_busy`` is processor
  time over that of the clock.
- ``speedup_to_base``: ``base_seconds_per_object`` over ``seconds_per_object``. The build before 0.2 has no
  tables: its function ``weigh`` takes the same fluxes, with as many draws, in memory, in a process that is
  warm, by its bundle ``jades-pixels`` (log U fixed, no errors that bands share). A part of the objects.
- ``peak_mb``: of the process with all rows; ``peak_ratio``: over that with half of them.
- ``*_free_z``: the first of the same galaxies with no redshift but a range (``--z-range``): the same whole
  processes, programs at hand. ``nmad_free_z`` and ``outliers_free_z`` (beyond 0.15) are of (z - z_true) /
  (1 + z_true).

``--parts`` runs one of the two parts alone, and the result has its metrics alone.

The stellar populations have to be in the user's cache: ``dsps-sbi fetch bc03-miles``.
"""

import json
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
from astropy.table import Table

import dsps_sbi as ds
from dsps_sbi.instruments.jades import JADES_BANDS
from dsps_sbi.kernels.likelihood import mean_snr
from dsps_sbi.noise import DepthNoise
from dsps_sbi.photometry.data import PhotometryData
from dsps_sbi.ssp import available

N_DRAWS, SNR_MIN, SEED = 500, 5.0, 0
# Candidates at a time
_BATCH = 256
# Within those of both bundles
REDSHIFTS = (0.2, 7.4)
# What is said of redshifts that are not given
Z_RANGE, OUTLIER = "0.01,7.5", 0.15
PARTS = "given", "free-z"
# Of the names of metrics with redshifts between two ends
FREE = "_free_z"
_WORKER = """
import sys, time, json
import numpy as np
import dsps_sbi as ds
rows = np.load(sys.argv[1])
post = ds.load_bundle("jades-pixels")
take = lambda a, b: [rows[name][a:b] for name in ("flux", "sigma", "z")]
options = {"n_draws": int(sys.argv[2])}
# compiled, and the model made
ds.weigh(post, "auto", *take(0, 2), **options)
start = time.perf_counter()
found = ds.weigh(post, "auto", *take(2, None), **options)
print(json.dumps({"seconds": time.perf_counter() - start, "ess": float(np.median(found.ess))}))
"""


@jax.jit
def _noisy(likelihood, key, u, view, noise):
    low, high = likelihood.mass_range
    mass = 10.0 ** (low + (high - low) * jax.scipy.special.ndtr(u[..., -1]))
    flux = jnp.sum(likelihood.unit_fluxes(u[..., :-1], view), axis=2)[:, 0, : len(JADES_BANDS)] * mass
    sky_key, noise_key = jax.random.split(key)
    sky = noise.sample_sky(sky_key, len(flux))
    return noise.add(noise_key, flux, sky), sky


def galaxies(bundle, n: int):
    """Fluxes and errors (n, Band) [uJy], redshifts (n,) of mocks."""
    post = ds.load_bundle(bundle).for_filters(JADES_BANDS)
    likelihood, noise = post.likelihood(), DepthNoise.jades(offset_dex=(-1.0, 1.0))
    rng, found, n_found = np.random.default_rng(SEED), [], 0
    key, n_band = jax.random.key(SEED), len(JADES_BANDS)
    while n_found < n:
        z = rng.uniform(*REDSHIFTS, _BATCH).astype(np.float32)
        u = jnp.asarray(rng.standard_normal((_BATCH, 1, len(post.names))), jnp.float32)
        empty = np.zeros((_BATCH, n_band), np.float32)
        data = post.filled(PhotometryData(empty, empty + 1.0, empty < 1.0, empty > 1.0, z))
        flux, sky = _noisy(
            likelihood, jax.random.fold_in(key, n_found), u, likelihood.view_of(None, data), noise
        )
        keep = np.asarray(mean_snr(flux, sky, jnp.asarray(data.valid[:, :n_band]), post.snr_bands)) > SNR_MIN
        found.append([np.asarray(a)[keep] for a in (flux, sky, z)])
        n_found += int(keep.sum())
    return [np.concatenate(columns)[:n] for columns in zip(*found, strict=True)]


def write(path, flux, sigma, z):
    """A table of galaxies, with columns such as f_F200W and e_F200W."""
    table = Table({"id": np.arange(len(z)), "z": z})
    for i, band in enumerate(JADES_BANDS):
        for start, values in (("f_", flux), ("e_", sigma)):
            table[start + band] = values[:, i]
            table[start + band].unit = "uJy"
    table.write(path)


def infer(table, bundle, folder, *more) -> tuple[float, float, float]:
    """Seconds, peak memory [MB] and processor seconds of a process of ``dsps-sbi infer``."""
    command = [sys.executable, "-m", "dsps_sbi.cli", "infer", table, "--bundle", bundle, "-o", folder, *more]
    with tempfile.TemporaryFile("w+") as said:
        start = time.perf_counter()
        process = subprocess.Popen([str(part) for part in command], stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - start
        said.seek(0)
        if process.returncode:
            raise SystemExit(f"{' '.join(map(str, command))} failed:\n{said.read()}")
    return seconds, used.ru_maxrss / 1024.0, used.ru_utime + used.ru_stime


def by_base(python, folder, flux, sigma, z) -> dict:
    """Seconds per object, and median effective draws, of the base build."""
    np.savez(folder / "base.npz", flux=flux, sigma=sigma, z=z)
    command = [python, "-I", "-c", _WORKER, folder / "base.npz", str(N_DRAWS)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    answer = json.loads(done.stdout.splitlines()[-1])
    return {"base_seconds_per_object": answer["seconds"] / (len(z) - 2), "base_ess_median": answer["ess"]}


def runs(folder, rows, bundle, sizes, *more):
    """Of runs of ``dsps-sbi infer`` with so many rows of a table what :func:`infer` tells, and a catalogue.

    Parameters
    ----------
    folder : Path
    rows : list of array (n, ...)
        See :func:`galaxies`.
    bundle : str
    sizes : dict of str to int
    *more : str
        Options.

    Returns
    -------
    seconds, peak, cpu : dict of str to float
    catalogue : Table
        Of the last run.
    """
    used = {}
    for name, size in sizes.items():
        write(folder / f"{name}.fits", *(column[:size] for column in rows))
        used[name] = infer(folder / f"{name}.fits", bundle, folder / name, *more)
        print(f"{size} objects: {used[name][0]:.1f} s, {used[name][1]:.0f} MB", flush=True)
    columns = ({name: one[i] for name, one in used.items()} for i in range(3))
    return *columns, Table.read(folder / name / "catalogue.fits")


def costs(seconds, peak, cpu, n, suffix=""):
    """Time and memory of a run of ``n`` objects, of half of them, and of a few."""
    return {
        f"seconds_per_object{suffix}": seconds["all"] / n,
        f"seconds_per_object_more{suffix}": (seconds["all"] - seconds["half"]) / (n - n // 2),
        f"seconds_first{suffix}": seconds["first"],
        f"cpu_seconds_per_object{suffix}": cpu["all"] / n,
        f"cores_busy{suffix}": cpu["all"] / seconds["all"],
        f"peak_mb{suffix}": peak["all"],
    }


def judged(catalogue, suffix=""):
    """How good the answers are."""
    trusted = np.mean(np.asarray(catalogue["trust"]).astype(str) == "trusted")
    return {f"trusted{suffix}": float(trusted), f"ess_median{suffix}": float(np.median(catalogue["ess"]))}


def given(args, rows, n_few, n_base):
    """Metrics with redshifts given, and terms."""
    n = len(rows[2])
    sizes = {"first": n_few, "half": n // 2, "all": n}
    with tempfile.TemporaryDirectory(prefix="dsps-sbi-catalogue-") as temporary:
        seconds, peak, cpu, catalogue = runs(Path(temporary), rows, args.bundle, sizes)
        with base_build(args.base) as base:
            metrics = by_base(base, Path(temporary), *(column[:n_base] for column in rows))
            base_versions = versions(base)
    metrics |= costs(seconds, peak, cpu, n) | judged(catalogue)
    metrics["peak_ratio"] = peak["all"] / peak["half"]
    metrics["speedup_to_base"] = metrics["base_seconds_per_object"] / metrics["seconds_per_object"]
    own = {"objects": n, "redshifts": n, "objects_of_first": n_few, "objects_of_base": n_base - 2}
    return metrics, own | {"base": {"commit": COMMIT[:7], "versions": base_versions}}


def free_z(args, rows, n_few):
    """Metrics with redshifts between two ends, and terms."""
    z = rows[2]
    n = len(z)
    sizes = {"first": n_few, "half": n // 2, "all": n}
    with tempfile.TemporaryDirectory(prefix="dsps-sbi-catalogue-") as temporary:
        options = "--z-range", Z_RANGE
        seconds, peak, cpu, catalogue = runs(Path(temporary), rows, args.bundle, sizes, *options)
    dz = (np.asarray(catalogue["z"], float) - z) / (1.0 + z)
    metrics = costs(seconds, peak, cpu, n, FREE) | {
        "nmad_free_z": float(1.4826 * np.median(np.abs(dz - np.median(dz)))),
        "outliers_free_z": float(np.mean(np.abs(dz) > OUTLIER)),
    }
    metrics |= judged(catalogue, FREE)
    return metrics, {"objects_free_z": n, "objects_of_first_free_z": n_few, "z_range": Z_RANGE}


def main():
    parser = options(__doc__.splitlines()[0])
    parser.add_argument(
        "--base", type=Path, help="folder to keep the base build in; default: a temporary one"
    )
    parser.add_argument("--bundle", default="photometry", help="for any filters: name or folder")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="default: both")
    args = parser.parse_args()
    if not available("bc03-miles"):
        parser.error("needs dsps-sbi fetch bc03-miles")
    n, n_few, n_base, n_free = (200, 25, 6, 16) if args.quick else (10_000, 100, 102, 1000)
    load_average = round(os.getloadavg()[0], 2)
    rows = galaxies(args.bundle, n if "given" in args.parts else n_free)
    jax.clear_caches()
    metrics, own = {}, {"parts": list(args.parts)}
    if "given" in args.parts:
        found, more = given(args, rows, n_few, n_base)
        metrics, own = metrics | found, own | more
    if "free-z" in args.parts:
        # a batch of objects compiles all that there is
        found, more = free_z(args, [column[:n_free] for column in rows], min(n_free // 4, 32))
        metrics, own = metrics | found, own | more
    report(
        args.json,
        terms(
            **own,
            bands=len(JADES_BANDS),
            draws=N_DRAWS,
            seed=SEED,
            snr_min=SNR_MIN,
            io="in, of the base build out",
            warm=True,
            load_average_at_start=load_average,
        ),
        metrics,
    )


if __name__ == "__main__":
    main()
