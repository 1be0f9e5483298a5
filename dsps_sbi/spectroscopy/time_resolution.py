"""The experiment on time resolution: one true history, seen early and late, under two priors.

A galaxy forms all of its stars before the age of the Universe at the highest of the redshifts, and ages
passively from then on. Its spectrum at each redshift has the same pixels at rest, resolution and
signal-to-noise ratio. What differs is the age of its stars, and so what the spectrum can tell of when they
formed: t50, and how long it took, t90 - t10.

**Priors.** ``cosmic``: one prior on cosmic time for all redshifts. It is that of the true histories: shares
of the age of the Universe at the highest redshift (:class:`~dsps_sbi.sfh.Dirichlet`), with t90 - t10 within a
range. Posteriors under it cover the truth as often as they say, and what they differ in is what the light
tells. ``own``: each redshift has the prior of its own age of the Universe, as a fit of one galaxy has. Of
three quantiles, no history of that prior today is as short as the true ones: t90 - t10 is 3.5 Gyr at least
(:class:`~dsps_sbi.sfh.Dirichlet` says why), and answers are wrong by more than their errors.

**Posteriors** are exact: draws of the prior, repaired with the exact likelihood
(:mod:`dsps_sbi.spectroscopy.by_prior`). No network has a part in them. The metallicity, the velocity
dispersion and the polynomial are free; the model is the truth's own, without errors of the SSPs. Ages between
those of the SSPs are interpolated (:func:`dsps_sbi.ssp.finer_ages`).

Of the range of durations the posterior takes the draws within it: for a prior that is cut this is exact.
"""

import time
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import jax
import jax.numpy as jnp
import numpy as np

from ..cosmology import Cosmology
from ..errors import UserError
from ..inference.edges import FEWEST_CONVERGED
from ..inference.engine import check_numbers
from ..instruments.lsf import LSF
from ..instruments.spectrograph import Spectrograph
from ..priors import Prior
from ..sfh import Aged, Dirichlet
from ..ssp import SSPGrid, finer_ages
from .by_prior import PriorLikelihood
from .data import SpectrumData
from .model import SpectrumModel
from .prior import spectrum_prior

#: What is asked of each posterior
QUANTITIES = ("t50", "t90_t10")
PRIORS = ("cosmic", "own")
_FRACTIONS = (0.1, 0.5, 0.9)
# Pixels: two in the width of the LSF
_PIXELS_PER_FWHM = 2.0
_N_PRIOR, _N_CANDIDATES = 20_000, 512
# The mass is in the middle of its prior: no spectrum knows its distance here
_LOG_MASS = 8.5


@dataclass(frozen=True, eq=False)
class TimeResolution:
    """The experiment's setting.

    Parameters
    ----------
    grid : SSPGrid
        With ``fwhm_aa``.
    redshifts : tuple of float
        The history ends at the highest of them.
    snr : tuple of float
        Signal-to-noise ratios per pixel.
    durations_gyr : (float, float)
        Range of t90 - t10 of the true histories [Gyr].
    resolution : float
        Resolving power of the spectra, of two pixels per FWHM. Default: that of NIRSpec's medium gratings.
    rest_aa : (float, float)
        Wavelengths at rest [Angstrom].
    n_draws, seed : int
    n_quantiles : int
        Of the histories, see :class:`~dsps_sbi.sfh.Dirichlet`; by default as the bundles have them.
    cosmology : Cosmology

    Raises
    ------
    UserError
        For settings that make no experiment.
    """

    grid: SSPGrid
    redshifts: tuple[float, ...] = (3.2, 0.0)
    snr: tuple[float, ...] = (30.0, 100.0, 300.0)
    durations_gyr: tuple[float, float] = (0.1, 1.5)
    resolution: float = 1000.0
    rest_aa: tuple[float, float] = (3650.0, 7350.0)
    n_draws: int = 1000
    seed: int = 0
    n_quantiles: int = 3
    cosmology: Cosmology = field(default_factory=Cosmology.from_astropy)

    def __post_init__(self):
        check_numbers(self.n_draws, self.seed, "spectrum")
        Dirichlet(self.n_quantiles)  # refuses what is no number of quantiles
        z = sorted({float(value) for value in self.redshifts}, reverse=True)
        if len(z) < 2 or not all(0.0 <= value <= 20.0 for value in z):
            raise UserError(f"redshifts {_listed(self.redshifts)}: give two or more different ones, 0 to 20")
        snr = tuple(sorted({float(value) for value in self.snr}))
        if not snr or not all(0.0 < value < np.inf for value in snr):
            raise UserError(f"S/N {_listed(self.snr)}: give one or more numbers above 0")
        object.__setattr__(self, "redshifts", tuple(z))
        object.__setattr__(self, "snr", snr)
        low, high = (float(value) for value in self.durations_gyr)
        if not 0.0 <= low < high <= self.until_gyr:
            raise UserError(
                f"t90 - t10 from {low:g} to {high:g} Gyr: give 0 <= low < high, up to {self.until_gyr:.3g} "
                f"Gyr, the age of the Universe at z = {z[0]:g}"
            )
        first, last = self.rest_aa
        if not self.grid.wave_aa[0] < first < last < self.grid.wave_aa[-1]:
            raise UserError(
                f"{first:g}-{last:g} Angstrom: SSP grid {self.grid.name} has {self.grid.wave_aa[0]:.0f}-"
                f"{self.grid.wave_aa[-1]:.0f}: give wavelengths within"
            )
        if not 0.0 < self.resolution < np.inf:
            raise UserError(f"resolution {self.resolution!r}: give a resolving power above 0, such as 1000")

    @cached_property
    def until_gyr(self) -> float:
        """Age of the Universe at the highest redshift [Gyr]."""
        return float(self.cosmology.age(self.redshifts[0]))

    def universe_gyr(self, z: float) -> float:
        """Age of the Universe at a redshift [Gyr]."""
        return float(self.cosmology.age(z))

    def settings(self) -> dict:
        """What posteriors depend on, in plain values."""
        return {
            "grid": self.grid.name,
            "grid_sha": self.grid.sha,
            "redshifts": list(self.redshifts),
            "snr": list(self.snr),
            "durations_gyr": [float(v) for v in self.durations_gyr],
            "resolution": float(self.resolution),
            "rest_aa": [float(v) for v in self.rest_aa],
            "n_draws": self.n_draws,
            "seed": self.seed,
            "n_quantiles": self.n_quantiles,
        }

    @cached_property
    def spectrograph(self) -> Spectrograph:
        """Pixels and LSF of the spectra, at rest."""
        step = 1.0 / (_PIXELS_PER_FWHM * self.resolution)
        wave = np.exp(np.arange(*np.log(self.rest_aa), step))
        return Spectrograph(wave, LSF("resolving_power", float(self.resolution)), mask_lines=())

    @cached_property
    def models(self) -> dict[str, SpectrumModel]:
        """A model by prior."""
        grid, own = finer_ages(self.grid), Dirichlet(self.n_quantiles)
        range_ = float(grid.metallicity[0]), float(grid.metallicity[-1])
        found = {}
        for name, sfh in (("cosmic", Aged(own, self.until_gyr)), ("own", own)):
            prior = spectrum_prior(sfh, metallicity=range_, log_model_error=None)
            found[name] = SpectrumModel(
                _of_ages(grid, self._ages(name)),
                self.spectrograph,
                prior,
                sfh,
                model_error=0.0,
                cosmology=self.cosmology,
            )
        return found

    def _ages(self, name):
        """Ranges of ages that stars can have in a model [Gyr]."""
        universe = [self.universe_gyr(z) for z in self.redshifts]
        if name == "own":
            return [(0.0, universe[-1])]
        return [(age - self.until_gyr, age) for age in universe]

    def cases(self):
        """Redshifts and models that need a posterior: at the highest redshift both models are one."""
        for z in self.redshifts:
            yield z, "cosmic"
            if z != self.redshifts[0]:
                yield z, "own"

    def answers(self):
        """Redshifts and priors, and the model that answers for both."""
        for z in self.redshifts:
            for prior in PRIORS:
                yield z, prior, "cosmic" if z == self.redshifts[0] else prior

    def truth(self, number: int) -> np.ndarray:
        """Parameters (Param,) of a galaxy of the prior ``cosmic``."""
        model = self.models["cosmic"]
        key = jax.random.fold_in(jax.random.key(self.seed), number)
        universe = jnp.full(_N_CANDIDATES, self.until_gyr, jnp.float32)
        theta = np.array(_sample(model.prior, key, universe))
        inside = self.within(np.asarray(_quantities(model.sfh, theta[:, : len(model.sfh.names)], universe)))
        if not inside.any():
            low, high = self.durations_gyr
            raise UserError(
                f"no history of the prior has t90 - t10 from {low:g} to {high:g} Gyr: give a wider range"
            )
        theta = theta[np.argmax(inside)]
        theta[-1] = _LOG_MASS
        return theta

    def within(self, quantities) -> np.ndarray:
        """Which draws (...) of quantities (..., 2) have a duration in the range."""
        low, high = self.durations_gyr
        return (quantities[..., 1] >= low) & (quantities[..., 1] <= high)

    def mock(self, number: int, snr: float, z: float):
        """Flux and error (Pixel,) of a galaxy, and its parameters (Param,)."""
        model, theta = self.models["cosmic"], self.truth(number)
        view = self._view(model, z)
        # the noise of one galaxy is the same at all redshifts and S/N, in units of its errors
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(self.seed), number), 1)
        sigma = np.asarray(_predict(model, theta, view)) / snr
        return np.asarray(_simulate(model, key, theta, view, sigma)), sigma, theta

    def _view(self, model, z):
        return replace(model.view(0.0), universe_gyr=jnp.float32(self.universe_gyr(z)))

    def posterior(self, number: int, snr: float, z: float, name: str) -> dict[str, np.ndarray]:
        """The exact posterior of a galaxy under the model of a prior.

        Returns
        -------
        dict of str to ndarray
            ``draws`` (Draw, 2) of :data:`QUANTITIES`, ``truth`` (2,), ``ess``, ``method``, ``seconds``.
        """
        start = time.perf_counter()
        flux, sigma, theta = self.mock(number, snr, z)
        model = self.models[name]
        likelihood, valid = PriorLikelihood.of(model), np.ones(flux.size, bool)
        view = likelihood.observed_mock(flux, sigma, valid, z)
        data = SpectrumData(flux[None], sigma[None], valid[None], np.float32([z]))
        found = likelihood.infer(data, view, number, jax.random.key(self.seed), self.n_draws)
        n = len(model.sfh.names)
        universe = jnp.full(self.n_draws, self.universe_gyr(z), jnp.float32)
        drawn = likelihood.theta(jnp.asarray(found.u[0]), view)[0][:, :n]
        until = jnp.full(1, self.until_gyr, jnp.float32)
        return {
            "draws": np.asarray(_quantities(model.sfh, drawn, universe), np.float32),
            "truth": np.asarray(_quantities(self.models["cosmic"].sfh, theta[None, :n], until))[0],
            "ess": np.float32(found.ess[0]),
            "method": np.int8(found.method[0]),
            "seconds": np.float32(time.perf_counter() - start),
        }

    @cached_property
    def _of_priors(self) -> dict:
        return {}

    def prior_draws(self, z: float, prior: str) -> np.ndarray:
        """Quantities (Draw, 2) of draws of a prior."""
        if (z, prior) not in self._of_priors:
            self._of_priors[z, prior] = self._prior_draws(z, prior)
        return self._of_priors[z, prior]

    def _prior_draws(self, z, prior):
        model = self.models[prior]
        universe = jnp.full(_N_PRIOR, self.universe_gyr(z), jnp.float32)
        theta = _sample(model.prior, jax.random.fold_in(jax.random.key(self.seed), 2**20), universe)
        drawn = np.asarray(_quantities(model.sfh, theta[:, : len(model.sfh.names)], universe))
        return drawn[self.within(drawn)] if prior == "cosmic" else drawn

    def scores(self, found: list[dict[str, np.ndarray]], z: float, prior: str) -> list[dict]:
        """Rows of the table, one for each quantity, of posteriors of one case.

        Parameters
        ----------
        found : list of dict
            Of :meth:`posterior`.
        z : float
        prior : str
        """
        draws = [one["draws"] for one in found]
        share = np.ones(len(draws))
        if prior == "cosmic":
            inside = [self.within(one) for one in draws]
            share = np.array([one.mean() for one in inside])
            draws = [one[use] for one, use in zip(draws, inside, strict=True)]
        ess = np.array([float(one["ess"]) for one in found]) * share
        # fewer effective draws than these have no width
        good = ess >= FEWEST_CONVERGED
        truth = np.stack([one["truth"] for one in found])
        of_prior, rows = self.prior_draws(z, prior), []
        for i, quantity in enumerate(QUANTITIES):
            row = {"z": z, "prior": prior, "quantity": quantity, "n": len(found), "converged": good.mean()}
            quantiles = np.array(
                [
                    np.quantile(one[:, i], (0.16, 0.5, 0.84))
                    for one, use in zip(draws, good, strict=True)
                    if use
                ]
            ).reshape(-1, 3)
            rows.append(row | _scores(quantiles, truth[good, i], _width(of_prior[:, i])))
        return rows

    def widths(self, found: list[dict[str, np.ndarray]], prior: str) -> np.ndarray:
        """Widths (Object, 2) of the posteriors, NaN where they have not converged."""
        out = np.full((len(found), len(QUANTITIES)), np.nan)
        for row, one in zip(out, found, strict=True):
            drawn = one["draws"]
            use = self.within(drawn) if prior == "cosmic" else np.ones(len(drawn), bool)
            if one["ess"] * use.mean() >= FEWEST_CONVERGED:
                row[:] = [_width(drawn[use, i]) for i in range(len(QUANTITIES))]
        return out


def _of_ages(grid: SSPGrid, ranges) -> SSPGrid:
    """A grid of the SSPs in some ranges of age, and their neighbours: what no star is costs nothing."""
    use = np.any([(grid.age_gyr >= low) & (grid.age_gyr <= high) for low, high in ranges], axis=0)
    use = np.convolve(use, np.ones(3), "same") > 0.0
    tables = {"flux": grid.flux[:, use], "living_fraction": None, "surviving_fraction": None}
    return replace(grid, age_gyr=grid.age_gyr[use], **tables)


def _listed(values):
    return ", ".join(f"{value}" for value in values) or "(none)"


def _width(draws):
    """Half of the central 68 % of draws (Draw,)."""
    return 0.5 * float(np.ptp(np.quantile(draws, (0.16, 0.84))))


def _scores(quantiles, truth, of_prior):
    """Scores of 16th, 50th and 84th percentiles (Object, 3) against truths (Object,)."""
    n = len(truth)
    if not n:
        names = ("width", "prior_width", "posterior_over_prior", "bias", "bias_err", "rmse", "coverage68")
        return dict.fromkeys((*names, "coverage68_err"), np.nan) | {"prior_width": of_prior}
    width = float(np.median(0.5 * (quantiles[:, 2] - quantiles[:, 0])))
    apart = quantiles[:, 1] - truth
    return {
        "width": width,
        "prior_width": of_prior,
        "posterior_over_prior": width / of_prior,
        "bias": float(apart.mean()),
        "bias_err": float(apart.std() / np.sqrt(n)),
        "rmse": float(np.sqrt(np.mean(apart**2))),
        "coverage68": float(np.mean((quantiles[:, 0] <= truth) & (truth <= quantiles[:, 2]))),
        "coverage68_err": float(np.sqrt(0.68 * 0.32 / n)),
    }


@jax.jit
def _simulate(model, key, theta, view, sigma):
    return model.simulate(key, theta, view, sigma)


@jax.jit
def _predict(model, theta, view):
    return model.predict_fast(theta, view)


@partial(jax.jit, static_argnames="prior")
def _sample(prior: Prior, key, universe_gyr):
    """Parameters (Object, Param) of draws of a prior."""
    u = jax.random.normal(key, (len(universe_gyr), len(prior.names)))
    return prior.from_normal(u, universe_gyr)


@partial(jax.jit, static_argnames="sfh")
def _quantities(sfh, params, universe_gyr):
    """Quantities (Object, 2) of histories (Object, n)."""
    times = sfh.formation_time(
        jnp.asarray(params)[:, None], jnp.asarray(_FRACTIONS, jnp.float32), universe_gyr[:, None]
    )
    return jnp.stack([times[:, 1], times[:, 2] - times[:, 0]], axis=1)
