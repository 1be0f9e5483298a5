"""How well do few functions of wavelength stand for the light of all SSPs and their gas, in any filters?

Galaxies of the prior (delayed tau, Calzetti, log U fixed and free, no Lyman alpha) in 20 filters from GALEX
to WISE at ten redshifts from 0.05 to 7.4: fluxes by :mod:`dsps_sbi.photometry.wave_basis` beside those by the
exact band tables of the model, in bands within the wavelengths that are brighter than a thousandth of the
brightest. ``free.<rank>_<gas rank>.median`` and ``.p99`` are relative errors; ``seconds_per_survey`` is what
the pieces of these 20 filters take at one redshift, ``seconds_basis`` what the basis takes.
"""

import time
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from _contract import options, report, terms

import dsps_sbi as ds
from dsps_sbi.instruments.coverage import USABLE
from dsps_sbi.photometry.band_table import shape_fluxes
from dsps_sbi.photometry.compressed import DEX, log_scale
from dsps_sbi.photometry.decompose import wave_basis
from dsps_sbi.photometry.universal.light import Bands, behind_screen, parts_of

FILTERS = (
    *("galex_FUV", "galex_NUV", "sdss_u0", "sdss_g0", "sdss_r0", "sdss_i0", "sdss_z0"),
    *("acs_wfc_f606w", "acs_wfc_f814w", "jwst_f090w", "jwst_f115w", "jwst_f150w", "jwst_f182m"),
    *("jwst_f200w", "jwst_f277w", "jwst_f335m", "jwst_f410m", "jwst_f444w", "spitzer_irac_ch1", "wise_w1"),
)
REDSHIFTS = (0.05, 0.3, 0.7, 1.3, 2.2, 3.1, 4.4, 5.5, 6.6, 7.4)
RANKS = ((112, 40), (80, 40), (64, 32), (48, 24), (32, 16))
FAINTEST = 1e-3


@jax.jit
def by_basis(basis, model, bands, theta, universe):
    place = len(model.sfh.names) + 1

    def flux(one):
        return behind_screen(parts_of(basis, model.sfh, one, universe), bands, one[place]).sum(axis=0)

    return jax.vmap(flux)(theta)


@jax.jit
def exact(model, table, theta):
    return shape_fluxes(table, model.sfh, theta, model.log_u_nodes)


def measure(log_u, redshifts, n, rng):
    """Metrics of one kind of gas."""
    model = ds.GalaxyModel.preset(log_u=log_u, lya_escape=0.0)
    model = replace(model, filters=ds.FilterSet.from_names(FILTERS))
    start = time.perf_counter()
    basis = wave_basis(model, rank=RANKS[0][0], gas_rank=RANKS[0][1])
    metrics = {"seconds_basis": time.perf_counter() - start}
    # warm: the IGM's program is compiled
    basis.pieces(model.filters, 1.0)
    start = time.perf_counter()
    pieces, screen, share = basis.pieces(model.filters, redshifts)
    metrics["seconds_per_survey"] = (time.perf_counter() - start) / len(redshifts)
    errors = {ranks: [] for ranks in RANKS}
    for i, z in enumerate(redshifts):
        u = jnp.asarray(rng.standard_normal((n, len(model.names) - 1)), jnp.float32)
        table = model.band_table(z, trim=False)
        theta = model.prior.from_normal(u, table.universe_gyr)
        unit = 10.0 ** (DEX + log_scale(model.cosmology, jnp.float32(z)))
        seen = share[i] >= 1.0 - USABLE
        truth = np.asarray(exact(model, table, theta) * unit)[:, seen]
        bright = truth > FAINTEST * truth.max(axis=1, keepdims=True)
        for ranks in RANKS:
            few = basis.simplified(*ranks)
            bands = Bands(jnp.asarray(basis.first(pieces[i], few.ranks)), jnp.asarray(screen[i]), None, None)
            flux = np.asarray(by_basis(few, model, bands, theta, table.universe_gyr))[:, seen]
            errors[ranks].append(np.abs(flux / truth - 1.0)[bright])
    for ranks, parts in errors.items():
        name = "{}_{}".format(*ranks)
        metrics[f"{name}.median"] = float(np.median(np.concatenate(parts)))
        metrics[f"{name}.p99"] = float(np.quantile(np.concatenate(parts), 0.99))
        metrics[f"{name}.p99_worst_redshift"] = float(max(np.quantile(part, 0.99) for part in parts))
    return metrics


def main():
    args = options(__doc__.splitlines()[0]).parse_args()
    kinds = {"free": "free"} if args.quick else {"free": "free", "fixed": -2.0}
    redshifts, n = (REDSHIFTS[::3], 60) if args.quick else (REDSHIFTS, 300)
    rng = np.random.default_rng(0)
    found = {name: measure(log_u, redshifts, n, rng) for name, log_u in kinds.items()}
    metrics = {f"{name}.{key}": value for name, part in found.items() for key, value in part.items()}
    own = {"filters": list(FILTERS), "redshifts": list(redshifts), "galaxies_per_redshift": n, "seed": 0}
    report(args.json, terms(**own, faintest=FAINTEST, warm=True), metrics)


if __name__ == "__main__":
    main()
