"""Trained posteriors on disk, of photometry and of spectra."""

from importlib import resources
from pathlib import Path

from . import bundle_pixels, bundle_spectra
from .bundle_files import CONFIG as CONFIG
from .bundle_files import META as META
from .bundle_files import WEIGHTS as WEIGHTS
from .bundle_files import read_files, write_files
from .errors import UserError
from .posterior import AmortizedPosterior
from .spectrum_posterior import SpectrumPosterior


def shipped() -> dict[str, Path]:
    """Names and folders of the bundles that come with the package."""
    root = Path(str(resources.files("dsps_sbi") / "bundles"))
    return {path.parent.name: path.parent for path in sorted(root.glob(f"*/{META}"))}


def save_bundle(post: AmortizedPosterior | SpectrumPosterior, folder) -> Path:
    """Write a bundle: ``params.safetensors``, ``config.toml``, ``meta.json``.

    Parameters
    ----------
    post : AmortizedPosterior or SpectrumPosterior
    folder : path
        Made if missing; its parent must exist.

    Raises
    ------
    UserError
        If the folder cannot be written, or the posterior has parts of the user's own that no
        configuration can describe.
    """
    kind = bundle_spectra if isinstance(post, SpectrumPosterior) else bundle_pixels
    return write_files(folder, *kind.to_parts(post), post.meta)


def load_bundle(name, ssp=None) -> AmortizedPosterior | SpectrumPosterior:
    """Load a shipped bundle by name, or any bundle by its folder.

    Parameters
    ----------
    name : str or path
        ``jades-pixels``, ``miles-optical``, or the folder of a bundle.
    ssp : SSPGrid or mapping of float to SSPGrid, optional
        For bundles of spectra, which are made whole with their SSPs; by default those in the cache.

    Raises
    ------
    UserError
        If there is no such bundle, it is truncated, tampered with or of another format, or its SSPs are
        not at hand.
    """
    folder = shipped().get(str(name), Path(name))
    if not (folder / META).is_file():
        known = ", ".join(shipped()) or "none"
        raise UserError(f"no bundle at {name}: give a bundle's folder or one of the shipped ones ({known})")
    config, arrays, meta = read_files(folder)
    if config.get("kind") == bundle_spectra.KIND:
        return bundle_spectra.from_parts(config, arrays, meta, str(folder), ssp)
    if ssp is not None:
        raise UserError(f"bundle {folder} is one of photometry, which needs no SSPs: leave out ssp=")
    return bundle_pixels.from_parts(config, arrays, meta, str(folder))
