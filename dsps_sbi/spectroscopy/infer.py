"""Posteriors of spectra: drawn by the network, weighed with the exact likelihood, repaired."""

from collections.abc import Sequence
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import ndtr
from tqdm.auto import tqdm

from ..errors import UserError
from ..inference.edges import converged, edges, edges_of_normal, limits, median_edges
from ..inference.engine import Engine, Posteriors, check_numbers
from ..inference.error_summary import COLUMNS, ErrorSummary, checked_scale, fit_scale
from ..inference.quality import Columns
from ..inference.result import provenance
from ..inference.trust import Informed, populations_fit
from ..instruments.lsf import LSF
from ..io.formats.options import lsf_words
from ..io.spectrum import Spectrum
from ..io.spectrum_list import stem
from .data import SpectrumData
from .result import SpectrumResult, quantity_names

# Redshifts up to this tell no distance
_NO_DISTANCE = 1e-6
# Spectra that a scale of the errors is fitted to
_MOST = 30


def infer_spectra(
    post,
    spectra: Spectrum | Sequence[Spectrum],
    likelihood,
    *,
    lsf: LSF | None = None,
    n_draws: int = 1000,
    seed: int = 0,
    refine: bool = False,
    ids=None,
    labels: Sequence[str] | None = None,
    progress: bool = False,
    error_scale=None,
) -> SpectrumResult:
    """Posteriors of spectra of any pixels and resolution, one after the other.

    Parameters
    ----------
    post : SpectrumPosterior
    spectra : Spectrum or sequence of Spectrum
        With redshift, errors and LSF.
    likelihood : SpectrumLikelihood or None
        What the draws are weighed with, in the pixels of each spectrum. None: they are the network's own, and
        unchecked.
    lsf : LSF, optional
        Instead of the spectra's own.
    n_draws, seed : int
    refine : bool
        Repair what weighing leaves untrusted.
    ids : array of uint32 (Object,), optional
        The draws of a spectrum depend on the seed and on its number. Default: 0, 1, 2...
    labels : sequence of str, optional
        Names. Default: those of the files.
    progress : bool
        Show a bar.
    error_scale : float or "fit", optional
        What to multiply the errors of the pixels by; "fit": by what makes the median of the predictive
        p-values of the spectra, ten at least, a half.

    Returns
    -------
    SpectrumResult

    Raises
    ------
    UserError
        If a spectrum lacks what it takes, there is nothing to refine with, or a scale of the errors cannot be
        fitted.
    """
    single = isinstance(spectra, Spectrum | str | bytes) or not hasattr(spectra, "__iter__")
    spectra = (spectra,) if single else tuple(spectra)
    wrong = next((one for one in spectra if not isinstance(one, Spectrum)), None)
    if wrong is not None:
        raise UserError(
            f"data of type {type(wrong).__name__} for a posterior of {post.data_words}: give a Spectrum or "
            "several"
        )
    if not spectra:
        raise UserError("no spectrum is given: give at least one")
    spectra = tuple(_with_lsf(without_distance(one), lsf) for one in spectra)
    check_numbers(n_draws, seed, "spectrum")
    ids = np.arange(len(spectra)) if ids is None else np.atleast_1d(ids)
    names = [stem(s.source, f"spectrum_{i + 1}") for i, s in enumerate(spectra)] if labels is None else labels
    if not len(ids) == len(names) == len(spectra):
        raise UserError(
            f"{len(ids)} ids and {len(names)} labels of {len(spectra)} spectra: give one for each spectrum"
        )
    engine, key = Engine(post, likelihood, refine), jax.random.key(seed)
    scale = None
    if error_scale is not None:
        scale = checked_scale(error_scale)
        if scale is None:
            scale = _fitted(Engine(post, likelihood), spectra, lsf, ids, key, n_draws)
        spectra = tuple(_scaled(one, scale.value) for one in spectra)
    answers = [
        _one(engine, spectrum, lsf, number, key, n_draws)
        for spectrum, number in tqdm(
            list(zip(spectra, ids, strict=True)), unit="spectrum", disable=not progress
        )
    ]
    posteriors, theta, redshift, universe, more = zip(*answers, strict=True)
    posteriors, theta = Posteriors.joined(posteriors), np.concatenate(theta)
    found = _limits(post, posteriors, theta)
    own = {name: np.array([one[name] for one in more]) for name in more[0]}
    columns = Columns.of(posteriors, post.names, *found, **own)
    meta = provenance(post, n_draws=n_draws, seed=seed, method=engine.method)
    meta |= {} if scale is None else scale.meta()
    meta |= ErrorSummary.of(columns).meta()
    return SpectrumResult(
        names=quantity_names(post),
        post=post,
        likelihood=likelihood,
        spectra=spectra,
        labels=tuple(names),
        lsf=lsf,
        posteriors=posteriors,
        theta=theta,
        z=np.array(redshift),
        universe_gyr=np.array(universe),
        columns=columns,
        meta=meta,
    )


def _scaled(spectrum, scale):
    return replace(spectrum, sigma=spectrum.sigma * np.asarray(scale, spectrum.sigma.dtype))


def _fitted(engine, spectra, lsf, ids, key, n_draws):
    """The scale of the errors of some spectra, evenly spaced among all."""
    rows = np.unique(np.linspace(0, len(spectra) - 1, min(len(spectra), _MOST)).astype(int))

    def summary_at(scale):
        found = [_one(engine, _scaled(spectra[i], scale), lsf, ids[i], key, n_draws)[0] for i in rows]
        return ErrorSummary.of({name: np.concatenate([getattr(p, name) for p in found]) for name in COLUMNS})

    return fit_scale(summary_at, f"{len(rows)} spectra")


def without_distance(spectrum):
    """At z <= 0 a redshift tells no distance: the scale of the flux says nothing."""
    if not spectrum.absolute or spectrum.redshift is None or spectrum.redshift > _NO_DISTANCE:
        return spectrum
    notes = (*spectrum.notes, f"no distance at z = {spectrum.redshift:g}: the mass is not known")
    return replace(spectrum, absolute=False, notes=notes)


def _with_lsf(spectrum, lsf):
    """The spectrum with a note on the LSF that is used instead of its own, or beside none."""
    if lsf is None:
        return spectrum
    own = "" if spectrum.lsf is None else ", not the spectrum's own"
    return replace(spectrum, notes=(*spectrum.notes, f"{lsf_words(lsf)} as given{own}"))


def _one(engine, spectrum, lsf, number, key, n_draws):
    """Posteriors, parameters (1, Draw, Param), redshift, age, and further columns of one spectrum."""
    post, likelihood = engine.post, engine.likelihood
    scaled, rest = post.prepared(spectrum, lsf)
    data = SpectrumData(*(a[None] for a in (rest.flux, rest.sigma, rest.valid, np.float32(rest.z))))
    if likelihood is None:
        view, (n_pixels, wave_used) = None, post.pixels_seen(spectrum, rest, lsf)
    else:
        view = likelihood.observed(scaled, rest.extra_km_s, lsf)
        n_pixels, wave_used = likelihood.pixels_used(spectrum, view, lsf)
    posteriors = engine.finish(engine.start(data, view, np.array([number]), key, n_draws), 1, wave_used)
    if not spectrum.absolute:
        # its mass is not known: nor is whether the data tell it
        spread, word = np.full(1, np.nan, np.float32), np.full(1, Informed.NONE, np.int8)
        posteriors = replace(posteriors, mass_spread=spread, informed=word)
    population_p = np.nan
    if likelihood is not None:
        population_p = float(likelihood.population_p(posteriors.u, view, [number], key)[0])
        if "log_misfit" in post.names:
            posteriors = replace(posteriors, trust=populations_fit(posteriors.trust, [population_p]))
    universe, extra = post.network.cosmology.age(rest.z), jnp.float32(rest.extra_km_s)
    theta = np.asarray(_theta(post, jnp.asarray(posteriors.u), universe, extra))
    more = {"population_p": population_p, "n_pixels": n_pixels, "wave_used": wave_used}
    return posteriors, theta, rest.z, np.float32(universe), more


def _limits(post, posteriors, theta):
    """Edges and limits (Object, Param) of parameters (Object, Draw, Param)."""
    edge, i = edges_of_normal(posteriors.u), post.names.index("sigma_v")
    # the lower edge of the galaxy's own dispersion is not that of what the network sees, the upper one is
    cdf = np.asarray(post.network.prior.marginals["sigma_v"].cdf(np.float64(theta[..., i]), None))
    own = edges(cdf)
    edge[:, i] = np.where(edge[:, i] == 0, own, edge[:, i])
    edge, limit = limits(theta, edge, posteriors.ess)
    # what has not converged has no limit, but it may be seen that the truth lies beyond the prior
    near = median_edges(ndtr(np.moveaxis(np.asarray(posteriors.u, float), 1, -1)))
    near[:, i] = np.where(near[:, i] == 0, median_edges(cdf), near[:, i])
    return np.where(converged(posteriors.ess)[:, None], edge, near).astype(np.int8), limit


@jax.jit
def _theta(post, u, universe_gyr, extra_km_s):
    return post.theta(u, universe_gyr, extra_km_s)[0]
