"""pPXF side by side: its environment, the question in a file, and what follows from its weights."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from _environment import python_with

from dsps_sbi.kernels.vacuum import air_to_vacuum
from dsps_sbi.sfh import age_edges

VERSION = "9.5.2"
WORKER = Path(__file__).with_name("_ppxf_worker.py")
# As in its example of the populations of one galaxy: no additive polynomial, Gaussian velocities
SETTINGS = {"moments": 2, "degree": -1, "mdegree": 8}
REGUL = 100.0
QUANTITIES = ("mass_weighted_age", "t50", "metallicity")


@dataclass(frozen=True, eq=False)
class Seen:
    """Spectra at rest in a network's pixels.

    Parameters
    ----------
    flux, sigma : ndarray (Object, Pixel)
    valid : bool ndarray (Object, Pixel)
    universe_gyr : ndarray (Object,)
    lsf_aa : ndarray (Object, Pixel)
        Sigma of the LSF, the pixel's own width among it [Angstrom at rest].
    """

    flux: np.ndarray
    sigma: np.ndarray
    valid: np.ndarray
    universe_gyr: np.ndarray
    lsf_aa: np.ndarray

    @classmethod
    def of(cls, post, spectra):
        """Spectra as the network gets them, and their LSF where that is the broader one."""
        frame, rows = post.frame, []
        middle = 0.5 * (frame.ln_edges[1:] + frame.ln_edges[:-1])
        for spectrum in spectra:
            rest = post.prepared(spectrum)[1]
            own = spectrum.spectrograph(mask_lines=())
            at = 0.5 * (own.ln_edges[1:] + own.ln_edges[:-1]) - np.log1p(spectrum.redshift)
            variance = np.maximum(np.interp(middle, at, own.ln_variance), frame.ln_variance)
            lsf = frame.wave_aa * np.sqrt(variance + np.diff(frame.ln_edges) ** 2 / 12.0)
            universe = float(post.network.cosmology.age(rest.z))
            # few templates: what rounding makes of one LSF is one
            rows.append((rest.flux, rest.sigma, rest.valid, universe, lsf.round(4)))
        return cls(*(np.stack(column) for column in zip(*rows, strict=True)))


@dataclass(frozen=True, eq=False)
class Found:
    """What pPXF says.

    Parameters
    ----------
    estimate : ndarray (Object, Quantity)
        Of the regularised fit: log10 of the mass-weighted age [Gyr], t50 [Gyr], [M/H].
    error : ndarray (Object, Quantity)
        Standard deviation of the resamplings; NaN where there are none.
    sigma_v, chi2 : ndarray (Object,)
        Velocity dispersion [km/s], and the chi2 per pixel of the fit that is not regularised.
    seconds : ndarray (Object, 3, 2)
        Of that fit, of the regularised one, and of all resamplings, by the clock and of the processor.
    """

    estimate: np.ndarray
    error: np.ndarray
    sigma_v: np.ndarray
    chi2: np.ndarray
    seconds: np.ndarray

    def rows(self, index):
        """Some of the objects."""
        return Found(**{field.name: getattr(self, field.name)[index] for field in fields(self)})


def of_weights(weights, grid, universe_gyr):
    """Quantities (..., Quantity) of mass weights (..., Age, Met) on SSPs.

    An SSP stands for the same bin of ages as in our model, with stars formed at a steady rate, and for
    none before the Big Bang.
    """
    weights = weights / weights.sum(axis=(-2, -1), keepdims=True)
    share = weights.sum(axis=-1)
    age = share @ np.minimum(grid.age_gyr, universe_gyr)
    edges = np.minimum(age_edges(grid.age_gyr), universe_gyr)
    younger = np.concatenate([np.zeros_like(share[..., :1]), np.cumsum(share, axis=-1)], axis=-1)
    half = np.reshape([np.interp(0.5, row, edges) for row in younger.reshape(-1, edges.size)], age.shape)
    return np.stack([np.log10(age), universe_gyr - half, weights.sum(axis=-2) @ grid.metallicity], axis=-1)


def ask(grid, frame, seen: Seen, n_boot, seed) -> Found:
    """Fit spectra with pPXF, in one thread: its matrices are small, and threads slow it down.

    Parameters
    ----------
    grid : SSPGrid
        In air.
    frame : Spectrograph
        Pixels of the spectra, steps of one logarithm.
    seen : Seen
    n_boot : int array (Object,)
        Resamplings of each.
    seed : int
    """
    python = python_with(f"ppxf-{VERSION}", f"ppxf=={VERSION}")
    wave = air_to_vacuum(grid.wave_aa) if grid.wave_medium == "air" else grid.wave_aa
    question = {
        "ssp_wave": wave,
        "ssp_flux": grid.flux,
        "ssp_fwhm_aa": grid.fwhm_aa,
        "wave": frame.wave_aa,
        "flux": seen.flux,
        "sigma": seen.sigma,
        "valid": seen.valid,
        "lsf_aa": seen.lsf_aa,
        # those that a galaxy at its redshift can have in our model
        "n_age": (age_edges(grid.age_gyr)[:-1] < seen.universe_gyr[:, None]).sum(axis=1),
        "n_boot": n_boot,
        "recipe": json.dumps({"settings": SETTINGS, "regul": REGUL, "seed": seed}),
    }
    with tempfile.TemporaryDirectory() as temporary:
        files = [Path(temporary) / f"{name}.npz" for name in ("question", "answer")]
        np.savez(files[0], **question)
        env = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        subprocess.run([python, WORKER, *files], check=True, stdout=sys.stderr, env=env)
        with np.load(files[1]) as stored:
            answer = dict(stored)
    n = len(seen.flux)
    rows = zip(answer["weights"], answer["draws"], seen.universe_gyr, n_boot, strict=True)
    estimate, error = np.full((2, n, len(QUANTITIES)), np.nan)
    for i, (weights, draws, universe, some) in enumerate(rows):
        estimate[i] = of_weights(weights, grid, universe)
        if some > 1:
            error[i] = of_weights(draws[:some], grid, universe).std(axis=0, ddof=1)
    return Found(estimate, error, answer["sol"][:, 1], answer["chi2"], answer["seconds"])
