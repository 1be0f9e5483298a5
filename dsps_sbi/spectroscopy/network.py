"""Encoder and flow put together: spectra to a posterior over the model's parameters."""

from dataclasses import asdict, dataclass, fields
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ..components import pytree
from ..cosmology import Cosmology
from ..kernels.cholesky import cholesky, solve_lower
from ..kernels.full_precision import einsum, matmul
from ..networks import PosteriorFlow
from ..networks.base import FlowNetwork, n_flow_features
from ..networks.gauss_newton import Perceptron, n_of_peak, of_peak
from ..networks.residual import ResidualEncoder
from ..networks.wavelengths import WavelengthEncoder
from ..priors import Prior
from ..sfh import StarFormationHistory
from .compressed import Subspace
from .peak import peak

# Steps towards the peak: ordinary spectra take five, those without noise more
N_STEPS = 12
# Channels that convolutions see, and features of the object as a whole
_N_CHANNEL, _N_WHOLE = 4, 7
_SCALE = "log_error_scale"


@dataclass(frozen=True)
class SpectrumArchitecture:
    """Sizes of the network.

    Parameters
    ----------
    conv_width, n_latent : int
        Channels of the first convolution, and latents that attention over wavelength ends in.
    width, n_blocks, n_context : int
        Of the residual network from all features to the context that is handed over.
    flow_width, n_layers, n_bins : int
        Of the flow: hidden units of each conditioner, coupling layers, spline bins.
    guess_width : int
        Of the first guess that Gauss-Newton steps start from.
    n_component, n_light, n_node : int
        Of the subspace, see :func:`dsps_sbi.spectroscopy.compressed.find_subspace`.
    """

    conv_width: int = 16
    n_latent: int = 16
    width: int = 256
    n_blocks: int = 4
    n_context: int = 192
    flow_width: int = 128
    n_layers: int = 10
    n_bins: int = 8
    guess_width: int = 256
    n_component: int = 48
    n_light: int = 64
    n_node: int = 16

    def as_dict(self) -> dict[str, int]:
        """Plain dictionary, for the bundle's configuration."""
        return asdict(self)


class _Newton(nnx.Module):
    def __init__(self, n_inputs, width, n_shape, *, rngs: nnx.Rngs):
        self.guess = Perceptron(n_inputs, width, n_shape, rngs=rngs)


class Fixed(nnx.Variable):
    """What is not trained, but kept among the weights.

    The compiler evaluates products of constants, for minutes where they are large; arrays that are
    arguments of what is compiled it leaves alone.
    """


class _Layers(nnx.Module):
    def __init__(self, arch: SpectrumArchitecture, n_shape: int, shapes, n_whole, *, rngs: nnx.Rngs):
        self.subspace = nnx.Dict({name: Fixed(jnp.zeros(shape)) for name, shape in shapes})
        n_inputs = 2 * arch.n_component + n_whole
        self.newton = _Newton(n_inputs, arch.guess_width, n_shape, rngs=rngs)
        self.wavelength = WavelengthEncoder(_N_CHANNEL, arch.conv_width, arch.n_latent, rngs=rngs)
        n_inputs += arch.n_component + n_of_peak(n_shape) + 1 + arch.n_latent
        self.encoder = ResidualEncoder(n_inputs, arch.width, arch.n_blocks, arch.n_context, rngs=rngs)
        sizes = arch.n_context, arch.flow_width, arch.n_layers, arch.n_bins
        self.flow = PosteriorFlow(n_shape, *sizes, n_flow_features(n_shape), rngs=rngs)


@pytree(arrays=("cosmology", "subspace", "basis"), static=("arch", "prior", "sfh", "basis_sigma"))
@dataclass(frozen=True, eq=False)
class SpectrumNetwork(FlowNetwork):
    """The network's structure, a pytree; its weights are a separate one, passed to every method.

    Parameters
    ----------
    arch : SpectrumArchitecture
    prior : Prior
        The last parameter must be ``log_mass_formed``.
    sfh : StarFormationHistory
    cosmology : Cosmology
    subspace : Subspace
    basis : array (Pixel, Term)
        Terms of the polynomial, and of misfit along populations where the model has that.
    basis_sigma : float or tuple of float (Term,)
        Standard deviation of its coefficients.
    """

    arch: SpectrumArchitecture
    prior: Prior
    sfh: StarFormationHistory
    cosmology: Cosmology
    subspace: Subspace
    basis: jax.Array
    basis_sigma: float | tuple[float, ...]

    def layers(self, rngs: nnx.Rngs) -> nnx.Module:
        """Fresh layers; the components of spectra among them are still zeros."""
        return _Layers(*self.structure, rngs=rngs)

    @property
    def structure(self):
        """What the layers depend on."""
        shapes = tuple(
            (field.name, np.shape(getattr(self.subspace, field.name))) for field in fields(Subspace)
        )
        return self.arch, len(self.prior.names) - 1, shapes, _N_WHOLE + (_SCALE in self.prior.names)

    def init(self, seed: int):
        """Fresh weights: an nnx state, with the components of spectra in it."""
        layers = self.layers(nnx.Rngs(seed))
        for name, array in self.subspace.as_arrays().items():
            layers.subspace[name].set_value(jnp.asarray(array))
        return nnx.split(layers)[1]

    @property
    def log_mass_to_light(self):
        """Median over the prior of log10 of the mass formed per amplitude."""
        return self.subspace.log_mass_to_light

    def _subspace(self, layers) -> Subspace:
        """That among the weights, without gradients."""
        arrays = {name: jax.lax.stop_gradient(value[...]) for name, value in layers.subspace.items()}
        ranges = {name: getattr(self.subspace, name) for name in ("sigma_v", "velocity")}
        return Subspace(**arrays | ranges)

    def _shares(self, u, universe_gyr, subspace: Subspace):
        theta = self.prior.from_normal(u, universe_gyr)
        # else the compiler would do all of it again for every age of every history
        theta = jax.lax.optimization_barrier(theta)
        value = dict(zip(self.prior.names, theta, strict=False))
        return subspace.shares(
            theta[: len(self.sfh.names)],
            value["metallicity"],
            value.get("alpha_fe", jnp.zeros(())),
            value["sigma_v"],
            self.sfh,
            universe_gyr,
            value.get("metallicity_rise"),
            value.get("velocity"),
        )

    def unit(self, u, universe_gyr, subspace: Subspace):
        """Components (Component,) per solar mass formed of a shape u (n_shape,)."""
        return subspace.coefficients(*self._shares(u, universe_gyr, subspace))

    def unit_slopes(self, u, universe_gyr, subspace: Subspace):
        """Components (Component,) as of :meth:`unit`, and their slopes (n_shape, Component)."""
        shares, push = jax.linearize(lambda u: self._shares(u, universe_gyr, subspace), u)
        return subspace.slopes(shares, jax.vmap(push)(jnp.eye(len(u), dtype=u.dtype)))

    @property
    def _ln_scale(self):
        """Range of ln of the scale of the errors; None where that is no parameter."""
        if _SCALE not in self.prior.names:
            return None
        marginal = self.prior.marginals[_SCALE]
        return tuple(float(np.log(10.0) * end) for end in (marginal.low, marginal.high))

    def guess(self, weights, flux, sigma, valid, z):
        """First guess u (Object, n_shape) that Gauss-Newton steps start from."""
        layers = self._merge(weights)
        inputs = self._features(self._subspace(layers), flux, sigma, valid, z)[0]
        return layers.newton.guess(inputs)

    def _features(self, subspace, flux, sigma, valid, z):
        """Features (Object, n) of all pixels together, log10 amplitude (Object,), and what they are of."""
        n_valid = jnp.maximum(valid.sum(axis=1), 1)
        unit = jnp.where(valid, sigma, 1.0)
        flux = jnp.where(valid, flux, 0.0)
        # weights relative to the smallest error: no overflow in squares
        least = jnp.min(jnp.where(valid, sigma, jnp.inf), axis=1, keepdims=True)
        least = jnp.where(jnp.isfinite(least), least, 1.0)
        weight = jnp.where(valid, (least / unit) ** 2, 0.0)
        total = jnp.maximum(jnp.sum(weight, axis=1, keepdims=True), 1e-12)
        relative = jnp.sum(weight * (flux / least) ** 2, axis=1, keepdims=True) / total
        amplitude = least * jnp.sqrt(relative + 1e-6)
        flux, error = flux / amplitude, unit / amplitude
        seen = subspace.project(flux, error, valid, self.basis, self.basis_sigma, self._ln_scale)
        if seen.ln_scale is not None:
            # from here on as large as residuals have them: what is stated does not matter
            error = error * jnp.exp(seen.ln_scale)[:, None]
        spread = subspace.spread
        known = jnp.diagonal(seen.precision, axis1=1, axis2=2)
        snr = jnp.sum(jnp.where(valid, 1.0 / error, 0.0), axis=1) / n_valid
        n_known = self.basis.shape[1] + len(subspace.components)
        universe = self.cosmology.age(z)
        whole = [
            seen.ln_error / 3.0 + 1.5,
            jnp.log(jnp.maximum(seen.chi2, _least_chi2(n_valid - n_known))),
            jnp.log10(snr + 1e-3) - 1.5,
            2.0 * valid.mean(axis=1) - 1.0,
            universe / 4.0 - 2.0,
            jnp.log1p(z),
            jnp.log10(n_valid) / 2.0 - 1.0,
        ]
        if seen.ln_scale is not None:
            # chi2 as stated may be too small as well as too large
            whole[1] = 0.5 * jnp.log(jnp.maximum(seen.chi2, 1e-3))
            whole.append(2.0 * seen.ln_scale)
        parts = [
            jnp.arcsinh(seen.coefficients / spread) / 1.5,
            jnp.log10(spread * jnp.sqrt(jnp.maximum(known, 0.0)) + 1e-3) / 2.0,
            jnp.stack(whole, axis=-1),
        ]
        inputs = jnp.nan_to_num(jnp.clip(jnp.concatenate(parts, axis=-1), -6.0, 6.0))
        return inputs, jnp.log10(amplitude[:, 0]), seen, (flux, error, valid), universe

    def _at_peak(self, subspace, start, seen, universe):
        """Features (Object, n) of the peak that Gauss-Newton steps find, without gradients."""
        ridge = 1e-6 * jnp.max(jnp.diagonal(seen.precision, axis1=1, axis2=2), axis=1)
        n = seen.precision.shape[1]
        root = cholesky(seen.precision + ridge[:, None, None] * jnp.eye(n))
        factor = jnp.swapaxes(root, 1, 2)
        data = einsum("oij,oj->oi", factor, seen.coefficients)
        data = data + solve_lower(root, seen.gradient[..., None])[..., 0]

        def one(start, data, factor, universe):
            of = {"universe_gyr": universe, "subspace": subspace}
            unit, slopes = partial(self.unit, **of), partial(self.unit_slopes, **of)
            return peak(unit, slopes, start, data, factor, N_STEPS)

        found, step, covariance, white = jax.vmap(one)(start, data, factor, universe)
        dof = max(n - start.shape[1], 1)
        chi2 = jnp.maximum(jnp.sum(white**2, axis=1, keepdims=True), dof * _least_chi2(dof))
        out = [
            jnp.arcsinh(white) / 2.0,
            *of_peak(start, found, step, covariance),
            jnp.log1p(chi2) / 6.0,
        ]
        out = jnp.nan_to_num(jnp.concatenate(out, axis=-1), nan=0.0)
        return jax.lax.stop_gradient(jnp.clip(out, -6.0, 6.0))

    def condition(self, weights, flux, sigma, valid, z):
        """Everything that depends on the data alone, computed once per object.

        Parameters
        ----------
        flux, sigma : array (Object, Pixel)
            At rest and at 10 pc, in the units of :class:`~dsps_sbi.SpectrumModel`; any value where
            ``valid`` is False.
        valid : bool array (Object, Pixel)
        z : array (Object,)

        Returns
        -------
        condition : pytree of (Object, ...) arrays
            For :meth:`log_prob` and :meth:`draw`.
        """
        _, context, log_amplitude, universe = self._encoded(weights, flux, sigma, valid, z)
        return self._merge(weights).flow.hoist(context), log_amplitude, universe

    def _encoded(self, weights, flux, sigma, valid, z):
        layers = self._merge(weights)
        subspace = self._subspace(layers)
        inputs, log_amplitude, seen, data, universe = self._features(subspace, flux, sigma, valid, z)
        start = jax.lax.stop_gradient(jnp.clip(layers.newton.guess(inputs), -3.0, 3.0))
        features = self._at_peak(subspace, start, seen, universe)
        latents = layers.wavelength(channels(*data, subspace.components, seen.coefficients))
        context = layers.encoder(jnp.concatenate([inputs, features, latents], axis=-1))
        return latents, context, log_amplitude, universe

    def latents(self, weights, flux, sigma, valid, z):
        """What the network makes of spectra, to look at: the arguments are those of :meth:`condition`.

        Returns
        -------
        latents : array (Object, n_latent)
            That attention over wavelength ends in; differentiable.
        context : array (Object, n_context)
            All that is handed to the flow. Its gradients leave out what goes through Gauss-Newton steps.
        """
        return self._encoded(weights, flux, sigma, valid, z)[:2]


def _least_chi2(dof):
    """The least chi2 per degree of freedom that noise leaves.

    Less tells of errors that are too large, or of no noise at all: what training has not shown.
    """
    return jnp.maximum(1.0 - 3.0 * jnp.sqrt(2.0 / jnp.maximum(dof, 1)), 1e-3)


def channels(flux, error, valid, components, coefficients):
    """What convolutions see (Object, Pixel, Channel) of fluxes of amplitude 1 and their errors.

    Spectrum, signal-to-noise ratio, mask, and what the components leave in units of the errors.
    """
    residual = (flux - matmul(coefficients, components)) / error
    rows = [
        jnp.arcsinh(flux),
        jnp.log10(1.0 / error + 1e-3) / 2.0,
        valid.astype(flux.dtype),
        jnp.arcsinh(residual) / 2.0,
    ]
    return jnp.stack([jnp.where(valid, row, 0.0) for row in rows], axis=-1)
