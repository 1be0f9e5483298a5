"""One basis of functions of wavelength serves any filters: its fluxes are those of the model."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi.errors import UserError
from dsps_sbi.instruments.filters import FilterSet
from dsps_sbi.kernels.low_rank import leading_factors
from dsps_sbi.photometry.band_table import shape_fluxes
from dsps_sbi.photometry.compressed import DEX, log_scale
from dsps_sbi.photometry.decompose import wave_basis
from dsps_sbi.photometry.model import GalaxyModel
from dsps_sbi.photometry.model_error import ModelError
from dsps_sbi.photometry.prior import photometry_prior
from dsps_sbi.photometry.universal.light import Bands, behind_screen, parts_and_slopes, parts_of
from dsps_sbi.photometry.wave_basis import WaveBasis
from dsps_sbi.sfh import DelayedTau, Dirichlet

# bands of no one survey, the last of them beyond 3 micron at rest
NAMES = ("bessell_B", "hsc_i", "jwst_f182m", "wise_w1", "wise_w2")
Z = 0.3


@pytest.fixture(scope="module")
def model(toy):
    made = GalaxyModel.preset(ssp=toy, log_u="free", lya_escape=0.3, error=ModelError.shipped())
    return replace(made, filters=FilterSet.from_names(NAMES))


@pytest.fixture(scope="module")
def basis(model):
    return wave_basis(model, rank=40, gas_rank=10)


@pytest.fixture(scope="module")
def bands(model, basis):
    pieces, screen, share = basis.pieces(model.filters, Z)
    pivot, width = model.filters.pivots, jnp.asarray(model.filters.log_width)
    return Bands(jnp.asarray(pieces[0]), jnp.asarray(screen[0]), pivot, width), share[0]


@pytest.fixture(scope="module")
def u(model):
    return jnp.asarray(np.random.default_rng(2).standard_normal((40, len(model.names) - 1)), jnp.float32)


@jax.jit
def _exact(model, u, table):
    theta = model.prior.from_normal(u, table.universe_gyr)
    return shape_fluxes(table, model.sfh, theta, model.log_u_nodes, model.parts)


@jax.jit
def _close(basis, model, u, bands, universe):
    theta = model.prior.from_normal(u, universe)
    place = len(model.sfh.names) + 1
    return jax.vmap(lambda t: behind_screen(parts_of(basis, model.sfh, t, universe), bands, t[place]))(theta)


def test_fluxes_are_those_of_the_model(model, basis, bands, u):
    table = model.band_table(Z, trim=False)
    exact = np.asarray(_exact(model, u, table)) * 10.0 ** (DEX + float(log_scale(model.cosmology, Z)))
    close = np.asarray(_close(basis, model, u, bands[0], table.universe_gyr))
    assert exact.shape == close.shape == (40, 4, 5)
    total = exact[..., :4].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(close[..., :4] / total, exact[..., :4] / total, atol=4e-3)


def test_a_band_beyond_the_wavelengths_is_missing(bands):
    seen, share = bands
    assert share[3] > 0.99 and share[4] < 0.9
    pieces = np.asarray(seen.pieces).reshape(*seen.screen.shape, -1)
    assert not pieces[:, 4].any() and np.isfinite(pieces).all() and pieces[:, :4].any(axis=(0, 2)).all()


@pytest.mark.parametrize("sfh", [DelayedTau(), Dirichlet()], ids=["delayed tau", "dirichlet"])
def test_slopes_are_derivatives(model, basis, bands, sfh):
    prior, place, universe = (
        photometry_prior(sfh, free_log_u=True),
        len(sfh.names) + 1,
        model.cosmology.age(Z),
    )
    u = np.random.default_rng(4).standard_normal(len(prior.names) - 1).astype(np.float32)

    def flux(u):
        theta = prior.from_normal(u, universe)
        return behind_screen(parts_of(basis, sfh, theta, universe), bands[0], theta[place]).sum(axis=0)

    def slopes(u):
        theta, rate = jax.jvp(lambda u: prior.from_normal(u, universe), (u,), (jnp.ones_like(u),))
        parts, rows = parts_and_slopes(basis, sfh, theta, rate, universe)
        total = parts.sum(axis=0, keepdims=True)
        _, by_av = behind_screen(total, bands[0], theta[place], slope=True)
        of_rows = behind_screen(rows, bands[0], theta[place])
        return jnp.insert(of_rows, place, rate[place] * by_av[0], axis=0)

    expected, got = jax.jit(lambda u: (jax.jacfwd(flux)(u).T, slopes(u)))(u)
    assert np.abs(expected).max() > 0.0 and got.shape == (len(u), 5)
    np.testing.assert_allclose(got[:, :4], expected[:, :4], rtol=2e-3, atol=1e-4 * np.abs(expected).max())


def test_the_first_functions_of_each_kind_are_kept(model, basis, bands):
    few = basis.simplified(6, 3)
    assert few.ranks == (6, 3) and basis.ranks == (40, 10) and len(few.curves) == 9
    pieces = few.pieces(model.filters, Z)[0][0]
    np.testing.assert_allclose(
        basis.first(np.asarray(bands[0].pieces), few.ranks), pieces, rtol=1e-4, atol=1e-7
    )


def test_ages_put_together(model, basis, bands, u):
    """Bins of ages end where ranges of ages and gas do; fluxes change little."""
    few = basis.simplified(40, 10, step_dex=0.3, n_mixture=3)
    edges, whole = np.asarray(few.edges_gyr), np.asarray(basis.edges_gyr)
    assert len(edges) < len(whole) and np.isin(edges, whole).all() and edges[-1] == whole[-1]
    np.testing.assert_array_equal(edges[list(few.parts)], whole[list(basis.parts)])
    assert edges[few.n_age[1]] == whole[basis.n_age[1]] and few.mixtures[1].shape == (few.n_age[1], 3)
    universe = model.cosmology.age(Z)
    exact, close = (
        np.asarray(_close(b, model, u, bands[0], universe)).sum(axis=1)[:, :4] for b in (basis, few)
    )
    colour = np.log10(close / exact)
    assert np.median(np.abs(colour - colour.mean(axis=1, keepdims=True))) < 0.01


def test_arrays_of_a_bundle(basis):
    rest = {name: getattr(basis, name) for name in ("cosmology", "dust", "n_sub", "parts")}
    again = WaveBasis.from_arrays(basis.as_arrays(), **rest)
    size = np.abs(basis.curves).max(axis=0)
    np.testing.assert_allclose(again.curves / size, basis.curves / size, atol=1e-3)
    assert again.ranks == basis.ranks and again.parts == basis.parts
    with pytest.raises(KeyError, match="metallicity"):
        WaveBasis.from_arrays({"edges_gyr": basis.edges_gyr}, **rest)


def test_bad_input(model, toy):
    with pytest.raises(UserError, match="0 and 40 functions: give at least 1"):
        wave_basis(model, rank=0)
    with pytest.raises(UserError, match="dust law CharlotFall has parameters or two screens"):
        wave_basis(GalaxyModel.preset(ssp=toy, dust="charlot_fall"))


def test_factors_of_a_matrix_of_low_rank():
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((50, 4)) @ rng.standard_normal((4, 70))
    left, right = leading_factors(matrix, 4)
    np.testing.assert_allclose(left @ right, matrix, atol=1e-10)
    np.testing.assert_allclose(left.T @ left, np.eye(4), atol=1e-10)
    assert leading_factors(matrix[:3], 9)[0].shape == (3, 3)
