import numpy as np
import pytest
from scipy.integrate import quad

from dsps_sbi.ssp.remnants import remnant_mass, surviving_fraction


def test_remnant_masses_of_renzini_and_ciotti():
    np.testing.assert_allclose(remnant_mass([1.0, 8.4, 8.6, 39.0, 60.0]), [0.557, 1.1268, 1.4, 1.4, 30.0])


def test_against_quadrature_at_a_known_turn_off():
    def imf(m):
        return m**-1.3 if m < 0.5 else 0.5 * m**-2.3

    def integral(weight, edges):
        pieces = zip(edges[:-1], edges[1:], strict=True)
        return sum(quad(lambda m: weight(m) * imf(m), *piece)[0] for piece in pieces)

    total = integral(lambda m: m, (0.1, 0.5, 100.0))
    living = integral(lambda m: m, (0.1, 0.5, 2.0)) / total
    dead = integral(lambda m: float(remnant_mass(m)), (2.0, 8.5, 40.0, 100.0)) / total
    assert surviving_fraction([living])[0] == pytest.approx(living + dead, abs=1e-5)


def test_limits_and_monotony():
    living = np.linspace(1.0, 0.35, 200)
    total = surviving_fraction(living)
    assert total[0] == 1.0
    assert (np.diff(total) < 0).all() and (total[1:] > living[1:]).all()


def test_a_living_fraction_that_rises_by_rounding_brings_no_remnants_back():
    total = surviving_fraction([0.9, 0.8, 0.803])
    assert total[2] - 0.803 == pytest.approx(total[1] - 0.8)


def test_real_grid_at_10_gyr(real_grid):
    """0.599 with remnants: the fit of DSPS (Hearin et al. 2023) for a Kroupa IMF."""
    age = int(np.argmin(abs(real_grid.age_gyr - 10.0)))
    assert real_grid.living_fraction[4, age] == pytest.approx(0.459, abs=0.001)
    assert real_grid.surviving_fraction[4, age] == pytest.approx(0.599, abs=0.02)
