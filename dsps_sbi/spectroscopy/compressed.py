"""The few components that all spectra of a model are made of, and parameters to their coefficients."""

from dataclasses import dataclass, fields
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import eigh

from ..errors import UserError
from ..kernels import chebyshev
from ..kernels.csp import enriched_weights, metallicity_weights, outer
from ..kernels.full_precision import einsum, matmul, tensordot
from ..kernels.losvd import broaden
from ..kernels.lsf import to_pixels
from ..kernels.projection import project
from ..sfh import mass_weights
from .model import unit_flux

# Nodes of the velocity, and their range in standard deviations of its prior
N_VELOCITY, _VELOCITY_SIGMA = 3, 2.0


def _nodes_of(value, ends, n):
    low, high = ends
    return chebyshev.lagrange((2.0 * value - low - high) / (high - low), n)


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["coefficients", "precision", "gradient", "ln_error", "chi2", "ln_scale"],
    meta_fields=[],
)
@dataclass(frozen=True)
class Projected:
    """What spectra say about the coefficients of components; a pytree.

    Parameters
    ----------
    coefficients, precision, gradient, ln_error, chi2, ln_scale
        See :func:`dsps_sbi.kernels.projection.project`.
    """

    coefficients: jax.Array
    precision: jax.Array
    gradient: jax.Array
    ln_error: jax.Array
    chi2: jax.Array
    ln_scale: jax.Array | None = None


@partial(
    jax.tree_util.register_dataclass,
    data_fields=[
        "components",
        "spread",
        "light",
        "broadened",
        "edges_gyr",
        "metallicity",
        "alpha_fe",
        "log_mass_to_light",
        "error",
    ],
    meta_fields=["sigma_v", "velocity"],
)
@dataclass(frozen=True)
class Subspace:
    """Components of spectra in the pixels of one spectrograph at rest; a pytree.

    Parameters
    ----------
    components : array (Component, Pixel)
        Orthonormal.
    spread : array (Component,)
        Root mean square of their coefficients in spectra of amplitude (root mean square) 1.
    light : array (Alpha * Met * Age, Light)
        SSPs, not broadened, by a basis of their own, per solar mass formed.
    broadened : array (Node, Light, Component)
        Components of that basis at Chebyshev nodes of the velocity dispersion, and at each of these of the
        velocity, if that has a range.
    edges_gyr : array (Age + 1,)
    metallicity : array (Met,)
    alpha_fe : array (Alpha,)
    log_mass_to_light : array ()
        Median over the prior of log10 of the mass formed per amplitude.
    error : array ()
        Root mean square of what the components leave of a spectrum, as a share of its amplitude.
    sigma_v, velocity : (float, float)
        Ranges of the nodes of velocity dispersion and velocity [km/s].
    """

    components: jax.Array
    spread: jax.Array
    light: jax.Array
    broadened: jax.Array
    edges_gyr: jax.Array
    metallicity: jax.Array
    alpha_fe: jax.Array
    log_mass_to_light: jax.Array
    error: jax.Array
    sigma_v: tuple[float, float]
    velocity: tuple[float, float] = (0.0, 0.0)

    def project(self, flux, sigma, valid, basis, basis_sigma, ln_scale=None) -> Projected:
        """What spectra of amplitude about 1 say, see :func:`dsps_sbi.kernels.projection.project`."""
        return Projected(*project(flux, sigma, valid, self.components, basis, basis_sigma, ln_scale))

    def shares(self, params, metallicity, alpha_fe, sigma_v, sfh, universe_gyr, rise=None, velocity=None):
        """What :meth:`coefficients` is linear in, of one galaxy; differentiable.

        Parameters
        ----------
        params : array (n,)
            Of the star formation history.
        metallicity, alpha_fe, sigma_v : array ()
            alpha_fe has no effect where there is one grid.
        sfh : StarFormationHistory
        universe_gyr : array ()
        rise, velocity : array (), optional
            Of a metallicity history; beside the redshift [km/s].

        Returns
        -------
        ages, columns, nodes : array (Age,), (Alpha * Met,), (Node,)
            Shares of the mass by age and by metallicity, and of the nodes of velocities. With a metallicity
            history the first is 1 and the second has all SSPs.
        """
        of_alpha = metallicity_weights(alpha_fe, self.alpha_fe) if len(self.alpha_fe) > 1 else None
        if rise is None:
            ages = mass_weights(sfh, params[None], self.edges_gyr, universe_gyr)
            columns = metallicity_weights(metallicity, self.metallicity)
        else:
            younger = sfh.fraction_younger(params[None], self.edges_gyr, universe_gyr)
            columns = enriched_weights(younger, metallicity, rise, self.metallicity).reshape(-1)
            ages = jnp.ones(1, columns.dtype)
        columns = columns if of_alpha is None else outer(of_alpha, columns)
        n_v = 1 if velocity is None else N_VELOCITY
        nodes = _nodes_of(sigma_v, self.sigma_v, len(self.broadened) // n_v)
        if velocity is not None:
            nodes = outer(nodes, _nodes_of(velocity, self.velocity, n_v))
        return ages, columns, nodes

    def coefficients(self, ages, columns, nodes):
        """Components (Component,) of one galaxy per solar mass formed, of :meth:`shares`."""
        light = matmul(outer(columns, ages), self.light)
        matrix = tensordot(nodes, self.broadened, axes=1)
        return matmul(light, matrix)

    def slopes(self, shares, along):
        """Components (Component,) of :meth:`shares`, and their slopes (n, Component) along changes of these.

        Parameters
        ----------
        shares : tuple of arrays (m,)
        along : tuple of arrays (n, m)
        """
        ages, columns, nodes = shares
        d_ages, d_columns, d_nodes = along
        light = self.light.reshape(len(columns), len(ages), -1)
        by_age = einsum("m,mak->ak", columns, light)
        matrix = einsum("n,nkc->kc", nodes, self.broadened)
        of_ages = einsum("a,mak->mk", ages, light)
        directions = einsum("a,ak->k", ages, by_age)
        at_nodes = einsum("k,nkc->nc", directions, self.broadened)
        change = einsum("ia,ak->ik", d_ages, by_age) + einsum("im,mk->ik", d_columns, of_ages)
        slopes = einsum("ik,kc->ic", change, matrix) + einsum("in,nc->ic", d_nodes, at_nodes)
        return einsum("k,kc->c", directions, matrix), slopes

    def as_arrays(self) -> dict[str, np.ndarray]:
        """Arrays by name, for a bundle."""
        return {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays) -> "Subspace":
        """The inverse of :meth:`as_arrays`."""
        arrays = dict(arrays)
        ranges = {name: tuple(float(a) for a in arrays.pop(name)) for name in ("sigma_v", "velocity")}
        return cls(**{name: jnp.asarray(a) for name, a in arrays.items()}, **ranges)


def find_subspace(
    model, view, *, n_component=64, n_light=64, n_node=16, n_draw=4000, seed=0, like=None
) -> Subspace:
    """Components that spectra of a model's prior need most, and tables of their coefficients.

    Parameters
    ----------
    model : SpectrumModel
        Without dust: screens are not linear.
    view : SpectrumView
        Of its pixels at rest.
    n_component, n_light, n_node : int
        Components of the pixels, of the SSPs before they are broadened, and velocity dispersions.
    n_draw : int
        Spectra of the prior that the components are found with; half as many more measure what they
        leave.
    seed : int
    like : array (Component, Pixel), optional
        Components whose signs, which are arbitrary, are kept.

    Raises
    ------
    UserError
        If the model has dust, or there are more components than spectra.
    """
    if model.dust is not None:
        raise UserError("a network of spectra takes a model without dust: its polynomial does what dust does")
    if not 1 <= n_component <= n_draw:
        raise UserError(f"{n_component} components of {n_draw} spectra: give at least 1, and more spectra")
    spectra, amplitude = drawn_spectra(model, view, n_draw + n_draw // 2, seed)
    components = _leading(spectra[:n_draw], n_component)
    if like is not None and like.shape == components.shape:
        components = components * np.where(np.sum(components * like, axis=1) < 0.0, -1.0, 1.0)[:, None]
    residual = spectra[n_draw:] - (spectra[n_draw:] @ components.T) @ components
    spread = np.sqrt(np.mean((spectra[:n_draw] @ components.T) ** 2, axis=0))
    scalars = -np.median(np.log10(amplitude)), np.sqrt(np.mean(residual**2))
    return assemble(model, view, components, spread, *scalars, n_light=n_light, n_node=n_node)


def drawn_spectra(model, view, n, seed):
    """Spectra (n, Pixel) of the prior, of amplitude 1, and the amplitudes (n, 1) of one solar mass."""
    u = jax.random.normal(jax.random.key(seed), (n, len(model.names)))
    theta = model.prior.from_normal(u, view.universe_gyr)
    parts = np.array_split(np.asarray(theta), max(n // 250, 1))
    spectra = np.concatenate([np.asarray(unit_flux(model, part, view)) for part in parts])
    amplitude = np.sqrt(np.mean(spectra**2, axis=1, keepdims=True))
    return spectra / amplitude, amplitude


def mixing(subspace: Subspace, model, view, n_draw, seed):
    """The components (Component, n_draw) as mixtures of the spectra that :func:`drawn_spectra` gives.

    It holds nothing of the SSPs: with these the components can be made again, without them not.
    """
    spectra = np.asarray(drawn_spectra(model, view, n_draw + n_draw // 2, seed)[0][:n_draw], np.float64)
    components = np.asarray(subspace.components, np.float64)
    # by directions in double precision: rounding of weak components would be blown up by strong ones
    directions = _leading(spectra, len(components))
    shares = directions @ spectra.T
    return (components @ directions.T) @ (shares / np.sum(shares**2, axis=1, keepdims=True))


def remixed(model, view, mixture, seed):
    """Components (Component, Pixel) of what :func:`mixing` gave."""
    n_draw = mixture.shape[1]
    return mixture @ np.asarray(
        drawn_spectra(model, view, n_draw + n_draw // 2, seed)[0][:n_draw], np.float64
    )


def assemble(model, view, components, spread, log_mass_to_light, error, *, n_light, n_node) -> Subspace:
    """A subspace of components (Component, Pixel), with tables of a model's SSPs in them.

    Parameters
    ----------
    model, view, n_light, n_node
        See :func:`find_subspace`.
    components, spread, log_mass_to_light, error
        See :class:`Subspace`.
    """
    grid = np.asarray(model.light, np.float64)
    flat = grid.reshape(-1, grid.shape[-1])
    # young stars shine a thousand times brighter per mass: each SSP counts the same
    scale = np.sqrt(np.mean(flat**2, axis=1, keepdims=True))
    directions = _leading(flat / scale, min(n_light, len(flat)))
    low, high = model.sigma_v_km_s
    sigma = 0.5 * (low + high) + 0.5 * (high - low) * chebyshev.nodes(n_node)
    step = model.geometry.grid.step_km_s
    velocity, shifts = (0.0, 0.0), [None]
    if "velocity" in model.names:
        most = _VELOCITY_SIGMA * model.prior.marginals["velocity"].sigma
        velocity, shifts = (-most, most), most * chebyshev.nodes(N_VELOCITY) / step

    first = next(iter(model.grids.values()))
    as_array = partial(jnp.asarray, dtype=jnp.float32)
    basis = as_array(directions)
    return Subspace(
        components=as_array(components),
        spread=as_array(spread),
        light=as_array(flat @ directions.T),
        broadened=as_array(
            np.stack(
                [_through(view, s / step, v, basis, as_array(components)) for s in sigma for v in shifts]
            )
        ),
        edges_gyr=as_array(model.edges_gyr),
        metallicity=as_array(first.metallicity),
        alpha_fe=as_array(list(model.grids)),
        log_mass_to_light=as_array(log_mass_to_light),
        error=as_array(error),
        sigma_v=(low, high),
        velocity=velocity,
    )


@jax.jit
def _through(view, sigma, shift, basis, components):
    """Light of a basis (Light, Grid), moving at sigma [grid steps], in components: (Light, Component)."""
    moving = broaden(basis, jnp.maximum(sigma**2 - view.borrowed, 0.0), as_cells=True, shift=shift)
    pixels = to_pixels(moving, view.start, view.weights)
    return matmul(jnp.where(view.covered, pixels * view.scale, 0.0), components.T)


def _leading(rows, n):
    """The n leading right singular vectors (n, Pixel) of rows (m, Pixel), by their Gram matrix."""
    rows = np.asarray(rows, np.float64)
    wide = rows.shape[1] > rows.shape[0]
    gram = rows @ rows.T if wide else rows.T @ rows
    vectors = eigh(gram, subset_by_index=[len(gram) - n, len(gram) - 1])[1][:, ::-1].T
    # rounding leaves weak ones not quite orthogonal
    return np.linalg.qr((vectors @ rows).T)[0].T if wide else vectors
