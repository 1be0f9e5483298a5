"""[alpha/Fe] together with history and metallicity, from one spectrum and SSPs of several [alpha/Fe].

**The model.** A :class:`~dsps_sbi.SpectrumModel` of grids by [alpha/Fe], with the parameters of a trained
network and ``alpha_fe``. The grids are spectra (:func:`dsps_sbi.ssp.read_miles_alpha`), or what a table of
line-strength indices makes of the network's own SSPs (:func:`dsps_sbi.ssp.with_alpha`). Every pixel counts
once: what lines tell of age, metallicity and [alpha/Fe] is told by one likelihood, with all covariances. From
a table, an error of each index of the models is a nuisance: a Gaussian amplitude of the change of the
spectrum that changes this index alone. The likelihood integrates over it as it does over the polynomial.

**The draws.** The network knows no [alpha/Fe]. For some values of it, the spectrum is divided by what that
[alpha/Fe] makes of a good fit; to what is left the network proposes histories and metallicities, and
[alpha/Fe] is drawn nearby. All draws are weighed with the exact likelihood of the spectrum as it was
observed, and repaired like others (:mod:`dsps_sbi.inference.repair`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr, ndtri
from jax.scipy.stats import norm

from ..errors import UserError
from ..inference.edges import edges_of_normal, limits
from ..inference.engine import Engine, Posteriors, check_numbers
from ..inference.importance import WeightedDraws, branch, judged, object_keys
from ..instruments.line_indices import LINE_INDICES
from ..instruments.lsf import LSF
from ..io.spectrum import Spectrum
from ..kernels.vacuum import AIR_FROM_AA, vacuum_to_air
from ..priors import Prior, Uniform
from ..ssp import IndexTable, SSPGrid, index_changes, with_alpha
from ..ssp.alpha_enhanced import alpha_names
from .alpha_result import AlphaResult
from .by_prior import PriorLikelihood
from .data import SpectrumData
from .infer import without_distance
from .model import SpectrumModel
from .posterior import SpectrumPosterior

#: Standard deviation of the models' error of an index, by its unit
INDEX_ERROR = {"Angstrom": 0.1, "mag": 0.003}
# [alpha/Fe] that the network is asked at are so far apart [dex]; draws for each
_STEP, _N_DRAWS = 0.05, 128
# Branch of an object's key, beyond those of weighing and repair
_ALPHA = 21


def alpha_prior(prior: Prior, low: float, high: float) -> Prior:
    """A prior of spectra with [alpha/Fe], uniform, behind the metallicity."""
    marginals = {}
    for name, marginal in prior.marginals.items():
        marginals[name] = marginal
        if name == "metallicity":
            marginals["alpha_fe"] = Uniform(low, high)
    return Prior(marginals, prior.z)


def alpha_model(post: SpectrumPosterior, grids: Mapping[float, SSPGrid]) -> SpectrumModel:
    """The model of a posterior with grids by [alpha/Fe] instead of its own.

    Raises
    ------
    UserError
        If there are fewer than two, or the parts do not fit together.
    """
    if len(grids) < 2:
        raise UserError(
            f"{len(grids)} grid by [alpha/Fe] was given: give two at least, or a table of indices"
        )
    options = {name: getattr(post, name) for name in ("continuum", "model_error", "sharper", "rest_aa")}
    prior = alpha_prior(post.network.prior, min(grids), max(grids))
    grids = dict(sorted(grids.items()))
    return SpectrumModel(
        grids, post.frame, prior, post.network.sfh, cosmology=post.network.cosmology, **options
    )


@dataclass(frozen=True, eq=False)
class AlphaSource:
    """What tells [alpha/Fe]: a model, and the directions in which the indices of its SSPs may be wrong.

    Parameters
    ----------
    model : SpectrumModel
    wave_aa : ndarray (Wave,)
        Of the SSPs, in air [Angstrom].
    changes : ndarray (Direction, Wave)
        Relative changes of the spectrum, each one standard deviation.
    name : str
    """

    model: SpectrumModel
    wave_aa: np.ndarray
    changes: np.ndarray
    name: str

    @classmethod
    def of(
        cls, post: SpectrumPosterior, source, ssp: SSPGrid | None = None, index_error=None
    ) -> "AlphaSource":
        """Of a table of indices or of grids; see :func:`infer_alpha`."""
        if isinstance(source, cls):
            return source
        if isinstance(source, Mapping):
            if index_error is not None:
                raise UserError("index_error goes with a table of indices: grids of spectra need none")
            model = alpha_model(post, source)
            name = f"spectra of [alpha/Fe] {min(source):+.2f} to {max(source):+.2f}"
            return cls(model, np.zeros(0), np.zeros((0, 0)), name)
        if not isinstance(source, IndexTable):
            given = "nothing" if source is None else f"a {type(source).__name__}"
            raise UserError(
                f"[alpha/Fe] needs a source, {given} was given: give "
                "read_index_table('MILES_KB_LIS8.4.fits') or grids of read_miles_alpha(folder)"
            )
        error = dict(index_error or {})
        for unit, value in error.items():
            if unit not in INDEX_ERROR or not 0.0 <= value < np.inf:
                raise UserError(
                    f"index_error has {unit!r}: {value!r}: give numbers of 0 or more for 'Angstrom' and 'mag'"
                )
        # that of the network: what is given must be it
        model = post.model(ssp)
        (grid,) = model.grids.values()
        names = alpha_names(grid, source)
        sigma = np.array([(INDEX_ERROR | error)[LINE_INDICES[name].unit] for name in names])
        grids = with_alpha(grid, source)
        wave = grid.wave_aa
        if grid.wave_medium == "vacuum":
            wave = np.where(wave >= AIR_FROM_AA, vacuum_to_air(np.maximum(wave, AIR_FROM_AA)), wave)
        changes = sigma[:, None] * index_changes(grid, source)
        return cls(alpha_model(post, grids), wave, changes[sigma > 0.0], f"indices of {source.name}")

    def with_errors(self, view, spectrum: Spectrum):
        """A view of a spectrum's pixels whose polynomial has the errors of the indices as further terms."""
        if not len(self.changes):
            return view
        edges = np.exp(spectrum.spectrograph().ln_edges) / (1.0 + spectrum.redshift)
        middle = 0.5 * (edges[1:] + edges[:-1])
        air = np.where(middle >= AIR_FROM_AA, vacuum_to_air(np.maximum(middle, AIR_FROM_AA)), middle)
        terms = np.stack([np.interp(air, self.wave_aa, change) for change in self.changes], axis=1)
        terms = np.pad(terms, [(0, len(view.basis) - len(air)), (0, 0)]) / self.model.continuum.sigma
        basis = jnp.concatenate([view.basis, jnp.asarray(terms, jnp.float32)], axis=1)
        return replace(view, basis=basis)


def infer_alpha(
    post: SpectrumPosterior,
    spectrum: Spectrum,
    source,
    *,
    ssp: SSPGrid | None = None,
    lsf: LSF | None = None,
    n_draws: int = 1000,
    seed: int = 0,
    refine: bool = True,
    index_error: Mapping[str, float] | None = None,
) -> AlphaResult:
    """History, metallicity and [alpha/Fe] of a galaxy together.

    Parameters
    ----------
    post : SpectrumPosterior
        Whose network proposes.
    spectrum : Spectrum
        With redshift, errors and LSF.
    source : IndexTable, mapping of float to SSPGrid, or AlphaSource
        What tells [alpha/Fe]: a table of line-strength indices (:func:`dsps_sbi.ssp.read_index_table`), whose
        differences are put on the SSPs of the network, or grids of spectra
        (:func:`dsps_sbi.ssp.read_miles_alpha`, :func:`dsps_sbi.ssp.read_dsps_alpha`). ``AlphaSource.of``
        makes what both need once for many spectra.
    ssp : SSPGrid, optional
        The network's own SSPs; by default those of the cache.
    lsf : LSF, optional
        Instead of the spectrum's own.
    n_draws, seed : int
    refine : bool
        Repair draws of little weight; takes seconds to minutes.
    index_error : mapping of str to float, optional
        Standard deviation of the models' error of an index in "Angstrom" and in "mag", for a table; default:
        :data:`INDEX_ERROR`. 0 for models without error.

    Returns
    -------
    AlphaResult

    Raises
    ------
    UserError
        Without a source, if the spectrum lacks what it takes, or the parts do not fit together.
    """
    check_numbers(n_draws, seed, "spectrum")
    source = AlphaSource.of(post, source, ssp, index_error)
    model, spectrum = source.model, without_distance(spectrum)
    scaled, rest = post.prepared(spectrum, lsf)
    likelihood = PriorLikelihood.of(model)
    view = likelihood.observed(scaled, rest.extra_km_s, lsf)
    target = replace(view.target, view=source.with_errors(view.target.view, scaled))
    view = replace(view, target=target)
    data = _data(rest)
    like_training = bool(post.in_range(data)[0])
    likelihood = replace(likelihood, post=replace(likelihood.post, like_training=like_training))
    ids, key = np.zeros(1, np.uint32), jax.random.key(seed)
    keys = branch(object_keys(key, jnp.asarray(ids)), _ALPHA)

    marginal = model.prior.marginals["alpha_fe"]
    n = max(int(np.ceil((marginal.high - marginal.low) / _STEP - 1e-9)), 2)
    ends = np.linspace(0.0, 1.0, n + 1)
    draws, best = [], None
    for i in range(n):
        part = data
        if best is not None:
            ratio = _change(view, best, jnp.float32(0.5 * (ends[i] + ends[i + 1])))
            part = _data(post.prepared(_divided(scaled, ratio), lsf)[1])
        drawn = _stratum(
            likelihood, post, part, view, branch(keys, i), jnp.float32(ends[i : i + 2]), n_draws=_N_DRAWS
        )
        draws.append(drawn)
        best = drawn[0][0, int(np.argmax(np.nan_to_num(drawn[1][0], nan=-np.inf, posinf=-np.inf)))]
    u, log_weight = (jnp.concatenate([drawn[j] for drawn in draws], axis=1) for j in range(2))
    weighted = WeightedDraws.of(u, log_weight)
    started = _judged(likelihood, weighted, data, view, jnp.asarray(ids), key, n_draws=n_draws)
    batch = data, view, ids, key, n_draws
    engine = Engine(likelihood.post, likelihood, refine)
    n_pixels, wave_used = likelihood.pixels_used(spectrum, view, lsf)
    posteriors = engine.finish((batch, *started, None), 1, wave_used)
    theta = np.asarray(_theta(likelihood, jnp.asarray(posteriors.u), view))
    return _result(source, spectrum, posteriors, theta, rest, view, n_pixels)


def _data(rest):
    return SpectrumData(*(a[None] for a in (rest.flux, rest.sigma, rest.valid, np.float32(rest.z))))


def _divided(spectrum, ratio):
    """A spectrum without the change (Pixel,) that [alpha/Fe] makes."""
    ratio = np.asarray(ratio)[: spectrum.wave_aa.size]
    # where the SSPs do not reach nothing is known
    ratio = np.where(np.isfinite(ratio) & (ratio > 0.1), ratio, 1.0)
    return replace(spectrum, flux=spectrum.flux / ratio, sigma=spectrum.sigma / ratio)


@jax.jit
def _change(view, u, share):
    """Ratio (Pixel,) of the light of u (Param,) at an [alpha/Fe] to that at 0, or at the one next to it.

    ``share`` is its cumulative probability under the prior.
    """
    model, target = view.target.model, view.target
    theta = model.prior.from_normal(u, target.view.universe_gyr)
    i, marginal = model.names.index("alpha_fe"), model.prior.marginals["alpha_fe"]
    zero = np.clip(0.0, marginal.low, marginal.high)
    there = marginal.ppf(share, None)
    both = jnp.stack([theta.at[i].set(there), theta.at[i].set(zero)])
    light = model.unit_flux(both, target.view)
    return light[0] / light[1]


@partial(jax.jit, static_argnames="n_draws")
def _stratum(likelihood, post, data, view, keys, ends, n_draws):
    """Draws (1, Draw, Param) of the network with [alpha/Fe] in a part of its prior, and their log weights."""
    network, n = post.network, len(post.names)
    noise = jax.vmap(lambda k: jax.random.normal(k, (n_draws, n + 1)))(keys)
    data = jax.tree.map(jnp.asarray, data)
    u, log_q = network.draw_shape(post.weights, network.condition(post.weights, *data), noise[..., : n - 1])
    share = ends[0] + (ends[1] - ends[0]) * ndtr(noise[..., n])
    i = likelihood.model.names.index("alpha_fe")
    u = jnp.insert(u, i, ndtri(jnp.clip(share, 1e-6, 1.0 - 1e-6)), axis=-1)
    evidence, *mass = likelihood.shape_evidence(u, data, view)
    # the parts have equal numbers of draws and equal shares of the prior: [alpha/Fe] counts no further
    others = jnp.delete(u, i, axis=-1)
    log_weight = evidence + norm.logpdf(others).sum(axis=-1) - log_q
    log_weight = jnp.where(jnp.isnan(log_weight), -jnp.inf, log_weight)
    return likelihood.with_mass(u, ndtr(noise[..., n - 1]), *mass), log_weight


_judged = jax.jit(judged, static_argnames="n_draws")


@jax.jit
def _theta(likelihood, u, view):
    return likelihood.theta(u, view)[0]


def _result(source, spectrum, posteriors: Posteriors, theta, rest, view, n_pixels):
    edge, limit = limits(theta, edges_of_normal(posteriors.u), posteriors.ess)
    return AlphaResult(
        names=source.model.names,
        sfh=source.model.sfh,
        spectrum=spectrum,
        posteriors=posteriors,
        theta=theta[0],
        edge=edge[0],
        limit=limit[0],
        z=rest.z,
        universe_gyr=float(view.target.view.universe_gyr),
        n_pixels=n_pixels,
        source=source.name,
    )
