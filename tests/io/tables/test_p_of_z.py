"""Densities of redshifts from files, EAZY's among them."""

import numpy as np
import pytest
from astropy.table import Table

from dsps_sbi.errors import UserError
from dsps_sbi.io.tables.p_of_z import read_p_z

Z = np.array([0.1, 0.5, 1.0, 2.0])
P = np.array([[0.0, 1.0, 0.5, 0.0], [0.2, 0.2, 1.0, 0.3], [1.0, 0.5, 0.25, 0.1]])


def eazy(folder, prior: bool):
    """Binary files of three galaxies, two filters and one template."""
    head = np.array([2, 1, len(Z), 3], np.int32)
    with open(folder / "photz.tempfilt", "wb") as file:
        head.tofile(file)
        for array in (np.ones(2 * len(Z)), np.array([5e3, 8e3]), Z, np.ones(6), np.ones(6)):
            array.astype(np.float64).tofile(file)
    with open(folder / "photz.pz", "wb") as file:
        head[2:].tofile(file)
        with np.errstate(divide="ignore"):
            np.minimum(-2.0 * np.log(P) + 7.0, 1e3).tofile(file)
        if prior:
            np.array([2], np.int32).tofile(file)
            for array in (np.array([20.0, 25.0]), np.array([[1.0, 1.0, 1.0, 1.0], [2.0, 1.0, 0.0, 0.0]])):
                array.tofile(file)
            np.array([0, 1, -1], np.int32).tofile(file)
    return folder / "photz.pz"


def test_arrays(tmp_path):
    np.savez(tmp_path / "a.npz", z=Z, p=P)
    z, p = read_p_z(tmp_path / "a.npz")
    np.testing.assert_array_equal(z, Z)
    np.testing.assert_array_equal(p, P)


@pytest.mark.parametrize("name", ["a.csv", "a.fits", "a.pz"])
def test_a_table_of_two_columns(tmp_path, name):
    table = Table({"z": Z, "chi2": np.ones(4), "pz": P[0]})
    options = {"format": "ascii.commented_header"} if name == "a.pz" else {}
    table.write(tmp_path / name, **options)
    z, p = read_p_z(tmp_path / name)
    np.testing.assert_allclose(z, Z)
    np.testing.assert_allclose(p, P[0])


@pytest.mark.parametrize("prior", [False, True])
def test_binary_files_of_eazy(tmp_path, prior):
    z, p = read_p_z(eazy(tmp_path, prior))
    np.testing.assert_array_equal(z, Z)
    expected = P.copy()
    if prior:
        expected[1] *= [2.0, 1.0, 0.0, 0.0]
    np.testing.assert_allclose(p, expected / expected.max(axis=1, keepdims=True), atol=1e-12)


def test_bad_files(tmp_path):
    path = eazy(tmp_path, False)
    (tmp_path / "photz.tempfilt").rename(tmp_path / "other.tempfilt")
    with pytest.raises(UserError, match=r"has no photz.tempfilt beside it"):
        read_p_z(path)
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="has columns a, b: expected .npz with z and p"):
        read_p_z(tmp_path / "a.csv")
    np.savez(tmp_path / "a.npz", z=Z, p=P[:, :2])
    with pytest.raises(UserError, match=r"z has shape \(4,\) and p \(3, 2\)"):
        read_p_z(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", redshift=Z)
    with pytest.raises(UserError, match="cannot be read as p"):
        read_p_z(tmp_path / "b.npz")
    with pytest.raises(UserError, match="is not there: give a file"):
        read_p_z(tmp_path / "none.npz")
