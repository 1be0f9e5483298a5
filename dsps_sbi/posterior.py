"""The amortised posterior: photometry in, draws of parameters and derived quantities out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np

from .derived import MassTable, derive, quantities_of
from .dust import Calzetti, DustLaw
from .errors import UserError
from .infer import FEWEST_BANDS, infer_cube
from .instruments.coverage import covered_bands
from .instruments.filter_names import canonical_filter
from .instruments.jades import SNR_BANDS
from .network import PixelNetwork
from .noise import DepthNoise, UpperLimits
from .typicality import Typicality
from .weigh import weigher


@dataclass(frozen=True, eq=False)
class AmortizedPosterior:
    """A trained network with all that inference needs; no SSP grid among it.

    Parameters
    ----------
    network : PixelNetwork
    weights : pytree
    filters : tuple of str
        astro-sedpy names, the order of the ``Band`` axis.
    noise : DepthNoise
        The noise that it was trained for.
    mass_table : MassTable
    meta : mapping
        Provenance: SSPs, IMF, tracks, versions, seed, command, validation.
    dust : DustLaw
    log_u : float, "free" or None
        Those of the model, as :class:`~dsps_sbi.model.GalaxyModel` has them; inference does not need them.
    typicality : Typicality or None
        What tells how usual data are without SSPs.
    limits : UpperLimits
        Those that it was trained for.
    """

    network: PixelNetwork
    weights: object
    filters: tuple[str, ...]
    noise: DepthNoise
    mass_table: MassTable
    meta: Mapping
    dust: DustLaw = field(default_factory=Calzetti)
    log_u: float | str | None = -2.0
    typicality: Typicality | None = None
    limits: UpperLimits = UpperLimits()

    @property
    def names(self) -> tuple[str, ...]:
        """Parameters that the network infers, the order of theta's last axis."""
        return self.network.prior.names

    @property
    def quantities(self) -> tuple[str, ...]:
        """Parameters and derived quantities, the order of :meth:`quantity_draws`' last axis."""
        return quantities_of(self.names)

    @cached_property
    def snr_bands(self) -> np.ndarray:
        """Which bands (Band,) the signal-to-noise cut is made on."""
        return np.array([name in SNR_BANDS for name in self.filters])

    def check_redshift(self, z: float):
        """Refuse a redshift that the network has not seen.

        Raises
        ------
        UserError
        """
        low, high = self.network.prior.z
        if not low <= z <= high:
            raise UserError(
                f"redshift {z:g} is outside the bundle's range {low:g}-{high:g}: correct it or train another"
            )

    def coverage(self, z) -> tuple[np.ndarray, np.ndarray]:
        """Which bands (..., Band) the SSPs of the training covered at redshifts z (...).

        Returns
        -------
        complete, usable : bool ndarray
            See :mod:`dsps_sbi.instruments.coverage`; all True where the bundle says nothing about it.
        """
        return covered_bands(self.meta.get("coverage"), len(self.filters), z)

    def align(self, filters, *arrays):
        """Put columns (Object, Band) of given filters in the network's order, NaN for absent bands.

        Raises
        ------
        UserError
            For filters that the network does not know.
        """
        names = [canonical_filter(name) for name in filters]
        unknown = [name for name in names if name not in self.filters]
        if unknown:
            raise UserError(
                f"bands {', '.join(unknown)} are unknown to the bundle, which has {', '.join(self.filters)}: "
                "leave them out"
            )
        where = [self.filters.index(name) for name in names]
        out = []
        for array in arrays:
            full = np.full((len(array), len(self.filters)), np.nan, np.float32)
            full[:, where] = array
            out.append(full)
        return tuple(out)

    def _values(self, table, theta, universe, wanted):
        """Quantities (Quantity, Object, Draw) of theta (Object, Draw, Param)."""
        flat, ages = theta.reshape(-1, theta.shape[-1]), jnp.repeat(universe, theta.shape[1])
        values = derive(self.network.sfh, table, flat, self.names, ages, wanted)
        return jnp.stack([values[name].reshape(theta.shape[:2]) for name in wanted])

    @cached_property
    def _draw(self):
        def draw(weights, table, data, ids, key, n_draws, wanted):
            condition = self.network.condition(weights, *data)
            shape = (n_draws, len(self.names))
            noise = jax.vmap(lambda i: jax.random.normal(jax.random.fold_in(key, i), shape))(ids)
            u, log_q = self.network.draw(weights, condition, noise)
            universe = self.network.cosmology.age(data[-1])
            theta = self.network.prior.from_normal(u, universe[:, None])
            if not wanted:
                return u, log_q, theta
            return self._values(table, theta, universe, wanted)

        return jax.jit(draw, static_argnames=("n_draws", "wanted"))

    def prepared(self, flux_ujy, sky_ujy, z, valid=None, upper=None):
        """What the network takes: flux, sky, valid, upper (Object, Band) and z (Object,).

        Parameters
        ----------
        flux_ujy, sky_ujy, z, valid, upper
            As for :meth:`sample`.

        Raises
        ------
        UserError
            If shapes do not fit.
        """
        flux, sky = (np.asarray(a, np.float32) for a in (flux_ujy, sky_ujy))
        if flux.shape != sky.shape or flux.ndim != 2 or flux.shape[1] != len(self.filters):
            raise UserError(
                f"fluxes {flux.shape} and errors {sky.shape}: give two arrays "
                f"(objects, {len(self.filters)}), see align()"
            )
        good = np.isfinite(flux) & np.isfinite(sky) & (sky > 0)
        valid = good if valid is None else good & np.asarray(valid)
        upper = np.zeros_like(valid) if upper is None else np.asarray(upper)
        z = np.broadcast_to(np.asarray(z, np.float32), flux.shape[:1])
        valid = valid & self.coverage(z)[1]
        return np.where(valid, flux, 0.0), np.where(valid, sky, 1.0), valid, upper & valid, z

    def in_range(self, data) -> np.ndarray:
        """Whether bands (at least 3), errors and upper limits of objects (Object,) are as in training."""
        odd = (self.odd_depths(data) | self.odd_limits(data)).any(axis=1)
        return ~odd & (np.asarray(data[2]).sum(axis=1) >= FEWEST_BANDS)

    def odd_depths(self, data) -> np.ndarray:
        """Bands (Object, Band) whose error is outside the trained range, of :meth:`prepared` data."""
        return np.asarray(data[2]) & ~self.noise.covers(np.asarray(data[1]))

    def odd_limits(self, data) -> np.ndarray:
        """Upper limits (Object, Band) of more or fewer sigmas than in training."""
        flux, sky, _, upper, _ = (np.asarray(a) for a in data)
        return upper & ~self.limits.covers(flux, sky)

    @cached_property
    def own_weigher(self):
        """What weighs draws if the SSPs of the bundle are in the cache, else None; made once."""
        return weigher(self, "auto")

    def draw_normal(self, data, ids, key, n_draws):
        """Draws u (Object, Draw, Param) of the network in normal coordinates, from :meth:`prepared` data."""
        return self._draw(self.weights, self.mass_table, data, ids, key, n_draws=n_draws, wanted=())[0]

    @cached_property
    def _derive(self):
        def run(table, u, z, wanted):
            universe = self.network.cosmology.age(z)
            theta = self.network.prior.from_normal(u, universe[:, None])
            return self._values(table, theta, universe, wanted)

        return jax.jit(run, static_argnames="wanted")

    def derived_draws(self, u, z, quantities=None):
        """Quantities (Quantity, Object, Draw) of draws u (Object, Draw, Param) at redshifts z (Object,)."""
        wanted = quantities_of(self.names, quantities)
        return self._derive(self.mass_table, jnp.asarray(u), jnp.asarray(z), wanted=wanted)

    def sample(self, flux_ujy, sky_ujy, z, *, n_draws=500, seed=0, valid=None, upper=None, ids=None):
        """Draws of the parameters.

        Parameters
        ----------
        flux_ujy, sky_ujy : array (Object, Band)
            Fluxes and reported sky sigmas [uJy] in the order of :attr:`filters`; not finite, or an
            error that is not positive, means missing.
        z : float or array (Object,)
        n_draws, seed : int
        valid : bool array (Object, Band) or None
        upper : bool array (Object, Band) or None
            Where the flux is an upper limit of flux / sky sigmas.
        ids : int array (Object,) or None
            Draws depend on an object's id, not on its place in the batch.

        Returns
        -------
        array (Object, Draw, Param)
        """
        return self._drawn(flux_ujy, sky_ujy, z, valid, upper, ids, seed, n_draws, ())[2]

    def quantity_draws(
        self, flux_ujy, sky_ujy, z, *, n_draws=500, seed=0, valid=None, upper=None, ids=None, quantities=None
    ):
        """Draws (Quantity, Object, Draw) of some quantities, by default all :attr:`quantities`.

        Other arguments as for :meth:`sample`.

        Parameters
        ----------
        quantities : sequence of str or None
            Further ones are formation times such as ``t10``, ``t90_lookback``, ``t25_fraction``; see
            :func:`dsps_sbi.derived.quantities_of`.
        """
        wanted = quantities_of(self.names, quantities)
        return self._drawn(flux_ujy, sky_ujy, z, valid, upper, ids, seed, n_draws, wanted)

    def _drawn(self, flux_ujy, sky_ujy, z, valid, upper, ids, seed, n_draws, wanted):
        data = self.prepared(flux_ujy, sky_ujy, z, valid, upper)
        ids = np.arange(len(data[0])) if ids is None else np.asarray(ids)
        key, table = jax.random.key(seed), self.mass_table
        return self._draw(
            self.weights, table, data, ids.astype(np.uint32), key, n_draws=n_draws, wanted=wanted
        )

    def log_prob(self, theta, flux_ujy, sky_ujy, z, *, valid=None, upper=None):
        """Log density (Object,) of theta (Object, Param) under the flow, per unit of normal coordinates u."""
        data = self.prepared(flux_ujy, sky_ujy, z, valid, upper)
        condition = self.network.condition(self.weights, *data)
        u = self.network.prior.to_normal(jnp.asarray(theta), self.network.cosmology.age(data[-1]))
        return self.network.log_prob(self.weights, condition, u)

    def infer(self, cube, **options):
        """Posterior of every pixel of an image; see :func:`dsps_sbi.infer.infer_cube`."""
        return infer_cube(self, cube, **options)
