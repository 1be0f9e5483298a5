"""How right are the forward model's fluxes? Against itself in other precision, and against FSPS.

- ``fast_vs_exact``: band tables against full wavelength resolution, over the prior;
- ``float32``: float32 against float64 at full resolution;
- ``gradient``: jacfwd in float32 against central differences in float64, the error relative to
  max(|g|, 1e-3 flux / prior width), so that directions without information do not decide;
- ``fsps``: the 1000 FSPS galaxies each (tau and Dirichlet) of the atlases released with SBIPIX
  (Chabrier IMF, MIST tracks). The tau atlas lacks a factor (1+z), which is applied; its "dust" is
  an optical depth. Offsets of ours minus FSPS [mag] at A_V < 1, age > 50 Myr, rest 0.3-2 micron.
"""

from pathlib import Path

import h5py
import jax
import jax.numpy as jnp
import numpy as np
from _contract import data_folder, options, report, terms

import dsps_sbi as ds
from dsps_sbi.sfh import DelayedTau

BRIGHT = 1e-3


def fast_vs_exact(model, simulator, n_z, n):
    """Relative errors of the fast path in bands brighter than 1e-3 of the brightest."""
    exact = jax.jit(lambda theta, z: jax.lax.map(lambda t: model.predict(t, z), theta, batch_size=50))
    fast = jax.jit(simulator.noiseless)
    errors = []
    for z in np.random.default_rng(1).uniform(*model.prior.z, n_z).astype(np.float32):
        u = jax.random.normal(jax.random.key(int(1e4 * z)), (n, len(model.names)))
        ours, theta = fast(u, model.band_table(z))
        true = np.asarray(exact(theta, z))
        errors.append(np.abs(np.asarray(ours) / true - 1.0)[true > BRIGHT * true.max(axis=1, keepdims=True)])
    return np.concatenate(errors)


def precision(model, n):
    """float32 against float64 fluxes, and gradients against central differences of float64 ones."""
    z = np.random.default_rng(2).uniform(*model.prior.z, n).astype(np.float32)
    theta = np.asarray(model.prior.sample(jax.random.key(2), jnp.asarray(z), model.cosmology.age(z)))
    single = jax.jit(lambda t, z: (model.predict(t, z), jax.jacfwd(model.predict)(t, z)))
    pairs = [single(*pair) for pair in zip(theta, z, strict=True)]
    flux, jacobian = (np.stack([np.asarray(pair[i]) for pair in pairs]) for i in range(2))
    marginals = model.prior.marginals.values()
    age = np.asarray(model.cosmology.age(z))[:, None]
    width = np.array([m.high - m.low for m in marginals]) * np.where([m.of_age for m in marginals], age, 1.0)
    step = 1e-4 * width
    with jax.enable_x64(True):
        double = jax.jit(jax.vmap(model.predict, (0, None)))
        reference, slope, kinked = [], [], []
        for t, zi, h in zip(theta.astype(float), z.astype(float), step, strict=True):
            shifts = np.concatenate(
                [np.zeros((1, len(h))), np.diag(h), -np.diag(h), np.diag(h / 2), -np.diag(h / 2)]
            )
            f = np.asarray(double(t + shifts, zi))
            wide, near = (f[1:6] - f[6:11]) / (2 * h[:, None]), (f[11:16] - f[16:21]) / h[:, None]
            reference.append(f[0])
            slope.append(near.T)
            # a kink (grid node, start of a bin) within the step: the two differences disagree
            scale = np.maximum(np.abs(near), 1e-3 * f[0] / width[0][:, None])
            kinked.append((np.abs(wide - near) > 3e-4 * scale).T)
    reference, slope, kinked = np.stack(reference), np.stack(slope), np.stack(kinked)
    bright = reference > BRIGHT * reference.max(axis=1, keepdims=True)
    scale = np.maximum(np.abs(slope), 1e-3 * reference[..., None] / width[:, None, :])
    error = np.abs(jacobian - slope) / scale
    use = bright[..., None] & ~kinked
    return np.abs(flux / reference - 1.0)[bright], error[use], float(kinked[bright].mean())


def atlas(path):
    """Arrays of a .dbatlas file, whose keys are quoted."""
    with h5py.File(path) as file:
        return {
            key.strip('"'): np.asarray(value)
            for key, value in file["data"].items()
            if hasattr(value, "shape")
        }


def against_fsps(model, path):
    """Ours minus FSPS (Galaxy, Band) [mag], and what the galaxies are."""
    data = atlas(path)
    z, av, met = (data[k].ravel() for k in ("zval", "dust", "met"))
    _, formed, log_sfr, tau, start = data["sfh_tuple"][:, :5].T
    age = np.asarray(model.cosmology.age(z))
    columns = (np.log10(tau), np.minimum(start, age - 1e-3), met, 1.086 * av, formed)
    theta = np.stack(columns, axis=1).astype(np.float32)
    predict = jax.jit(lambda t, z: jax.lax.map(lambda p: model.predict(*p), (t, z), batch_size=50))
    ours, theirs = np.asarray(predict(theta, z.astype(np.float32))), data["sed"] * (1.0 + z)[:, None]
    sane = (formed > 4) & (formed < 12) & (log_sfr > -15) & (ours > 0).all(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        offset = -2.5 * np.log10(ours / theirs)
    mean_age = jax.vmap(DelayedTau().mean_age)(jnp.asarray(theta[:, :2]), jnp.asarray(age))
    about = {"z": z, "av": 1.086 * av, "metallicity": met, "age": np.asarray(mean_age)}
    return offset, theirs > BRIGHT * theirs.max(axis=1, keepdims=True), sane, about


def fsps_metrics(model, path):
    """Medians and scatters by band in the stated range, and by what may explain them."""
    offset, bright, sane, about = against_fsps(model, path)
    rest_aa = model.filters.pivot_aa / (1.0 + about["z"][:, None])
    plain = sane & (about["av"] < 1) & (about["age"] > 0.05)
    use = bright & plain[:, None] & (rest_aa > 3000) & (rest_aa < 20000)
    metrics, medians = {}, []
    for b, name in enumerate(model.filters.names):
        values = offset[use[:, b], b]
        if len(values) >= 30:
            medians.append(np.median(values))
            metrics |= {f"fsps.{name}.median_mag": medians[-1], f"fsps.{name}.n": len(values)}
    metrics["fsps_median_offset_mag"] = max(medians, key=abs)
    metrics["fsps_median_all_mag"] = np.median(offset[use])
    metrics["fsps_scatter_mag"] = 1.4826 * np.median(np.abs(offset[use] - np.median(offset[use])))
    ranges = {"uv": (1500, 3000), "u": (3000, 4000), "optical": (4000, 7000), "nir": (7000, 20000)}
    slices = {
        "metallicity": (-2.3, -1.2, -0.4, 0.0, 0.41),
        "av": (0, 1, 2, 4.4),
        "z": (0, 1.5, 3, 5, 7.5),
        "age": (0, 0.1, 0.5, 2, 14),
    }
    for key, edges in slices.items():
        for low, high in zip(edges[:-1], edges[1:], strict=True):
            rows = sane & (about[key] >= low) & (about[key] < high)
            for part, (blue, red) in ranges.items():
                values = offset[bright & rows[:, None] & (rest_aa > blue) & (rest_aa < red)]
                if len(values) >= 30:
                    metrics[f"fsps.by_{key}_{low:g}_{high:g}.{part}_mag"] = np.median(values)
    return metrics


def main():
    parser = options(__doc__)
    parser.add_argument("--atlas", type=Path, help="folder with the released FSPS atlases")
    args = parser.parse_args()
    folder = data_folder(parser, args.atlas, "jades", "fsps_atlas")
    model = ds.GalaxyModel.preset("jades-pixels")
    simulator = ds.Simulator.jades_pixels(model)
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
    metrics |= fsps_metrics(model, folder / "atlas_obs_jades_1000_Nparam_2.dbatlas")
    report(
        args.json,
        terms(
            objects={"fast_vs_exact": len(errors), "gradient": n, "fsps": 1000},
            bands="brighter than 1e-3 of the galaxy's brightest",
            ssp=model.ssp.name,
            skipped="float64 slope changes by > 3e-4 when the step, 1e-4 of the prior, is halved",
        ),
        {name: float(value) for name, value in metrics.items()},
    )


if __name__ == "__main__":
    main()
