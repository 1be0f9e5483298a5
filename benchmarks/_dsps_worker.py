"""DSPS's half of the benchmarks: runs in DSPS's own environment, one JSON request per line on stdin.

Importing DSPS switches JAX to float64 for the whole process, hence the process of its own. Two routes
from a tabulated history to fluxes in bands, both of DSPS's public functions, vmapped and jitted:

- ``spectrum``: calc_rest_sed_sfh_table_lognormal_mdf, Calzetti screen, calc_obs_mag per band;
- ``table``: precompute_ssp_obsmags_on_z_table once, then calc_ssp_weights_sfh_table_lognormal_mdf
  and a product. The fast route at fixed redshift; it has no exact place for dust.
"""

import json
import sys
import time
from functools import partial

import dsps  # noqa: F401  (switches to float64)
import jax
import jax.numpy as jnp
import numpy as np
from dsps.dust.att_curves import calzetti00_att_curve
from dsps.photometry.photometry_kernels import calc_obs_mag
from dsps.photometry.photpop import precompute_ssp_obsmags_on_z_table
from dsps.sed import calc_rest_sed_sfh_table_lognormal_mdf, calc_ssp_weights_sfh_table_lognormal_mdf
from dsps.utils import cumulative_mstar_formed

ZERO_POINT = 23.9  # AB magnitude of 1 uJy
COSMOLOGY = (0.3, -1.0, 0.0, 0.7)  # Om0, w0, wa, h
CHUNK = 1000
SCATTER = 1e-3  # of the metallicity [dex]: all stars at one node of the SSPs


def spectrum_route(data, filters, t, sfr, lgmet, av):
    """Fluxes (Band,) [uJy] of one galaxy by way of its full spectrum."""
    sed = calc_rest_sed_sfh_table_lognormal_mdf(
        t, sfr, lgmet, SCATTER, data["lgmet"], data["lg_age"], data["flux"], data["t_obs"]
    ).rest_sed
    sed = sed * 10.0 ** (-0.4 * calzetti00_att_curve(data["wave"] / 1e4, av))
    mag = jax.vmap(lambda w, f: calc_obs_mag(data["wave"], sed, w, f, data["z"], *COSMOLOGY))(*filters)
    return 10.0 ** (-0.4 * (mag - ZERO_POINT))


def table_route(data, band_flux, t, sfr, lgmet, _):
    """Fluxes (Band,) [uJy] of one galaxy from SSPs already integrated through the bands; no dust."""
    weights = calc_ssp_weights_sfh_table_lognormal_mdf(
        t, sfr, lgmet, SCATTER, data["lgmet"], data["lg_age"], data["t_obs"]
    ).weights
    return jnp.einsum("ma,mab->b", weights, band_flux) * cumulative_mstar_formed(t, sfr)[-1]


def in_chunks(function):
    """The function over galaxies: vmapped, and more than CHUNK of them one chunk after the other."""
    together = jax.vmap(function, (None, None, None, 0, 0, 0))

    def run(data, extra, t, *galaxies):
        if len(galaxies[0]) <= CHUNK:
            return together(data, extra, t, *galaxies)
        chunks = [a.reshape(-1, CHUNK, *a.shape[1:]) for a in galaxies]
        flux = jax.lax.map(lambda chunk: together(data, extra, t, *chunk), chunks)
        return flux.reshape(len(galaxies[0]), -1)

    return run


def main():
    path, precision = sys.argv[1:]
    jax.config.update("jax_enable_x64", precision == "float64")
    data = {name: jnp.asarray(value, precision) for name, value in np.load(path).items()}
    sets = {name: (data.pop(f"{name}_wave"), data.pop(f"{name}_trans")) for name in ("short", "fine")}
    columns = ("t", "sfr", "lgmet", "av")
    samples = [name.removesuffix("_sfr") for name in data if name.endswith("_sfr")]
    galaxies = {name: [data.pop(f"{name}_{column}") for column in columns] for name in samples}

    @jax.jit
    def integrate(data, filters):
        z = data["z"][None]
        mags = precompute_ssp_obsmags_on_z_table(data["wave"], data["flux"], *filters, z, *COSMOLOGY)
        return 10.0 ** (-0.4 * (mags[0] - ZERO_POINT))

    calls = {}

    def call(route, filters, sample, n):
        """Seconds of one call on the first n galaxies, and their fluxes."""
        key = (route, filters)
        if key not in calls:
            # not inside the timings: a table is made once for all galaxies of a redshift
            extra = sets[filters] if route == "spectrum" else integrate(data, sets[filters])
            function = spectrum_route if route == "spectrum" else table_route
            calls[key] = partial(jax.jit(in_chunks(function)), data, extra)
        t, *rest = galaxies[sample]
        rest = [a[:n] for a in rest]
        jax.block_until_ready(rest)
        start = time.perf_counter()
        flux = calls[key](t, *rest).block_until_ready()
        return time.perf_counter() - start, flux

    for line in sys.stdin:
        request = json.loads(line)
        save = request.pop("save", None)
        seconds, flux = call(**request)
        if save:
            np.save(save, np.asarray(flux, np.float64))
        print(json.dumps({"seconds": seconds, "dtype": str(flux.dtype)}), flush=True)


if __name__ == "__main__":
    main()
