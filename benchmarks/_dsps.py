"""DSPS side by side: its environment, the inputs in its units, its processes, and its fluxes beside ours."""

import json
import subprocess
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from _environment import python_with

import dsps_sbi as ds
from dsps_sbi.constants import C_AA_S, Z_SUN

VERSION = "0.4.8"
WORKER = Path(__file__).with_name("_dsps_worker.py")
# Points of every filter curve: DSPS wants all of one length, and fewer points are faster
CURVE_POINTS = {"short": 200, "fine": 4000}


def python() -> Path:
    """The Python of an environment with DSPS and our version of JAX, made on first use."""
    packages = [f"{name}=={version(name)}" for name in ("jax", "jaxlib", "numpy")]
    return python_with(f"dsps-{VERSION}-jax-{version('jax')}", f"dsps=={VERSION}", *packages)


def histories(theta, times_gyr, universe_gyr):
    """Star formation rates (Object, time) [Msun/yr] of delayed-tau galaxies at cosmic times [Gyr]."""
    theta = {name: np.asarray(column, float)[:, None] for name, column in theta.items()}
    tau, since = 10.0 ** theta["log_tau"], np.maximum(times_gyr - theta["t_start"], 0.0)
    duration = universe_gyr - theta["t_start"]
    formed = tau**2 * -(np.expm1(-duration / tau) + duration / tau * np.exp(-duration / tau))
    return 10.0 ** theta["log_mass_formed"] * since * np.exp(-since / tau) / formed / 1e9


def write_inputs(path, grid, filters, z, universe_gyr, samples):
    """Everything that DSPS needs, in its units, in one file.

    Parameters
    ----------
    samples : dict
        Per sample: theta as a dict of columns, and the cosmic times [Gyr] of its tables.
    """
    arrays = {
        "wave": grid.wave_aa,
        "flux": grid.flux * (grid.wave_aa**2 / C_AA_S),
        "lg_age": np.log10(grid.age_gyr),
        "lgmet": grid.metallicity + np.log10(Z_SUN),
        "z": z,
        "t_obs": universe_gyr,
    }
    for name, points in CURVE_POINTS.items():
        waves = [np.linspace(wave[0], wave[-1], points) for wave in filters.wave_aa]
        curves = zip(waves, filters.wave_aa, filters.trans, strict=True)
        arrays[f"{name}_wave"] = np.stack(waves)
        arrays[f"{name}_trans"] = np.stack([np.interp(*curve) for curve in curves])
    for name, (theta, times) in samples.items():
        arrays |= {f"{name}_t": times, f"{name}_sfr": histories(theta, times, universe_gyr)}
        arrays |= {f"{name}_lgmet": theta["metallicity"] + np.log10(Z_SUN), f"{name}_av": theta["av"]}
    np.savez(path, **arrays)


class Worker:
    """A DSPS process of one precision that runs what it is asked and answers with seconds."""

    def __init__(self, python, inputs, precision):
        self.precision = precision
        command = [str(python), str(WORKER), str(inputs), precision]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, **request) -> float:
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            status = self.process.wait()
            raise RuntimeError(f"DSPS ({self.precision}) ended with status {status} on {request}")
        answer = json.loads(line)
        assert answer["dtype"] == self.precision, answer
        return answer["seconds"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def check_sample(grid, universe_gyr, n):
    """Galaxies that both codes define alike: metallicities at nodes, histories that a table resolves."""
    rng = np.random.default_rng(1)
    nodes = grid.metallicity[(grid.metallicity > -2.27) & (grid.metallicity < 0.40)]
    return {
        "log_tau": rng.uniform(-0.5, 2.0, n),
        "t_start": rng.uniform(0.1, 0.9, n) * universe_gyr,
        "metallicity": rng.choice(nodes, n),
        "av": rng.uniform(0.0, 2.0, n),
        "log_mass_formed": rng.uniform(8.0, 11.0, n),
    }


def check_times(universe_gyr):
    """Cosmic times [Gyr] of tables that resolve these histories, dense towards the present."""
    young = universe_gyr - np.geomspace(1e-6, universe_gyr - 0.01, 1500)[::-1]
    return np.unique(np.concatenate([np.linspace(0.01, universe_gyr, 1500), young]))


def with_dsps_bins(model):
    """The model with DSPS's age bins.

    Our bins end halfway (in log age) between the SSPs. Those of DSPS extend from each SSP by half the
    mean of the two neighbouring steps, which is not halfway where the steps of the grid change. DSPS's first
    bin begins half a step below the youngest SSP, ours at zero.
    """
    lg_age = np.log10(model.ssp.age_gyr)
    step = np.diff(lg_age)
    width = np.r_[step[0], 0.5 * (step[1:] + step[:-1]), step[-1]]
    edges = jnp.asarray(10.0 ** np.r_[lg_age - 0.5 * width, lg_age[-1] + 0.5 * width[-1]], jnp.float32)

    def replaced(path, leaf):
        return edges if jax.tree_util.keystr(path) == ".edges" else leaf

    return jax.tree_util.tree_map_with_path(replaced, model)


@jax.jit
def _predict(model, theta, z):
    """Fluxes (Galaxy, Band) of theta (Galaxy, Param) at one redshift, at full resolution."""
    return jax.lax.map(lambda t: model.predict(t, z), theta, batch_size=50)


def accuracy(grid, filters, z, worker, folder, sample):
    """Relative differences of DSPS's fluxes from those of ``predict``, stars and dust."""
    own = ds.GalaxyModel(grid, filters, ds.photometry_prior(), log_u=None)
    columns = np.stack([sample[name] for name in own.names], axis=1).astype(np.float32)
    without_dust = (columns * (np.array(own.names) != "av")).astype(np.float32)
    ours = {}
    for bins, model in (("dsps", with_dsps_bins(own)), ("own", own)):
        ours[bins, "spectrum"] = np.asarray(_predict(model, columns, z))
        ours[bins, "table"] = np.asarray(_predict(model, without_dust, z))
    metrics = {}
    for name, bins, route, curves in (
        ("dsps", "dsps", "spectrum", "fine"),
        ("dsps_own_age_bins", "own", "spectrum", "fine"),
        ("dsps_short_curves", "dsps", "spectrum", "short"),
        ("dsps_table", "dsps", "table", "fine"),
    ):
        path = folder / f"{route}_{curves}.npy"
        if not path.exists():
            worker(route=route, filters=curves, sample="check", n=len(columns), save=str(path))
        off = np.abs(np.load(path) / ours[bins, route] - 1.0)
        metrics |= {f"{name}_p{100 * q:g}": np.quantile(off, q) for q in (0.5, 0.99, 1.0)}
    return metrics
