"""How right are the forward model's fluxes? Against itself in other precision, DSPS, and FSPS.

- ``fast_vs_exact``: band tables against full wavelength resolution, over the prior;
- ``float32``: float32 against float64 at full resolution;
- ``gradient``: jacfwd in float32 against central differences in float64, the error relative to
  max(|g|, 1e-3 flux / prior width), so that directions without information do not decide;
- ``dsps``: against DSPS 0.4.8 on the same SSPs where both define the same thing (see _dsps.py);
- ``fsps``: the 1000 FSPS galaxies each (tau and Dirichlet) of the atlases released with SBIPIX (Chabrier
  IMF, MIST tracks), defects of their making undone (see _fsps.py). Offsets of ours minus FSPS [mag];
  ``fsps_median_offset_mag`` is the largest of a band's median at A_V < 1, age > 50 Myr, rest 0.3-2 micron.

Causes of what is left in the tau atlas, ``fsps.step.*``, each on top of the one before: ``raw`` (true band
integrals against the atlas's sums), ``bands`` (their sums on our side too), ``imf`` (light per mass
of Chabrier against Kroupa above 1 Msun), ``solar`` (Z_sun = 0.0142 of MIST, ours 0.02). ``fsps.cause.*``
are single effects: ``nebular`` is all of our gas emission, ``sfh`` the disagreement in SFR. What then
remains goes with age and metallicity (``fsps.left.*``), as tracks do, and vanishes in no convention tried.
"""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import _dsps
import _fsps
import jax
import jax.numpy as jnp
import numpy as np
from _contract import data_folder, options, report, terms

import dsps_sbi as ds

BRIGHT = 1e-3
# of the differences, in prior widths: for histories a thousandth of the age of the Universe long, too
STEP = 1e-5
Z_DSPS = 1.0
ATLASES = {
    "tau": "atlas_obs_jades_1000_Nparam_2.dbatlas",
    "dirichlet": "atlas_obs_jades_1000_Nparam_3.dbatlas",
}
RANGES = {"uv": (1500, 3000), "u": (3000, 4000), "optical": (4000, 7000), "nir": (7000, 20000)}
SLICES = {
    "metallicity": (-2.3, -1.2, -0.4, 0.0, 0.41),
    "av": (0, 1, 2, 4.4),
    "z": (0, 1.5, 3, 5, 7.5),
    "age": (0, 0.1, 0.5, 2, 14),
}


def fast_vs_exact(model, simulator, n_z, n):
    """Relative errors of the fast path in bands brighter than 1e-3 of the brightest."""
    errors = []
    for z in np.random.default_rng(1).uniform(*model.prior.z, n_z).astype(np.float32):
        u = jax.random.normal(jax.random.key(int(1e4 * z)), (n, len(model.names)))
        # of one shape at all redshifts: compiled once
        ours, theta = _fast(simulator, u, model.band_table(z, trim=False))
        true = np.asarray(_exact(model, theta, jnp.full(n, z)))
        errors.append(np.abs(np.asarray(ours) / true - 1.0)[true > BRIGHT * true.max(axis=1, keepdims=True)])
    return np.concatenate(errors)


@jax.jit
def _fast(simulator, u, table):
    return simulator.noiseless(u, table)


@jax.jit
def _exact(model, theta, z):
    """Fluxes (Galaxy, ..., Band) of theta (Galaxy, ..., Param) at z (Galaxy,), at full resolution."""
    one = jnp.vectorize(model.predict, signature="(p),()->(b)")
    return jax.lax.map(lambda pair: one(*pair), (theta, z), batch_size=50)


@jax.jit
def _with_slopes(model, theta, z):
    """Fluxes (Band,) and their derivatives (Band, Param) of one galaxy."""
    return model.predict(theta, z), jax.jacfwd(model.predict)(theta, z)


@jax.jit
def _at_once(model, theta, z):
    """Fluxes (Point, Band) of theta (Point, Param), all at z ()."""
    return jax.vmap(model.predict, (0, None))(theta, z)


def precision(model, n):
    """float32 against float64 fluxes, and gradients against central differences of float64 ones."""
    z = np.random.default_rng(2).uniform(*model.prior.z, n).astype(np.float32)
    theta = np.asarray(model.prior.sample(jax.random.key(2), jnp.asarray(z), model.cosmology.age(z)))
    pairs = [_with_slopes(model, *pair) for pair in zip(theta, z, strict=True)]
    flux, jacobian = (np.stack([np.asarray(pair[i]) for pair in pairs]) for i in range(2))
    marginals = model.prior.marginals.values()
    age = np.asarray(model.cosmology.age(z))[:, None]
    width = np.array([m.high - m.low for m in marginals]) * np.where([m.of_age for m in marginals], age, 1.0)
    step = STEP * width
    with jax.enable_x64(True):
        reference, slope, kinked = [], [], []
        for t, zi, h in zip(theta.astype(float), z.astype(float), step, strict=True):
            shifts = np.concatenate(
                [np.zeros((1, len(h))), np.diag(h), -np.diag(h), np.diag(h / 2), -np.diag(h / 2)]
            )
            f = np.asarray(_at_once(model, t + shifts, zi))
            wide, near = (f[1:6] - f[6:11]) / (2 * h[:, None]), (f[11:16] - f[16:21]) / h[:, None]
            reference.append(f[0])
            slope.append(near.T)
            # a kink (grid node, start of a bin) within the step: the two differences disagree
            scale = np.maximum(np.abs(near), 1e-3 * f[0] * (STEP / h[:, None]))
            kinked.append((np.abs(wide - near) > 3e-4 * scale).T)
    reference, slope, kinked = np.stack(reference), np.stack(slope), np.stack(kinked)
    bright = reference > BRIGHT * reference.max(axis=1, keepdims=True)
    scale = np.maximum(np.abs(slope), 1e-3 * reference[..., None] / width[:, None, :])
    error = np.abs(jacobian - slope) / scale
    use = bright[..., None] & ~kinked
    return np.abs(flux / reference - 1.0)[bright], error[use], float(kinked[bright].mean())


def against_dsps(grid, filters, n, dsps_python):
    """Quantiles of relative differences from DSPS's fluxes."""
    universe = float(ds.Cosmology.from_astropy().age(Z_DSPS))
    check = _dsps.check_sample(grid, universe, n)
    samples = {"check": (check, _dsps.check_times(universe))}
    with tempfile.TemporaryDirectory() as temporary:
        inputs = Path(temporary) / "inputs.npz"
        _dsps.write_inputs(inputs, grid, filters, Z_DSPS, universe, samples)
        worker = _dsps.Worker(dsps_python or _dsps.python(), inputs, "float64")
        metrics = _dsps.accuracy(grid, filters, Z_DSPS, worker, inputs.parent, check)
        worker.close()
    return metrics


def magnitudes(model, theta, z, norm=None):
    """Magnitudes (Galaxy, ..., Band) of theta (Galaxy, ..., Param) at full resolution, zero point 1 uJy."""
    flux = np.asarray(_exact(model, theta.astype(np.float32), z.astype(np.float32)), float)
    if norm is not None:
        norms = np.stack([norm(value) for value in z])
        flux = flux / norms.reshape(len(z), *(1,) * (flux.ndim - 2), -1)
    with np.errstate(divide="ignore"):
        return -2.5 * np.log10(flux)


def spread(values):
    """Scatter by the median absolute deviation."""
    return 1.4826 * np.median(np.abs(values - np.median(values)))


class Galaxies:
    """An atlas: what its galaxies are, their magnitudes, and which of them count where."""

    def __init__(self, model, path, read, n):
        data = {key: value[:n] if len(value) > 1 else value for key, value in _fsps.atlas(path).items()}
        self.z = data["zval"].ravel()
        self.age = np.asarray(model.cosmology.age(self.z), float)
        self.theta, flux, self.log_sfr, self.sane = read(data, self.age)
        with np.errstate(divide="ignore", invalid="ignore"):
            self.magnitudes = -2.5 * np.log10(flux)
        self.bright = flux > BRIGHT * flux.max(axis=1, keepdims=True)
        self.rest_aa = model.filters.pivot_aa / (1.0 + self.z[:, None])
        names = list(model.names)
        self.about = {
            "z": self.z,
            "av": self.theta[:, names.index("av")],
            "metallicity": self.theta[:, names.index("metallicity")],
            "age": _fsps.mean_age(model, self.theta, self.age),
        }
        plain = self.sane & (self.about["av"] < 1.0) & (self.about["age"] > 0.05)
        self.use = self.within(3000.0, 20000.0) & plain[:, None]

    def within(self, blue_aa, red_aa):
        """Bright bands (Galaxy, Band) of sane galaxies in a range of rest wavelengths."""
        return self.bright & self.sane[:, None] & (self.rest_aa > blue_aa) & (self.rest_aa < red_aa)

    def summary(self, ours, bands):
        """Medians of the bands in the stated range, the worst and all of them, and the scatter."""
        offset = ours - self.magnitudes
        metrics = {}
        for b, name in enumerate(bands):
            values = offset[self.use[:, b], b]
            if len(values) >= 30:
                metrics |= {f"{name}.median_mag": np.median(values), f"{name}.scatter_mag": spread(values)}
                metrics[f"{name}.n"] = len(values)
        values = offset[self.use]
        metrics["worst_mag"] = max((v for k, v in metrics.items() if k.endswith("median_mag")), key=abs)
        return metrics | {"all_mag": np.median(values), "scatter_mag": spread(values)}

    def slices(self, ours):
        """Medians and scatters against each property, by rest wavelength."""
        offset, metrics = ours - self.magnitudes, {}
        for key, edges in SLICES.items():
            for low, high in zip(edges[:-1], edges[1:], strict=True):
                rows = (self.about[key] >= low) & (self.about[key] < high)
                for part, (blue, red) in RANGES.items():
                    values = offset[self.within(blue, red) & rows[:, None]]
                    if len(values) >= 30:
                        name = f"by_{key}_{low:g}_{high:g}.{part}"
                        metrics |= {f"{name}_mag": np.median(values), f"{name}_scatter_mag": spread(values)}
        return metrics


def prefixed(prefix, metrics):
    """The metrics, their names under a prefix."""
    return {f"{prefix}.{name}": value for name, value in metrics.items()}


def causes(model, tau, exact, sums, solar, stars):
    """What each candidate changes in the offsets from the tau atlas [mag]."""
    bands = model.filters.names
    blue = tau.use & tau.within(3000.0, 4000.0)
    imf = _fsps.imf_mag()
    metrics = {}
    for name, ours in (("raw", exact), ("bands", sums), ("imf", sums - imf), ("solar", solar - imf)):
        step = tau.summary(ours, bands)
        values = (ours - tau.magnitudes)[blue]
        step |= {"u_mag": np.median(values), "u_scatter_mag": spread(values)}
        metrics |= prefixed(f"fsps.step.{name}", {k: v for k, v in step.items() if "." not in k})
    offset = sums - tau.magnitudes
    part = tau.within(3000.0, 20000.0)
    av = np.broadcast_to(tau.about["av"][:, None], offset.shape)
    slope, at_zero = np.polyfit(av[part], offset[part], 1)
    sfr = _fsps.log_sfr_last_tenth(model, tau.theta, tau.age) - tau.log_sfr
    metrics |= {
        "fsps.cause.band_sums_u_mag": np.median((exact - sums)[blue]),
        "fsps.cause.imf_mag": imf,
        "fsps.cause.imf_at_0.85_msun_mag": _fsps.imf_mag(0.85),
        "fsps.cause.solar_metallicity_u_mag": np.median((sums - solar)[blue]),
        "fsps.cause.solar_metallicity_mag": np.median((sums - solar)[tau.use]),
        "fsps.cause.nebular_u_mag": np.median((stars - sums)[blue]),
        "fsps.cause.nebular_mag": np.median((stars - sums)[tau.use]),
        "fsps.cause.dust_mag_per_av": slope,
        "fsps.cause.offset_without_dust_mag": at_zero,
        "fsps.cause.sfh_mag": 2.5 * np.median(np.abs(sfr[tau.sane & np.isfinite(sfr)])),
    }
    return metrics | prefixed("fsps.left", tau.slices(solar - imf))


def against_fsps(model, folder, n):
    """All comparisons with the two atlases."""
    bands = model.filters.names
    dirichlet_model = _fsps.dirichlet_model(model)
    tau = Galaxies(model, folder / ATLASES["tau"], _fsps.tau_galaxies, n)
    other = Galaxies(dirichlet_model, folder / ATLASES["dirichlet"], _fsps.dirichlet_galaxies, n)
    sampled, norm = _fsps.through_their_sums(model)
    exact = magnitudes(model, tau.theta, tau.z)
    poorer = tau.theta.copy()
    poorer[:, model.names.index("metallicity")] += _fsps.SOLAR_DEX
    both = magnitudes(sampled, np.stack([tau.theta, poorer], axis=1), tau.z, norm)
    sums, solar = both[:, 0], both[:, 1]
    stars, rows = np.full_like(sums, np.nan), tau.use.any(axis=1)
    bare = _fsps.through_their_sums(replace(model, log_u=None))[0]
    stars[rows] = magnitudes(bare, tau.theta[rows], tau.z[rows], norm)
    theirs = magnitudes(_fsps.through_their_sums(dirichlet_model)[0], other.theta, other.z, norm)
    metrics = {}
    for name, galaxies, ours in (("tau", tau, sums), ("dirichlet", other, theirs)):
        summary = galaxies.summary(ours, bands)
        metrics |= prefixed(f"fsps.{name}", summary | galaxies.slices(ours))
        part = galaxies.within(10000.0, 20000.0)
        log_1z = np.broadcast_to(np.log10(1.0 + galaxies.z)[:, None], part.shape)[part]
        # -2.5 for an atlas whose factor 1 + z were still missing, 2.5 for one that had it twice
        metrics[f"fsps.{name}.mag_per_log_1z"] = np.polyfit(log_1z, (ours - galaxies.magnitudes)[part], 1)[0]
    worst = max((metrics[f"fsps.{name}.worst_mag"] for name in ATLASES), key=abs)
    headline = {"fsps_median_offset_mag": worst, "fsps_scatter_mag": metrics["fsps.tau.scatter_mag"]}
    return headline | causes(model, tau, exact, sums, solar, stars) | metrics


def main():
    parser = options(__doc__)
    parser.add_argument("--atlas", type=Path, help="folder with the released FSPS atlases")
    parser.add_argument("--dsps-python", type=Path, help="Python with dsps 0.4.8; default: made in the cache")
    args = parser.parse_args()
    folder = data_folder(parser, args.atlas, "jades", "fsps_atlas")
    load_average = round(os.getloadavg()[0], 2)
    model = ds.GalaxyModel.preset("jades-pixels")
    simulator = ds.PhotometrySimulator.jades_pixels(model)
    errors = fast_vs_exact(model, simulator, *((8, 50) if args.quick else (60, 100)))
    n = 20 if args.quick else 200
    single, gradient, kinked = precision(model, n)
    metrics = {
        "fast_vs_exact_p50": np.median(errors),
        "fast_vs_exact_p99": np.quantile(errors, 0.99),
        "fast_vs_exact_max": errors.max(),
        "float32_p50": np.median(single),
        "float32_p99": np.quantile(single, 0.99),
        "gradient_p50_rel_error": np.median(gradient),
        "gradient_p99_rel_error": np.quantile(gradient, 0.99),
        "gradient_max_rel_error": gradient.max(),
        "gradient_skipped_share": kinked,
    }
    metrics |= against_dsps(model.ssp, model.filters, n, args.dsps_python)
    n_fsps = 250 if args.quick else 1000
    metrics |= against_fsps(model, folder, n_fsps)
    report(
        args.json,
        terms(
            objects={"fast_vs_exact": len(errors), "gradient": n, "dsps": n, "fsps": n_fsps},
            bands="brighter than 1e-3 of the galaxy's brightest",
            ssp=model.ssp.name,
            load_average_at_start=load_average,
            skipped="float64 slope changes by > 3e-4 when the step, 1e-5 of the prior, is halved",
            dsps="0.4.8, float64, stars and dust at z = 1, metallicity at nodes, DSPS's age bins in both "
            "codes (dsps_own_age_bins: ours in ours)",
            fsps="tau atlas times 1 + z; Dirichlet atlas times 3.839 / 3.48; both A_V = 1.086 x dust; bands "
            "as sums over FSPS's wavelengths on both sides",
        ),
        {name: float(value) for name, value in metrics.items()},
    )


if __name__ == "__main__":
    main()
