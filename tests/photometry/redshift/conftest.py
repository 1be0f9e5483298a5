import jax
import numpy as np
import pytest

import dsps_sbi as ds
from dsps_sbi.inference.derived import MassTable
from dsps_sbi.photometry.model import GalaxyModel
from dsps_sbi.photometry.universal.network import UniversalArchitecture
from dsps_sbi.photometry.universal.surveys import top_hats
from dsps_sbi.photometry.universal.train import universal_simulator

ARCH = UniversalArchitecture(
    token_width=8,
    n_pooled=6,
    guess_width=8,
    width=12,
    n_blocks=1,
    n_context=8,
    flow_width=8,
    n_layers=2,
    n_bins=3,
    rank=8,
    gas_rank=3,
    n_steps=1,
)
NAMES = ("sdss_u0", "sdss_g0", "sdss_r0", "sdss_i0", "sdss_z0")


@pytest.fixture(scope="session")
def dust_free_lya(toy):
    return GalaxyModel.preset(ssp=toy, lya_escape=0.0, error=ds.ModelError.shipped())


@pytest.fixture(scope="session")
def untrained(dust_free_lya, toy):
    """A posterior whose network has learnt nothing: all that is right about it comes of the weights."""
    library = top_hats(10, np.random.default_rng(1))
    simulator = universal_simulator(dust_free_lya, arch=ARCH, library=library, ranks=(16, 6), buckets=(4, 6))
    return ds.UniversalPosterior(
        simulator.network,
        simulator.network.init(0),
        simulator.noise,
        MassTable.from_grid(toy),
        {"name": "untrained"},
        dust_free_lya.dust,
        dust_free_lya.log_u,
        limits=simulator.limits,
        lya_escape=0.0,
        error=dust_free_lya.error,
    )


@pytest.fixture(scope="session")
def mocks(untrained, dust_free_lya):
    """Fluxes, errors and redshifts of three galaxies, faint: the prior proposes well enough."""
    post = untrained.for_filters(NAMES)
    model = untrained.behind_reference(dust_free_lya)
    likelihood = post.likelihood_of(ds.GalaxyModel(model.ssp, post.filter_set, model.prior, lya_escape=0.0))
    z = np.array([0.4, 1.1, 2.2], np.float32)
    rng = np.random.default_rng(3)
    flux = []
    for i, one in enumerate(z):
        table = likelihood.model.band_table(float(one))
        u = 0.3 * jax.random.normal(jax.random.key(i), (1, len(post.names)))
        theta = likelihood.model.prior.from_normal(u, table.universe_gyr)
        flux.append(np.asarray(likelihood.model.predict_fast(theta, table))[0])
    flux = np.stack(flux)
    sigma = np.repeat(0.15 * np.median(flux, axis=1, keepdims=True), len(NAMES), axis=1)
    return (flux + sigma * rng.standard_normal(flux.shape)).astype(np.float32), sigma, z
