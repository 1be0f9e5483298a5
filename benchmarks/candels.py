"""Real galaxies: our masses beside those of eight codes, and which galaxies the model does not fit.

The 371 galaxies of CANDELS/GOODS-S at z = 1.0-1.1 of Pacifici et al. (2023, ApJ 944, 141), 17 bands, with the
answers of BEAGLE, Bagpipes, Prospector, CIGALE, Interrogator (BPASS, PEGASE), SpeedyMC and MAGPHYS. A bundle
for any filters gets all bands through the curves of the catalogue, others those that they know. Bands with
light beyond 3 micron at rest (IRAC 3 and 4) are left out, as dust shines there. Answers are refined.

The codes' masses are those of Chabrier's IMF, ours those of Kroupa's: theirs are made larger by log10(0.66 /
0.61) = 0.034 dex (Madau & Dickinson 2014, ARA&A 52, 415, sect. 3.1). ``BUNDLE.log_mass.offset`` and ``.nmad``
are of the median of log M* less the median of the codes; ``code.NAME.*`` the same of each code against the
median of the other codes. ``.spread`` is our offset in standard deviations of the codes' offsets, ``.z`` the
median of offsets in units of our own half width. The same for A_V; SpeedyMC's is 4.05 E(B-V).

``BUNDLE.ppc_low`` is the share with a predictive p below 0.005. What these galaxies have in common:
``misfits.*`` beside ``others.*`` are medians of what is found of both, and shares of those that the
catalogue flags; ``misfits.residual.BAND`` is the median of flux over the median of the posterior's fluxes,
less one, ``misfits.pull.BAND`` the share that is off by more than three standard deviations (sky and
floor).
"""

import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from _contract import data_folder, options, report, terms
from _exact import likelihood_of
from _surveys import draws_of, one_by_one, rows_of, through
from astropy.io import fits
from jax.scipy.special import ndtr

import dsps_sbi as ds
from dsps_sbi.inference.trust import SMALLEST_P

N_DRAWS, N_FLUXES, N_BATCH = 500, 40, 16
REDDEST_AA = 30_000.0
IMF_DEX = np.log10(0.66 / 0.61)
TABLE = "CANDELS_GDSS_workshop_z1_fluxes_Jy_UVtoIR.dat"
QUANTITIES = ("log_mass", "av", "log_ssfr", "metallicity", "t50_lookback")
# Below this share of its peak a curve is noise of the measurement
NOISE = 1e-3


def galaxies(folder, n):
    """Columns of the catalogue by name, of its first n galaxies, and names of the bands."""
    lines = (folder / TABLE).read_text().splitlines()
    names = lines[0].lstrip("# ").split()
    table = np.loadtxt(lines[1:], ndmin=2)[:n]
    column = {name: table[:, i] for i, name in enumerate(names[: table.shape[1]])}
    bands = [name for name in names if (folder / "filters" / f"{name}.dat").is_file()]
    return column, bands


def curves(folder, bands):
    """Filters of the catalogue."""
    waves, trans = [], []
    for band in bands:
        lines = (folder / "filters" / f"{band}.dat").read_text().splitlines()
        wave, curve = np.loadtxt([line for line in lines if not line.startswith("#")], usecols=(0, 1)).T
        curve = np.where(curve > NOISE * curve.max(), curve, 0.0)
        # a curve that is cut off where it is high has an edge there
        waves.append(np.concatenate([[wave[0] - 1.0], wave, [wave[-1] + 1.0]]))
        trans.append(np.concatenate([[0.0], curve, [0.0]]))
    return ds.FilterSet(tuple(bands), tuple(waves), tuple(trans))


def of_text(path, separator=None):
    """Rows of a table of text, split; header lines left out."""
    rows = [line.replace(",", " ").split(separator) for line in path.read_text().splitlines()]
    return [row for row in rows if row and not row[0].startswith("#")]


def codes(folder, ids):
    """log10 of masses and A_V (Object,) by code and quantity; NaN where a code says nothing."""
    folder = folder / "codes"
    found = {}

    def put(code, names, masses, dust):
        for quantity, values in (("log_mass", masses), ("av", dust)):
            known = {int(float(name)): float(value) for name, value in zip(names, values, strict=True)}
            column = np.array([known.get(int(i), np.nan) for i in ids])
            sane = (column > 5.0) & (column < 13.5) if quantity == "log_mass" else column > -1.0
            found[code, quantity] = np.where(sane, column, np.nan)

    def columns(file, *places):
        rows = of_text(folder / file)
        some = [[row[i] if i < len(row) else "nan" for row in rows] for i in (0, *places)]
        return [["nan" if value == "NA" else value for value in values] for values in some]

    put("prospector", *columns("prospector_output_z1.dat", 1, 7))
    put("bagpipes", *columns("bagpipes_11_3_19_z1_noir.cat", 20, 17))
    put("magphys", *columns("magphys_output.dat", 8, 23))
    put("interrogator_bpass", *columns("INTERROGATOR_z1_output.dat", 2, 11))
    put("interrogator_pegase", *columns("INTERROGATOR_z1_output.dat", 14, 23))
    _, ln_mass, reddening = columns("SpeedyMC_CANDELS_GDSS_z1_Cali_wSFR_Del.out", 3, 5)
    # its numbers are those of rows of the catalogue
    first = slice(0, len(ids))
    put("speedymc", ids, np.log10(np.e) * np.float64(ln_mass[first]), 4.05 * np.float64(reddening[first]))
    with fits.open(folder / "BEAGLE_summary_catalogue_z1.fits") as file:
        with np.errstate(divide="ignore"):
            mass = np.log10(file[1].data["M_star_median"])
        put("beagle", file[1].data["ID"], mass, file[3].data["A_V_median"])
    with fits.open(folder / "cigale_UV_NIR_2020.fits") as file:
        put("cigale", file[1].data["id"], file[1].data["logMstar"], file[1].data["Att_V"])
    return found


def median_of(columns):
    """Median (Object,) of columns, where there are any."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanmedian(np.stack(columns), axis=0)


def compared(values, reference):
    """Offset, scatter, and number of values against a reference (Object,)."""
    off = (values - reference)[np.isfinite(values - reference)]
    return {
        "offset": np.median(off),
        "nmad": 1.4826 * np.median(np.abs(off - np.median(off))),
        "n": len(off),
    }


def prepared(post, column, bands):
    """Photometry as the network takes it, and the share of the sky and floor in a flux."""
    flux, sigma = (
        np.stack([column[start + band] for band in bands], axis=1).astype(float) for start in ("", "e")
    )
    seen = (flux > -98.0) & (sigma > 0.0)
    flux, sigma = (np.where(seen, 1e6 * a, np.nan) for a in (flux, sigma))
    known = [band in post.filters for band in bands]
    names = list(bands)
    if not all(known):
        # a bundle of given filters: those of ACS
        known = [band.startswith("ACS_") for band in bands]
        names = ["acs_wfc_" + band.removeprefix("ACS_").lower() for band in bands]
    use = np.flatnonzero(known)
    flux, sigma = post.align([names[i] for i in use], flux[:, use], sigma[:, use])
    return np.float32(flux), np.float32(sigma)


@jax.jit
def _fluxes(likelihood, u, view):
    """Fluxes (Object, Draw, Band) [uJy] of stars and gas alone."""
    low, high = likelihood.mass_range
    mass = 10.0 ** (low + (high - low) * ndtr(u[..., -1]))
    return jnp.sum(likelihood.unit_fluxes(u[..., :-1], view) * mass[..., None, None], axis=-2)


def predicted(likelihood, u, data):
    """Median of the posterior's fluxes (Object, Band) [uJy]."""
    out = np.full(data.flux.shape, np.nan)
    for members, view in likelihood.views(data):
        for first in range(0, len(members), N_BATCH):
            rows = members[first : first + N_BATCH]
            batch = np.resize(rows, N_BATCH)
            part = jax.tree.map(np.asarray, likelihood.post.filled(rows_of(data, batch)))
            fluxes = _fluxes(likelihood, u[batch, :N_FLUXES], likelihood.view_of(view, part))
            out[rows] = np.median(np.asarray(fluxes), axis=1)[: len(rows), : out.shape[1]]
    return out


def misfits(post, likelihood, found, data, values, flagged):
    """What galaxies that the model does not fit have in common, beside the others."""
    low = found.ppc_p < SMALLEST_P
    model = predicted(likelihood, found.u, data)
    valid = np.asarray(data.valid)
    with np.errstate(divide="ignore", invalid="ignore"):
        residual = np.where(valid, data.flux / model - 1.0, np.nan)
        error = np.hypot(data.sigma, post.noise.floor * model)
        pull = np.where(valid, (data.flux - model) / error, np.nan)
        snr = np.where(valid, data.flux / data.sigma, np.nan)
    about = {name: np.median(values[i], axis=1) for i, name in enumerate(QUANTITIES)}
    about |= {"z": np.asarray(data.z), "bands": valid.sum(axis=1), "snr": median_of(list(snr.T))}
    metrics = {}
    for word, rows in (("misfits", low), ("others", ~low)):
        if not rows.any():
            continue
        metrics |= {f"{word}.{name}": np.median(value[rows]) for name, value in about.items()}
        metrics |= {f"{word}.n": rows.sum(), f"{word}.flagged": flagged[rows].mean()}
        for b, name in enumerate(post.filters):
            seen = rows & valid[:, b]
            if seen.sum() >= 3:
                metrics[f"{word}.residual.{name}"] = np.median(residual[seen, b])
                metrics[f"{word}.pull.{name}"] = np.mean(np.abs(pull[seen, b]) > 3.0)
    return metrics


def examine(post, likelihood, column, bands, known, flagged, seed):
    """Metrics of one bundle."""
    z = np.float32(column["zz"])
    flux, sigma = prepared(post, column, bands)
    reddest = likelihood.model.filters.quantile_wave_aa(0.99)
    data = post.prepared(
        flux, sigma, z, np.isfinite(flux) & (reddest[None] < REDDEST_AA * (1.0 + z[:, None]))
    )
    rows = np.flatnonzero(np.asarray(data.valid).sum(axis=1) >= 3)
    data = jax.tree.map(lambda a: np.asarray(a)[rows], data)
    found = one_by_one(post, likelihood, data, N_DRAWS, seed)
    values = draws_of(post, found.u, np.asarray(data.z), QUANTITIES)
    metrics = {
        "n": len(rows),
        "trusted": found.trusted.mean(),
        "ppc_low": np.mean(found.ppc_p < SMALLEST_P),
    }
    for quantity, more in (("log_mass", IMF_DEX), ("av", 0.0)):
        draws = values[QUANTITIES.index(quantity)]
        columns = {code: column[rows] + more for (code, name), column in known.items() if name == quantity}
        reference = median_of(list(columns.values()))
        medians, low, high = np.quantile(draws, [0.5, 0.16, 0.84], axis=1)
        own = compared(medians, reference)
        others = [
            compared(values, median_of([v for other, v in columns.items() if other != code]))["offset"]
            for code, values in columns.items()
        ]
        own["spread"] = (own["offset"] - np.mean(others)) / np.std(others, ddof=1)
        own["width"] = np.median(high - low) / 2.0
        own["inside68"] = np.nanmean((low < reference) & (reference < high))
        good = found.trusted & np.isfinite(reference)
        if good.any():
            own |= {f"trusted_{k}": v for k, v in compared(medians[good], reference[good]).items()}
        metrics |= {f"{quantity}.{key}": value for key, value in own.items()}
    return metrics | misfits(post, likelihood, found, data, values, flagged[rows])


def among_codes(known):
    """Each code against the median of the others."""
    metrics = {}
    for (code, quantity), values in known.items():
        others = [v for (name, kind), v in known.items() if kind == quantity and name != code]
        found = compared(values, median_of(others))
        metrics |= {f"code.{code}.{quantity}.{key}": value for key, value in found.items()}
    return metrics


def main():
    parser = options(__doc__.splitlines()[0])
    parser.add_argument("--bundle", action="append", help="name or folder; may be given again")
    parser.add_argument("--floor", type=float, help="error floor of bundles for any filters")
    parser.add_argument("--data", type=Path, help="folder of the catalogue")
    parser.add_argument("--seed", type=int, default=41)
    args = parser.parse_args()
    folder = data_folder(parser, args.data, "catalogues", "candels_z1")
    column, bands = galaxies(folder, 20 if args.quick else None)
    known = codes(folder, column["ID"])
    odd = {int(row[0]) for row in of_text(folder / "flags_z1.dat")}
    flagged = np.isin(column["ID"], list(odd))
    metrics, bundles = {}, {}
    for given in args.bundle or ["jades-pixels"]:
        bundle = ds.load_bundle(given)
        post = through(bundle, curves(folder, bands), args.floor)
        likelihood = likelihood_of(parser, post)
        found = examine(post, likelihood, column, bands, known, flagged, args.seed)
        label = Path(given).stem
        bundles[label] = {"simulations": post.meta["simulations"], "floor": float(post.noise.floor)}
        metrics |= {f"{label}.{key}": value for key, value in found.items()}
    metrics |= among_codes(known)
    report(
        args.json,
        terms(
            objects=len(column["ID"]),
            draws=N_DRAWS,
            seed=args.seed,
            bundles=bundles,
            answers="refined",
            imf=f"codes: Chabrier, {IMF_DEX:.3f} dex added to log10 of their masses",
            bands=f"99 % of the light below {REDDEST_AA / 1e4:g} micron at rest; at least 3",
        ),
        {name: float(value) for name, value in metrics.items()},
    )


if __name__ == "__main__":
    main()
