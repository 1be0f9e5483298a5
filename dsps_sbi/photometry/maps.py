"""Maps of posterior percentiles, of images and of cubes of spectra, and their FITS files."""

import dataclasses

import numpy as np
from astropy.io import fits

from ..constants import PERCENTILES
from ..errors import UserError
from ..inference.quality import Columns
from ..io.wcs import celestial_header
from .maps_fits import read_maps, write_maps


@dataclasses.dataclass(frozen=True, eq=False)
class Maps:
    """What is known about each pixel of a galaxy, or each spaxel of a cube of spectra.

    ``Quantity`` is the axis of `names`.

    Parameters
    ----------
    names : sequence of str, (Quantity,)
        Quantities, in lower case: ``log_mass``, ``av``...
    percentiles : array of float, (Quantity, 3, ny, nx)
        The 16th, 50th and 84th percentiles of the posterior; NaN where not fitted. Stored as
        float32.
    snr : array of float, (ny, nx)
        Signal-to-noise ratio by which pixels were chosen.
    n_bands : array of int, (ny, nx), optional
        Number of usable bands. Stored as int16. None of spectra.
    flags : array of int, (ny, nx), optional
        Bits of `flags.PixelFlag`. Stored as int32. None of spectra.
    columns : mapping of str to array (ny, nx), optional
        See :class:`~dsps_sbi.inference.quality.Columns`.
    header : astropy.io.fits.Header, optional
        Its celestial WCS is kept, the rest is not.
    meta : dict of str to (str or int or float), optional
        Provenance: ``imf``, ``ssp``, ``cosmology``, ``bundle``, ``version``, ``seed``, ``ndraws``
        and more. Keys are lower-case words with underscores.
    descriptions : dict of str to (str, str), optional
        Unit (as FITS writes it; empty for none) and meaning of each quantity.

    Raises
    ------
    UserError
        If the parts do not fit together.
    """

    names: tuple[str, ...]
    percentiles: np.ndarray
    snr: np.ndarray
    n_bands: np.ndarray | None = None
    flags: np.ndarray | None = None
    columns: Columns = dataclasses.field(default_factory=lambda: Columns({}))
    header: fits.Header = dataclasses.field(default_factory=fits.Header)
    meta: dict = dataclasses.field(default_factory=dict)
    descriptions: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        names = tuple(self.names)
        _check_words(names, "quantity")
        _check_words(self.meta, "meta key")
        shape = np.shape(self.snr)
        if len(shape) != 2:
            raise UserError(f"snr has shape {shape}: expected an image (ny, nx); reshape it")
        unknown = sorted(set(self.descriptions) - set(names))
        if unknown:
            raise UserError(
                f"descriptions name {', '.join(unknown)}: expected only quantities of names; remove them"
            )
        images = {
            "percentiles": (np.float32, (len(names), len(PERCENTILES), *shape)),
            "snr": (np.float32, shape),
            "n_bands": (np.int16, shape),
            "flags": (np.int32, shape),
        }
        values = {"names": names, "header": celestial_header(self.header), "meta": dict(self.meta)}
        values["descriptions"] = {name: tuple(self.descriptions.get(name, ("", ""))) for name in names}
        for field, (dtype, expected) in images.items():
            if field in ("n_bands", "flags") and getattr(self, field) is None:
                continue
            array = np.asarray(getattr(self, field))
            if array.shape != expected:
                raise UserError(
                    f"{field} has shape {array.shape}: expected {expected}; reshape it or mend the names"
                )
            values[field] = array.astype(dtype)
        for name, array in self.columns.items():
            if np.shape(array) != shape:
                raise UserError(f"column {name} has shape {np.shape(array)}: expected {shape}; reshape it")
        values["columns"] = Columns({name: np.asarray(array) for name, array in self.columns.items()})
        for field, value in values.items():
            object.__setattr__(self, field, value)

    @property
    def shape(self):
        """Shape of the image, ``(ny, nx)``."""
        return self.snr.shape

    def _row(self, name):
        if name not in self.names:
            raise UserError(
                f"there is no map {name!r}: expected one of {', '.join(self.names)}; choose one of these"
            )
        return self.percentiles[self.names.index(name)]

    def median(self, name):
        """Median of a quantity, float32 (ny, nx)."""
        return self._row(name)[1]

    def half_width(self, name):
        """Half of the distance of the 16th and 84th percentiles of a quantity, float32 (ny, nx)."""
        low, _, high = self._row(name)
        return (high - low) / 2

    def write(self, path, overwrite=True):
        """Write a FITS file, whole or not at all.

        Parameters
        ----------
        path : str or os.PathLike
            In a folder that exists.
        overwrite : bool
            Whether a file of that name may be replaced.
        """
        write_maps(self, path, overwrite)

    @classmethod
    def read(cls, path):
        """Read ``maps.fits`` of an image or of a cube of spectra.

        Parameters
        ----------
        path : str or os.PathLike

        Returns
        -------
        Maps
        """
        return cls(**read_maps(path))


def _check_words(names, what):
    names = tuple(names)
    if len(set(names)) != len(names) or (what == "quantity" and not names):
        raise UserError(f"{what} list is {names!r}: expected one or more, each once; mend it")
    for name in names:
        if not (isinstance(name, str) and name.isascii() and name.isidentifier() and name == name.lower()):
            raise UserError(f"{what} {name!r}: expected a lower-case word with underscores; rename it")
        if what == "quantity" and name in ("snr", "nbands", "flags"):
            raise UserError(f"quantity {name!r}: expected a name that is not snr, nbands or flags; rename it")
