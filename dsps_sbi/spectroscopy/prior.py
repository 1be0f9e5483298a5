"""Priors of spectra."""

from ..priors import Prior, Uniform
from ..sfh import Aged, Dirichlet, StarFormationHistory


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

    Returns
    -------
    Prior
    """
    sfh = Dirichlet() if sfh is None else sfh
    family = sfh.sfh if isinstance(sfh, Aged) else sfh
    marginals = dict(sfh.marginals())
    if isinstance(family, Dirichlet):
        marginals["log_ssfr_now"] = Uniform(-60.0, -10.0)
    ranges = {"metallicity": metallicity, "alpha_fe": alpha_fe, "av": av}
    marginals |= {name: Uniform(*pair) for name, pair in ranges.items() if pair is not None}
    marginals |= {} if dust is None else dict(dust)
    ranges = {"sigma_v": sigma_v, "log_model_error": log_model_error, "log_mass_formed": log_mass_formed}
    marginals |= {name: Uniform(*pair) for name, pair in ranges.items() if pair is not None}
    return Prior(marginals, z)
