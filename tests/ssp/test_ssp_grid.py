from dataclasses import replace

import numpy as np
import pytest

from dsps_sbi.errors import UserError
from dsps_sbi.ssp import SSPGrid


@pytest.fixture
def parts():
    shape = (2, 3, 60)
    return {
        "name": "mine",
        "wave_aa": np.linspace(1000.0, 9000.0, 60),
        "age_gyr": np.array([0.01, 1.0, 10.0]),
        "metallicity": np.array([-1.0, 0.0]),
        "flux": np.ones(shape),
        "living_fraction": np.full(shape[:2], 0.6),
        "surviving_fraction": np.full(shape[:2], 0.7),
    }


def test_a_grid_is_float32_read_only_and_keeps_the_caller_s_arrays(parts):
    grid = SSPGrid(**parts)
    assert grid.flux.dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        grid.flux[0, 0, 0] = 2.0
    parts["wave_aa"][0] = 999.0  # the caller's own array stays writeable


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("wave_aa", np.r_[1000.0, 1000.0, np.linspace(1001, 9000, 58)], r"wave_aa is not strictly .*1000"),
        ("wave_aa", np.linspace(0.0, 9000.0, 60), "wave_aa starts at 0"),
        ("age_gyr", [1.0, 0.1, 10.0], r"age_gyr is not strictly increasing \(1 is followed by 0.1\)"),
        ("age_gyr", [0.0, 0.1, 10.0], "age_gyr starts at 0"),
        ("age_gyr", [0.1, 10.0], r"flux .* has shape \(2, 3, 60\), expected \(2, 2, 60\)"),
        ("metallicity", [0.0, np.nan], "metallicity is not finite at index"),
        ("metallicity", [[0.0, 1.0]], "metallicity has 2 dimensions"),
        ("metallicity", [], "metallicity is empty"),
        ("living_fraction", np.ones((3, 2)), r"living_fraction .* expected \(2, 3\)"),
        ("surviving_fraction", np.full((2, 3), 1.3), "surviving_fraction reaches 1.3"),
        ("living_fraction", np.full((2, 3), -0.1), "living_fraction is negative"),
        ("wave_medium", "water", "wave_medium is 'water': give 'air' or 'vacuum'"),
        ("fwhm_aa", -1.0, "fwhm_aa is -1.0"),
    ],
)
def test_bad_parts_are_refused(parts, key, value, message):
    with pytest.raises(UserError, match=message):
        SSPGrid(**parts | {key: value})


@pytest.mark.parametrize(("bad", "message"), [(np.inf, "flux .* is not finite"), (-1.0, "flux is negative")])
def test_bad_flux_is_refused(parts, bad, message):
    parts["flux"][1, 2, 3] = bad
    with pytest.raises(UserError, match=rf"{message}.* index \(1, 2, 3\)"):
        SSPGrid(**parts)


def test_a_stretch_of_zeros_is_refused_and_named(parts):
    parts["flux"][0, 1, 30:52] = 0.0
    wave = parts["wave_aa"]
    message = rf"age 1 Gyr and \[M/H\] -1.00 is zero from {wave[30]:.1f} to {wave[51]:.1f} Angstrom"
    with pytest.raises(UserError, match=message):
        SSPGrid(**parts)


def test_zeros_that_are_no_hole_pass(parts):
    parts["flux"][0, 1, 30:49] = 0.0  # 19 pixels
    parts["flux"][:, :, 40:60] = 0.0  # nobody shines
    SSPGrid(**parts)
    parts["wave_aa"] = np.linspace(100.0, 1190.0, 60)
    parts["flux"][0, 0] = 0.0  # extreme ultraviolet
    SSPGrid(**parts)


def test_sha_tells_grids_apart(parts):
    grid = SSPGrid(**parts)
    assert grid.sha == SSPGrid(**parts).sha and len(grid.sha) == 16
    others = [replace(grid, name="b"), replace(grid, flux=grid.flux * 2), replace(grid, living_fraction=None)]
    others += [replace(grid, fwhm_aa=2.5)]
    assert len({g.sha for g in [grid, *others]}) == 5


def test_nebular_grid_must_match(toy, parts):
    with pytest.raises(UserError, match="give both on the same metallicities"):
        SSPGrid(**parts, nebular=toy.nebular)
    with pytest.raises(UserError, match="nebular continuum has 600 wavelengths, the stars 599"):
        replace(toy, wave_aa=toy.wave_aa[1:], flux=toy.flux[..., 1:])
