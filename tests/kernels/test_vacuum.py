import numpy as np
import pytest

from dsps_sbi.kernels.vacuum import air_to_vacuum, refractive_index, vacuum_to_air


def test_lines_of_the_nist_tables():
    # Ritz wavelengths in air and vacuum: Ca II K, [O III], Na I D2, He-Ne laser, Ca II
    air = np.array([3933.663, 5006.843, 5889.950, 6328.160, 8542.091])
    vacuum = np.array([3934.777, 5008.240, 5891.583, 6329.909, 8544.438])
    np.testing.assert_allclose(air_to_vacuum(air), vacuum, rtol=0, atol=2e-3)
    np.testing.assert_allclose(vacuum_to_air(vacuum), air, rtol=0, atol=2e-3)


def test_against_the_formula_of_morton():
    """Morton (2000, ApJS 130, 403, eq. 8), the IAU standard, another fit to other measurements."""
    wave = np.geomspace(2300.0, 2e4, 200)
    s2 = (1e4 / wave) ** 2
    morton = 1.0 + 8.34254e-5 + 2.406147e-2 / (130.0 - s2) + 1.5998e-4 / (38.9 - s2)
    np.testing.assert_allclose(refractive_index(wave), morton, rtol=0, atol=1e-8)


def test_there_and_back():
    wave = np.geomspace(2000.0, 5e4, 500)
    np.testing.assert_allclose(vacuum_to_air(air_to_vacuum(wave)), wave, rtol=1e-13)
    assert air_to_vacuum(5000.0) == pytest.approx(5001.394, abs=1e-3)
