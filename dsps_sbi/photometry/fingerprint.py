"""Does a bundle belong to a model? Told by fluxes, not by versions or dates."""

import jax
import jax.numpy as jnp
import numpy as np

from ..bundle.fingerprint import refuse_difference, stored
from ..errors import UserError
from .model import GalaxyModel

_N_REFERENCE = 32
_KEY = 20_250_604


def reference_fluxes(model: GalaxyModel) -> dict:
    """Fluxes of 32 fixed parameter sets over the whole prior, by which a model is recognised.

    Parameters
    ----------
    model : GalaxyModel

    Returns
    -------
    dict
        ``z`` (32,), ``theta`` (32, Param) and ``flux_ujy`` (32, Band) [uJy] as nested lists; None for
        the flux of a band that the SSPs do not cover.
    """
    low, high = model.prior.z
    z = np.linspace(low, high, _N_REFERENCE).astype(np.float32)
    theta = model.prior.sample(jax.random.key(_KEY), jnp.asarray(z), model.cosmology.age(z))
    flux = _fluxes(model, theta, z)
    # JSON has no NaN
    known = np.where(np.isnan(flux), None, flux)
    return {"z": z.tolist(), "theta": np.asarray(theta).tolist(), "flux_ujy": known.tolist()}


def _fluxes(model, theta, z):
    return np.asarray(_predict(model, jnp.asarray(theta), jnp.asarray(z, jnp.float32)))


@jax.jit
def _predict(model, theta, z):
    return jax.lax.map(lambda pair: model.predict(*pair), (theta, z))


def check_match(post, model: GalaxyModel) -> float:
    """Refuse a model that the posterior was not trained on.

    Parameters
    ----------
    post : PhotometryPosterior
    model : GalaxyModel

    Returns
    -------
    float
        Largest relative difference of the reference fluxes, at most 1e-3.

    Raises
    ------
    UserError
        If bands or parameters differ, or a flux does by more than 0.1 %, naming the worst band.
    """
    name = post.meta.get("name", "unnamed")
    if post.filters != model.filters.names or post.names != model.names:
        raise UserError(f"bundle {name} has other bands or parameters than the model: use those it lists")
    reference = stored(post.meta)
    got = _fluxes(model, np.array(reference["theta"], np.float32), reference["z"])

    def describe(galaxy, band, percentage):
        return (
            f"bundle {name} was trained on another model: {post.filters[band]} differs by {percentage} at "
            f"z = {reference['z'][galaxy]:.2f} (0.1 % allowed); train it again or use the model that it names"
        )

    return refuse_difference(np.array(reference["flux_ujy"], float), got, describe)


def ssp_record(model: GalaxyModel) -> dict:
    """What a bundle's provenance says of the light that a model is made of; plain values."""
    ssp = model.ssp
    return {
        "name": ssp.name,
        "sha": ssp.sha,
        "imf": ssp.imf,
        "tracks": ssp.tracks,
        "library": ssp.library,
        "log_u": model.log_u,
        "lya_escape": model.lya_escape,
        "model_error": None if model.error is None else model.error.source,
        "remnants": "Renzini & Ciotti (1993)",
    }
