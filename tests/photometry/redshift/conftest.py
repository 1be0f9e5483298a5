import jax
import numpy as np
import pytest

import dsps_sbi as ds
from dsps_sbi.inference.derived import MassTable
from dsps_sbi.photometry.fingerprint import reference_fluxes
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
def plain_galaxies(toy):
    return GalaxyModel.preset(ssp=toy, lya_escape=0.0, error=ds.ModelError.shipped())


@pytest.fixture(scope="session")
def untrained(plain_galaxies, toy):
    """A posterior whose network has learnt nothing: all that is right about it comes of the weights."""
    library = top_hats(10, np.random.default_rng(1))
    simulator = universal_simulator(plain_galaxies, arch=ARCH, library=library, ranks=(16, 6), buckets=(4, 6))
    post = ds.UniversalPosterior(
        simulator.network,
        simulator.network.init(0),
        simulator.noise,
        MassTable.from_grid(toy),
        {"name": "untrained"},
        plain_galaxies.dust,
        plain_galaxies.log_u,
        limits=simulator.limits,
        lya_escape=0.0,
        error=plain_galaxies.error,
    )
    post.meta["reference"] = reference_fluxes(post.behind_reference(plain_galaxies))
    return post


@pytest.fixture(scope="session")
def mocks(untrained, plain_galaxies):
    """Fluxes, errors and redshifts of three galaxies, faint: the prior proposes well enough."""
    post = untrained.for_filters(NAMES)
    model = untrained.behind_reference(plain_galaxies)
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
    sigma = np.repeat(0.1 * np.median(flux, axis=1, keepdims=True), len(NAMES), axis=1)
    return (flux + sigma * rng.standard_normal(flux.shape)).astype(np.float32), sigma, z
