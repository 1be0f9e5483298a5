"""Shapes of weights, which bundles are read by."""

import jax

from dsps_sbi.photometry.network import PhotometryArchitecture, PhotometryNetwork
from dsps_sbi.photometry.prior import photometry_prior
from dsps_sbi.sfh import DelayedTau


def test_shapes_are_those_of_fresh_weights():
    arch = PhotometryArchitecture(
        width=4, n_blocks=1, n_context=3, flow_width=4, n_layers=2, n_bins=2, guess_width=0
    )
    network = PhotometryNetwork(arch, 3, photometry_prior(), DelayedTau(), cosmology=None)
    fresh = jax.eval_shape(lambda: network.init(0))
    told, expected = (jax.tree_util.tree_flatten_with_path(w)[0] for w in (network.weight_shapes, fresh))
    assert [(jax.tree_util.keystr(path), leaf.shape, leaf.dtype) for path, leaf in told] == [
        (jax.tree_util.keystr(path), leaf.shape, leaf.dtype) for path, leaf in expected
    ]
    assert jax.tree.structure(network.weight_shapes) == jax.tree.structure(fresh)
    assert network.weight_shapes is network.weight_shapes
