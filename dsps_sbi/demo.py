"""A synthetic resolved galaxy with known truth: made by the simulator, recovered by a bundle."""

from importlib import resources
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from .bundle import load_bundle
from .derived import MassTable, derive, describe
from .io import read_cutout
from .io.atomic import atomic_path
from .model import GalaxyModel
from .result import ImageResult
from .simulate import Simulator

_SIZE = 44
_PIXEL_ARCSEC = 0.06
_Z = 1.47
_COMPARED = ("log_mass", "log_sfr_100", "mass_weighted_age", "metallicity", "av")


def demo_file() -> Path:
    """The shipped image."""
    return Path(str(resources.files("dsps_sbi") / "data" / "demo_galaxy.fits"))


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
    model = GalaxyModel.preset("jades-pixels")
    table = model.band_table(_Z)
    theta = jnp.asarray(galaxy_theta(float(table.universe_gyr)))
    u = model.prior.to_normal(theta, table.universe_gyr)
    simulator = Simulator.jades_pixels(model)
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
            for n in _COMPARED
        ),
    ]
    with atomic_path(path) as temporary:
        fits.HDUList(planes).writeto(temporary, overwrite=True, checksum=True)


def _image(columns):
    return np.asarray(columns, np.float32).T.reshape(-1, _SIZE, _SIZE)


def run_demo(folder, *, n_draws: int = 500, progress: bool = True) -> tuple[ImageResult, Table]:
    """Fit the shipped image with the shipped bundle and compare with the truth.

    Parameters
    ----------
    folder : path
        Gets ``maps.fits``, ``maps.png``, ``summary.ecsv`` and ``recovered.ecsv``.
    n_draws : int
    progress : bool

    Returns
    -------
    result : ImageResult
    table : Table
        Per quantity: median of truth and of recovered medians over the pixels, robust scatter of
        their difference, share of pixels whose 16-84 % interval holds the truth.
    """
    post = load_bundle("jades-pixels")
    result = post.infer(read_cutout(demo_file()), n_draws=n_draws, progress=progress)
    result.write(folder)
    rows = []
    with fits.open(demo_file()) as hdus:
        for name in _COMPARED:
            truth = hdus[f"TRUE_{name}".upper()].data.ravel()[result.fitted]
            low, median, high = result.percentiles[result.names.index(name)][:, result.fitted]
            error = median - truth
            scatter = 1.4826 * np.median(np.abs(error - np.median(error)))
            inside = np.mean((truth >= low) & (truth <= high))
            unit = describe(name)[0]
            rows.append((name, unit, np.median(truth), np.median(median), np.median(error), scatter, inside))
    names = ("quantity", "unit", "true", "recovered", "offset", "scatter", "inside_68")
    table = Table(rows=rows, names=names)
    for name in names[2:]:
        table[name].info.format = ".3f"
    with atomic_path(Path(folder) / "recovered.ecsv") as temporary:
        table.write(temporary, format="ascii.ecsv", overwrite=True)
    return result, table
