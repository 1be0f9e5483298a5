"""The exact likelihood of spectra, that draws are weighed with."""

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtri
from jax.scipy.stats import chi2

from .errors import UserError
from .instruments.lsf import LSF
from .io.spectrum import Spectrum
from .match_spectra import check_spectrum_match, spectrum_model_of
from .spectra.curvature import precision_root
from .spectra.model import SpectrumModel
from .spectra.population_modes import population_modes
from .spectra.target import SpectrumTarget
from .spectrum_posterior import SpectrumPosterior
from .ssp import available
from .ssp.fetch import FILES
from .weighing import BaseWeigher, branch, object_keys

# Branch of an object's key, beyond those of weighing
_PREDICT, _POPULATIONS = 2, 3
# Pixels and windows come in multiples of these: few shapes, hence few compilations
_PIXELS, _WINDOW = 512, 4


@partial(jax.tree_util.register_dataclass, data_fields=["target", "extra_km_s"], meta_fields=[])
@dataclass(frozen=True, eq=False)
class Observed:
    """What the likelihood takes: a spectrum in its own pixels.

    Parameters
    ----------
    target : SpectrumTarget
    extra_km_s : array ()
        See :class:`~dsps_sbi.spectra.at_rest.AtRest`.
    """

    target: SpectrumTarget
    extra_km_s: jax.Array


@dataclass(frozen=True, eq=False)
class SpectrumWeigher(BaseWeigher):
    """A posterior of spectra and the model that it was trained on.

    Parameters
    ----------
    post : SpectrumPosterior
    model : SpectrumModel
        Of the network's pixels; :func:`spectrum_weigher` makes sure that it was trained on that.
    """

    post: SpectrumPosterior
    model: SpectrumModel
    climbs: ClassVar[bool] = True

    def observed(self, spectrum: Spectrum, extra_km_s: float, lsf: LSF | None = None) -> Observed:
        """A spectrum for the likelihood; pixels sharper than the SSPs are masked."""
        geometry = replace(self.model.geometry, spectrograph=spectrum.spectrograph(lsf))
        view = geometry.checked_view(spectrum.redshift, None, "mask")
        if not (spectrum.valid & np.asarray(view.valid)).any():
            raise UserError(
                f"{spectrum.label}: no pixel is left by its masks and those of the model: mend them"
            )
        # the same model for all spectra: what is compiled for one serves others
        target = SpectrumTarget(self.model, view, spectrum.flux, spectrum.sigma, spectrum.valid)
        return Observed(_padded(target), jnp.float32(extra_km_s))

    def observed_mock(self, flux, sigma, valid, z) -> Observed:
        """As :meth:`observed`, of a mock (Pixel,) in the network's own pixels, at the age of redshift z."""
        view = replace(self.model.view(0.0), universe_gyr=self.model.cosmology.age(jnp.float32(z)))
        return Observed(_padded(SpectrumTarget(self.model, view, flux, sigma, valid)), jnp.float32(0.0))

    def theta(self, u, observed: Observed):
        """The galaxy's own parameters, see :meth:`~dsps_sbi.spectrum_posterior.SpectrumPosterior.theta`."""
        return self.post.theta(u, observed.target.view.universe_gyr, observed.extra_km_s)

    def shape_evidence(self, u, data, observed: Observed):
        """Evidence (1, Draw) of shapes u (1, Draw, Param - 1), and mean and width of log10 of the mass."""
        theta, log_ratio = self.theta(u[0], observed)
        # of any mass
        theta = jnp.pad(theta, ((0, 0), (0, 1)))
        log_evidence, mean, width = observed.target.log_marginal(theta)
        return (log_evidence + log_ratio)[None], mean[None], width[None]

    def precision_root(self, u, log_mass, observed: Observed):
        """See :func:`dsps_sbi.spectra.curvature.precision_root`; of one shape u (n,)."""

        def theta_of(u):
            return jnp.pad(self.theta(u, observed)[0], (0, 1))

        return precision_root(observed.target, theta_of, u, log_mass)

    def with_mass(self, u, share, mean, width):
        """Shapes and masses (Object, Draw, Param), the mass at cumulative probability ``share``."""
        mass = self.model.prior.marginals["log_mass_formed"]
        drawn = mean + width * ndtri(jnp.clip(share, 1e-7, 1.0 - 1e-7))
        v = (drawn - mass.low) / (mass.high - mass.low)
        return jnp.concatenate([u, ndtri(jnp.clip(v, 1e-7, 1.0 - 1e-7))[..., None]], axis=-1)

    def ppc_p(self, u, data, observed: Observed, ids, key):
        """Predictive p-value (1,) of the spectrum, from equally weighted draws u (1, Draw, Param).

        See :meth:`dsps_sbi.weigh.Weigher.ppc_p`: the chi2 of the data about one draw, the polynomial and
        the model's error of that draw among the variances.
        """
        keys = branch(object_keys(key, ids), _PREDICT)
        pick = jax.random.randint(keys[0], (), 0, u.shape[1])
        value = observed.target.chi2(self.theta(u[0, pick], observed)[0])
        return chi2.sf(value, jnp.maximum(jnp.sum(observed.target.used), 1))[None]

    def population_p(self, u, observed: Observed, ids, key):
        """Predictive p-value (1,) of other populations, compiled: would they fit the spectrum better?

        As :meth:`ppc_p`, of the part of chi2 that mixtures of SSPs would take away, were they free
        (:func:`~dsps_sbi.spectra.population_modes.population_modes`): uniform for galaxies of the prior
        (Johnson 2004, Annals of Statistics 32, 2361). Of a few degrees of freedom instead of thousands, it
        sees histories and metallicities that the model does not have long before chi2 does.

        Parameters
        ----------
        u : array (1, Draw, Param)
            Equally weighted draws in normal coordinates.
        observed : Observed
        ids : array of uint32 (1,)
        key : key
        """
        return self._population_p(u, observed, np.asarray(ids, np.uint32), key)

    @cached_property
    def _population_p(self):
        light = population_modes(self.model)

        def run(u, observed, ids, key):
            keys = branch(object_keys(key, ids), _POPULATIONS)
            pick = jax.random.randint(keys[0], (), 0, u.shape[1])
            along = observed.target.chi2_along(self.theta(u[0, pick], observed)[0], light)
            return chi2.sf(along, len(light))[None]

        return jax.jit(run)


def spectrum_weigher(post: SpectrumPosterior, model="auto") -> SpectrumWeigher | None:
    """What weighs a posterior's draws, or None where that cannot be done.

    Parameters
    ----------
    post : SpectrumPosterior
    model : SpectrumModel, "auto" or None
        "auto" builds the model of the bundle from its SSP grid if that is in the cache. None is for
        no weights.

    Raises
    ------
    UserError
        If the model is not that of training, see
        :func:`~dsps_sbi.match_spectra.check_spectrum_match`.
    """
    if model is None or isinstance(model, SpectrumWeigher):
        return model
    if isinstance(model, str):
        if model != "auto":
            raise UserError(f"model {model!r}: give a SpectrumModel, 'auto' or None")
        names = post.meta.get("ssp", {}).get("name", [])
        if len(names) != 1 or names[0] not in FILES or not available(names[0]):
            return None
        return SpectrumWeigher(post, spectrum_model_of(post))
    check_spectrum_match(post, model)
    return SpectrumWeigher(post, model)


def _padded(target: SpectrumTarget) -> SpectrumTarget:
    """The same target with more pixels, which do not count, and longer windows, of no weight."""
    view = target.view
    n_pixel, n_window = view.weights.shape
    more, longer = -n_pixel % _PIXELS, -n_window % _WINDOW

    def fill(array):
        array = np.asarray(array)
        return jnp.asarray(np.pad(array, [(0, more), *[(0, 0)] * (array.ndim - 1)]))

    weights = np.pad(np.asarray(view.weights), [(0, more), (0, longer)])
    names = ("start", "scale", "basis", "covered", "sharp", "valid")
    view = replace(view, weights=jnp.asarray(weights), **{name: fill(getattr(view, name)) for name in names})
    data = {name: fill(getattr(target, name)) for name in ("flux", "sigma", "valid")}
    return replace(target, view=view, **data)
