from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi.band_table import shape_fluxes
from dsps_sbi.by_metallicity import BLOCK, FEWEST, fluxes_in_blocks, slots
from dsps_sbi.instruments.filters import FilterSet
from dsps_sbi.model import GalaxyModel

RNG = np.random.default_rng(1)


@pytest.mark.parametrize(
    "interval",
    [RNG.integers(0, 6, 1000), np.full(1000, 5), np.repeat([0, 3], [8, 992]), np.zeros(64, int)],
    ids=["mixed", "last", "two", "full blocks"],
)
def test_every_galaxy_has_a_place_of_its_own_in_a_block_of_its_interval(interval):
    slot, of_block = map(np.asarray, slots(jnp.asarray(interval), 6, 32))
    assert len(np.unique(slot)) == len(interval) and slot.max() < 32 * len(of_block)
    np.testing.assert_array_equal(of_block[slot // 32], interval)


@pytest.mark.parametrize("log_u", [-2.0, "free"])
def test_same_fluxes_as_all_at_once(toy, log_u):
    whole = GalaxyModel.preset(ssp=toy, log_u=log_u)
    model = replace(whole, filters=FilterSet.from_names(("acs_wfc_f606w", "jwst_f444w")), n_sub=2)
    table = model.band_table(1.7)
    n = FEWEST + 3
    theta = model.prior.sample(jax.random.key(2), jnp.full(n, 1.7), table.universe_gyr)
    # on the nodes, and beyond their ends
    theta = theta.at[:3, 2].set(jnp.array([table.metallicity[0], table.metallicity[3], 9.0]))
    expected = jax.jit(lambda t: shape_fluxes(table, model.sfh, t, model.log_u_nodes))(theta[:, :-1])
    got = jax.jit(lambda t: fluxes_in_blocks(table, model.sfh, t[:, :-1], t[:, 2], model.log_u_nodes))(theta)
    np.testing.assert_allclose(got, expected, rtol=2e-4)
    np.testing.assert_allclose(
        jax.jit(model.predict_fast)(theta, table), expected * 10.0 ** theta[:, -1:], rtol=2e-4
    )
    assert n % BLOCK
