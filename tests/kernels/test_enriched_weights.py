import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi.kernels.csp import enriched_weights, mean_of_line, metallicity_weights
from dsps_sbi.kernels.losvd import broaden

NODES = np.array([-1.7, -0.7, -0.4, 0.0, 0.22])


def test_metallicities_by_share_of_mass_formed():
    """Against a sum over many small parcels of mass."""
    younger = np.array([0.0, 0.02, 0.1, 0.35, 0.8, 1.0])
    metallicity, rise = -0.3, 0.9
    found = np.asarray(enriched_weights(younger, jnp.float32(metallicity), jnp.float32(rise), NODES))
    parcel = (np.arange(200_000) + 0.5) / 200_000
    line = np.clip(metallicity + rise * (0.5 - parcel), NODES[0], NODES[-1])
    age = np.searchsorted(younger, parcel) - 1
    hats = [np.interp(line, NODES, row) for row in np.eye(len(NODES))]
    expected = np.array([np.bincount(age, hat, len(younger) - 1) for hat in hats]) / len(parcel)
    np.testing.assert_allclose(found.sum(axis=0), np.diff(younger), atol=1e-6)
    # nodes within a wide bin are met by its two points alone
    np.testing.assert_allclose(found, expected, atol=0.02)
    np.testing.assert_allclose(mean_of_line(metallicity, rise, NODES[0], NODES[-1]), line.mean(), atol=1e-4)


def test_without_a_rise_it_is_one_metallicity():
    younger = np.array([0.0, 0.3, 1.0])
    found = enriched_weights(younger, jnp.float32(-0.2), jnp.float32(0.0), NODES)
    expected = np.asarray(metallicity_weights(jnp.float32(-0.2), NODES))[:, None] * np.diff(younger)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert float(mean_of_line(-0.2, 0.0, NODES[0], NODES[-1])) == pytest.approx(-0.2, abs=1e-5)


def test_spectra_are_shifted_by_fractions_of_a_step():
    x = np.arange(256.0)
    line = np.exp(-0.5 * ((x - 100.0) / 5.0) ** 2)
    found = np.asarray(broaden(jnp.asarray(line, jnp.float32), 0.0, shift=jnp.float32(3.37)))
    np.testing.assert_allclose(found, np.exp(-0.5 * ((x - 103.37) / 5.0) ** 2), atol=1e-5)
