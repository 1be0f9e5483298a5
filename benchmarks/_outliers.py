"""Photometry that no galaxy of the model makes: outliers of five kinds, noise and masks as in training.

Two further kinds have the flux and error of all bands wrong by the same factor of 1000, as where nJy are
called uJy. A galaxy a thousand times as bright is one of the model too, as long as mass and errors are in
range.

Every kind starts from a galaxy of the simulator, so that brightness, depths and bands are those of the
galaxies beside which it is to be found out.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from dsps_sbi.noise import UpperLimits

# h c / k [Angstrom K]
HC_K = 1.4387769e8
KINDS = ("star", "agn", "band_off", "redshift", "units")
# Factor that all bands are wrong by
FACTORS = {"units_up": 1e3, "units_down": 1e-3}
FEWEST_BANDS = 10
SNR_MIN = 20.0


def with_many_bands(simulator):
    """The simulator with masks of at least FEWEST_BANDS bands and without upper limits: chi2 has none."""
    masks = simulator.masks
    rich = masks.patterns[masks.patterns.sum(axis=1) >= FEWEST_BANDS]
    return dataclasses.replace(
        simulator,
        masks=dataclasses.replace(masks, patterns=rich, fewest=FEWEST_BANDS),
        limits=UpperLimits(0.0, 0.0),
    )


def through(filters, f_nu):
    """Mean f_nu (Band,) through photon-counting filters of a spectrum given as a function of Angstrom."""
    means = []
    for (wave, density, _), pivot in zip(filters.running, filters.pivot_aa, strict=True):
        y = density * f_nu(wave) / wave**2
        means.append(pivot**2 * np.sum(0.5 * (y[1:] + y[:-1]) * np.diff(wave)))
    return np.array(means)


def stars(filters):
    """Planck spectra (60, Band) of 3000-10000 K, log f_nu up to a constant."""
    kelvin = np.geomspace(3000.0, 10000.0, 60)
    return np.log([through(filters, lambda w, t=t: w**-3.0 / np.expm1(HC_K / (w * t))) for t in kelvin])


def power_laws(filters):
    """Active nuclei f_nu ~ nu^alpha (60, Band), alpha -2 to -0.5, log f_nu up to a constant."""
    return np.log([through(filters, lambda w, a=a: w**-a) for a in np.linspace(-2.0, -0.5, 60)])


class Outliers:
    """Draws mocks of one kind at a table's redshift; ``""`` are the galaxies themselves.

    Parameters
    ----------
    simulator : PhotometrySimulator
        With masks of many bands.
    n_candidates, n_keep : int
        Mocks drawn, and how many of those above the cut are kept.
    """

    def __init__(self, simulator, n_candidates, n_keep):
        self.simulator = simulator
        self.n_candidates, self.n_keep = n_candidates, n_keep
        filters = simulator.model.filters
        self._spectra = {"star": stars(filters), "agn": power_laws(filters)}
        self._is_acs = np.array([name.startswith("acs") for name in filters.names])
        self._draw = jax.jit(self._make, static_argnums=0)

    def __call__(self, kind, key, table, other):
        """Mocks (n_keep,) and which of them are above the cut; ``other`` is a table far in redshift."""
        return self._draw(kind, key, other if kind == "redshift" else table, table.z)

    def _make(self, kind, key, table, z):
        simulator, n = self.simulator, self.n_candidates
        u_key, observe_key, *keys = jax.random.split(key, 4)
        u = jax.random.normal(u_key, (n, len(simulator.model.names)))
        flux, theta = simulator.noiseless(u, table)
        if kind in self._spectra:
            log_flux = jnp.asarray(self._spectra[kind], jnp.float32)
            shape = log_flux[jax.random.randint(keys[0], (n,), 0, len(log_flux))]
            # as bright as the galaxy in the bands of the S/N cut
            bright = [jnp.mean(a[:, simulator.snr_bands], axis=1) for a in (jnp.log(flux), shape)]
            flux = jnp.exp(shape + (bright[0] - bright[1])[:, None])
        mocks = simulator.observe(observe_key, u, theta, jnp.full(n, z), flux)
        data, keep = mocks.data, jnp.ones(n, bool)
        if kind == "band_off":
            off = jnp.argmax(jax.random.uniform(keys[0], flux.shape) * data.valid, axis=1)
            sign = jax.random.rademacher(keys[1], (n, 1))
            sigma = jnp.hypot(data.sigma, simulator.noise.floor * flux)
            data = data._replace(flux=data.flux + 10.0 * sign * sigma * jax.nn.one_hot(off, flux.shape[1]))
        if kind == "units":
            of_acs, larger = (jax.random.bernoulli(k, shape=(n, 1)) for k in keys)
            factor = jnp.where(self._is_acs == of_acs, jnp.where(larger, 1e3, 1e-3), 1.0)
            data = data._replace(flux=data.flux * factor, sigma=data.sigma * factor)
            # both instruments, else there is nothing to compare with
            keep = (data.valid & self._is_acs).any(axis=1) & (data.valid & ~self._is_acs).any(axis=1)
        if kind in FACTORS:
            data = data._replace(flux=data.flux * FACTORS[kind], sigma=data.sigma * FACTORS[kind])
        mocks = dataclasses.replace(mocks, data=data)
        keep = keep & (simulator.snr(mocks) > SNR_MIN)
        order = jnp.argsort(~keep, stable=True)[: self.n_keep]
        return jax.tree.map(lambda a: a[order], mocks), keep[order]
