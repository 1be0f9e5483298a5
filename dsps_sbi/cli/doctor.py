"""What the command ``doctor`` says about this installation."""

import platform
from importlib.metadata import PackageNotFoundError, version

import jax

from ..bundle.load import load_bundle, shipped
from ..errors import UserError
from ..ssp import load
from ..ssp.cache import ENVIRONMENT, cache_dir
from ..ssp.fetch import FILES
from .compiled import describe

_PACKAGES = (
    "dsps_sbi",
    "jax",
    "jaxlib",
    "flax",
    "distrax",
    "tfp-nightly",
    "optax",
    "numpy",
    "astropy",
    "astro-sedpy",
)


def report() -> str:
    """Versions, device, precision, cache, grids and bundles, one a line."""
    lines = [f"python      {platform.python_version()} on {platform.system()} {platform.machine()}"]
    lines += [f"{name:<11} {_version(name)}" for name in _PACKAGES]
    devices = ", ".join(f"{device.platform}:{device.id}" for device in jax.devices())
    lines.append(f"device      {devices}")
    lines.append(f"precision   float{64 if jax.config.jax_enable_x64 else 32}")
    lines.append(f"cache       {cache_dir()} (set {ENVIRONMENT} to move it)")
    lines.append(f"compiled    {describe()}")
    lines += [f"grid        {name}: {_grid(name)}" for name in FILES]
    bundles = shipped()
    lines += [f"bundle      {name}: {_bundle(name)}" for name in bundles]
    if not bundles:
        lines.append("bundle      none shipped: give a bundle's folder to infer")
    return "\n".join(lines)


def _version(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing: install dsps_sbi again"


def _grid(name):
    try:
        grid = load(name)
    except UserError as error:
        return str(error)
    met, age, wave = grid.flux.shape
    return f"{met} metallicities x {age} ages x {wave} wavelengths, hash {grid.sha}"


def _bundle(name):
    try:
        post = load_bundle(name)
    except UserError as error:
        return str(error)
    return post.summary()
