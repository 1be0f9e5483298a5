import numpy as np
import pytest

from dsps_sbi.bundle.fingerprint import refuse_difference, stored
from dsps_sbi.errors import UserError

FLUX = np.array([[1.0, 2.0, np.nan], [10.0, 1e-9, 3.0]])


def describe(galaxy, band, percentage):
    return f"galaxy {galaxy}, band {band}: {percentage}"


def test_the_same_fluxes_are_accepted_missing_ones_included():
    got = FLUX * np.array([1.0, 1.0005, 1.0])
    assert refuse_difference(FLUX, got, describe) == pytest.approx(5e-4)


def test_the_worst_flux_is_named():
    got = FLUX * np.array([[1.002, 1.0, 1.0], [1.0, 1.0, 0.99]])
    with pytest.raises(UserError, match="galaxy 1, band 2: 1 %"):
        refuse_difference(FLUX, got, describe)


def test_what_is_missing_in_one_of_them_only_is_refused():
    with pytest.raises(UserError, match="galaxy 0, band 2"):
        refuse_difference(FLUX, np.nan_to_num(FLUX, nan=1.0), describe)


def test_numerical_dust_does_not_count():
    got = FLUX.copy()
    got[1, 1] = 5e-9
    assert refuse_difference(FLUX, got, describe) < 1e-3


def test_no_reference_is_refused():
    with pytest.raises(UserError, match="bundle own holds no reference fluxes: train it again"):
        stored({"name": "own"})
    assert stored({"reference": {"theta": []}}) == {"theta": []}
