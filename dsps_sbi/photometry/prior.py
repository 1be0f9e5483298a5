"""Priors of photometry."""

from ..dust import DustLaw
from ..priors import Prior, Uniform
from ..sfh import DelayedTau, StarFormationHistory


def photometry_prior(
    sfh: StarFormationHistory | None = None,
    dust: DustLaw | None = None,
    *,
    free_log_u: bool = False,
    metallicity=(-2.27, 0.40),
    av=(0.0, 4.0),
    log_mass_formed=(4.0, 12.0),
    z=(0.001, 7.5),
) -> Prior:
    """Prior of a :class:`dsps_sbi.GalaxyModel`: ranges within which each parameter is uniform.

    The defaults are those of arXiv:2506.04336, for any star formation history and dust law; history and
    dust law say their own (``marginals``); log U, where it is free, is flat from -4 to -1.

    Parameters
    ----------
    sfh : StarFormationHistory or None
        Default: delayed tau.
    dust : DustLaw or None
        Default: Calzetti, which has no parameters.
    free_log_u : bool
    metallicity, av, log_mass_formed : (float, float)
        [M/H], A_V [mag], log10 of the formed mass [Msun].
    z : (float, float)
        Redshifts that a network trained under this prior knows.

    Returns
    -------
    Prior
    """
    sfh = DelayedTau() if sfh is None else sfh
    marginals = dict(sfh.marginals())
    marginals |= {"metallicity": Uniform(*metallicity), "av": Uniform(*av)}
    if dust is not None and getattr(dust, "names", ()):
        marginals |= dust.marginals()
    if free_log_u:
        marginals["log_u"] = Uniform(-4.0, -1.0)
    return Prior(marginals | {"log_mass_formed": Uniform(*log_mass_formed)}, z)


def beyond_defaults(model) -> dict:
    """What tells mocks of a model from those with the default priors and settings of the same parts.

    Empty for these, so that records of trainings from before still hold.

    Parameters
    ----------
    model : GalaxyModel
    """
    usual = photometry_prior(model.sfh, model.dust, free_log_u=model.log_u == "free")
    parts = {"prior": (model.prior, usual)}
    parts |= {name: (part, type(part)()) for name, part in (("sfh", model.sfh), ("dust", model.dust))}
    return {name: _told(one) for name, (one, other) in parts.items() if one != other}


def _told(part) -> str:
    return repr({**part.marginals, "z": part.z}) if isinstance(part, Prior) else repr(part)
