"""Posteriors of spectra as a bundle's arrays and configuration, and back."""

import numpy as np

from ..bundle.config import check_format, parsed, physics_entries, physics_of
from ..bundle.files import cosmology_of, cosmology_to_arrays, weights_of, weights_to_arrays
from ..bundle.load import register
from ..instruments.continuum import Continuum
from ..instruments.lsf import LSF
from ..instruments.spectrograph import Spectrograph
from .compressed import assemble, remixed
from .fingerprint import check_reference
from .model import SpectrumModel
from .network import SpectrumArchitecture, SpectrumNetwork
from .nuisances import typical_terms
from .posterior import SpectrumPosterior, bundled_ssp

FORMAT = 2
_SUBSPACE, _SCALARS = "weights['subspace']", ("spread", "log_mass_to_light", "error")


def to_parts(post: SpectrumPosterior) -> tuple[dict[str, np.ndarray], dict]:
    """Arrays by name and configuration of a posterior."""
    network, frame = post.network, post.frame
    weights = {name: a for name, a in weights_to_arrays(post.weights).items() if _SUBSPACE not in name}
    arrays = weights | cosmology_to_arrays(network.cosmology)
    # the SSPs must not be passed on, nor components that spectra can be made of
    arrays |= {"subspace.mixture": np.asarray(post.mixture, np.float32)}
    arrays |= {f"subspace.{name}": np.asarray(getattr(network.subspace, name)) for name in _SCALARS}
    arrays |= {"frame.wave_aa": frame.wave_aa, "frame.lsf": frame.lsf.value}
    arrays |= {
        "frame.usable": np.asarray(post.usable, np.uint8),
        "frame.basis": np.asarray(network.basis[:, : _n_polynomial(post)]),
    }
    if frame.lsf.wave_aa is not None:
        arrays["frame.lsf_wave_aa"] = frame.lsf.wave_aa
    config = {
        "format": FORMAT,
        "kind": post.kind,
        "cosmology": network.cosmology.name,
        "model_error": post.model_error,
        "sharper": post.sharper,
        "rest_aa": [] if post.rest_aa is None else list(post.rest_aa),
        "mixture_seed": post.mixture_seed,
        **physics_entries(network.sfh, network.prior),
        "continuum": {"degree": post.continuum.degree, "sigma": post.continuum.sigma},
        "frame": {
            "lsf": frame.lsf.quantity,
            "medium": frame.medium,
            "pixel_in_lsf": frame.pixel_in_lsf,
            "mask_lines": list(frame.mask_lines),
            "mask_km_s": frame.mask_km_s,
            "mask_windows_aa": [list(window) for window in frame.mask_windows_aa],
        },
        "noise": {n: list(v) if isinstance(v, tuple) else v for n, v in post.noise.items()},
        "network": network.arch.as_dict(),
    }
    return arrays, config


def from_parts(config, arrays, meta, label: str, ssp=None) -> SpectrumPosterior:
    """The inverse of :func:`to_parts`; with the SSPs, of which the network's components are made again.

    Parameters
    ----------
    ssp : SSPGrid or mapping of float to SSPGrid, optional
        By default the grid in the cache whose name the bundle holds.

    Raises
    ------
    UserError
        If something is missing or of another format, or the SSPs are not at hand or are others.
    """
    check_format(config, label, (FORMAT,))
    cosmology = cosmology_of(config, arrays, label)
    settings = parsed(lambda config: _settings(config, arrays), config, label)
    (sfh, prior), arch, frame, noise = (settings.pop(n) for n in ("physics", "arch", "frame", "noise"))
    basis, usable = arrays["frame.basis"], arrays["frame.usable"].astype(bool)
    mixture, seed = arrays["subspace.mixture"], settings.pop("mixture_seed")
    scalars = [arrays[f"subspace.{name}"] for name in _SCALARS]
    ssp = bundled_ssp(meta) if ssp is None else ssp
    model = SpectrumModel(ssp, frame, prior, sfh, cosmology=cosmology, **settings)
    check_reference(meta, model)
    view, sizes = model.view(0.0), {"n_light": arch.n_light, "n_node": arch.n_node}
    components = remixed(model, view, mixture, seed)
    subspace = assemble(model, view, components, *scalars, **sizes)
    if model.geometry.n_misfit:
        # made of the SSPs
        basis = view.basis
    network = SpectrumNetwork(arch, prior, sfh, cosmology, subspace, basis, typical_terms(model))
    components_of = {f"{_SUBSPACE}['{name}'].value": a for name, a in subspace.as_arrays().items()}
    weights = weights_of(network, arrays | components_of, label)
    return SpectrumPosterior(
        network,
        weights,
        frame,
        usable=usable,
        noise=noise,
        mixture=mixture,
        mixture_seed=seed,
        meta=meta,
        **settings,
    )


def _n_polynomial(post):
    """How many terms of the basis are not made of SSPs."""
    sizes = post.network.basis_sigma
    return sizes.count(post.continuum.sigma) if isinstance(sizes, tuple) else None


def _settings(config, arrays):
    needed = ("frame.basis", "frame.usable", "subspace.mixture", *(f"subspace.{name}" for name in _SCALARS))
    missing = [name for name in needed if name not in arrays]
    if missing:
        raise KeyError(missing[0])
    return {
        "physics": physics_of(config),
        "arch": SpectrumArchitecture(**config["network"]),
        "frame": _frame(config["frame"], arrays),
        "noise": {n: tuple(v) if isinstance(v, list) else v for n, v in config["noise"].items()},
        "mixture_seed": int(config["mixture_seed"]),
        "continuum": Continuum(**config["continuum"]),
        "model_error": config["model_error"],
        "sharper": config["sharper"],
        "rest_aa": tuple(config["rest_aa"]) or None,
    }


def _frame(entry, arrays) -> Spectrograph:
    entry = dict(entry)
    lsf = LSF(entry.pop("lsf"), arrays["frame.lsf"], arrays.get("frame.lsf_wave_aa"))
    windows = tuple((low, high) for low, high in entry.pop("mask_windows_aa"))
    lines_ = tuple(entry.pop("mask_lines"))
    return Spectrograph(arrays["frame.wave_aa"], lsf, mask_lines=lines_, mask_windows_aa=windows, **entry)


register(SpectrumPosterior.kind, from_parts, to_parts)
