"""Priors of spectra."""

from ..priors import Normal, Prior, Uniform
from ..sfh import Aged, Dirichlet, DirichletBurst, StarFormationHistory


def spectrum_prior(
    sfh: StarFormationHistory | None = None,
    *,
    metallicity=(-2.27, 0.40),
    alpha_fe=None,
    av=None,
    dust=None,
    sigma_v=(0.0, 450.0),
    log_model_error=(-3.0, -1.0),
    log_mass_formed=(4.0, 13.0),
    z=(0.0001, 1.0),
    metallicity_rise=None,
    velocity=None,
    log_error_scale=None,
    log_misfit=None,
) -> Prior:
    """Prior of a :class:`dsps_sbi.SpectrumModel`: ranges within which each parameter is uniform.

    For :class:`dsps_sbi.sfh.Dirichlet` histories the star formation rate now is that of
    arXiv:2406.18661, which lets galaxies be quenched: its logarithm is flat from -50 to 0 [Msun/yr]
    for 10^10 Msun. For :class:`dsps_sbi.sfh.DelayedTau`: tau log-uniform from 0.01 to 100 Gyr, start
    uniform in the age of the Universe.

    Parameters
    ----------
    sfh : StarFormationHistory
        Default: Dirichlet().
    metallicity, sigma_v, log_mass_formed : (float, float)
        [M/H], velocity dispersion of the stars [km/s], log10 of the formed mass [Msun].
    alpha_fe : (float, float), optional
        For grids in [alpha/Fe].
    av : (float, float), optional
        For models with dust [mag].
    dust : mapping of str to marginal, optional
        Free parameters of the dust law.
    log_model_error : (float, float) or None
        log10 of the fractional error of the model; None where that is fixed.
    z : (float, float)
        Redshifts that a network trained under this prior knows.
    metallicity_rise : float, optional
        For a metallicity history: [M/H] is linear in the share of the mass formed, and that of the last stars
        less that of the first is normal about 0 with this standard deviation [dex]. ``metallicity`` is that
        of the stars formed when half of the mass existed. Beyond the grid its edge holds.
    velocity : float, optional
        For a velocity beside the redshift: normal about 0 with this standard deviation [km/s], the error of
        the redshift.
    log_error_scale : (float, float), optional
        For a scale of the stated errors: log10 of true over stated ones.
    log_misfit : (float, float), optional
        For misfit along populations: log10 of its root mean square as a share of the flux, see
        :mod:`dsps_sbi.spectroscopy.nuisances`.

    Returns
    -------
    Prior
    """
    sfh = Dirichlet() if sfh is None else sfh
    family = sfh.sfh if isinstance(sfh, Aged) else sfh
    marginals = dict(sfh.marginals())
    if isinstance(family, Dirichlet | DirichletBurst):
        marginals["log_ssfr_now"] = Uniform(-60.0, -10.0)
    marginals["metallicity"] = Uniform(*metallicity)
    if metallicity_rise is not None:
        marginals["metallicity_rise"] = Normal(0.0, metallicity_rise)
    ranges = {"alpha_fe": alpha_fe, "av": av}
    marginals |= {name: Uniform(*pair) for name, pair in ranges.items() if pair is not None}
    marginals |= {} if dust is None else dict(dust)
    marginals["sigma_v"] = Uniform(*sigma_v)
    if velocity is not None:
        marginals["velocity"] = Normal(0.0, velocity)
    ranges = {"log_model_error": log_model_error, "log_error_scale": log_error_scale}
    ranges |= {"log_misfit": log_misfit, "log_mass_formed": log_mass_formed}
    marginals |= {name: Uniform(*pair) for name, pair in ranges.items() if pair is not None}
    return Prior(marginals, z)
