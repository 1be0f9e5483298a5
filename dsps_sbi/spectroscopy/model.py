"""The forward model of a galaxy's spectrum: parameters and redshift to flux in pixels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from astropy import units as u

from ..arrays import plain
from ..components import constant, pytree
from ..cosmology import Cosmology
from ..dust import DustLaw, free_names
from ..instruments.continuum import Continuum
from ..instruments.spectrograph import Spectrograph
from ..io.spectrum import Spectrum
from ..kernels.between_nodes import at_pixels
from ..kernels.full_precision import matmul
from ..kernels.linear_gaussian import log_evidence
from ..kernels.losvd import broaden
from ..kernels.lsf import to_pixels
from ..priors import Prior
from ..sfh import Dirichlet, StarFormationHistory, age_edges
from ..ssp import SSPGrid
from ..ssp.log_grid import LogGrid, on_log_grid
from .checks import FREE, check_parts
from .geometry import Geometry
from .nuisances import NODE_KM_S, Nuisances, nuisances_of
from .population_modes import misfit_light
from .prior import spectrum_prior
from .starlight import starlight
from .view import SpectrumView

DECILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@pytree(
    arrays=("geometry", "cosmology", "light", "edges", "nodes", "alphas"),
    static=("prior", "sfh", "dust", "continuum", "model_error", "sharper"),
    aside=("ssp", "spectrograph", "rest_aa"),
)
@dataclass(frozen=True, eq=False)
class SpectrumModel:
    """SSPs + star formation history + moving stars, seen by a spectrograph; a pytree.

    Parameters
    ----------
    ssp : SSPGrid or mapping of float to SSPGrid
        With ``fwhm_aa``. Several grids by [alpha/Fe] (:func:`dsps_sbi.ssp.read_miles_alpha`) make
        ``alpha_fe`` a parameter.
    spectrograph : Spectrograph
    prior : Prior
        Its names must be those of the SFH, then ``metallicity``, ``alpha_fe`` if there are several
        grids, ``av`` and the parameters of the dust law if there is one, ``sigma_v`` [km/s],
        ``log_model_error`` if that is free, and ``log_mass_formed`` (:func:`dsps_sbi.spectrum_prior`,
        which has more that may be among them: a metallicity history, a velocity, a scale of the errors, and
        misfit along populations).
    sfh : StarFormationHistory
    dust : DustLaw, optional
        A single screen. Without one the polynomial has to do what dust does.
    continuum : Continuum
        Multiplicative polynomial with a Gaussian prior.
    model_error : float or "free"
        Error of the model as a share of its flux (before the polynomial), independent from pixel to
        pixel: for what SSPs get wrong. Free, its log10 is a parameter.
    sharper : {"refuse", "mask"}
        What to do with pixels whose LSF is narrower than that of the SSPs and of the slowest stars
        of the prior together. (Sharper pixels above that need nothing: the stars' own velocities
        make up for what the SSPs blur too much, exactly.)
    rest_aa : (float, float), optional
        Rest wavelengths of the SSPs to use [Angstrom]; default: all.
    cosmology : Cosmology

    Raises
    ------
    UserError
        If the parts do not fit together.

    Notes
    -----
    The simulator and the likelihood share everything: see :mod:`dsps_sbi.spectroscopy.nuisances`.

    Not modelled: gas (mask its lines), the IGM (light below 1216 Angstrom), other than Gaussian
    distributions of velocities, noise that is correlated between pixels.
    """

    ssp: SSPGrid | Mapping[float, SSPGrid]
    spectrograph: Spectrograph
    prior: Prior
    sfh: StarFormationHistory = field(default_factory=Dirichlet)
    dust: DustLaw | None = None
    continuum: Continuum = field(default_factory=Continuum)
    model_error: float | str = FREE
    sharper: str = "refuse"
    rest_aa: tuple[float, float] | None = None
    cosmology: Cosmology = field(default_factory=Cosmology.from_astropy)

    def __post_init__(self):
        check_parts(self)

    @classmethod
    def for_spectrum(cls, ssp, spectrum: Spectrum, prior=None, *, lsf=None, **options) -> "SpectrumModel":
        """A model with the pixels and the LSF of an observed spectrum.

        Parameters
        ----------
        ssp : SSPGrid or mapping of float to SSPGrid
        spectrum : Spectrum
        prior : Prior, optional
            Default: :func:`dsps_sbi.spectrum_prior` for the SFH and the grids.
        lsf : LSF, optional
            Instead of the spectrum's own.
        **options
            Others of this class.

        Raises
        ------
        UserError
            If the LSF is not known, or the parts do not fit together.
        """
        if prior is None:
            alphas = sorted(ssp) if isinstance(ssp, Mapping) else [0.0]
            prior = spectrum_prior(
                options.get("sfh"),
                alpha_fe=(alphas[0], alphas[-1]) if len(alphas) > 1 else None,
                av=None if options.get("dust") is None else (0.0, 4.0),
                log_model_error=(-3.0, -1.0) if options.get("model_error", FREE) == FREE else None,
            )
        return cls(ssp, spectrum.spectrograph(lsf), prior, **options)

    @cached_property
    def grids(self) -> dict[float, SSPGrid]:
        """SSP grids by [alpha/Fe]; a single one is at 0."""
        return dict(self.ssp) if isinstance(self.ssp, Mapping) else {0.0: self.ssp}

    @property
    def _first(self) -> SSPGrid:
        return next(iter(self.grids.values()))

    @property
    def sigma_v_km_s(self) -> tuple[float, float]:
        """Range of the velocity dispersion under the prior [km/s]."""
        marginal = self.prior.marginals["sigma_v"]
        return float(marginal.low), float(marginal.high)

    @property
    def names(self) -> tuple[str, ...]:
        """Parameter names, the order of theta's last axis."""
        return self.prior.names

    @cached_property
    def edges_gyr(self) -> np.ndarray:
        """Edges (Age + 1,) of the SSPs' age bins [Gyr]."""
        return age_edges(self._first.age_gyr)

    @cached_property
    def _log_grids(self) -> list[LogGrid]:
        # convolution must not carry one end of the spectrum to the other
        pad = 5.0 * self.sigma_v_km_s[1]
        return [on_log_grid(grid, pad, self.rest_aa) for grid in self.grids.values()]

    @cached_property
    def light(self) -> jax.Array:
        """(Alpha * Met, Age, Grid): lambda L_lambda [Lsun per Msun formed]."""
        return constant(np.concatenate([grid.light for grid in self._log_grids]))

    @cached_property
    def edges(self) -> jax.Array:
        """:attr:`edges_gyr` as float32."""
        return constant(self.edges_gyr)

    @cached_property
    def nodes(self) -> jax.Array:
        """Metallicities [M/H] (Met,) of the SSPs."""
        return constant(self._first.metallicity)

    @cached_property
    def alphas(self) -> jax.Array | None:
        """[alpha/Fe] (Alpha,) of the grids; None for a single one."""
        return constant(list(self.grids)) if len(self.grids) > 1 else None

    @cached_property
    def geometry(self) -> Geometry:
        """Where the pixels fall on the grid of the SSPs."""
        return Geometry(
            self.spectrograph,
            self._log_grids[0],
            float(self._first.fwhm_aa),
            self.sigma_v_km_s,
            self.continuum,
            self.cosmology,
            *((misfit_light(self), NODE_KM_S) if "log_misfit" in self.names else ()),
        )

    def column(self, theta, name):
        """One parameter (...) of theta (..., Param)."""
        return theta[..., self.names.index(name)]

    def error_share(self, theta):
        """Error of the model as a share of its flux (...)."""
        if self.model_error == FREE:
            return 10.0 ** self.column(theta, "log_model_error")
        return jnp.full(theta.shape[:-1], self.model_error, theta.dtype)

    def nuisances(self, theta, view: SpectrumView) -> Nuisances:
        """Sizes of what is not flux, of theta (..., Param)."""
        return nuisances_of(self, theta, view.basis.shape[-1])

    def view(self, z, distance_mpc=None) -> SpectrumView:
        """All that depends on the redshift alone, made once for many galaxies.

        Parameters
        ----------
        z : float
        distance_mpc : float, optional
            Luminosity distance [Mpc]; by default that of the cosmology, and 10 pc at z <= 0. Only
            the mass depends on it.

        Raises
        ------
        UserError
            If the redshift is missing, pixels and SSPs do not overlap, no pixel is left by the
            masks, or pixels are sharper than the SSPs.
        """
        return self.geometry.checked_view(_redshift(z), _distance(distance_mpc), self.sharper)

    def unit_flux(self, theta, view: SpectrumView):
        """As :meth:`predict_fast` for one solar mass formed; log_mass_formed has no effect."""
        theta = self.prior.as_theta(theta)
        return self.seen(starlight(self, theta, view.universe_gyr), theta, view)

    def seen(self, light, theta, view: SpectrumView):
        """What pixels see of stars' light, through the dust and with the velocities of theta.

        Parameters
        ----------
        light : array (..., Grid)
            lambda L_lambda [L_sun], as of :attr:`light`.
        theta : array (..., Param)
        view : SpectrumView

        Returns
        -------
        array (..., Pixel)
            Flux density [1e-17 erg/s/cm2/Angstrom], 0 in pixels that the SSPs do not cover.
        """
        steps = self.column(theta, "sigma_v") / self.geometry.setting.step_km_s
        variance = jnp.maximum(steps**2 - view.borrowed, 0.0)
        shift = None
        if "velocity" in self.names:
            shift = self.column(theta, "velocity") / self.geometry.setting.step_km_s
        light = broaden(self._screened(light, theta), variance, as_cells=True, shift=shift)
        return jnp.where(view.covered, to_pixels(light, view.start, view.weights) * view.scale, 0.0)

    def predict_fast(self, theta, view: SpectrumView):
        """Spectra of many galaxies at the redshift of a view, without the polynomial.

        Parameters
        ----------
        theta : array (..., Param)
            In the order of :attr:`names`.
        view : SpectrumView

        Returns
        -------
        array (..., Pixel)
            Flux density [1e-17 erg/s/cm2/Angstrom], 0 in pixels that the SSPs do not cover.
        """
        theta = self.prior.as_theta(theta)
        mass = 10.0 ** self.column(theta, "log_mass_formed")
        return unit_flux(self, theta, view) * mass[..., None]

    def _screened(self, light, theta):
        if self.dust is None:
            return light
        wave = self.geometry.wave_aa
        i, n = self.names.index("av"), len(free_names(self.dust))
        curve = self.dust(wave, theta[..., i + 1 : i + 1 + n]) if n else self.dust(wave)
        return light * 10.0 ** (-0.4 * theta[..., i, None] * curve)

    def predict(self, theta, z, distance_mpc=None):
        """Spectrum of a galaxy at any redshift, differentiable in both; see :meth:`predict_fast`.

        Parameters
        ----------
        theta : array (..., Param)
        z : scalar
        distance_mpc : scalar, optional

        Returns
        -------
        array (..., Pixel)
            Flux density [1e-17 erg/s/cm2/Angstrom].
        """
        return self.predict_fast(theta, self.geometry.view(_redshift(z), _distance(distance_mpc)))

    def simulate(self, key, theta, view: SpectrumView, sigma):
        """Mock observations: polynomial and noise drawn as the likelihood has them.

        Parameters
        ----------
        key : jax PRNG key
        theta : array (..., Param)
        view : SpectrumView
        sigma : array (Pixel,) or (..., Pixel)
            Reported errors [1e-17 erg/s/cm2/Angstrom].

        Returns
        -------
        array (..., Pixel)
            [1e-17 erg/s/cm2/Angstrom]
        """
        return self.observe(key, self.predict_fast(theta, view), theta, view, sigma)

    def observe(self, key, template, theta, view: SpectrumView, sigma):
        """As :meth:`simulate`, of predictions (..., Pixel) that are there already."""
        continuum_key, noise_key = jax.random.split(key)
        own = self.nuisances(theta, view)
        shape = (*template.shape[:-1], view.basis.shape[-1])
        terms = own.terms * jax.random.normal(continuum_key, shape)
        factor = 1.0 + matmul(terms, view.basis.T)
        if own.misfit is not None:
            shape = (*template.shape[:-1], len(view.nodes[2]))
            amplitudes = jax.random.normal(jax.random.fold_in(key, 2), shape)
            factor = factor + own.misfit[..., None] * at_pixels(view.nodes, amplitudes)
        error = own.share[..., None] * template
        # squares of fluxes at 10 pc leave float32's range
        noise = jnp.hypot(own.scale[..., None] * sigma, error) * jax.random.normal(noise_key, template.shape)
        return template * factor + noise

    def log_likelihood(self, theta, flux, sigma, valid, view: SpectrumView):
        """Exact log likelihood of spectra, polynomial and misfit integrated out under their prior.

        Parameters
        ----------
        theta : array (..., Param)
        flux, sigma : array (..., Pixel)
            Observed flux density and its reported error, any value where ``valid`` is False
            [1e-17 erg/s/cm2/Angstrom].
        valid : bool array (..., Pixel)
        view : SpectrumView

        Returns
        -------
        log_likelihood : array (...)
            Normalisation kept; pixels that are not valid in the view do not count.
        coefficients : array (..., Term)
            Best coefficients of the terms of the view's basis.
        """
        template = self.predict_fast(theta, view)
        return self.log_likelihood_of(template, self.nuisances(theta, view), flux, sigma, valid, view)

    def log_likelihood_of(self, template, nuisances: Nuisances, flux, sigma, valid, view: SpectrumView):
        """As :meth:`log_likelihood`, of predictions (..., Pixel) and their nuisances."""
        valid = valid & view.valid
        # in units of the errors: squares of fluxes in other units would leave float32's range
        unit = jnp.where(valid, sigma, 1.0)
        template = template / unit
        residual = jnp.where(valid, flux, 0.0) / unit - template
        variance = nuisances.variance(template)
        nuisance = view.basis, nuisances.terms, nuisances.correlated(view)
        value, best = log_evidence(residual, variance, valid, template, *nuisance)
        return value - jnp.sum(jnp.where(valid, jnp.log(unit), 0.0), axis=-1), best

    def formation_times(self, theta, z, fractions=DECILES):
        """Cosmic times [Gyr since the Big Bang] by which shares of the mass had formed.

        They come from the history itself: in order, and none later than the Universe's age at z.

        Parameters
        ----------
        theta : array (..., Param), or their first parameters, those of the history
        z : scalar
        fractions : sequence of float
            Default: t10, t20 ... t90.

        Returns
        -------
        array (..., len(fractions))
        """
        # the parameters of the history are enough
        params, z = jnp.asarray(plain(theta, "theta"))[..., None, : len(self.sfh.names)], _redshift(z)
        return self.sfh.formation_time(params, jnp.asarray(fractions, jnp.float32), self.cosmology.age(z))


def _redshift(z):
    return None if z is None else plain(z, "redshift")


def _distance(distance_mpc):
    return None if distance_mpc is None else plain(distance_mpc, "distance_mpc", u.Mpc)


@jax.jit
def unit_flux(model: SpectrumModel, theta, view: SpectrumView):
    """:meth:`SpectrumModel.unit_flux`, compiled."""
    return model.unit_flux(theta, view)
