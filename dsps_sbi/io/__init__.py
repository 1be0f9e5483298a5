"""Images in, maps and totals out."""

from ..errors import UserError
from .atomic import atomic_path
from .catalogue import Catalogue
from .cube import PixelCube
from .fits_cube import read_cutout
from .fits_open import existing_file
from .from_specutils import from_specutils
from .npy import read_npy
from .read_spectral_cube import read_bins, read_spectral_cube
from .read_spectrum import read_spectra, read_spectrum
from .sbipix_hdf5 import read_sbipix
from .spectral_cube import SpectralCube
from .spectrum import Spectrum
from .summary import TotalAccumulator, write_summary
from .tables import read_catalogue
from .target_list import Target, read_target_list
from .toml_list import read_band_list

__all__ = [
    "Catalogue",
    "PixelCube",
    "SpectralCube",
    "Spectrum",
    "Target",
    "TotalAccumulator",
    "atomic_path",
    "from_specutils",
    "read",
    "read_band_list",
    "read_bins",
    "read_catalogue",
    "read_cutout",
    "read_npy",
    "read_sbipix",
    "read_spectral_cube",
    "read_spectra",
    "read_spectrum",
    "read_target_list",
    "write_summary",
]

_READERS = {
    "fits": (read_cutout, ("redshift", "filters")),
    "toml": (read_band_list, ("redshift",)),
    "hdf5": (read_sbipix, ("redshift", "galaxy")),
}
_SUFFIXES = {
    ".fits": "fits",
    ".fit": "fits",
    ".fits.gz": "fits",
    ".fit.gz": "fits",
    ".toml": "toml",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
}


def read(path, *, redshift=None, filters=None, galaxy=None, bands=None):
    """Read the image of a galaxy from any kind of file.

    The ending of the name tells the kind: ``.fits`` or ``.fits.gz`` (`read_cutout`), ``.toml``
    (`read_band_list`), ``.h5`` or ``.hdf5`` (`read_sbipix`). For other endings the first bytes
    of the file do. Two ``.npy`` files need `read_npy`.

    Parameters
    ----------
    path : str or os.PathLike
    redshift : float or "unknown", optional
        Used instead of that in the file; "unknown": it is to be inferred.
    filters : sequence of str, or what :meth:`dsps_sbi.FilterSet.of` takes, optional
        Names of the bands, or their curves, instead of those in the file; only for FITS.
    galaxy : str or int, optional
        Which galaxy; only for HDF5.
    bands : BandNames, optional
        What the names of the bands mean, see :meth:`dsps_sbi.io.band_names.BandNames.read`.

    Returns
    -------
    PixelCube
    """
    path = existing_file(path)
    kind = _kind(path)
    reader, known = _READERS[kind]
    options = {"redshift": redshift, "filters": filters, "galaxy": galaxy}
    options = {name: value for name, value in options.items() if value is not None}
    for name in options:
        if name not in known:
            raise UserError(
                f"{name}= was given with {path}: expected only {', '.join(known)} for {kind}; leave it out"
            )
    return reader(path, bands=bands, **options)


def _kind(path):
    name = path.name.lower()
    for suffix, kind in _SUFFIXES.items():
        if name.endswith(suffix):
            return kind
    if name.endswith(".npy"):
        raise UserError(
            f"{path} holds only one array: expected fluxes and errors; use read_npy with both files"
        )
    with path.open("rb") as file:
        start = file.read(9)
    if start.startswith(b"SIMPLE  ="):
        return "fits"
    if start.startswith(b"\x89HDF\r\n\x1a\n"):
        return "hdf5"
    raise UserError(
        f"{path} is of an unknown kind: expected .fits, .fits.gz, .toml, .h5 or .hdf5; convert or rename it"
    )
