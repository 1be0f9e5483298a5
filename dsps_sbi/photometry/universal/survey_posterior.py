"""The amortised posterior of photometry in one set of filters, made of one for any."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from ...components import pytree
from ...errors import UserError
from ...instruments.filter_names import canonical_filter
from ...instruments.filters import FilterSet
from ...noise import BandMasks
from ..data import PhotometryData
from ..model import GalaxyModel
from ..posterior import PhotometryPosterior
from .likelihood import AnyFiltersLikelihood
from .survey_simulator import SurveySimulator
from .weight_basis import weight_basis


@pytree(
    arrays=("network", "weights", "noise", "mass_table", "typicality", "snr_bands", "error"),
    static=("filters", "dust", "log_u", "limits", "lya_escape"),
    aside=("meta", "filter_set", "universal", "extra"),
)
@dataclass(frozen=True, eq=False)
class SurveyPosterior(PhotometryPosterior):
    """A :class:`UniversalPosterior` for one set of filters and one error floor; a pytree.

    It is what a posterior trained for these filters alone would be: all parameters but the last two are those
    of :class:`~dsps_sbi.photometry.posterior.PhotometryPosterior`.

    Parameters
    ----------
    filter_set : FilterSet
    universal : UniversalPosterior
        What it was made of.
    extra : tuple of float (Band,), or None
        Errors beside the floor, relative to observed fluxes; see :mod:`dsps_sbi.photometry.band_floors`.
    """

    filter_set: FilterSet = None
    universal: object = None
    extra: tuple[float, ...] | None = None

    @property
    def snr_bands(self) -> jax.Array:
        """Which bands (Band,) the signal-to-noise cut is made on: all of them."""
        with jax.ensure_compile_time_eval():
            return jnp.ones(len(self.filters), bool)

    def align(self, filters, *arrays):
        """As that of any posterior of photometry; names of its own filters need not be sedpy's."""
        order = {name: i for i, name in enumerate(self.filters)}
        names = [name if name in order else canonical_filter(name) for name in filters]
        if not set(names) <= set(order):
            return super().align(names, *arrays)
        where = [order[name] for name in names]
        out = [np.full((len(array), len(order)), np.nan, np.float32) for array in arrays]
        for full, array in zip(out, arrays, strict=True):
            full[:, where] = array
        return tuple(out)

    def filled(self, data: PhotometryData) -> PhotometryData:
        """Data with as many bands as the network is compiled for; the added ones are missing."""
        return PhotometryData(*(np.asarray(a) for a in self.network.filled(*data)))

    def in_range(self, data) -> np.ndarray:
        """As that of any posterior of photometry, of data that may be filled up."""
        n = len(self.filters)
        return super().in_range(PhotometryData(*(np.asarray(a)[:, :n] for a in data[:4]), data.z))

    def likelihood_of(self, model: GalaxyModel) -> AnyFiltersLikelihood:
        """The likelihood under a model that matches, from its light in few functions of wavelength."""
        return AnyFiltersLikelihood(self, model, weight_basis(model))

    def model(self, ssp=None, filters: FilterSet | None = None) -> GalaxyModel:
        """The model that it was trained on, with its filters; see :meth:`UniversalPosterior.model`."""
        return self.universal.model(ssp, self.filter_set if filters is None else filters)

    def check_match(self, model: GalaxyModel) -> float:
        """Refuse a model that it was not trained on, whatever its filters."""
        if model.filters.names != self.filters:
            raise UserError(
                f"model of filters {', '.join(model.filters.names)} for a posterior of "
                f"{', '.join(self.filters)}: give one of the same, in the same order"
            )
        return self.universal.check_match(model)

    def simulator(self, model: GalaxyModel) -> SurveySimulator:
        """Mocks in these filters, with depths and missing bands as in training."""
        n = len(self.filters)
        masks = BandMasks(np.ones((1, n), bool), p_all=0.5, p_pattern=0.0, fewest=min(3, n))
        edges = self.network.network.basis.pixel_edges_aa
        return SurveySimulator(model, self.noise, masks, self.limits, edges[jnp.array([0, -1])])
