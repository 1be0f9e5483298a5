"""DSPS side by side: its environment, the inputs in its units, and its processes."""

import json
import subprocess
from importlib.metadata import version
from pathlib import Path

import numpy as np
from _environment import python_with

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
