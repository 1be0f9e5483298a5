"""What stars and their gas emit, and what leaves a galaxy, on one axis of wavelengths and lines.

Recombination makes two Lyman alpha photons of three ionising ones (case B), but few leave a galaxy as that
line: neutral gas scatters them until dust takes them or until they are spread in wavelength and over a halo
larger than any aperture (Hayes 2015, PASA 32, 27, finds a mean of 5 % at z = 2 and of 20 to 30 % at z = 6).
"""

import jax.numpy as jnp
import numpy as np

from ..dust import birth_age, free_names, is_plain
from ..kernels.csp import composite, metallicity_weights, outer
from ..sfh import mass_weights
from ..ssp import SSPGrid, with_nebular

# What ``log_u`` is set to for an ionisation parameter of each galaxy's own
FREE = "free"
_LYMAN_ALPHA_AA = 1215.67


def lines_of(ssp: SSPGrid, log_u) -> np.ndarray:
    """Rest wavelengths (Line,) of emission lines [Angstrom]; none without gas (``log_u`` None)."""
    return np.zeros(0) if log_u is None else ssp.nebular.line_wave_aa


def stars_and_gas(ssp: SSPGrid, log_u, lya_escape: float = 1.0) -> np.ndarray:
    """Light (Met, Age, Wave + Line): L_lambda [Lsun/A] then line luminosities [Lsun], per Msun formed.

    Parameters
    ----------
    ssp : SSPGrid
    log_u : float, "free" or None
        Where it is free, the light of the first log U of the tables.
    lya_escape : float
        Share of the Lyman alpha photons that leave the galaxy.
    """
    if log_u is None:
        return ssp.flux
    return _at(ssp, ssp.nebular.log_u[0] if log_u == FREE else log_u, lya_escape)


def gas_of_log_u(ssp: SSPGrid, lya_escape: float = 1.0) -> np.ndarray:
    """(LogU * Met, Age', Wave + Line): what each log U adds to that of the first, for the ages with gas."""
    nebular = ssp.nebular
    n_young = int(np.searchsorted(ssp.age_gyr, nebular.age_gyr[-1] * 1.01))
    first = stars_and_gas(ssp, FREE, lya_escape)[:, :n_young]
    return np.concatenate([_at(ssp, u, lya_escape)[:, :n_young] - first for u in nebular.log_u])


def _at(ssp, log_u, lya_escape):
    flux, lines = with_nebular(ssp, log_u)
    lya = np.abs(ssp.nebular.line_wave_aa - _LYMAN_ALPHA_AA) < 0.5
    return np.concatenate([flux, np.where(lya, np.float32(lya_escape), np.float32(1.0)) * lines], axis=-1)


def rest_light(model, theta, z):
    """Light that leaves galaxies, per solar mass formed.

    Parameters
    ----------
    model : GalaxyModel
    theta : array (..., Param)
    z : array (...)

    Returns
    -------
    light : array (..., Wave + Line)
        Behind the dust screen, per Msun formed.
    log_mass : array (...)
        log10 of the formed mass [Msun].
    """
    params, metallicity, av, log_mass = model.split(theta)
    universe = model.cosmology.age(z)
    ages = mass_weights(model.sfh, params[..., None, :], model.edges, universe[..., None])
    mets = metallicity_weights(metallicity, model.nodes)
    rest_aa = model.rest_aa
    nodes = model.log_u_nodes
    log_u = None if nodes is None else metallicity_weights(theta[..., -2], nodes)

    def mix(ages):
        light = composite(ages, mets, model.light)
        if log_u is None:
            return light
        return light + composite(ages[..., : model.gas.shape[1]], outer(log_u, mets), model.gas)

    if is_plain(model.dust):
        light = mix(ages)
        return light * 10.0 ** (-0.4 * av[..., None] * model.dust(rest_aa)), log_mass
    av, dust_params = (av[..., :1], av[..., 1:]) if free_names(model.dust) else (av[..., None], None)
    screen = 10.0 ** (-0.4 * av * model.dust(rest_aa, dust_params))
    birth = birth_age(model.dust)
    if birth is None:
        return mix(ages) * screen, log_mass
    edges = jnp.minimum(model.edges, birth)
    young = mass_weights(model.sfh, params[..., None, :], edges, universe[..., None])
    cloud = 10.0 ** (-0.4 * av * model.dust.birth(rest_aa, dust_params))
    light = mix(ages - young) + mix(young) * cloud
    return light * screen, log_mass
