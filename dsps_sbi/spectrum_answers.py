"""Posteriors of spectra: drawn by the network, weighed with the exact likelihood, repaired."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from .answers import Answerer, Answers
from .errors import UserError
from .instruments.lsf import LSF
from .io.spectrum import Spectrum
from .io.spectrum_list import stem
from .spectra.model import SpectrumModel
from .spectrum_catalogue import provenance
from .spectrum_posterior import SpectrumPosterior
from .spectrum_result import SpectrumAnswers as SpectrumAnswers
from .weigh_spectrum import SpectrumWeigher, spectrum_weigher


def weigh_spectra(
    post: SpectrumPosterior,
    spectra: Spectrum | Sequence[Spectrum],
    model: SpectrumModel | SpectrumWeigher | str | None = None,
    *,
    lsf: LSF | None = None,
    n_draws: int = 1000,
    seed: int = 0,
    refine: bool = False,
    ids=None,
    labels: Sequence[str] | None = None,
) -> SpectrumAnswers:
    """Posteriors of spectra of any pixels and resolution, one after the other.

    Parameters
    ----------
    post : SpectrumPosterior
    spectra : Spectrum or sequence of Spectrum
        With redshift, errors and LSF.
    model : SpectrumModel, SpectrumWeigher, "auto" or None
        That the network was trained on, to weigh with in the pixels of each spectrum; "auto" makes it
        again if its SSPs are in the cache. Without it the draws are the network's own, and unchecked.
    lsf : LSF, optional
        Instead of the spectra's own.
    n_draws, seed : int
    refine : bool
        Repair what weighing leaves untrusted.
    ids : array of uint32 (Object,), optional
        The draws of a spectrum depend on the seed and on its number. Default: 0, 1, 2...
    labels : sequence of str, optional
        Names. Default: those of the files.

    Returns
    -------
    SpectrumAnswers

    Raises
    ------
    UserError
        If a spectrum lacks what it takes, the model is another one, or there is none to refine with.
    """
    spectra = (spectra,) if isinstance(spectra, Spectrum) else tuple(spectra)
    if not spectra:
        raise UserError("no spectrum is given: give at least one")
    if n_draws < 2:
        raise UserError(f"{n_draws} draws per spectrum: ask for at least 2, better 1000")
    ids = np.arange(len(spectra)) if ids is None else np.atleast_1d(ids)
    names = [stem(s.source, f"spectrum_{i + 1}") for i, s in enumerate(spectra)] if labels is None else labels
    if not len(ids) == len(names) == len(spectra):
        raise UserError(
            f"{len(ids)} ids and {len(names)} labels of {len(spectra)} spectra: give one for each spectrum"
        )
    weigher = spectrum_weigher(post, model)
    answerer = Answerer(post, weigher, refine)
    key, parts, thetas, redshifts, n_pixels, others = jax.random.key(seed), [], [], [], [], []
    for spectrum, own in zip(spectra, ids, strict=True):
        scaled, rest = post.prepared(spectrum, lsf)
        data = tuple(a[None] for a in (rest.flux, rest.sigma, rest.valid, np.float32(rest.z)))
        observed = None if weigher is None else weigher.observed(scaled, rest.extra_km_s, lsf)
        answer = answerer.finish(answerer.start(data, observed, np.array([own]), key, n_draws), 1)
        parts.append(answer)
        if weigher is not None:
            others.append(weigher.population_p(answer.u, observed, [own], key)[0])
        universe = post.network.cosmology.age(rest.z)
        thetas.append(np.asarray(post.theta(jnp.asarray(answer.u), universe, rest.extra_km_s)[0]))
        redshifts.append(rest.z)
        n_pixels.append(int(rest.valid.sum()))
    z = np.array(redshifts)
    ages = np.asarray(post.network.cosmology.age(jnp.asarray(z, jnp.float32)))
    method = "flow" if weigher is None else "refined" if refine else "weighed"
    meta = provenance(post, n_draws=n_draws, seed=seed, method=method)
    own = {"z": z, "universe_gyr": ages, "n_pixels": np.array(n_pixels), "meta": meta}
    own["population_p"] = np.array(others if others else [np.nan] * len(spectra))
    theta = np.concatenate(thetas)
    return SpectrumAnswers(
        post, weigher, spectra, tuple(names), lsf, Answers.joined(parts), theta=theta, **own
    )
