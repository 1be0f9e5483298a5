"""A synthetic resolved galaxy with known truth, recovered by a bundle."""

import warnings
from importlib import resources
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

from ..bundle.load import load_bundle
from ..inference.derived import describe
from ..io import read_cutout
from ..io.atomic import atomic_path
from ..photometry.result import ImageResult

COMPARED = ("log_mass", "log_sfr_100", "mass_weighted_age", "metallicity", "av")


def demo_file() -> Path:
    """The shipped image; ``benchmarks/make_demo.py`` makes it."""
    return Path(str(resources.files("dsps_sbi.demo") / "demo_galaxy.fits"))


def run_demo(folder, *, n_draws: int = 500, progress: bool = True) -> tuple[ImageResult, Table]:
    """Fit the shipped image with the shipped bundle and compare with the truth.

    Parameters
    ----------
    folder : path
        Gets ``maps.fits``, ``maps.png``, ``errors.png``, ``summary.ecsv`` and ``recovered.ecsv``.
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
    with warnings.catch_warnings():
        # the command prints the notes
        warnings.simplefilter("ignore", UserWarning)
        result = post.infer(read_cutout(demo_file()), n_draws=n_draws, progress=progress)
    result.write(folder)
    rows = []
    with fits.open(demo_file()) as hdus:
        for name in COMPARED:
            truth = hdus[f"TRUE_{name}".upper()].data.ravel()[result.fitted]
            low, median, high = result.percentiles(name)[:, result.fitted]
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
