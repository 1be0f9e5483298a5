"""pPXF's half of compare_ppxf.py: runs in an environment of its own, with pPXF.

``_ppxf_worker.py QUESTION ANSWER``: SSPs and spectra in one file of arrays, weights of the SSPs and
seconds in the other, by the clock and of the processor. Importing and reading are outside the seconds.
"""

import json
import os
import sys
import time
from functools import partial
from multiprocessing import Pool

import numpy as np
from ppxf.ppxf import ppxf
from ppxf.ppxf_util import varsmooth

C_KM_S = 299_792.458
FWHM_PER_SIGMA = np.sqrt(8.0 * np.log(2.0))
# Where its fits start: at rest, three pixels wide
START_KM_S = [0.0, 200.0]
# Redshifts are known, and the SSPs end 2500 km/s beyond the spectra: not its 2000 either way
BOUNDS_KM_S = [[-1000.0, 1000.0], [1.0, 1000.0]]


class Templates:
    """SSPs in the pixels of the spectra and beyond them, one set for each resolution."""

    def __init__(self, data):
        self.data, self.sets = data, {}
        ln = np.log(data["wave"])
        self.step = (ln[-1] - ln[0]) / (len(ln) - 1)
        low, high = np.log(data["ssp_wave"][[3, -4]])
        before, after = int((ln[0] - low) / self.step), int((high - ln[-1]) / self.step)
        self.wave = np.exp(ln[0] + self.step * np.arange(-before, len(ln) + after))

    def __call__(self, lsf_aa):
        """Spectra (Grid, Age, Met) of an LSF (Pixel,) of the galaxy's pixels, sigma [Angstrom]."""
        key = lsf_aa.tobytes()
        if key not in self.sets:
            wave = self.data["ssp_wave"]
            own = self.data["ssp_fwhm_aa"] / FWHM_PER_SIGMA
            lack = np.sqrt(np.maximum(np.interp(wave, self.data["wave"], lsf_aa) ** 2 - own**2, 0.0))
            flux = self.data["ssp_flux"].transpose(2, 1, 0).astype(float)
            self.sets[key] = varsmooth(wave, flux, lack, xout=self.wave)
        return self.sets[key]


class Galaxy:
    """One spectrum, and the SSPs that it may hold."""

    def __init__(self, templates, data, i, settings):
        n_age = int(data["n_age"][i])
        light = templates(data["lsf_aa"][i])[:, :n_age]
        self.shape = light.shape[1:]
        self.valid = data["valid"][i]
        flux, noise = (data[name][i].astype(float) for name in ("flux", "sigma"))
        # pPXF wants numbers of order one, and regularises mass weights if one number scales all SSPs
        unit = np.median(flux[self.valid])
        self.flux = np.where(self.valid, flux / unit, 1.0)
        self.noise = np.where(self.valid, noise / unit, 1.0)
        self.fixed = {
            "templates": light / np.median(light),
            "velscale": C_KM_S * templates.step,
            "mask": self.valid,
            "lam": data["wave"],
            "lam_temp": templates.wave,
            "bounds": BOUNDS_KM_S,
            "quiet": True,
            **settings,
        }

    def fit(self, flux, regul, start=START_KM_S):
        """A fit of some flux (Pixel,)."""
        return ppxf(galaxy=flux, noise=self.noise, start=start, regul=regul, **self.fixed)


def now():
    """Seconds of the clock and of the processor."""
    return np.array([time.perf_counter(), time.process_time()])


def answer(galaxy, n_boot, regul, rng):
    """Weights, those of resamplings, velocity and dispersion, reduced chi2, seconds (3, 2) of each step."""
    times = [now()]
    first = galaxy.fit(galaxy.flux, 0.0)
    # as its manual says: regularise with errors of which the best fit leaves a chi2 of one per pixel
    galaxy.noise = galaxy.noise * np.sqrt(first.chi2)
    times.append(now())
    found = galaxy.fit(galaxy.flux, regul)
    times.append(now())
    best = np.where(galaxy.valid, found.bestfit, 1.0)
    left, draws = galaxy.flux - best, []
    for _ in range(n_boot):
        again = galaxy.fit(best + rng.choice([-1.0, 1.0], best.size) * left, 0.0, list(found.sol))
        draws.append(again.weights.reshape(galaxy.shape))
    times.append(now())
    return found.weights.reshape(galaxy.shape), draws, found.sol, first.chi2, np.diff(times, axis=0)


def share(question, rows):
    """Shape of the SSPs and what :func:`answer` gives, of some of the question's spectra."""
    with np.load(question) as stored:
        data = dict(stored)
    recipe = json.loads(str(data.pop("recipe")))
    templates, found = Templates(data), []
    for i in rows:
        galaxy = Galaxy(templates, data, i, recipe["settings"])
        rng = np.random.default_rng([recipe["seed"], i])
        found.append((galaxy.shape, *answer(galaxy, int(data["n_boot"][i]), recipe["regul"], rng)))
        print(
            f"pPXF: {i + 1} of {len(data['flux'])} spectra, {found[-1][-1][:, 0].sum():.1f} s",
            file=sys.stderr,
        )
    return found


def main():
    question, out = sys.argv[1:]
    with np.load(question) as stored:
        n, most = len(stored["flux"]), int(stored["n_boot"].max())
        n_met, n_age = stored["ssp_flux"].shape[:2]
    weights, drawn = np.zeros((n, n_age, n_met)), np.full((n, most, n_age, n_met), np.nan)
    sol, chi2, spent = np.empty((n, 2)), np.empty(n), np.empty((n, 3, 2))
    # one thread each: a process for every core
    n_process = len(os.sched_getaffinity(0))
    rows = [range(first, n, n_process) for first in range(n_process)]
    with Pool(n_process) as pool:
        shares = pool.map(partial(share, question), rows)
    for some, found in zip(rows, shares, strict=True):
        for i, (shape, best, draws, *others) in zip(some, found, strict=True):
            sol[i], chi2[i], spent[i] = others
            n_boot = len(draws)
            weights[i, : shape[0]] = best
            drawn[i, :n_boot] = 0.0
            drawn[i, :n_boot, : shape[0]] = np.reshape(draws, (n_boot, *shape))
    np.savez(out, weights=weights, draws=drawn, sol=sol, chi2=chi2, seconds=spent)


if __name__ == "__main__":
    main()
