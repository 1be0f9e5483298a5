"""Posteriors of spectra: drawn by the network, weighed with the exact likelihood, repaired."""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from .answers import Answerer, Answers
from .errors import UserError
from .instruments.lsf import LSF
from .io.spectrum import Spectrum
from .sfh import formation_times
from .spectra.model import DECILES, SpectrumModel
from .spectrum_posterior import SpectrumPosterior
from .weigh_spectrum import SpectrumWeigher


@dataclass(frozen=True, eq=False)
class SpectrumAnswers:
    """Posteriors of some spectra.

    Parameters
    ----------
    post : SpectrumPosterior
    answers : Answers
        Draws in normal coordinates, and whether they can be trusted.
    theta : ndarray (Object, Draw, Param)
        The same draws as parameters of the galaxies: velocity dispersions are their own. Of spectra
        whose scale is not known the mass means nothing.
    z, universe_gyr : ndarray (Object,)
        Redshift, and the age of the Universe there [Gyr].
    """

    post: SpectrumPosterior
    answers: Answers
    theta: np.ndarray
    z: np.ndarray
    universe_gyr: np.ndarray

    def column(self, name: str) -> np.ndarray:
        """Draws (Object, Draw) of one parameter.

        Raises
        ------
        UserError
            If there is none of that name.
        """
        if name not in self.post.names:
            raise UserError(f"no parameter {name}: choose from {', '.join(self.post.names)}")
        return self.theta[..., self.post.names.index(name)]

    def formation_times(self, fractions=DECILES, counted: str = "cosmic") -> np.ndarray:
        """Times (Object, Draw, Fraction) at which these fractions of the formed mass existed [Gyr].

        Parameters
        ----------
        fractions : sequence of float
            Between 0 and 1; by default t10, t20 ... t90.
        counted : str
            See :func:`dsps_sbi.sfh.formation_times`.
        """
        sfh = self.post.network.sfh
        params = jnp.asarray(self.theta[..., : len(sfh.names)])
        fractions = jnp.asarray(fractions, jnp.float32)
        run = jax.jit(jax.vmap(lambda p, t: formation_times(sfh, p, fractions, t, counted)))
        return np.asarray(run(params, jnp.asarray(self.universe_gyr)))

    def probability_formed_by(self, t_gyr: float, fraction: float = 0.9) -> np.ndarray:
        """Probability (Object,) that a fraction of the mass existed this long after the Big Bang.

        P(t90 < 1 Gyr) of arXiv:2501.06050 is ``probability_formed_by(1.0)``.
        """
        return np.mean(self.formation_times([fraction])[..., 0] < t_gyr, axis=1)


def weigh_spectra(
    post: SpectrumPosterior,
    spectra: Spectrum | Sequence[Spectrum],
    model: SpectrumModel | None = None,
    *,
    lsf: LSF | None = None,
    n_draws: int = 1000,
    seed: int = 0,
    refine: bool = False,
) -> SpectrumAnswers:
    """Posteriors of spectra of any pixels and resolution, one after the other.

    Parameters
    ----------
    post : SpectrumPosterior
    spectra : Spectrum or sequence of Spectrum
        With redshift, errors and LSF.
    model : SpectrumModel or None
        That the network was trained on, to weigh with in the pixels of each spectrum; without it the
        draws are the network's own, and unchecked.
    lsf : LSF, optional
        Instead of the spectra's own.
    n_draws, seed : int
    refine : bool
        Repair what weighing leaves untrusted.

    Returns
    -------
    SpectrumAnswers

    Raises
    ------
    UserError
        If a spectrum lacks what it takes, the model is another one, or there is none to refine with.
    """
    spectra = [spectra] if isinstance(spectra, Spectrum) else list(spectra)
    if not spectra:
        raise UserError("no spectrum is given: give at least one")
    weigher = None if model is None else SpectrumWeigher(post, model)
    answerer = Answerer(post, weigher, refine)
    key, parts, thetas, redshifts = jax.random.key(seed), [], [], []
    for i, spectrum in enumerate(spectra):
        spectrum, rest = post.prepared(spectrum, lsf)
        data = tuple(a[None] for a in (rest.flux, rest.sigma, rest.valid, np.float32(rest.z)))
        observed = None if weigher is None else weigher.observed(spectrum, rest.extra_km_s, lsf)
        answer = answerer.finish(answerer.start(data, observed, np.array([i]), key, n_draws), 1)
        parts.append(answer)
        universe = post.network.cosmology.age(rest.z)
        thetas.append(np.asarray(post.theta(jnp.asarray(answer.u), universe, rest.extra_km_s)[0]))
        redshifts.append(rest.z)
    z = np.array(redshifts)
    ages = np.asarray(post.network.cosmology.age(jnp.asarray(z, jnp.float32)))
    return SpectrumAnswers(post, Answers.joined(parts), np.concatenate(thetas), z, ages)
