"""Fisher information: how well photometry can constrain each parameter, and what each band is worth."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from ..errors import UserError
from ..kernels.full_precision import matmul
from ..priors import Uniform

# Quantiles of the numerical variance of marginals that are not uniform
_N_QUANTILE = 4096


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["rows", "prior_matrix"],
    meta_fields=["names", "bands"],
)
@dataclass(frozen=True, eq=False)
class FisherInformation:
    """Information about the parameters that is in Gaussian photometry, at one theta.

    Its inverse is the covariance of the posterior where that is Gaussian, and the least that any
    unbiased estimate can reach (Cramer-Rao). Degenerate parameters, as star formation histories have,
    are not Gaussian: compare with a sampler. A pytree; made under ``jax.vmap`` its leaves
    carry a leading axis and its methods want ``jax.vmap`` too.

    Parameters
    ----------
    rows : array (Band, Param)
        Square root of the information: slopes of each band over its noise. What a band adds is
        the outer product of its row with itself, hence of rank one.
    prior_matrix : array (Param, Param) or None
        Information of the prior as a Gaussian of the same variance: for a uniform marginal
        12 / width^2. None for a model without a prior.
    names, bands : tuple of str
        Of the parameters and bands.
    """

    rows: jax.Array
    prior_matrix: jax.Array | None
    names: tuple[str, ...]
    bands: tuple[str, ...]

    @property
    def per_band(self) -> jax.Array:
        """Information (Band, Param, Param) that each band adds; the bands sum to :attr:`matrix`."""
        return self.rows[..., :, None] * self.rows[..., None, :]

    @property
    def matrix(self) -> jax.Array:
        """Information (Param, Param) of the data, without that of the prior."""
        return matmul(jnp.swapaxes(self.rows, -1, -2), self.rows)

    def errors(self, *, prior: bool = True) -> jax.Array:
        """Marginal standard deviations (Param,).

        Parameters
        ----------
        prior : bool
            Add the information of the prior, where there is one. Without it a parameter that the
            data do not constrain has an infinite error.
        """
        return jnp.sqrt(self._variance(jnp.ones(len(self.bands)), prior))

    def log_det(self, *, prior: bool = True) -> jax.Array:
        """Natural logarithm of the determinant of the information; half of it is in nats."""
        return self._log_det(jnp.ones(len(self.bands)), prior)

    def gain(self, parameter: str | None = None, *, added_to="others", prior: bool = True) -> jax.Array:
        """What each band (Band,) is worth.

        Parameters
        ----------
        parameter : str, optional
            A parameter's name: the share, 0 to 1, by which the band shrinks the variance of this
            parameter. By default the band's gain in :meth:`log_det`.
        added_to : {"others", "prior"}
            Whether the band joins all other bands (what is lost without it) or is the only one
            (what it would be worth alone, which needs a prior).
        prior : bool
            As in :meth:`errors`.

        Raises
        ------
        UserError
            For an unknown parameter or ``added_to``, or a band alone without a prior.
        """
        n = len(self.bands)
        if parameter is not None and parameter not in self.names:
            raise UserError(f"parameter {parameter!r} is unknown: use one of {', '.join(self.names)}")
        if added_to not in ("others", "prior"):
            raise UserError(f"added_to is {added_to!r}: give 'others' or 'prior'")
        alone = added_to == "prior"
        if alone and (self.prior_matrix is None or not prior):
            raise UserError("one band alone constrains no model: add a prior, or use added_to='others'")
        before = jnp.zeros((n, n)) if alone else 1.0 - jnp.eye(n)
        after = before + jnp.eye(n)
        if parameter is None:
            log_det = jax.vmap(lambda keep: self._log_det(keep, prior))
            return jnp.maximum(log_det(after) - log_det(before), 0.0)
        i = self.names.index(parameter)
        variance = jax.vmap(lambda keep: self._variance(keep, prior)[i])
        with_band, without = variance(after), variance(before)
        # a parameter that has no variance either way gains nothing
        share = 1.0 - with_band / without
        return jnp.where(jnp.isinf(with_band), 0.0, jnp.clip(share, 0.0, 1.0))

    def _singular(self, keep, prior):
        """Singular values (Param,), directions (Param, Param) and column scales of the kept rows."""
        n = len(self.names)
        use_prior = prior and self.prior_matrix is not None
        below = jnp.linalg.cholesky(self.prior_matrix).T if use_prior else jnp.zeros((n, n))
        stack = jnp.concatenate([self.rows * keep[:, None], below])
        scale = jnp.linalg.norm(stack, axis=0)
        scale = jnp.where(scale > 0.0, scale, 1.0)
        # of the rows, not of their product: the product has twice the digits to lose
        _, singular, directions = jnp.linalg.svd(stack / scale, full_matrices=False)
        noise = len(stack) * jnp.finfo(stack.dtype).eps
        return jnp.where(singular > noise * singular[0], singular, 0.0), directions, scale

    def _variance(self, keep, prior):
        singular, directions, scale = self._singular(keep, prior)
        share = directions**2
        # a direction without information is infinite for those parameters that have a part in it
        blind = jnp.where(share > 1e-6, jnp.inf, 0.0)
        known = share / jnp.where(singular > 0.0, singular, 1.0)[:, None] ** 2
        return jnp.sum(jnp.where(singular[:, None] > 0.0, known, blind), axis=0) / scale**2

    def _log_det(self, keep, prior):
        singular, _, scale = self._singular(keep, prior)
        return 2.0 * jnp.sum(jnp.log(singular) + jnp.log(scale))


def _slopes(model, theta, z):
    def twice(theta):
        flux = model.predict(theta, z)
        return flux, flux

    slopes, flux = jax.jacfwd(twice, has_aux=True)(theta)
    return flux, slopes


_slopes_of_pytree, _slopes_of_object = jax.jit(_slopes), jax.jit(_slopes, static_argnums=0)


def _is_concrete(*arrays):
    return not any(isinstance(a, jax.core.Tracer) for a in arrays)


def _variance_of_marginal(marginal, universe_gyr):
    """Variance of a marginal; of a uniform one width^2 / 12."""
    if isinstance(marginal, Uniform):
        return (marginal.ppf(1.0, universe_gyr) - marginal.ppf(0.0, universe_gyr)) ** 2 / 12.0
    middle = (jnp.arange(_N_QUANTILE) + 0.5) / _N_QUANTILE
    return jnp.var(marginal.ppf(middle, universe_gyr))


def _prior_matrix(model, z):
    universe = model.cosmology.age(z)
    variances = [_variance_of_marginal(m, universe) for m in model.prior.marginals.values()]
    return jnp.diag(1.0 / jnp.stack([jnp.asarray(v, jnp.float32) for v in variances]))


def fisher(model, theta, z, sigma_ujy, *, floor: float = 0.0) -> FisherInformation:
    r"""Fisher information of photometry with variance sigma^2 + (floor flux)^2.

    For Gaussian noise whose variance :math:`v` depends on theta through the model flux f,

    .. math:: I = \sum_b \frac{1}{v_b} f_b' f_b'^T + \frac{1}{2 v_b^2} v_b' v_b'^T

    of which the second term is what the scatter itself tells about theta.

    Parameters
    ----------
    model : GalaxyModel
        Or any hashable object with ``predict(theta, z)``; with ``prior`` and ``cosmology`` as GalaxyModel
        has them the prior's information comes along.
    theta : array (Param,)
        Where to take the derivatives.
    z : scalar
        Redshift, taken as known.
    sigma_ujy : array (Band,)
        1-sigma noise besides the floor [uJy]; infinite where a band is missing.
    floor : float
        Relative error of the model flux.

    Returns
    -------
    FisherInformation

    Raises
    ------
    UserError
        For theta or z outside the prior, sigmas of a wrong shape or not positive, or a floor outside
        [0, 1), or a model with errors that bands share. Values are not checked under ``jax.vmap`` and
        ``jax.jit``.
    """
    theta, sigma = jnp.asarray(theta, jnp.float32), jnp.asarray(sigma_ujy, jnp.float32)
    z = jnp.asarray(z, jnp.float32)
    prior = getattr(model, "prior", None)
    if not 0.0 <= floor < 1.0:
        raise UserError(f"noise floor {floor}: give a relative error in [0, 1), such as 0.05")
    if getattr(model, "error", None) is not None:
        raise UserError(
            "the model has errors that bands share, of which Fisher information knows nothing: give "
            "dataclasses.replace(model, error=None)"
        )
    n = theta.shape[-1] if prior is None else len(prior.names)
    if theta.shape != (n,):
        raise UserError(f"theta has shape {theta.shape}, expected ({n},): use jax.vmap over objects")
    if prior is not None and _is_concrete(theta, z):
        getattr(model, "check", lambda t, z: prior.check(t, z, model.cosmology.age(z)))(theta, z)
    is_pytree = not jax.tree_util.all_leaves([model])
    flux, slopes = (_slopes_of_pytree if is_pytree else _slopes_of_object)(model, theta, z)
    if sigma.shape != flux.shape:
        raise UserError(f"sigma_ujy has shape {sigma.shape}, expected {flux.shape}: give one sigma per band")
    if _is_concrete(sigma) and not bool(jnp.all(sigma > 0.0)):
        raise UserError("sigma_ujy is not positive in every band: where one is missing give infinity")
    # a band outside the SSPs' wavelengths at z tells nothing
    missing = ~jnp.isfinite(flux)
    flux, sigma = jnp.where(missing, 0.0, flux), jnp.where(missing, jnp.inf, sigma)
    # in units of the sky: squares of fluxes in uJy leave the range of float32
    scatter = floor * flux / sigma
    total = jnp.sqrt(1.0 + scatter**2)
    # both terms are along the slope of the flux: 1/v + 2 floor^4 f^2 / v^2 of it
    weight = jnp.sqrt(1.0 + 2.0 * (floor * scatter / total) ** 2) / total
    rows = slopes / sigma[:, None] * weight[:, None]
    bands = getattr(getattr(model, "filters", None), "names", [f"band_{i}" for i in range(len(flux))])
    names = getattr(model, "names", [f"param_{i}" for i in range(n)])
    information = None if prior is None else _prior_matrix(model, z)
    return FisherInformation(rows, information, tuple(names), tuple(bands))
