"""Does a bundle of spectra belong to a model? Told by fluxes, not by versions or dates."""

import jax
import numpy as np

from ..bundle.fingerprint import refuse_difference, stored
from ..errors import UserError
from .model import SpectrumModel, unit_flux

_N_REFERENCE, _KEY = 32, 20_240_618
# Pieces of the wavelengths in which fluxes are compared
_N_PIECE = 64
# At rest, where the network sees spectra
_AT_REST = 0.0


def reference_spectra(model: SpectrumModel) -> dict:
    """Fluxes of 32 fixed parameter sets in 64 pieces of the wavelengths, by which a model is recognised.

    Parameters
    ----------
    model : SpectrumModel
        Of the network's pixels.

    Returns
    -------
    dict
        ``theta`` (32, Param) and ``flux`` (32, Piece) [1e-17 erg/s/cm2/Angstrom at 10 pc] as nested
        lists.
    """
    universe = model.cosmology.age(_AT_REST)
    u = jax.random.normal(jax.random.key(_KEY), (_N_REFERENCE, len(model.names)))
    theta = np.asarray(model.prior.from_normal(u, universe))
    return {"theta": theta.tolist(), "flux": _fluxes(model, theta).tolist()}


def _fluxes(model, theta):
    view = model.view(_AT_REST)
    flux = np.asarray(unit_flux(model, np.asarray(theta, np.float32), view), float)
    return np.stack([part.mean(axis=1) for part in np.array_split(flux, _N_PIECE, axis=1)], axis=1)


def check_match(post, model: SpectrumModel) -> float:
    """Refuse a model that the posterior was not trained on.

    Returns
    -------
    float
        Largest relative difference of the reference fluxes, at most 1e-3.

    Raises
    ------
    UserError
        If parameters, pixels or nuisances differ, or a flux does by more than 0.1 %, naming the worst
        wavelength.
    """
    name = post.meta.get("name", "unnamed")
    trained = _nuisances(post, post.network.prior, post.frame, post.names)
    given = _nuisances(model, model.prior, model.spectrograph, model.names)
    odd = [part for part in trained if trained[part] != given[part]]
    if odd:
        raise UserError(
            f"bundle {name} was trained with {odd[0]} {trained[odd[0]]}, the model has {given[odd[0]]}: "
            "weigh with the model that it was trained on"
        )
    return check_reference(post.meta, model)


def check_reference(meta, model: SpectrumModel) -> float:
    """As :func:`check_match`, of the fluxes alone."""
    name = meta.get("name", "unnamed")
    reference = stored(meta)

    def describe(_, piece, percentage):
        wave = np.array_split(model.spectrograph.wave_aa, _N_PIECE)[piece]
        return (
            f"bundle {name} was trained on another model: fluxes at {wave[0]:.0f}-{wave[-1]:.0f} Angstrom "
            f"differ by {percentage} (0.1 % allowed); train it again or use the model that it names"
        )

    return refuse_difference(np.array(reference["flux"], float), _fluxes(model, reference["theta"]), describe)


def _nuisances(owner, prior, frame, names) -> dict:
    """What sets a likelihood beside the fluxes of one solar mass."""
    return {
        "parameters": ", ".join(names),
        "priors": dict(prior.marginals),
        "pixels": (len(frame.wave_aa), *(round(float(frame.wave_aa[i]), 3) for i in (0, -1))),
        "a polynomial": (owner.continuum.degree, owner.continuum.sigma),
        "model_error": owner.model_error,
    }
