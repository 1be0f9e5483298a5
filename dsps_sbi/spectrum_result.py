"""Posteriors of spectra, and what follows from them: times, curves, catalogue, best fit."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from astropy.table import Table

from .answers import Answers
from .errors import UserError
from .instruments.lsf import LSF
from .io.spectrum import Spectrum
from .spectra.model import DECILES
from .spectrum_catalogue import catalogue_rows, catalogue_table
from .spectrum_fit import SpectrumFit, best_fit
from .spectrum_history import HistoryQuantiles, draw_times, history_quantiles
from .spectrum_posterior import SpectrumPosterior
from .weigh_spectrum import SpectrumWeigher


@dataclass(frozen=True, eq=False)
class SpectrumAnswers:
    """Posteriors of some spectra.

    Parameters
    ----------
    post : SpectrumPosterior
    weigher : SpectrumWeigher or None
        What the draws were weighed with.
    spectra : tuple of Spectrum
    labels : tuple of str
        Their names.
    lsf : LSF or None
        That was used instead of their own.
    answers : Answers
        Draws in normal coordinates, and whether they can be trusted.
    theta : ndarray (Object, Draw, Param)
        The same draws as parameters of the galaxies: velocity dispersions are their own. Of spectra
        whose scale is not known the mass means nothing.
    z, universe_gyr : ndarray (Object,)
        Redshift, and the age of the Universe there [Gyr].
    n_pixels : int ndarray (Object,)
        Pixels that the network saw, of its own.
    population_p : ndarray (Object,)
        Whether other populations fit better, see
        :meth:`~dsps_sbi.weigh_spectrum.SpectrumWeigher.population_p`; NaN where unweighted. Not part of the
        verdict on an answer, which is about draws, likelihood and data.
    meta : mapping
        Provenance.
    """

    post: SpectrumPosterior
    weigher: SpectrumWeigher | None
    spectra: tuple[Spectrum, ...]
    labels: tuple[str, ...]
    lsf: LSF | None
    answers: Answers
    theta: np.ndarray
    z: np.ndarray
    universe_gyr: np.ndarray
    n_pixels: np.ndarray
    population_p: np.ndarray
    meta: Mapping

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
        them. See :func:`~dsps_sbi.spectrum_history.history_quantiles`.
        """
        return history_quantiles(*self._history, times_gyr, quantiles)

    def catalogue(self) -> Table:
        """A row per spectrum: medians, 16th and 84th percentiles, and whether to trust them.

        Returns
        -------
        Table
            ``t10`` ... ``t90`` [Gyr since the Big Bang], ``mass_weighted_age`` [Gyr], ``metallicity``
            and the other parameters, each with ``_p16`` and ``_p84``; ``p_t90_1gyr``, ``method``,
            ``trust`` and the numbers behind them. What is not known is masked: so is the mass of spectra
            without a scale. Units and meanings are with the columns, provenance in ``meta``.
        """
        return catalogue_table(catalogue_rows(self), self.post, self.meta)

    def best_fit(self, i: int = 0) -> SpectrumFit:
        """The best fit of one spectrum, in its own pixels: the draw of the highest likelihood.

        Parameters
        ----------
        i : int
            Which spectrum.

        Raises
        ------
        UserError
            If there is no model that could make one, or no such spectrum.
        """
        if self.weigher is None:
            raise UserError(
                "a best fit needs the model: give it to weigh_spectra, or run dsps-sbi fetch for its SSPs"
            )
        if not -len(self.spectra) <= i < len(self.spectra):
            raise UserError(f"no spectrum {i}: there are {len(self.spectra)}, counted from 0")
        return best_fit(self.weigher, self.spectra[i], self.theta[i], self.lsf)
