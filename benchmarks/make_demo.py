"""Make the image of the demo: a synthetic resolved galaxy with known truth.

python benchmarks/make_demo.py dsps_sbi/demo/demo_galaxy.fits
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

import dsps_sbi as ds
from dsps_sbi.demo.image import COMPARED
from dsps_sbi.inference.derived import MassTable, derive
from dsps_sbi.io.atomic import atomic_path

_SIZE, _PIXEL_ARCSEC, _Z = 44, 0.06, 1.47


def galaxy_theta(universe_gyr: float) -> np.ndarray:
    """Parameters (ny * nx, Param) of a disc galaxy: old bulge, young disc, a dusty clump.

    Returns
    -------
    ndarray
        log_tau, t_start, metallicity, av, log_mass_formed per pixel.
    """
    y, x = np.indices((_SIZE, _SIZE)) - (_SIZE - 1) / 2
    angle = np.deg2rad(35.0)
    major, minor = x * np.cos(angle) + y * np.sin(angle), (y * np.cos(angle) - x * np.sin(angle)) / 0.6
    radius = np.hypot(major, minor)
    arm = np.cos(2.0 * np.arctan2(minor, major) - 0.45 * radius)
    bulge = np.exp(-((radius / 3.0) ** 2))
    clump = np.exp(-((x - 9.0) ** 2 + (y + 6.0) ** 2) / 8.0)
    log_mass = 8.3 - radius / 5.2 / np.log(10.0) * 1.3 + 0.9 * bulge + 0.15 * arm * (1 - bulge)
    log_tau = np.clip(-0.3 * bulge + 0.5 * (1 - bulge) + 0.6 * clump, -2.0, 2.0)
    start = np.clip(0.15 + 0.02 * radius + 0.3 * clump, 0.05, 0.85) * universe_gyr
    metallicity = np.clip(0.15 - 0.035 * radius, -2.2, 0.35)
    av = np.clip(0.5 + 0.25 * arm + 1.4 * clump - 0.01 * radius, 0.0, 4.0)
    columns = (log_tau, start, metallicity, av, log_mass)
    return np.stack([c.ravel() for c in columns], axis=1).astype(np.float32)


def make_demo(path, seed: int = 0) -> None:
    """Write the demo image (needs the SSP grid): FLUX, ERROR and one TRUTH plane per quantity."""
    model = ds.GalaxyModel.preset("jades-pixels")
    table = model.band_table(_Z)
    theta = jnp.asarray(galaxy_theta(float(table.universe_gyr)))
    u = model.prior.to_normal(theta, table.universe_gyr)
    simulator = ds.PhotometrySimulator.jades_pixels(model)
    flux, theta = simulator.noiseless(u, table)
    sky = jnp.broadcast_to(jnp.asarray(simulator.noise.depth_ujy, jnp.float32), flux.shape)
    noisy = simulator.noise.add(jax.random.key(seed), flux, sky)
    universe = jnp.full(len(theta), table.universe_gyr)
    truth = derive(model.sfh, MassTable.from_grid(model.ssp), theta, model.names, universe)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [53.16, -27.78]
    wcs.wcs.crpix = [(_SIZE + 1) / 2] * 2
    wcs.wcs.cdelt = [-_PIXEL_ARCSEC / 3600, _PIXEL_ARCSEC / 3600]
    header = wcs.to_header()
    header["BUNIT"] = "uJy"
    header["REDSHIFT"] = _Z
    for i, name in enumerate(model.filters.names, 1):
        header[f"FILTER{i}"] = name
    planes = [
        fits.PrimaryHDU(),
        fits.ImageHDU(_image(noisy), header, "FLUX"),
        fits.ImageHDU(_image(sky), header, "ERROR"),
        *(
            fits.ImageHDU(_image(truth[n][:, None])[0], wcs.to_header(), f"TRUE_{n}".upper())
            for n in COMPARED
        ),
    ]
    with atomic_path(path) as temporary:
        fits.HDUList(planes).writeto(temporary, overwrite=True, checksum=True)


def _image(columns):
    return np.asarray(columns, np.float32).T.reshape(-1, _SIZE, _SIZE)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path, help="FITS file to write")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    make_demo(arguments.path, arguments.seed)
