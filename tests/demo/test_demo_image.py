import importlib.util
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from dsps_sbi.bundle.load import shipped
from dsps_sbi.cosmology import Cosmology
from dsps_sbi.demo.image import COMPARED, demo_file, run_demo
from dsps_sbi.io import read_cutout
from dsps_sbi.photometry.prior import photometry_prior


def test_the_shipped_image_is_whole():
    cube = read_cutout(demo_file())
    assert len(cube.filters) == 19 and cube.valid.all() and not cube.mask.any()
    assert cube.header["CTYPE1"] == "RA---TAN"


def maker():
    """The script that made the image."""
    path = Path(__file__).parents[2] / "benchmarks" / "make_demo.py"
    spec = importlib.util.spec_from_file_location("make_demo", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_truth_lies_inside_the_prior():
    cube = read_cutout(demo_file())
    galaxy_theta = maker().galaxy_theta
    universe = float(Cosmology.from_astropy().age(cube.redshift))
    theta = galaxy_theta(universe)
    # the faint rim lies below the prior's mass, and far below the cut on signal-to-noise
    theta[:, -1] = np.maximum(theta[:, -1], 4.0)
    assert len(theta) == len(cube.flux_ujy) and np.all(photometry_prior().contains(theta, universe))


@pytest.mark.slow
@pytest.mark.optimized
def test_the_demo_recovers_its_galaxy(tmp_path):
    if "jades-pixels" not in shipped():
        pytest.skip("no bundle jades-pixels is shipped with this checkout")
    result, table = run_demo(tmp_path, n_draws=100, progress=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "errors.png",
        "maps.fits",
        "maps.png",
        "recovered.ecsv",
        "summary.ecsv",
    ]
    assert result.fitted.sum() > 700
    stored = Table.read(tmp_path / "recovered.ecsv")
    assert list(stored["quantity"]) == list(COMPARED) == list(table["quantity"])
    row = dict(zip(table["quantity"], table, strict=True))
    assert abs(row["log_mass"]["offset"]) < 0.15 and row["log_mass"]["scatter"] < 0.3
    assert np.all(table["inside_68"] > 0.4)
