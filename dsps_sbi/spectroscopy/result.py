"""Posteriors of spectra, and what follows from them: times, curves, catalogue, best fit."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from astropy.table import Table

from ..constants import PERCENTILES
from ..errors import UserError
from ..inference.derived import describe
from ..inference.engine import Posteriors
from ..inference.quality import Columns
from ..inference.result import Result
from ..inference.table import percentile_columns, quality_columns, rows_of, table_of
from ..instruments.lsf import LSF
from ..io.spectrum import Spectrum
from ..kernels.csp import mean_of_line
from .best_fit import SpectrumFit, best_fit
from .history import HistoryQuantiles, draw_ages, draw_times, history_quantiles
from .model import DECILES

_EARLY_GYR = 1.0
_DECILE = re.compile(r"t(\d0)")
_FIRST = {
    "name": ("", "name of the spectrum"),
    "z": ("", "redshift"),
    "universe_age": ("Gyr", "age of the Universe at the epoch of observation"),
    "snr": ("", "median signal-to-noise ratio of the pixels that can be used"),
}
_ENRICHED = "mass_weighted_metallicity"
_LAST = {"p_t90_1gyr": ("", "probability that 90 % of the formed mass existed 1 Gyr after the Big Bang")}


def quantity_names(post) -> tuple[str, ...]:
    """Quantities of spectra: formation times, age, and parameters that are not of the history."""
    times = tuple(f"t{round(100 * share)}" for share in DECILES)
    enriched = (_ENRICHED,) if "metallicity_rise" in post.names else ()
    return (*times, "mass_weighted_age", *enriched, *post.names[len(post.network.sfh.names) :])


def catalogue_columns(post) -> dict[str, tuple[str, str]]:
    """Unit and meaning of each column of a catalogue of spectra."""
    columns = percentile_columns(quantity_names(post))
    for name in [name for name in columns if name.startswith("log_mass_formed")]:
        unit, text = columns[name]
        seen = describe("log_mass_formed")[1]
        note = f"{seen}, in what the spectrum sees; none where the scale of its flux is not known"
        columns[name] = unit, text.replace(seen, note)
    problem = {"notes": ("", "how the spectrum was read"), "problem": ("", "why there is no answer")}
    return dict(_FIRST) | columns | _LAST | quality_columns() | problem


@dataclass(frozen=True, eq=False)
class SpectrumResult(Result):
    """Posteriors of some spectra.

    Parameters
    ----------
    names : tuple of str
        Quantities, see :func:`quantity_names`.
    post : SpectrumPosterior
    likelihood : SpectrumLikelihood or None
        What the draws were weighed with.
    spectra : tuple of Spectrum
    labels : tuple of str
        Their names.
    lsf : LSF or None
        That was used instead of their own.
    posteriors : Posteriors
        Draws in normal coordinates, and whether they can be trusted.
    theta : ndarray (Object, Draw, Param)
        The same draws as parameters of the galaxies: velocity dispersions are their own. Of spectra
        whose scale is not known the mass means nothing.
    z, universe_gyr : ndarray (Object,)
        Redshift, and the age of the Universe there [Gyr].
    columns : Columns
        With ``population_p``: whether other populations fit better, see
        :meth:`~dsps_sbi.spectroscopy.likelihood.SpectrumLikelihood.population_p`. Not part of the verdict on
        an answer, which is about draws, likelihood and data. With ``n_pixels`` and ``wave_used``: how much of
        a spectrum its answer rests on.
    meta : mapping
        Provenance.
    """

    names: tuple[str, ...]
    post: object
    likelihood: object
    spectra: tuple[Spectrum, ...]
    labels: tuple[str, ...]
    lsf: LSF | None
    posteriors: Posteriors
    theta: np.ndarray
    z: np.ndarray
    universe_gyr: np.ndarray
    columns: Columns
    meta: Mapping

    def draws(self, name: str) -> np.ndarray:
        """Draws (Object, Draw) of a quantity, or of a parameter of the history.

        Raises
        ------
        UserError
            If there is none of that name.
        """
        if name in self.post.names:
            return self.theta[..., self.post.names.index(name)]
        time = _DECILE.fullmatch(self._known(name))
        if name == _ENRICHED:
            nodes = np.asarray(self.post.network.subspace.metallicity, float)
            line = (np.float64(self.draws(which)) for which in ("metallicity", "metallicity_rise"))
            return np.asarray(mean_of_line(*line, nodes[0], nodes[-1]))
        if time:
            return self.formation_times([int(time[1]) / 100.0])[..., 0]
        sfh, params, universe = self._history
        return np.asarray(draw_ages(sfh, params, np.float32(universe)))

    def percentiles(self, name: str, q=PERCENTILES) -> np.ndarray:
        """Percentiles (len(q), Object) of a quantity; the mass is NaN where a flux has no scale."""
        values = super().percentiles(name, q)
        if not name.startswith("log_mass"):
            return values
        return np.where([spectrum.absolute for spectrum in self.spectra], values, np.nan)

    @property
    def _history(self):
        """Family of the histories, their draws (Object, Draw, n), and the ages of the Universe (Object,)."""
        sfh = self.post.network.sfh
        return sfh, self.theta[..., : len(sfh.names)], self.universe_gyr

    def formation_times(self, fractions=DECILES, counted: str = "cosmic") -> np.ndarray:
        """Times (Object, Draw, Fraction) at which these fractions of the formed mass existed [Gyr].

        Parameters
        ----------
        fractions : sequence of float
            Between 0 and 1; by default t10, t20 ... t90.
        counted : str
            See :func:`dsps_sbi.sfh.formation_times`.
        """
        sfh, params, universe = self._history
        return np.asarray(draw_times(sfh, params, np.float32(fractions), np.float32(universe), counted))

    def probability_formed_by(self, t_gyr: float, fraction: float = 0.9) -> np.ndarray:
        """Probability (Object,) that a fraction of the mass existed this long after the Big Bang.

        P(t90 < 1 Gyr) of arXiv:2501.06050 is ``probability_formed_by(1.0)``.
        """
        return np.mean(self.formation_times([fraction])[..., 0] < t_gyr, axis=1)

    def sfh_quantiles(self, times_gyr=None, quantiles=(0.16, 0.5, 0.84)) -> HistoryQuantiles:
        """Quantiles of formed mass and star formation rate over cosmic time.

        Exact for each draw: rates are means over bins of time, from the share of the mass that formed in
        them. See :func:`~dsps_sbi.spectroscopy.history.history_quantiles`.
        """
        return history_quantiles(*self._history, times_gyr, quantiles)

    def rows(self) -> list[dict]:
        """A row of plain values for each spectrum, see :meth:`table`."""
        first = {
            "name": self.labels,
            "z": self.z,
            "universe_age": self.universe_gyr,
            "snr": [np.median(s.flux[s.valid] / s.sigma[s.valid]) for s in self.spectra],
            "p_t90_1gyr": self.probability_formed_by(_EARLY_GYR),
            "notes": ["; ".join(spectrum.notes) for spectrum in self.spectra],
        }
        return rows_of(self, first)

    def table(self) -> Table:
        """A row per spectrum: medians, 16th and 84th percentiles, and whether to trust them.

        Returns
        -------
        Table
            ``t10`` ... ``t90`` [Gyr since the Big Bang], ``mass_weighted_age`` [Gyr], ``metallicity``
            and the other parameters, each with ``_p16`` and ``_p84``; ``p_t90_1gyr``, ``method``,
            ``trust`` and the numbers behind them. What is not known is masked: so is the mass of spectra
            without a scale. Units and meanings are with the columns, provenance in ``meta``.
        """
        return table_of(self.rows(), catalogue_columns(self.post), self.meta)

    def best_fit(self, i: int = 0) -> SpectrumFit:
        """The best fit of one spectrum, in its own pixels: the draw of the highest likelihood.

        A spectrum that is sharper than the SSPs comes smoothed, as the likelihood sees it.

        Parameters
        ----------
        i : int
            Which spectrum.

        Raises
        ------
        UserError
            If there is no model that could make one, or no such spectrum.
        """
        if self.likelihood is None:
            raise UserError(
                "a best fit needs the model: give it to infer as model=, or run dsps-sbi fetch for its SSPs"
            )
        if not -len(self.spectra) <= i < len(self.spectra):
            raise UserError(f"no spectrum {i}: there are {len(self.spectra)}, counted from 0")
        return best_fit(self.likelihood, self.spectra[i], self.theta[i], self.lsf)
