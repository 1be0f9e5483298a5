"""Grids by [alpha/Fe] in the four-dimensional layout that Ceridwen publishes: files that the test writes."""

import json

import h5py
import numpy as np
import pytest

from dsps_sbi.constants import C_AA_S
from dsps_sbi.errors import UserError
from dsps_sbi.ssp import read_dsps, read_dsps_alpha

ALPHA, FEH = np.array([-0.2, 0.0, 0.2, 0.4]), np.array([-1.0, -0.5, 0.0, 0.5])
AGE, WAVE = np.array([0.1, 1.0, 10.0]), np.linspace(4000.0, 6000.0, 50)


def write(path, flux=None, **attrs):
    """Light that is linear in the total metallicity: interpolation must find it again."""
    shift = np.log10(1.0 - 0.68749 + 0.68749 * 10.0**ALPHA)
    total = FEH + shift[:, None]
    if flux is None:
        flux = 1e-3 * (3.0 + total)[..., None, None] * np.ones((3, 50)) * WAVE**2 / C_AA_S
    told = {"axis_meaning": "feh", "log10_zsun": np.log10(0.0142), "imf_type": 2} | attrs
    with h5py.File(path, "w") as f:
        f["ssp_afe"], f["ssp_lgmet"], f["ssp_wave"] = ALPHA, FEH + np.log10(0.0142), WAVE
        f["ssp_lg_age_gyr"], f["ssp_flux"] = np.log10(AGE), flux
        f["ssp_stellar_mass"] = np.broadcast_to(np.array([0.9, 0.7, 0.6]), (4, 4, 3))
        for key, value in told.items():
            if value is not None:
                f.attrs[key] = value
    return path


def test_planes_are_grids_on_total_metallicities(tmp_path):
    grids = read_dsps_alpha(write(tmp_path / "fsps.h5"), fwhm_aa=2.5)
    assert list(grids) == [-0.2, 0.0, 0.2, 0.4]
    # what all planes cover: from [Fe/H] -1 at [alpha/Fe] 0.4 to 0.5 at -0.2
    for grid in grids.values():
        np.testing.assert_allclose(grid.metallicity[[0, -1]], [-0.69049, 0.37291], atol=1e-5)
        np.testing.assert_allclose(grid.metallicity[1:-1], [-0.5, 0.0], atol=1e-12)
        np.testing.assert_allclose(grid.flux[:, 0, 0], 1e-3 * (3.0 + grid.metallicity), rtol=1e-5)
        assert grid.fwhm_aa == 2.5 and grid.wave_medium == "vacuum" and grid.imf == "Kroupa (2001)"
        np.testing.assert_allclose(grid.surviving_fraction[0], [0.9, 0.7, 0.6])
    assert grids[0.4].name == "fsps_alpha+0.40"
    # of all metals: nothing to do
    total = read_dsps_alpha(write(tmp_path / "total.h5", axis_meaning="total"), alpha_fe=(0.0, 0.4))
    assert list(total) == [0.0, 0.2, 0.4]
    np.testing.assert_allclose(total[0.4].metallicity, FEH, atol=1e-12)


def test_cells_that_must_not_be_used(tmp_path):
    path = write(tmp_path / "f.h5", refused_cells_json=json.dumps([[3, 3]]))
    with pytest.raises(
        UserError,
        match=r"between \+0.00 and \+0.50 in metallicity and \+0.20 and \+0.40 in \[alpha/Fe\] must not be",
    ):
        read_dsps_alpha(path)
    assert list(read_dsps_alpha(path, alpha_fe=(-0.2, 0.2))) == [-0.2, 0.0, 0.2]
    assert read_dsps_alpha(path, metallicity=(-1.0, 0.0))[0.4].metallicity[-1] < 0.0


def test_files_that_cannot_be_used_are_one_line(tmp_path):
    with pytest.raises(UserError, match="there is no .*none.h5: give an HDF5 file of SSPs by"):
        read_dsps_alpha(tmp_path / "none.h5")
    path = tmp_path / "f.h5"
    path.write_bytes(b"no HDF5")
    with pytest.raises(UserError, match="is cut short or not HDF5"):
        read_dsps_alpha(path)
    with pytest.raises(
        UserError, match=r"does not say whether ssp_lgmet is of iron .*pass axis='feh' or axis="
    ):
        read_dsps_alpha(write(path, axis_meaning=None))
    with pytest.raises(UserError, match=r"1 \[alpha/Fe\] and 4 metallicities are left"):
        read_dsps_alpha(write(path), alpha_fe=(0.3, 0.5))
    with pytest.raises(
        UserError, match=r"\(4, 3, 4, 50\), expected \(4, 4, 3, 50\) \(Alpha, Met, Age, Wave\)"
    ):
        read_dsps_alpha(write(path, np.ones((4, 3, 4, 50))))
    flux = 1e-14 * np.ones((4, 4, 3, 50))
    flux[2, 1, 2] = np.nan
    with pytest.raises(
        UserError, match=r"\[alpha/Fe\] \+0.20, metallicity -0.50, 10 Gyr is missing \(1 such\)"
    ):
        read_dsps_alpha(write(path, flux))
    flux[2, 1, 2] = 0.0
    with pytest.raises(UserError, match=r"10 Gyr is missing \(1 such\)"):
        read_dsps_alpha(write(path, flux))
    with pytest.raises(UserError, match="ssp_flux has four dimensions: read_dsps_alpha reads grids by"):
        read_dsps(write(path))
    with h5py.File(path, "r+") as f:
        del f["ssp_afe"]
    with pytest.raises(UserError, match="holds no ssp_afe: .*: read_dsps reads grids without it"):
        read_dsps_alpha(path)
