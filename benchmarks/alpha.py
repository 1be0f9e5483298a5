"""Is [alpha/Fe] right, and what does it do to ages and metallicities to leave it out?

Mocks in the pixels of `miles-optical` at rest, with histories, metallicities, velocities and errors of the
model from its prior and [alpha/Fe] uniform from 0 to 0.4, at a S/N of 30, 100 and 300 per pixel: spectra of
the bundle's SSPs that have the indices of a table (``ds.ssp.with_alpha``), with errors of the indices as
the likelihood has them. ``sn100.bias``, ``rmse``, ``coverage68`` are those of [alpha/Fe]; ``bias_max`` is
the largest of the biases, with the standard error of each beside it; ``coverage68_sn100`` is that of
[alpha/Fe] at S/N 100. Of old galaxies (t50 within 4 Gyr of the Big Bang) with [alpha/Fe] 0.3 at S/N 100: by
how much age and [M/H] are off without [alpha/Fe] (``ignored.*``) and with it (``joint.*``), medians.

Real: six stacks of MaNGA, NGC 3522 and NGC 4636: [alpha/Fe], ages and [M/H] with and without, and what the
answers are worth. At the upper edge of the models ``alpha_fe_edge`` is 1, and [alpha/Fe] is a lower limit.

``--keep FOLDER`` keeps each answer: a run that was cut off goes on there. ``--parts``, ``--snr`` and
``--real`` make some of it. The first answer in the pixels of an instrument takes minutes to compile.
"""

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from _contract import data_folder, options, report, terms
from etg_stacks import read_stacks

import dsps_sbi as ds

SNRS = (30, 100, 300)
PARTS = ("mocks", "ignored", "real")
TRUE_ALPHA, OLD_GYR = 0.3, 4.0
QUANTITIES = ("alpha_fe", "metallicity", "mass_weighted_age", "t50")
# What SDSS's first spectra do not tell
LSF_DR8 = ds.LSF("fwhm_aa", 2.76)

_simulate = jax.jit(lambda model, key, theta, view, sigma: model.simulate(key, theta, view, sigma))
_predict = jax.jit(lambda model, theta, view: model.predict_fast(theta, view))


def mock(source, snr, number, seed, alpha=None):
    """A spectrum, and its parameters; of an old galaxy where [alpha/Fe] is given."""
    model, spectrograph = source.model, source.model.spectrograph
    wave = spectrograph.wave_aa
    blank = ds.Spectrum(
        wave,
        np.ones_like(wave),
        np.ones_like(wave),
        spectrograph.medium,
        0.0,
        lsf=spectrograph.lsf,
        absolute=False,
    )
    view = source.with_errors(model.view(0.0), blank)
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), snr), number)
    universe = view.universe_gyr[None]
    for i in range(1000):
        theta = model.prior.sample(jax.random.fold_in(key, i), jnp.zeros(1), universe)[0]
        if alpha is None or float(model.formation_times(theta, 0.0, (0.5,))[0]) < OLD_GYR:
            break
    if alpha is not None:
        theta = theta.at[model.names.index("alpha_fe")].set(alpha)
    theta = theta.at[-1].set(8.0)
    sigma = _predict(model, theta, view) / snr
    flux = _simulate(model, jax.random.fold_in(key, 1001), theta, view, sigma)
    return replace(blank, flux=np.asarray(flux), sigma=np.asarray(sigma)), np.asarray(theta)


def truth_of(source, theta, universe_gyr):
    """The quantities of parameters (Param,)."""
    names, sfh = source.model.names, source.model.sfh
    params = jnp.asarray(theta[: len(sfh.names)])
    age = float(sfh.mean_age(params, universe_gyr))
    t50 = float(sfh.formation_time(params, 0.5, universe_gyr))
    return {
        "alpha_fe": float(theta[names.index("alpha_fe")]),
        "metallicity": float(theta[names.index("metallicity")]),
        "mass_weighted_age": age,
        "t50": t50,
    }


def answered(post, source, spectrum, seed, ignore=False):
    """Draws (Draw,) of the quantities with [alpha/Fe], without it too where wanted, and columns."""
    result = ds.infer_alpha(post, spectrum, source, seed=seed)
    out = {name: result.draws(name) for name in QUANTITIES}
    i = result.names.index("alpha_fe")
    out |= {"ess": result.ess, "trusted": result.trust == "trusted", "edge": result.edge[i]}
    out |= {"universe_gyr": result.universe_gyr}
    if ignore:
        plain = post.infer(spectrum, seed=seed, refine=True)
        out |= {f"ignored_{name}": plain.draws(name)[0] for name in QUANTITIES[1:]}
        out["ignored_trusted"] = plain.trust[0] == "trusted"
    return out


def kept(folder, name, make):
    """What ``make`` returns, from the folder where it is there."""
    path = None if folder is None else folder / f"{name}.npz"
    if path is None or not path.exists():
        found = make()
        if path is None:
            return found
        np.savez(path, **found)
        print(name, f"{float(found['ess']):.0f} effective draws", flush=True)
    with np.load(path) as file:
        return dict(file)


def recovery(post, source, snr, n, seed, folder):
    """Bias, error and coverage of [alpha/Fe] at one S/N."""
    apart, inside, converged, trusted = [], [], [], []
    for i in range(n):
        spectrum, theta = mock(source, snr, i, seed)
        found = kept(folder, f"sn{snr}_{i}", lambda s=spectrum: answered(post, source, s, seed))
        true = truth_of(source, theta, float(found["universe_gyr"]))["alpha_fe"]
        low, high = np.quantile(found["alpha_fe"], (0.16, 0.84))
        apart.append(np.mean(found["alpha_fe"]) - true)
        inside.append(low <= true <= high)
        converged.append(found["ess"] >= 20.0)
        trusted.append(found["trusted"])
    apart = np.array(apart)
    return {
        f"sn{snr}.bias": apart.mean(),
        f"sn{snr}.bias_err": apart.std() / np.sqrt(n),
        f"sn{snr}.rmse": np.sqrt(np.mean(apart**2)),
        f"sn{snr}.coverage68": np.mean(inside),
        f"sn{snr}.converged": np.mean(converged),
        f"sn{snr}.trusted": np.mean(trusted),
    }


def ignored(post, source, n, seed, folder):
    """How far off ages and metallicities are with and without [alpha/Fe], where it is 0.3."""
    apart = {f"{how}.{name}": [] for how in ("ignored", "joint") for name in QUANTITIES[1:]}
    for i in range(n):
        spectrum, theta = mock(source, 100, i, seed + 1, TRUE_ALPHA)
        found = kept(folder, f"old_{i}", lambda s=spectrum: answered(post, source, s, seed, ignore=True))
        true = truth_of(source, theta, float(found["universe_gyr"]))
        for name in QUANTITIES[1:]:
            apart[f"ignored.{name}"].append(np.median(found[f"ignored_{name}"]) - true[name])
            apart[f"joint.{name}"].append(np.median(found[name]) - true[name])
    return {name: np.median(values) for name, values in apart.items()}


def real(post, source, spectra, seed, folder):
    """Of each real spectrum: medians and errors with and without [alpha/Fe]."""
    metrics = {}
    for label, spectrum in spectra.items():
        found = kept(folder, label, lambda s=spectrum: answered(post, source, s, seed, ignore=True))
        for name in (*QUANTITIES, *(f"ignored_{name}" for name in QUANTITIES[1:])):
            low, middle, high = np.quantile(found[name], (0.16, 0.5, 0.84))
            metrics |= {f"{label}.{name}": middle, f"{label}.{name}_err": 0.5 * (high - low)}
        metrics |= {f"{label}.alpha_fe_edge": found["edge"], f"{label}.ess": found["ess"]}
        metrics |= {f"{label}.{name}": found[name] for name in ("trusted", "ignored_trusted")}
    return metrics


def main(argv=None):
    parser = options(__doc__.splitlines()[0])
    parser.add_argument(
        "--table", type=Path, help="table of indices; default: MILES_KB_LIS8.4.fits of the data"
    )
    parser.add_argument("--n", type=int, default=200, help="mocks for each S/N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder to keep answers in")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="instead of all")
    parser.add_argument("--snr", nargs="+", type=int, choices=SNRS, default=SNRS, help="instead of all")
    parser.add_argument("--real", nargs="+", help="names of real spectra instead of all")
    args = parser.parse_args(argv)
    n = 1 if args.quick else args.n
    parts, snrs = (("mocks",), (100,)) if args.quick else (args.parts, args.snr)
    table = data_folder(parser, args.table, "ssp", "miles_alpha_indices", "MILES_KB_LIS8.4.fits")
    if args.keep is not None:
        args.keep.mkdir(parents=True, exist_ok=True)
    post = ds.load_bundle("miles-optical")
    source = ds.AlphaSource.of(post, ds.ssp.read_index_table(table))
    metrics = {}
    if "mocks" in parts:
        for snr in snrs:
            metrics |= recovery(post, source, snr, n, args.seed, args.keep)
        metrics["bias_max"] = max(abs(value) for name, value in metrics.items() if name.endswith(".bias"))
        if 100 in snrs:
            metrics["coverage68_sn100"] = metrics["sn100.coverage68"]
    if "ignored" in parts:
        metrics |= ignored(post, source, min(n, 50), args.seed, args.keep)
    if "real" in parts:
        sdss = data_folder(parser, None, "spectra", "sdss")
        spectra = read_stacks(data_folder(parser, None, "spectra", "etg_stacks"))
        spectra["ngc3522"] = ds.read_spectrum(sdss / "NGC3522_SDSS_DR8.fits", lsf=LSF_DR8)
        spectra["ngc4636"] = ds.read_spectrum(sdss / "NGC4636_SDSS_DR12.fits")
        unknown = sorted(set(args.real or ()) - set(spectra))
        if unknown:
            parser.error(f"there is no spectrum {unknown[0]}: choose from {', '.join(spectra)}")
        spectra = {name: spectra[name] for name in args.real or spectra}
        metrics |= real(post, source, spectra, args.seed, args.keep)
    own = {
        "mocks": n,
        "parts": list(parts),
        "table": source.name,
        "bundle": "miles-optical",
        "seed": args.seed,
    }
    report(args.json, terms(**own), {name: float(value) for name, value in metrics.items()})


if __name__ == "__main__":
    main()
