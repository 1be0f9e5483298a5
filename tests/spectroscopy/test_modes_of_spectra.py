import jax
import numpy as np
import pytest

from dsps_sbi.inference.importance import WeightedDraws
from dsps_sbi.inference.repair import by_modes
from dsps_sbi.spectroscopy.data import SpectrumData


@pytest.mark.optimized
def test_mode_searches_owe_nothing_to_the_network(untrained, likelihood, galaxies, by_prior):
    """From draws of the prior to the exact posterior: as the sum over the prior has it."""
    spectrum, rest = untrained.prepared(galaxies[0])
    data = SpectrumData(
        *(np.asarray(a)[None] for a in (rest.flux, rest.sigma, rest.valid, np.float32(rest.z)))
    )
    observed = likelihood.observed(spectrum, rest.extra_km_s)
    u = jax.random.normal(jax.random.key(9), (1, 300, len(untrained.names)))
    nothing = WeightedDraws(u, np.zeros((1, 300)), *np.zeros((3, 1)))
    ids = np.zeros(1, np.uint32)
    draws, found, ppc_p = by_modes(likelihood, data, observed, ids, jax.random.key(1), 500, nothing)
    assert draws.shape == (1, 500, len(untrained.names))
    theta, weight, log_evidence = by_prior(likelihood.model, observed)
    effective = 1.0 / np.sum(weight**2)
    assert effective > 30 and found.ess[0] > 30 and found.pareto_k[0] < 0.7 and ppc_p[0] > 1e-3
    error = np.hypot(effective**-0.5, found.ess[0] ** -0.5)
    assert abs(found.log_evidence[0] - log_evidence) < 4.0 * error + 0.05
    ours = np.asarray(likelihood.theta(draws, observed)[0])[0]
    for name in ("metallicity", "sigma_v"):
        i = untrained.names.index(name)
        mean = weight @ theta[:, i]
        width = np.sqrt(weight @ (theta[:, i] - mean) ** 2)
        assert abs(ours[:, i].mean() - mean) < 4.0 * width * error, name
        assert 0.6 < ours[:, i].std() / width < 1.6, name
