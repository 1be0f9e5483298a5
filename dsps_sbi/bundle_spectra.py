"""Posteriors of spectra as a bundle's arrays and configuration, and back."""

import numpy as np

from .bundle_config import lines, physics_lines, physics_of
from .bundle_files import cosmology_of, cosmology_to_arrays, weights_of, weights_to_arrays
from .errors import UserError
from .instruments.continuum import Continuum
from .instruments.lsf import LSF
from .instruments.spectrograph import Spectrograph
from .match_spectra import bundled_ssp, check_reference
from .spectra.model import SpectrumModel
from .spectra.network import SpectrumArchitecture, SpectrumNetwork
from .spectra.subspace import assemble, remixed
from .spectrum_posterior import SpectrumPosterior

KIND, FORMAT = "spectrum", 2
_SUBSPACE, _SCALARS = "weights['subspace']", ("spread", "log_mass_to_light", "error")


def to_parts(post: SpectrumPosterior) -> tuple[dict[str, np.ndarray], str]:
    """Arrays and configuration (TOML) of a posterior."""
    network, frame = post.network, post.frame
    weights = {name: a for name, a in weights_to_arrays(post.weights).items() if _SUBSPACE not in name}
    arrays = weights | cosmology_to_arrays(network.cosmology)
    # the SSPs must not be passed on, nor components that spectra can be made of
    arrays |= {"subspace.mixture": np.asarray(post.mixture, np.float32)}
    arrays |= {f"subspace.{name}": np.asarray(getattr(network.subspace, name)) for name in _SCALARS}
    arrays |= {"frame.wave_aa": frame.wave_aa, "frame.lsf": frame.lsf.value}
    arrays |= {"frame.usable": np.asarray(post.usable, np.uint8), "frame.basis": np.asarray(network.basis)}
    if frame.lsf.wave_aa is not None:
        arrays["frame.lsf_wave_aa"] = frame.lsf.wave_aa
    top = {
        "format": FORMAT,
        "kind": KIND,
        "cosmology": network.cosmology.name,
        "z": list(network.prior.z),
        "model_error": post.model_error,
        "sharper": post.sharper,
        "rest_aa": [] if post.rest_aa is None else list(post.rest_aa),
        "mixture_seed": post.mixture_seed,
    }
    own = {
        "lsf": frame.lsf.quantity,
        "medium": frame.medium,
        "pixel_in_lsf": frame.pixel_in_lsf,
        "mask_lines": list(frame.mask_lines),
        "mask_km_s": frame.mask_km_s,
        "mask_windows_aa": [list(window) for window in frame.mask_windows_aa],
    }
    out = [
        *lines(top),
        *physics_lines(network.sfh, network.prior),
        "\n# multiplicative polynomial: degree, and sigma of each coefficient",
        "[continuum]",
        *lines({"degree": post.continuum.degree, "sigma": post.continuum.sigma}),
        "\n# the network's pixels, at rest: wavelengths and LSF are among the arrays",
        "[frame]",
        *lines(own),
        "\n# how well and how completely mock spectra are observed",
        "[noise]",
        *lines(post.noise),
        "\n[network]",
        *lines(network.arch.as_dict()),
    ]
    return arrays, "\n".join(out) + "\n"


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
    if config.get("format") != FORMAT:
        raise UserError(
            f"bundle {label} has format {config.get('format')}, this version reads {FORMAT} for spectra: "
            "train it again"
        )
    cosmology = cosmology_of(config, arrays, label)
    try:
        sfh, prior = physics_of(config)
        continuum, frame = Continuum(**config["continuum"]), _frame(config["frame"], arrays)
        arch = SpectrumArchitecture(**config["network"])
        noise = {n: tuple(v) if isinstance(v, list) else v for n, v in config["noise"].items()}
        own = {"model_error": config["model_error"], "sharper": config["sharper"]}
        own |= {"rest_aa": tuple(config["rest_aa"]) or None, "continuum": continuum}
        basis, usable = arrays["frame.basis"], arrays["frame.usable"].astype(bool)
        mixture, seed = arrays["subspace.mixture"], int(config["mixture_seed"])
        scalars = [arrays[f"subspace.{name}"] for name in _SCALARS]
    except UserError as error:
        raise UserError(f"bundle {label}: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"configuration of bundle {label} is not complete ({error}): train it again"
        ) from error
    ssp = bundled_ssp(meta) if ssp is None else ssp
    model = SpectrumModel(ssp, frame, prior, sfh, cosmology=cosmology, **own)
    check_reference(meta, model)
    view, sizes = model.view(0.0), {"n_light": arch.n_light, "n_node": arch.n_node}
    components = remixed(model, view, mixture, seed)
    subspace = assemble(model, view, components, *scalars, **sizes)
    network = SpectrumNetwork(arch, prior, sfh, cosmology, subspace, basis, continuum.sigma)
    own_arrays = {f"{_SUBSPACE}['{name}'].value": a for name, a in subspace.as_arrays().items()}
    weights = weights_of(network, arrays | own_arrays, label)
    return SpectrumPosterior(
        network,
        weights,
        frame,
        usable=usable,
        noise=noise,
        mixture=mixture,
        mixture_seed=seed,
        meta=meta,
        **own,
    )


def _frame(entry, arrays) -> Spectrograph:
    entry = dict(entry)
    lsf = LSF(entry.pop("lsf"), arrays["frame.lsf"], arrays.get("frame.lsf_wave_aa"))
    windows = tuple((low, high) for low, high in entry.pop("mask_windows_aa"))
    lines_ = tuple(entry.pop("mask_lines"))
    return Spectrograph(arrays["frame.wave_aa"], lsf, mask_lines=lines_, mask_windows_aa=windows, **entry)
