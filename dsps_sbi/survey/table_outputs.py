"""What a run over a table writes beside its catalogue, on request: fluxes and spectra of the model, pictures.

Each output keeps a file of each part of the table, and joins these when all are there: memory does not grow
with the number of rows, and a run that was broken off goes on where it was.
"""

import re
import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

import h5py
import numpy as np

from ..errors import UserError
from ..inference.table import table_of
from ..io.atomic import atomic_path
from ..io.tables.write import join, keep_part, part_of

# Spectra that are copied at a time
_ROWS = 256
_UNSAFE = re.compile(r"[^A-Za-z0-9.+-]+")


class Output(ABC):
    """One kind of output of a run over a table.

    Attributes
    ----------
    name : str
        As the option of the command line, and the file.
    """

    name: ClassVar[str]

    def part(self, part: Path) -> Path:
        """File that it keeps of a part of the table, beside that of the catalogue."""
        return part.with_name(f"{part.stem}-{self.name}")

    @abstractmethod
    def place(self, run, folder: Path) -> Path:
        """What there is of it in the end."""

    @abstractmethod
    def keep(self, part: Path, folder: Path, run, seen, first: int, result) -> None:
        """Keep that of a part.

        Parameters
        ----------
        part : Path
        folder : Path
            Of all outputs.
        run : TableRun
        seen : Photometry
            Rows of the table.
        first : int
            Number of the first one.
        result : CatalogueResult or None
            Of those rows that have an answer, whose numbers are the ``ids`` of its catalogue.
        """

    @abstractmethod
    def join(self, parts, folder: Path, run, n: int, meta) -> None:
        """Write what was kept of all parts, in their order."""

    def kept(self, part: Path, folder: Path) -> bool:
        """Whether that of a part is there."""
        return self.part(part).is_file()

    def clear(self, run, folder: Path) -> None:
        """Remove what an earlier run left."""
        place = self.place(run, folder)
        shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)


class Fluxes(Output):
    """A table of observed fluxes and of percentiles of the model's, a row for each of the table."""

    name = "model-fluxes"

    def place(self, run, folder):
        """``model-fluxes`` with the ending of the catalogue."""
        return folder / f"{self.name}.{run.kind}"

    def _columns(self, run):
        columns = {"id": ("", "as in the table"), "z": ("", "redshift")}
        for band in run.layout.filters:
            columns |= {
                f"flux_{band}": ("uJy", "observed flux, or upper limit"),
                f"sigma_{band}": ("uJy", "its standard deviation, as given"),
                f"model_{band}": ("uJy", "flux of the model (median)"),
                f"model_{band}_p16": ("uJy", "flux of the model (16th percentile)"),
                f"model_{band}_p84": ("uJy", "flux of the model (84th percentile)"),
            }
        return columns

    def keep(self, part, folder, run, seen, first, result):
        """Observed and predicted fluxes of the rows."""
        n, bands = len(seen.ids), run.layout.filters
        model, redshift = np.full((3, n, len(bands)), np.nan), _redshifts(run, seen)
        if result is not None:
            order = [result.view.post.filters.index(band) for band in bands]
            model[:, result.catalogue.ids - first] = result.predicted_fluxes()[..., order]
            # medians where they are inferred
            redshift[result.catalogue.ids - first] = result.catalogue.redshift
        rows = []
        for i in range(n):
            row = {"id": seen.ids[i], "z": _known(redshift[i])}
            for j, band in enumerate(bands):
                row[f"flux_{band}"] = _known(seen.flux_ujy[i, j])
                row[f"sigma_{band}"] = _known(seen.sigma_ujy[i, j])
                for ending, values in zip(("_p16", "", "_p84"), model, strict=True):
                    row[f"model_{band}{ending}"] = _known(values[i, j])
            rows.append(row)
        keep_part(self.part(part), table_of(rows, self._columns(run), {}))

    def join(self, parts, folder, run, n, meta):
        """All rows in one table."""
        join([self.part(part) for part in parts], self.place(run, folder), self._columns(run), meta)


class Spectra(Output):
    """Spectra of the best draw of each galaxy, in one HDF5 file.

    ``wave_rest_aa`` (Wave,), ``flux_ujy`` (Object, Wave), ``theta`` (Object, Parameter), ``log_likelihood``,
    ``z`` and ``id`` (Object,), ``shared`` (Object, Band) and the bands' ``pivot_aa``; NaN where there is no
    answer. Where redshifts are inferred, ``z`` is that of the draw. See
    :class:`~dsps_sbi.photometry.predictive.BestSpectrum`.
    """

    name = "seds"

    def place(self, run, folder):
        """``seds.h5``."""
        return folder / f"{self.name}.h5"

    def keep(self, part, folder, run, seen, first, result):
        """Spectra of the rows, written one by one."""
        n = len(seen.ids)
        with atomic_path(self.part(part)) as temporary, h5py.File(temporary, "w") as file:
            redshift = _redshifts(run, seen)
            if result is None:
                file["z"] = redshift
                return
            wave = result.view.rest_aa
            file["wave_rest_aa"] = wave
            whole = {"fillvalue": np.nan, "dtype": np.float32}
            flux = file.create_dataset("flux_ujy", (n, len(wave)), chunks=(1, len(wave)), **whole)
            theta = file.create_dataset("theta", (n, len(run.post.names)), **whole)
            log_p = file.create_dataset("log_likelihood", (n,), **whole)
            pivots = result.view.pivot_aa
            file["pivot_aa"] = pivots
            shared = file.create_dataset("shared", (n, len(pivots)), **whole)
            for i, row in enumerate(result.catalogue.ids - first):
                spectrum = result.best_spectrum(i)
                flux[row], theta[row], shared[row] = spectrum.flux_ujy, spectrum.theta, spectrum.shared
                log_p[row], redshift[row] = spectrum.log_likelihood, spectrum.z
            file["z"] = redshift

    def join(self, parts, folder, run, n, meta):
        """All spectra in one file."""
        with atomic_path(self.place(run, folder)) as temporary, h5py.File(temporary, "w") as file:
            file.attrs.update(meta)
            file.attrs["parameters"] = list(run.post.names)
            file.attrs["bands"] = list(run.post.filters)
            file.attrs["unit"] = "flux_ujy: f_nu in uJy at wave_rest_aa * (1 + z), of the best draw"
            file.create_dataset("id", (n,), h5py.string_dtype())
            file.create_dataset("z", (n,), float)
            first = 0
            for part in parts:
                ids = part_of(part)["id"].astype(object)
                rows = slice(first, first + len(ids))
                file["id"][rows] = ids
                with h5py.File(self.part(part)) as source:
                    file["z"][rows] = source["z"][()]
                    if "flux_ujy" in source:
                        _copy(source, file, n, first)
                first = rows.stop


def _copy(source, file, n, first):
    for name in ("wave_rest_aa", "pivot_aa"):
        if name not in file:
            file[name] = source[name][()]
    for name in ("flux_ujy", "theta", "log_likelihood", "shared"):
        old = source[name]
        if name not in file:
            chunks = (1, old.shape[1]) if name == "flux_ujy" else None
            file.create_dataset(name, (n, *old.shape[1:]), np.float32, chunks=chunks, fillvalue=np.nan)
        for row in range(0, len(old), _ROWS):
            values = old[row : row + _ROWS]
            file[name][first + row : first + row + len(values)] = values


class Pictures(Output):
    """A picture of each galaxy: ``pictures/ROW_ID.png``."""

    name = "pictures"

    def place(self, run, folder):
        """The folder."""
        return folder / self.name

    def keep(self, part, folder, run, seen, first, result):
        """Draw the rows, and keep a list of the files."""
        place = self.place(run, folder)
        place.mkdir(exist_ok=True)
        names = []
        for i, row in enumerate(() if result is None else result.catalogue.ids):
            word = _UNSAFE.sub("_", seen.ids[row - first])[:80]
            names.append(f"{row:06d}_{word}.png")
            result.plot(i, place / names[-1])
        with atomic_path(self.part(part)) as temporary:
            Path(temporary).write_text("\n".join(names))

    def kept(self, part, folder):
        """Whether all pictures of the list are there."""
        listed = self.part(part)
        names = listed.read_text().split("\n") if listed.is_file() else None
        return names is not None and all((folder / self.name / name).is_file() for name in names if name)

    def join(self, parts, folder, run, n, meta):
        """Nothing: pictures are where they belong."""


OUTPUTS = {output.name: output for output in (Fluxes(), Spectra(), Pictures())}


def outputs_of(names, likelihood) -> tuple[Output, ...]:
    """Outputs by name.

    Raises
    ------
    UserError
        For one that there is not, or without stellar populations where they need these.
    """
    unknown = [name for name in names if name not in OUTPUTS]
    if unknown:
        raise UserError(f"output {', '.join(unknown)} is not there: choose from {', '.join(OUTPUTS)}")
    needing = [name for name in names if name != Pictures.name]
    if needing and likelihood is None:
        raise UserError(
            f"{' and '.join(needing)} need the stellar populations of the bundle, and weights: run dsps-sbi "
            "fetch for them, and leave out --unweighted"
        )
    return tuple(OUTPUTS[name] for name in names)


def _redshifts(run, seen) -> np.ndarray:
    """Those of the rows (Object,), NaN where they are inferred."""
    z = np.array(seen.redshift, float)
    return np.full_like(z, np.nan) if run.inferred else z


def _known(value):
    return float(value) if np.isfinite(value) else None
