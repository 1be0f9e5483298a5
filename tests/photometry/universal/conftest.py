import jax
import numpy as np
import pytest

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
    n_steps=2,
)


@pytest.fixture(scope="session")
def plain_model(toy):
    return GalaxyModel.preset(ssp=toy, lya_escape=0.0)


@pytest.fixture(scope="session")
def any_filters(plain_model):
    """UniversalSimulator of a small network and few filters."""
    library = top_hats(30, np.random.default_rng(1))
    return universal_simulator(plain_model, arch=ARCH, library=library, ranks=(16, 6), buckets=(4, 6))


@pytest.fixture(scope="session")
def shaken(any_filters):
    """Weights that nobody trained, shaken so that answers depend on the data."""
    rng = np.random.default_rng(5)
    return jax.tree.map(
        lambda leaf: np.asarray(leaf) + np.float32(0.1 * rng.standard_normal(leaf.shape)),
        any_filters.network.init(0),
    )
