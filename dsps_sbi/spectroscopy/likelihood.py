"""The exact likelihood of spectra, that draws are weighed with."""

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtri
from scipy.special import gammaincc

from ..components import constant, pytree
from ..errors import UserError
from ..inference.importance import Likelihood, branch, object_keys
from ..inference.misfit import Misfit, normal_score
from ..instruments.lsf import LSF
from ..io.spectrum import Spectrum
from .curvature import precision_root
from .data import SpectrumData
from .model import SpectrumModel
from .population_modes import population_modes
from .target import SpectrumTarget
from .to_library import AtLibrary, reached, to_library

# Branch of an object's key, beyond those of weighing and repair
_POPULATIONS = 3
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
        See :class:`~dsps_sbi.spectroscopy.at_rest.AtRest`.
    """

    target: SpectrumTarget
    extra_km_s: jax.Array


@pytree(arrays=("post", "model", "modes"))
@dataclass(frozen=True, eq=False)
class SpectrumLikelihood(Likelihood):
    """A posterior of spectra and the model that it was trained on; a pytree.

    Parameters
    ----------
    post : SpectrumPosterior
    model : SpectrumModel
        Of the network's pixels; ``post.likelihood(model)`` makes sure that it was trained on that.
    """

    post: object
    model: SpectrumModel
    finds_modes: ClassVar[bool] = True
    n_misfit: ClassVar[int] = 64

    @cached_property
    def modes(self) -> jax.Array:
        """Light (Mode, Grid) of :func:`~dsps_sbi.spectroscopy.population_modes.population_modes`."""
        return constant(population_modes(self.model))

    def views(self, data: SpectrumData):
        """Each spectrum by itself, in the network's own pixels."""
        for i in range(len(data.z)):
            yield np.array([i]), self.observed_mock(*(np.asarray(a[i]) for a in data))

    def observed(self, spectrum: Spectrum, extra_km_s: float, lsf: LSF | None = None) -> Observed:
        """A spectrum for the likelihood; one that is sharper than the SSPs is smoothed."""
        done = self.at_library(spectrum, lsf)
        spectrum = done.spectrum
        geometry = replace(self.model.geometry, spectrograph=spectrum.spectrograph())
        view = geometry.checked_view(spectrum.redshift, None, "mask")
        if not (spectrum.valid & np.asarray(view.valid)).any():
            raise UserError(
                f"{spectrum.label}: no pixel is left by its masks and those of the model: mend them"
            )
        # the same model for all spectra: what is compiled for one serves others
        noise = (np.float32(array) for array in (done.noise_left, done.noise_pairs))
        data = spectrum.flux, spectrum.sigma, spectrum.valid, *noise
        return Observed(_padded(SpectrumTarget(self.model, view, *data)), jnp.float32(extra_km_s))

    def at_library(self, spectrum: Spectrum, lsf: LSF | None = None) -> AtLibrary:
        """A spectrum no sharper than the SSPs, see :func:`dsps_sbi.spectroscopy.to_library.to_library`."""
        geometry = self.model.geometry
        return to_library(spectrum, geometry.fwhm_aa, geometry.sigma_v_km_s[0], lsf)

    def pixels_used(self, spectrum: Spectrum, view: Observed, lsf: LSF | None = None) -> tuple[int, float]:
        """How many pixels count, and their share of those that could: good, and within reach of the SSPs."""
        spectrograph = spectrum.spectrograph(lsf)
        could = spectrum.valid & reached(spectrograph, self.model.geometry.grid, spectrum.redshift)
        n = int(np.asarray(view.target.used).sum())
        return n, n / max(int(could.sum()), 1)

    def observed_mock(self, flux, sigma, valid, z) -> Observed:
        """As :meth:`observed`, of a mock (Pixel,) in the network's own pixels, at the age of redshift z."""
        view = replace(self.model.view(0.0), universe_gyr=self.model.cosmology.age(jnp.float32(z)))
        same = np.ones(len(flux), np.float32)
        target = SpectrumTarget(self.model, view, flux, sigma, valid, same, same)
        return Observed(_padded(target), jnp.float32(0.0))

    def theta(self, u, view: Observed):
        """As :meth:`~dsps_sbi.spectroscopy.posterior.SpectrumPosterior.theta`, the galaxy's own."""
        return self.post.theta(u, view.target.view.universe_gyr, view.extra_km_s)

    def shape_evidence(self, u, data, view: Observed, light=None):
        """Evidence (1, Draw) of shapes u (1, Draw, Param - 1), and mean and width of log10 of the mass."""
        theta, log_ratio = self.theta(u[0], view)
        # of any mass
        theta = jnp.pad(theta, ((0, 0), (0, 1)))
        log_evidence, mean, width = view.target.log_marginal(theta)
        return (log_evidence + log_ratio)[None], mean[None], width[None]

    def precision_root(self, u, log_mass, view: Observed):
        """See :func:`dsps_sbi.spectroscopy.curvature.precision_root`; of one shape u (n,)."""

        def theta_of(u):
            return jnp.pad(self.theta(u, view)[0], (0, 1))

        return precision_root(view.target, theta_of, u, log_mass)

    def with_mass(self, u, share, mean, width):
        """Shapes and masses (Object, Draw, Param), the mass at cumulative probability ``share``."""
        mass = self.model.prior.marginals["log_mass_formed"]
        drawn = mean + width * ndtri(jnp.clip(share, 1e-7, 1.0 - 1e-7))
        v = (drawn - mass.low) / (mass.high - mass.low)
        return jnp.concatenate([u, ndtri(jnp.clip(v, 1e-7, 1.0 - 1e-7))[..., None]], axis=-1)

    def misfit(self, u, data, view: Observed, light=None) -> Misfit:
        """Misfit (1,) over draws u (1, Draw, Param); see the base class.

        The polynomial and the model's error of each draw are among the variances, and what smoothing made of
        the noise is counted: see :meth:`dsps_sbi.spectroscopy.target.SpectrumTarget.misfit`. Of thousands of
        pixels the draws explain a few: how many is known from the variance of chi2 over the draws, which is
        twice that number, and no more than there are parameters.
        """
        # a few at a time: the intermediate arrays of all draws would be large
        chi2, n, stated = jax.lax.map(view.target.misfit, self.theta(u[0], view)[0], batch_size=8)
        count = jnp.mean(n)
        explained = jnp.minimum(0.5 * jnp.var(chi2), u.shape[-1])
        rest = jnp.maximum(count - explained, 0.0)
        score = normal_score(chi2, n)
        found = jnp.maximum(jnp.mean(chi2) - explained, 0.0), rest, rest, jnp.mean(stated) * rest
        found += jnp.mean(score), jnp.var(score)
        return Misfit(*(value[None] for value in found))

    def population_p(self, u, view: Observed, ids, key):
        """Predictive p-value (1,) of other populations, compiled: would they fit the spectrum better?

        As :meth:`misfit`, of the part of chi2 that mixtures of SSPs would take away, were they free
        (:func:`~dsps_sbi.spectroscopy.population_modes.population_modes`): uniform for galaxies of the prior
        (Johnson 2004, Annals of Statistics 32, 2361). Of a few degrees of freedom instead of thousands, it
        sees histories and metallicities that the model does not have long before chi2 does.

        Parameters
        ----------
        u : array (1, Draw, Param)
            Equally weighted draws in normal coordinates.
        view : Observed
        ids : array of uint32 (1,)
        key : key
        """
        along = _along_modes(self, u, view, np.asarray(ids, np.uint32), key)
        return gammaincc(len(self.modes) / 2.0, np.maximum(np.asarray(along, float), 0.0) / 2.0).astype(
            np.float32
        )


@jax.jit
def _along_modes(likelihood, u, view, ids, key):
    keys = branch(object_keys(key, ids), _POPULATIONS)
    pick = jax.random.randint(keys[0], (), 0, u.shape[1])
    along = view.target.chi2_along(likelihood.theta(u[0, pick], view)[0], likelihood.modes)
    return along[None]


def _padded(target: SpectrumTarget) -> SpectrumTarget:
    """The same target with more pixels, which do not count, and longer windows, of no weight."""
    view = target.view
    n_pixel, n_window = view.weights.shape
    more, longer = -n_pixel % _PIXELS, -n_window % _WINDOW

    def fill(array):
        array = np.asarray(array)
        return jax.device_put(np.pad(array, [(0, more), *[(0, 0)] * (array.ndim - 1)]))

    weights = np.pad(np.asarray(view.weights), [(0, more), (0, longer)])
    names = ("start", "scale", "basis", "covered", "sharp", "valid")
    view = replace(
        view, weights=jax.device_put(weights), **{name: fill(getattr(view, name)) for name in names}
    )
    if view.nodes is not None:
        before, part = (fill(array) for array in view.nodes[:2])
        # what is no pixel stays beyond the last one
        pixels = np.asarray(view.nodes[2])
        pixels = jax.device_put(np.where(pixels < n_pixel, pixels, n_pixel + more))
        view = replace(view, nodes=(before, part, pixels))
    names = ("flux", "sigma", "valid", "noise_left", "noise_pairs")
    data = {name: fill(getattr(target, name)) for name in names}
    return replace(target, view=view, **data)
