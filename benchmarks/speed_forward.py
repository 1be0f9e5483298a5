"""How fast is the forward model, and how fast is DSPS 0.4.8 at the same work?

Work: delayed-tau galaxies at z = 1 to fluxes in the 19 JADES bands, the same SSPs on both sides.
Ours: normal coordinates to fluxes by the band table of that redshift, with history, dust and gas.
DSPS, in a process of its own, by two routes of its public functions (see _dsps_worker.py):
``spectrum``, its documented one, with the same dust screen; and ``table``, its fast one at a fixed
redshift, without dust, which our ``bare`` (stars only, one piece per band) stands beside. Both start
from ready-made tables of star formation histories, whose making is not timed. Of float32 and float64
the faster counts, at each batch size.
"""

import os
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from _contract import options, report, terms
from _dsps import Worker, accuracy, check_sample, check_times, python, write_inputs

import dsps_sbi as ds
from dsps_sbi.ssp import load, read_miles

Z = 1.0
N_TIMES = 100  # of the tables of histories in DSPS's examples
RANGE_AA = (3540.0, 7410.0)
CHUNK = 1000  # galaxies whose intermediate arrays stay in the cache; the same on DSPS's side


def seconds(call, *args):
    """Seconds of one call."""
    start = time.perf_counter()
    jax.block_until_ready(call(*args))
    return time.perf_counter() - start


def in_chunks(simulator):
    """Fluxes of any number of galaxies, compiled; more than CHUNK of them one chunk after the other.

    Only arrays of the table are computed with. The simulator is no argument, so that calls need not look at
    it.
    """

    @jax.jit
    def run(u, table):
        if len(u) <= CHUNK:
            return simulator.noiseless(u, table)[0]
        chunks = u.reshape(-1, CHUNK, u.shape[1])
        return jax.lax.map(lambda chunk: simulator.noiseless(chunk, table)[0], chunks).reshape(len(u), -1)

    return run


@jax.jit
def full_spectra(model, theta, z):
    """Spectra (Galaxy, Wave) [uJy] of theta (Galaxy, Param)."""
    return jax.vmap(lambda t: model.spectrum(t, z)[1])(theta)


def ask(worker, route, n):
    """Seconds of DSPS for n galaxies."""
    return worker(route=route, filters="short", sample="speed", n=n)


def race(runners, batches, repeats):
    """Median seconds by (runner, batch) and seconds of the first calls; each repeat runs everybody once.

    A runner 3 times slower at one batch than another of its kind (the part of its name before the comma)
    is left out at larger batches.
    """
    first, times, left = {}, {}, dict(runners)
    for batch in batches:
        for name, run in left.items():
            first[name, batch] = run(batch)
            # after half a minute the seconds of compilation no longer count
            times[name, batch] = [first[name, batch]] if first[name, batch] > 30.0 else []
        for _ in range(repeats):
            for name, run in left.items():
                if first[name, batch] <= 30.0:
                    times[name, batch].append(run(batch))
        best = {}
        for name in left:
            kind = name.split(",")[0]
            best[kind] = min(best.get(kind, np.inf), min(times[name, batch]))
        left = {n: run for n, run in left.items() if min(times[n, batch]) < 3.0 * best[n.split(",")[0]]}
    return {key: float(np.median(value)) for key, value in times.items()}, first


def spectra(grid, n, repeats):
    """Spectra per second (stars, history, dust, redshift) at full resolution."""
    model = ds.GalaxyModel(grid, ds.FilterSet.from_names(("F606W",)), ds.photometry_prior(), log_u=None)
    z = 0.1
    theta = model.prior.sample(jax.random.key(2), jnp.full(n, z), model.cosmology.age(z))
    compile_s = seconds(full_spectra, model, theta, z)
    return n / np.median([seconds(full_spectra, model, theta, z) for _ in range(repeats)]), compile_s


def spectral_grid(grid, folder):
    """MILES at 4300 pixels where it is at hand, else BC03-MILES cut to its range."""
    if folder is not None and folder.is_dir():
        return read_miles(folder)
    keep = (grid.wave_aa > RANGE_AA[0]) & (grid.wave_aa < RANGE_AA[1])
    words = {name: getattr(grid, name) for name in ("age_gyr", "metallicity", "imf", "tracks", "library")}
    return ds.SSPGrid("bc03-miles, cut", wave_aa=grid.wave_aa[keep], flux=grid.flux[..., keep], **words)


def size(grid):
    """A grid's name and dimensions in words."""
    n_met, n_age, n_wave = grid.flux.shape
    return f"{grid.name}: {n_age} ages, {n_met} metallicities, {n_wave} pixels"


def main():
    parser = options(__doc__.splitlines()[0])
    parser.add_argument("--dsps-python", type=Path, help="Python with dsps 0.4.8; default: made in the cache")
    parser.add_argument("--miles", type=Path, help="folder of MILES files; default: that of the test data")
    args = parser.parse_args()
    load_average = round(os.getloadavg()[0], 2)
    data = os.environ.get("DSPS_SBI_TEST_DATA")
    miles = args.miles or (Path(data) / "ssp" / "miles_basti_kb" if data else None)
    batches, repeats = ((1, 100, 200), 3) if args.quick else ((1, 100, 10_000), 7)
    most = batches[-1]

    grid = load("bc03-miles")
    model = ds.GalaxyModel.preset("jades-pixels", ssp=grid)
    simulator = ds.PhotometrySimulator.jades_pixels(model)
    table_compile_s = seconds(model.band_table, Z)
    table = model.band_table(Z)
    universe = float(table.universe_gyr)
    u = jax.random.normal(jax.random.key(0), (most, len(model.names)))
    theta = np.asarray(simulator.noiseless(u, table)[1], float)
    speed = {name: theta[:, i] for i, name in enumerate(model.names)}
    check = check_sample(grid, universe, 20 if args.quick else 200)
    samples = {
        "speed": (speed, np.linspace(0.05, universe, N_TIMES)),
        "check": (check, check_times(universe)),
    }

    bare = ds.PhotometrySimulator.jades_pixels(replace(model, log_u=None, n_sub=1))
    bare_table = bare.model.band_table(Z)
    ours, stars = in_chunks(simulator), in_chunks(bare)
    some = {n: u[:n] for n in batches}
    runners = {
        "ours": lambda n: seconds(ours, some[n], table),
        "bare": lambda n: seconds(stars, some[n], bare_table),
    }
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_inputs(folder / "inputs.npz", grid, model.filters, Z, universe, samples)
        dsps_python = args.dsps_python or python()
        workers = [Worker(dsps_python, folder / "inputs.npz", p) for p in ("float32", "float64")]
        for route in ("spectrum", "table"):
            for worker in workers:
                runners[f"{route}, {worker.precision}"] = partial(ask, worker, route)
        metrics = accuracy(grid, model.filters, Z, workers[1], folder, check)
        times, first = race(runners, batches, repeats)
        for worker in workers:
            worker.close()

    metrics["photometric_seds_per_s"] = most / times["ours", most]
    metrics["photometric_seds_per_s_bare"] = most / times["bare", most]
    some_n = batches[1]
    metrics["compile_s"] = first["ours", some_n] - times["ours", some_n]
    metrics["band_table_compile_s"] = table_compile_s
    precision = {}
    for route, prefix in (("spectrum", "dsps"), ("table", "dsps_table")):
        for batch in batches:
            names = [f"{route}, {p}" for p in ("float32", "float64") if (f"{route}, {p}", batch) in times]
            best = min(names, key=lambda name: times[name, batch])
            precision[f"{prefix}, {batch}"] = best.split(", ")[1]
            suffix = "" if batch == most else f"_{batch}"
            metrics[f"ratio_to_{prefix}{suffix}"] = times[best, batch] / times["ours", batch]
            for name in names:
                metrics[f"{prefix}_{name.split()[1]}_seds_per_s{suffix}"] = batch / times[name, batch]
        metrics[f"{prefix}_photometric_seds_per_s"] = most / times[best, most]
        metrics[f"{prefix}_compile_s"] = first[best, some_n] - times[best, some_n]
    metrics["ratio_to_dsps_table_bare"] = times[best, most] / times["bare", most]
    light = spectral_grid(grid, miles)
    n_spectra = 200 if args.quick else 1000
    metrics["spectra_per_s"], metrics["spectra_compile_s"] = spectra(light, n_spectra, repeats)
    report(
        args.json,
        terms(
            objects=list(batches),
            z=Z,
            bands=len(model.filters.names),
            repeats=repeats,
            statistic="median of repeats in alternation (calls over 30 s: one), warm, inputs in memory",
            seed=0,
            load_average_at_start=load_average,
            ssp=size(grid),
            ours="float32; normal coordinates to fluxes with history, dust and gas, "
            f"{table.n_sub} pieces per band; _bare: stars only, bands in one piece, as in DSPS's table route",
            dsps="0.4.8; dsps_: full spectra, same screen; dsps_table_: precomputed SSP magnitudes, no dust",
            dsps_precision=precision,
            dsps_histories=f"ready-made tables of {N_TIMES} times; curves of 200 points",
            check=f"{len(check['av'])} galaxies, stars and dust, metallicity at nodes, tau > 0.3 Gyr",
            check_dsps="float64, curves of 4000 points (dsps_short_curves: 200), DSPS's age bins in both "
            "codes (dsps_own_age_bins: ours in ours)",
            chunks=CHUNK,
            compile=f"of {batches[1]} objects, first call less the median",
            spectra=f"{size(light)}; batches of {n_spectra}",
        ),
        {name: float(value) for name, value in metrics.items()},
    )


if __name__ == "__main__":
    main()
