"""Ages and metallicities beside pPXF's, on the same SSPs: mocks of known history, and real galaxies.

pPXF 9.5.2 fits as its examples for populations do: all SSPs at once, mass weights regularised (regul
100, in units in which spectrum and SSPs are about 1), a multiplicative polynomial of degree 8 and no
additive one, a Gaussian for the velocities; before that without regularisation, to scale the errors until
chi2 per pixel is 1, as its manual says. Its errors are those of a wild bootstrap: residuals of the
regularised fit with random signs on top of it, fitted again without regularisation. It gets what our
network gets: spectra at rest, in the network's pixels and with its masks. SSPs are brought to the
resolution of the spectra by its own ``varsmooth``; none is older than the Universe.

Ours are 1,000 draws, weighed with the exact likelihood in the spectrum's own pixels and refined where
needed: median and standard deviation. Mocks are galaxies of our prior, from the simulator of training, which
favours our code: histories that no regularisation is made for, each of one metallicity. Their reported S/N is
50 per pixel; the error of the model (0.1 to 10 %, log-uniform) comes on top and is not reported.
Scores named ``bootstrapped`` are of those mocks that both codes have errors of.

Seconds are of one mock after the other, when everything is compiled; for ours encoding and the view of the
spectrograph are inside. ``speedup_per_object`` is one regularised fit over 1,000 weighed draws,
``_network`` over 1,000 draws of the network alone, ``_refined`` over refined draws. ``speedup_with_errors``
is fit and all resamplings over 1,000 weighed draws. pPXF's first fit, which scales the errors, is in none
of them. pPXF runs in one thread (more threads slow it down), as many spectra at once as there are cores;
ours in as many threads as JAX takes. ``_cpu`` is the same ratio of processor seconds, which other work on
the machine changes less.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from _contract import data_folder, options, report, terms
from _exact import likelihood_of
from _ppxf import QUANTITIES, REGUL, SETTINGS, VERSION, Found, Seen, ask
from etg_stacks import RADII, read_stacks
from forward_spectra import SDSS_FWHM
from tqdm.auto import tqdm

import dsps_sbi as ds
from dsps_sbi.inference.trust import Method
from dsps_sbi.kernels.lsf import FWHM_PER_SIGMA

SNR = 50.0
GALAXIES = {
    "ngc3522": "NGC3522_SDSS_DR8.fits",
    "ngc3073": "NGC3073_SDSS_DR8.fits",
    "ngc4636": "NGC4636_SDSS_DR12.fits",
}
N_DRAWS = 1000
# Distance of spectra at rest [Mpc]
TEN_PC = 1e-5


def mock_spectra(model, n, seed):
    """Mocks as an observer has them, and the truth (Object, Quantity)."""
    simulator = ds.SpectrumSimulator(model, snr=(SNR, SNR), p_whole=1.0)
    pool_key, key = jax.random.split(jax.random.key(seed))
    pool = simulator.table_pool(pool_key, 1000)
    mocks = simulator.mocks(key, pool, n, 1)
    frame = model.spectrograph
    fwhm = frame.lsf.sigma_aa(frame.wave_aa, np.diff(frame.edges_aa)) * FWHM_PER_SIGMA
    spectra = []
    for flux, sigma, valid, z in zip(*(np.asarray(a, float) for a in mocks.data), strict=True):
        factor = (1.0 + z) * (float(model.cosmology.distance_mpc(z)) / TEN_PC) ** 2
        lsf = ds.LSF("fwhm_aa", fwhm * (1.0 + z))
        wave, flux, sigma = frame.wave_aa * (1.0 + z), flux / factor, sigma / factor
        spectra.append(ds.Spectrum(wave, flux, sigma, frame.medium, z, valid == 0.0, lsf))
    params = mocks.theta[:, : len(model.sfh.names)]
    universe = model.cosmology.age(mocks.z)
    age, half = model.sfh.mean_age(params, universe), model.sfh.formation_time(params, 0.5, universe)
    columns = jnp.log10(age), half, model.column(mocks.theta, "metallicity")
    return spectra, np.stack([np.asarray(c, float) for c in columns], axis=1)


def real_spectra(galaxies, stacks, names, radii):
    """Galaxies of SDSS and stacks of MaNGA, by name."""
    found = {}
    for name in names:
        spectrum = ds.read_spectrum(galaxies / GALAXIES[name])
        lsf = ds.LSF("fwhm_aa", SDSS_FWHM) if spectrum.lsf is None else spectrum.lsf
        found[name] = replace(spectrum, lsf=lsf)
    return found | read_stacks(stacks, radii)


@dataclass(frozen=True, eq=False)
class Ours:
    """Our answers.

    Parameters
    ----------
    draws : ndarray (Object, Draw, Quantity)
        log10 of the mass-weighted age [Gyr], t50 [Gyr], [M/H].
    method, trusted : ndarray (Object,)
    seconds : dict of ndarray (2,)
        Mean of one spectrum by kind of answer, by the clock and of the processor.
    """

    draws: np.ndarray
    method: np.ndarray
    trusted: np.ndarray
    seconds: dict[str, np.ndarray]

    @property
    def estimate(self):
        """Medians (Object, Quantity)."""
        return np.median(self.draws, axis=1)

    @property
    def error(self):
        """Standard deviations (Object, Quantity)."""
        return self.draws.std(axis=1)

    def covers(self, truth):
        """Whether 16-84 % hold the truth (Object, Quantity)."""
        low, high = np.quantile(self.draws, [0.16, 0.84], axis=1)
        return (low <= truth) & (truth <= high)


def now():
    """Seconds of the clock and of the processor."""
    return np.array([time.perf_counter(), time.process_time()])


def answer(post, likelihood, spectra, kind, seed):
    """Results of spectra one by one, and the mean seconds (2,) of one."""
    how = {"weigh": kind != "network", "refine": kind == "refined", "model": likelihood}
    call = lambda i: post.infer(spectra[i], ids=[i], n_draws=N_DRAWS, seed=seed, **how)  # noqa: E731
    call(0)  # compiles
    found, seconds = [], []
    for i in tqdm(range(len(spectra)), desc=f"ours, {kind}", unit="spectrum"):
        start = now()
        found.append(call(i))
        seconds.append(now() - start)
    return found, np.mean(seconds, axis=0)


def ours(post, likelihood, spectra, seed, n_timed=0) -> Ours:
    """Refined answers of all spectra, and warm seconds of some of them."""
    found = answer(post, likelihood, spectra, "refined", seed)[0]
    kinds = ("network", "weighed", "refined") if n_timed else ()
    seconds = {kind: answer(post, likelihood, spectra[:n_timed], kind, seed)[1] for kind in kinds}
    columns = [
        [np.log10(f.draws("mass_weighted_age")[0]), f.draws("t50")[0], f.draws("metallicity")[0]]
        for f in found
    ]
    method = np.array([f.posteriors.method[0] for f in found])
    trusted = np.array([f.posteriors.trusted[0] for f in found])
    return Ours(np.moveaxis(np.array(columns), 1, -1), method, trusted, seconds)


def scores(prefix, estimate, error, covered, truth):
    """Bias and scatter of all estimates, and calibration of those with an error."""
    metrics = {}
    for j, name in enumerate(QUANTITIES):
        off = estimate[:, j] - truth[:, j]
        known = error[:, j] > 0.0
        metrics |= {
            f"{prefix}.{name}.bias": off.mean(),
            f"{prefix}.{name}.scatter": off.std(),
            f"{prefix}.{name}.calibration": np.std(off[known] / error[known, j]),
            f"{prefix}.{name}.coverage68": covered[known, j].mean(),
            f"{prefix}.{name}.median_error": np.median(error[known, j]),
        }
    return metrics


def speedups(mine: Ours, theirs: Found, booted):
    """Seconds of both and their ratios, by the clock and (``_cpu``) of the processor."""
    metrics = {}
    fit, first = theirs.seconds[:, 1].mean(axis=0), theirs.seconds[:, 0].mean(axis=0)
    with_errors = theirs.seconds[booted, 1:].sum(axis=1).mean(axis=0)
    for j, suffix in enumerate(("", "_cpu")):
        network, weighed, refined = (mine.seconds[kind][j] for kind in ("network", "weighed", "refined"))
        metrics |= {
            f"speedup_per_object{suffix}": fit[j] / weighed,
            f"speedup_per_object_network{suffix}": fit[j] / network,
            f"speedup_per_object_refined{suffix}": fit[j] / refined,
            f"speedup_with_errors{suffix}": with_errors[j] / weighed,
            f"speedup_with_errors_network{suffix}": with_errors[j] / network,
            f"speedup_with_errors_refined{suffix}": with_errors[j] / refined,
            f"ours.seconds_network{suffix}": network,
            f"ours.seconds_weighed{suffix}": weighed,
            f"ours.seconds_refined{suffix}": refined,
            f"ppxf.seconds_first_fit{suffix}": first[j],
            f"ppxf.seconds_fit{suffix}": fit[j],
            f"ppxf.seconds_with_errors{suffix}": with_errors[j],
        }
    return metrics


def mock_metrics(mine: Ours, theirs: Found, truth, booted):
    """How well both recover the truth, and how they differ."""
    covered = np.abs(theirs.estimate - truth) <= theirs.error
    codes = {
        "ours": (mine.estimate, mine.error, mine.covers(truth), truth),
        "ppxf": (theirs.estimate, theirs.error, covered, truth),
    }
    metrics = {}
    for name, rows in codes.items():
        metrics |= scores(name, *rows)
        # the spectra that both have errors of
        metrics |= scores(f"{name}.bootstrapped", *(a[booted] for a in rows))
    off = mine.estimate[:, 0] - theirs.estimate[:, 0]
    return metrics | {
        "age_offset_dex": off.mean(),
        "age_scatter_dex": off.std(),
        "ours.trusted_fraction": mine.trusted.mean(),
        **{f"ours.{m.name.lower()}": np.mean(mine.method == m) for m in Method if m > 0},
        "ppxf.chi2_median": np.median(theirs.chi2),
    }


def real_metrics(mine: Ours, theirs: Found, names):
    """Both codes' answers on real spectra, and how their ages differ."""
    off = mine.estimate[:, 0] - theirs.estimate[:, 0]
    metrics = {"real.age_offset_dex": off.mean(), "real.age_scatter_dex": off.std()}
    for i, name in enumerate(names):
        for code, found in (("ours", mine), ("ppxf", theirs)):
            for j, quantity in enumerate(QUANTITIES):
                value, error = found.estimate[i, j], found.error[i, j]
                if quantity == "mass_weighted_age":
                    value, error = 10.0**value, 10.0**value * np.log(10.0) * error
                metrics[f"real.{name}.{code}.{quantity}"] = value
                metrics[f"real.{name}.{code}.{quantity}_err"] = error
        metrics |= {f"real.{name}.ours.trusted": mine.trusted[i], f"real.{name}.ppxf.chi2": theirs.chi2[i]}
    return metrics


def main():
    parser = options(__doc__.splitlines()[0])
    parser.add_argument("--bundle", default="miles-optical")
    parser.add_argument("--galaxies", type=Path, help="folder of SDSS spectra; default: test data")
    parser.add_argument("--stacks", type=Path, help="folder of the stacks; default: test data")
    parser.add_argument("--seed", type=int, default=31)
    parser.add_argument("--mocks", type=int, default=200, help="a tenth of them and more get errors of pPXF")
    parser.add_argument("--resamplings", type=int, default=20, help="for errors of pPXF")
    parser.add_argument("--no-stacks", action="store_true", help="galaxies of SDSS alone")
    args = parser.parse_args()
    galaxies = data_folder(parser, args.galaxies, "spectra", "sdss")
    stacks = data_folder(parser, args.stacks, "spectra", "etg_stacks")
    post = ds.load_bundle(args.bundle)
    likelihood = likelihood_of(parser, post)
    model = likelihood.model
    n, n_boot = (3, 2) if args.quick else (args.mocks, args.resamplings)
    n_booted, n_timed = (2, 2) if args.quick else (min(n, max(n // 10, 8)), min(n, 20))
    names, radii = (["ngc3522"], ()) if args.quick else (list(GALAXIES), () if args.no_stacks else RADII)
    spectra, truth = mock_spectra(model, n, args.seed)
    real = real_spectra(galaxies, stacks, names, radii)
    everything = [*spectra, *real.values()]
    resample = np.full(len(everything), n_boot)
    resample[n_booted:n] = 0
    mine = ours(post, likelihood, spectra, args.seed, n_timed)
    # spectra of other pixels are compiled for: not among the seconds
    mine_real = ours(post, likelihood, list(real.values()), args.seed)
    theirs = ask(model.ssp, post.frame, Seen.of(post, everything), resample, args.seed)
    of_mocks, booted = theirs.rows(slice(n)), np.arange(n) < n_booted
    metrics = speedups(mine, of_mocks, booted) | mock_metrics(mine, of_mocks, truth, booted)
    metrics |= real_metrics(mine_real, theirs.rows(slice(n, None)), list(real))
    ssp = model.ssp
    report(
        args.json,
        terms(
            objects={"mocks": n, "bootstrapped": n_booted, "real": len(real), "timed": n_timed},
            draws=N_DRAWS,
            resamplings=n_boot,
            seed=args.seed,
            bundle=str(post.meta["name"]),
            ssp=f"{ssp.name}: {len(ssp.age_gyr)} ages, {len(ssp.metallicity)} metallicities",
            noise=f"mocks: S/N {SNR:g} per pixel, the prior's model error on top, no gaps; real: as released",
            ppxf={"version": VERSION, **SETTINGS, "regul": REGUL, "threads": 1},
            bootstrap="wild, of the regularised fit, fitted without regularisation; standard deviations",
            units="ages of mocks in dex, of real galaxies in Gyr; t50 in Gyr after the Big Bang",
            seconds="mean of one mock, warm, one after the other",
        ),
        {name: float(value) for name, value in metrics.items()},
    )


if __name__ == "__main__":
    main()
