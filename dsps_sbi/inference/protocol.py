"""What a trained posterior offers, whatever its data are."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from ..errors import UserError
from ..ssp import available
from ..ssp.fetch import FILES


class Posterior(ABC):
    """A trained network with all that inference needs.

    Attributes
    ----------
    kind : str
        Of its bundle, as the configuration names it.
    data_words : str
        What it takes, for messages: "images", "spectra".
    network : FlowNetwork
    weights : pytree
        Of the network.
    meta : mapping
        Provenance: SSPs, versions, seed, command, validation.
    typicality : Typicality or None
        What tells how usual data are without SSPs.
    """

    kind: ClassVar[str]
    data_words: ClassVar[str]
    network: object
    weights: object
    meta: Mapping
    typicality: object

    @property
    def names(self) -> tuple[str, ...]:
        """Parameters that the network infers, the order of theta's last axis."""
        return self.network.prior.names

    @property
    def label(self) -> str:
        """Name of the bundle."""
        return str(self.meta.get("name", "unnamed"))

    @property
    def grids(self) -> list[str]:
        """Names of the SSP grids that it was trained on."""
        names = self.meta.get("ssp", {}).get("name", [])
        return [names] if isinstance(names, str) else list(names)

    @property
    def components(self) -> tuple:
        """Parts of the model that have a publication of their own: history, dust law."""
        return (self.network.sfh,)

    @abstractmethod
    def model(self, ssp=None):
        """The model that it was trained on, made again of its configuration.

        Parameters
        ----------
        ssp : SSPGrid or mapping of float to SSPGrid, optional
            By default the grid in the cache whose name the bundle holds.

        Raises
        ------
        UserError
            If the SSPs are not at hand, or are others than those of training.
        """

    @abstractmethod
    def check_match(self, model) -> float:
        """Refuse a model that it was not trained on.

        Returns
        -------
        float
            Largest relative difference of the reference fluxes, at most 1e-3.

        Raises
        ------
        UserError
            If a flux differs by more than 0.1 %, or parameters, bands or pixels do.
        """

    @abstractmethod
    def likelihood_of(self, model):
        """The :class:`~dsps_sbi.inference.importance.Likelihood` under a model that matches."""

    @abstractmethod
    def in_range(self, data):
        """Whether data of objects (Object,) are like those of training, as bool ndarray."""

    def filled(self, data):
        """Data as compiled code takes them: by default as they are."""
        return data

    @abstractmethod
    def infer(self, data, *, weigh=True, refine=False, model="auto", n_draws=None, seed=0, progress=False):
        """Posteriors of an image, a catalogue or spectra.

        Parameters
        ----------
        data : PixelCube, Catalogue, Spectrum or sequence of Spectrum
            What the posterior was trained for.
        weigh : bool
            Weigh the draws with the exact likelihood where the SSPs are at hand.
        refine : bool
            Repair what weighing leaves untrusted.
        model : GalaxyModel, SpectrumModel or "auto"
            What the draws are weighed with; "auto" makes the bundle's model again if its SSPs are in the
            cache.
        n_draws, seed : int
        progress : bool
            Show a bar.

        Returns
        -------
        Result
            With ``draws(name)``, ``percentiles(*names)``, ``table()``, ``trust``.
        """

    def weighed_by(self, model, weigh: bool, refine: bool):
        """:meth:`likelihood`, or None where draws are not to be weighed.

        Raises
        ------
        UserError
            If they are not to be weighed and to be refined.
        """
        if refine and not weigh:
            raise UserError(
                "refine=True was given with weigh=False: refining needs the weights; leave one of them out"
            )
        return self.likelihood(model if weigh else None)

    @abstractmethod
    def summary(self) -> str:
        """What it takes and where it holds, in a few words."""

    @abstractmethod
    def held_out(self, model, n, key, on_chunk=None):
        """Mocks that it was not trained on, n in each slice, for :func:`dsps_sbi.check`.

        Returns
        -------
        HeldOut
        """

    def likelihood(self, model="auto"):
        """What weighs its draws, or None where that cannot be done.

        Parameters
        ----------
        model : GalaxyModel, SpectrumModel, Likelihood, "auto" or None
            "auto" makes the bundle's model again if its SSP grid is in the cache, and None gives None.

        Raises
        ------
        UserError
            If the model is not that of training, see :meth:`check_match`.
        """
        if model is None or hasattr(model, "shape_evidence"):
            return model
        if isinstance(model, str):
            if model != "auto":
                raise UserError(f"model {model!r}: give a model, 'auto' or None")
            return self._bundled_likelihood()
        self.check_match(model)
        return self.likelihood_of(model)

    def _bundled_likelihood(self):
        """That of the model made again, made once; None where the SSPs are not at hand."""
        if "_kept_likelihood" not in self.__dict__:
            # a bundle without reference fluxes cannot tell whether a model is its own
            grids = self.grids
            known = len(grids) == 1 and grids[0] in FILES and "reference" in self.meta
            if not known or not available(grids[0]):
                return None
            self.__dict__["_kept_likelihood"] = self.likelihood_of(self.model())
        return self.__dict__["_kept_likelihood"]
