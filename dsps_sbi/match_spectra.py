"""Does a bundle of spectra belong to a model? Told by fluxes, not by versions or dates."""

import jax
import numpy as np

from .errors import UserError
from .reference import refuse_difference, stored
from .spectra.model import SpectrumModel
from .ssp import load
from .ssp.fetch import FILES

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
    flux = np.asarray(jax.jit(model.unit_flux)(np.asarray(theta, np.float32), view), float)
    return np.stack([part.mean(axis=1) for part in np.array_split(flux, _N_PIECE, axis=1)], axis=1)


def bundled_ssp(meta):
    """The SSP grid in the cache whose name a bundle holds.

    Raises
    ------
    UserError
        If it is not there, or there are several.
    """
    names = meta["ssp"]["name"]
    if len(names) > 1:
        raise UserError(
            f"bundle {meta['name']} was trained on several grids ({', '.join(names)}): give them as ssp="
        )
    if names[0] not in FILES:
        raise UserError(f"bundle {meta['name']} was trained on the grid {names[0]}: give it as ssp=")
    return load(names[0])


def spectrum_model_of(post, ssp=None) -> SpectrumModel:
    """The model that a posterior of spectra was trained on, made again of its configuration.

    Parameters
    ----------
    post : SpectrumPosterior
    ssp : SSPGrid or mapping of float to SSPGrid, optional
        By default the grid in the cache whose name the bundle holds; several by [alpha/Fe] have to be
        given.

    Raises
    ------
    UserError
        If the SSPs are not at hand, or are others, see :func:`check_spectrum_match`.
    """
    ssp = bundled_ssp(post.meta) if ssp is None else ssp
    network = post.network
    model = SpectrumModel(
        ssp,
        post.frame,
        network.prior,
        network.sfh,
        continuum=post.continuum,
        model_error=post.model_error,
        sharper=post.sharper,
        rest_aa=post.rest_aa,
        cosmology=network.cosmology,
    )
    check_spectrum_match(post, model)
    return model


def check_spectrum_match(post, model: SpectrumModel) -> float:
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
    """As :func:`check_spectrum_match`, of the fluxes alone."""
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
