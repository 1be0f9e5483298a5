"""Cubes of integral-field spectrographs: a row of each spaxel or bin, and maps."""

import hashlib
from pathlib import Path
from typing import ClassVar

import numpy as np

from ..inference.quality import EDGE, LIMIT, SHRINKAGE
from ..inference.table import table_of
from ..io.spectral_cube import CubeSpectra
from ..io.spectrum_list import stem
from ..photometry.maps_fits import refuse_another
from ..plots.map_figure import plot_maps
from ..spectroscopy.result import catalogue_columns
from .cube_maps import cube_maps
from .entries import Entry
from .spectra import SpectrumJob, errors_of

MAPS, PICTURE = "maps.fits", "maps.png"
# Up to this many spectra each has a picture and a best fit, as files of spectra have
DETAILED = 20
_PLACE = {
    "y": ("", "row of the spaxel, or the mean of the bin, counted from 0"),
    "x": ("", "column of the spaxel, or the mean of the bin, counted from 0"),
    "n_spaxels": ("", "spaxels that are summed"),
}
_OF_PARAMETERS = (EDGE, LIMIT, SHRINKAGE)


def cube_entries(spectra: CubeSpectra) -> list[Entry]:
    """Entries of the spectra of a cube, called by its file and place: ``NAME_12_7`` or ``NAME_bin3``."""
    name, stamp = stem(spectra.cube.source, "cube"), _stamp(spectra.cube)

    def entry(key):
        def fingerprint():
            place = np.array(spectra.places[key], np.int64).tobytes()
            return hashlib.sha256(repr([stamp, key]).encode() + place).hexdigest()

        return Entry(f"{name}_{spectra.word(key)}", lambda: spectra[key], fingerprint)

    return [entry(key) for key in spectra]


def _stamp(cube):
    """What tells a cube, read like this, from others: size and time of its file, not the contents."""
    path = Path(cube.source) if cube.source else None
    known = path.stat() if path is not None and path.is_file() else None
    lsf = (
        None
        if cube.lsf is None
        else [cube.lsf.quantity, hashlib.sha256(cube.lsf.value.tobytes()).hexdigest()]
    )
    rest = [cube.medium, cube.redshift, lsf, cube.pixel_in_lsf, cube.notes, cube.flux.shape]
    return [str(path), *([known.st_size, known.st_mtime_ns] if known else []), *rest]


class CubeJob(SpectrumJob):
    """Spectra of one cube, by one posterior: ``maps.fits``, ``maps.png`` and the rows of a catalogue.

    Parameters
    ----------
    post, likelihood
        As for :class:`~dsps_sbi.survey.spectra.SpectrumJob`.
    spectra : CubeSpectra
    pictures : bool
        Draw the maps; and where there are at most 20 spectra, draw each and write its best fit.
    **options
        Others of :class:`~dsps_sbi.survey.spectra.SpectrumJob`.
    """

    words: ClassVar[str] = "spectra of a cube"

    def __init__(self, post, likelihood, spectra: CubeSpectra, *, pictures: bool = True, **options):
        few = len(spectra) <= DETAILED
        super().__init__(post, likelihood, pictures=pictures and few, **options)
        self.best_fits, self.picture = self.best_fits and few, pictures
        self.spectra = spectra
        names = (entry.name for entry in cube_entries(spectra))
        self._places = dict(zip(names, spectra.places.values(), strict=True))

    def begin(self, folder, resume):
        """Refuse a folder that has the maps of another cube, or of an image."""
        refuse_another(folder / MAPS, str(self.spectra.cube.source))
        super().begin(folder, resume)

    def options(self) -> dict:
        """What answers depend on beside the cube: the bins, where there are some."""
        bins = {key: place for key, place in self.spectra.places.items() if not isinstance(key, tuple)}
        digest = hashlib.blake2b(digest_size=8)
        for key, place in bins.items():
            digest.update(repr((int(key), [np.asarray(axis).tolist() for axis in place])).encode())
        return super().options() | {"bins": digest.hexdigest() if bins else "none"}

    def row(self, result) -> dict:
        """Row of a spectrum, with what maps tell of each parameter."""
        of_parameters = (name for name in result.columns if name.startswith(_OF_PARAMETERS))
        more = {name: float(result.columns[name][0]) for name in of_parameters}
        return super().row(result) | {k: v if np.isfinite(v) else None for k, v in more.items()}

    @property
    def columns(self):
        """None: a cube has no shares, and its maps are of all of its spectra."""
        return {}

    def table(self, rows):
        """Rows as a table, with the places in the cube."""
        columns = catalogue_columns(self.post)
        columns = {"name": columns.pop("name")} | _PLACE | columns
        return table_of([self._placed(row) for row in rows], columns, self.meta | errors_of(rows).meta())

    def _placed(self, row):
        ys, xs = self._places[row["name"]]
        y, x = float(np.mean(ys)), float(np.mean(xs))
        if len(ys) == 1:
            y, x = int(y), int(x)
        return row | {"y": y, "x": x, "n_spaxels": len(ys)}

    def finish(self, rows, folder):
        """Join the draws, write the maps, and draw them."""
        super().finish(rows, folder)
        places = [self._places[row["name"]] for row in rows]
        meta = dict(self.meta) | {"source": self.spectra.cube.source} | errors_of(rows).meta()
        maps = cube_maps(rows, places, self.spectra.cube, self.post, meta)
        maps.write(folder / MAPS)
        if self.picture:
            plot_maps(maps, path=folder / PICTURE)
