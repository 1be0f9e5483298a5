"""Trained posteriors on disk, whatever they are of: each kind says how it is written and read."""

from collections.abc import Callable
from importlib import resources
from pathlib import Path

from ..errors import UserError
from .files import META, read_files, write_files

# Kind of a bundle, as its configuration names it -> what makes a posterior of its parts, and the reverse
_KINDS: dict[str, tuple[Callable, Callable]] = {}
# Bundles of photometry older than this word do not name their kind
_UNNAMED = "photometry"


def register(kind: str, reader: Callable, writer: Callable) -> None:
    """Make a kind of bundle known.

    Parameters
    ----------
    kind : str
        What ``kind`` is in ``config.toml``.
    reader : callable
        ``reader(config, arrays, meta, label, ssp)`` returns the posterior; ``ssp`` is None or what the
        user gave.
    writer : callable
        ``writer(post)`` returns arrays by name, and the configuration as plain values.
    """
    _KINDS[kind] = reader, writer


def shipped() -> dict[str, Path]:
    """Names and folders of the bundles that come with the package."""
    root = Path(str(resources.files("dsps_sbi.bundle") / "shipped"))
    return {path.parent.name: path.parent for path in sorted(root.glob(f"*/{META}"))}


def save_bundle(post, folder) -> Path:
    """Write a bundle: ``params.safetensors``, ``config.toml``, ``meta.json``.

    Parameters
    ----------
    post : PhotometryPosterior or SpectrumPosterior
    folder : path
        Made if missing; its parent must exist.

    Raises
    ------
    UserError
        If the folder cannot be written, or the posterior has parts of the user's own that no
        configuration can describe.
    """
    return write_files(folder, *_KINDS[post.kind][1](post), post.meta)


def load_bundle(name, ssp=None):
    """Load a shipped bundle by name, or any bundle by its folder.

    Parameters
    ----------
    name : str or path
        ``jades-pixels``, ``miles-optical``, or the folder of a bundle.
    ssp : SSPGrid or mapping of float to SSPGrid, optional
        For bundles of spectra, which are made whole with their SSPs; by default those in the cache.

    Returns
    -------
    PhotometryPosterior or SpectrumPosterior

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
    kind = config.get("kind", _UNNAMED)
    if kind not in _KINDS:
        raise UserError(
            f"bundle {folder} is of kind {kind!r}, this version reads {', '.join(_KINDS)}: update the package"
        )
    return _KINDS[kind][0](config, arrays, meta, str(folder), ssp)
