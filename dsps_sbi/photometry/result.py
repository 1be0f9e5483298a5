"""What inference returns for an image, and how it is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import QTable, Table

from ..constants import PERCENTILES
from ..errors import UserError
from ..inference.derived import describe
from ..inference.error_summary import ErrorSummary
from ..inference.quality import COMMON, Columns
from ..inference.result import Result
from ..inference.table import percentile_columns, quality_columns, rows_of, table_of
from ..io.draws import read_draws
from ..io.folders import output_folder
from ..io.summary import write_summary
from ..plots.error_figure import plot_errors
from ..plots.map_figure import plot_maps
from .image_redshift import ImageRedshift
from .maps import Maps
from .maps_fits import refuse_another

# Picture of the p-values
ERRORS = "errors.png"
# Table of the density of the redshift, where that is inferred
REDSHIFT = "redshift.ecsv"


@dataclass(frozen=True, eq=False)
class ImageResult(Result):
    """Posterior summaries of the pixels of an image.

    Parameters
    ----------
    names : tuple of str
        Quantities, the first axis of ``quantiles``.
    quantiles : ndarray (Quantity, 3, Object)
        16th, 50th and 84th percentiles; NaN where a pixel was not fitted.
    snr, n_bands, flags : ndarray (Object,)
        Observed mean S/N, number of usable bands, bits of :class:`~dsps_sbi.photometry.flags.PixelFlag`.
    columns : Columns
        ``method``, ``trust``, ``ess``, ``pareto_k``, ``log_evidence``, ``ppc_p``, ``typicality``
        (Object,), and ``shrink_``, ``edge_``, ``limit_`` of each parameter; see
        :mod:`dsps_sbi.inference.trust` and :mod:`dsps_sbi.inference.edges`.
    totals : QTable
        log10 of sums over pixels, over all fitted ones and (columns ``trusted_...``) over the trusted ones,
        see :class:`~dsps_sbi.io.summary.TotalAccumulator`.
    shape : tuple of int
        (ny, nx).
    header : Header
        Celestial WCS.
    meta : dict
        Provenance for headers, with the totals.
    notes : tuple of str
        What has to be known about the answer: totals that untrusted pixels move, a mask that hides most
        pixels, units that look wrong, a WCS that cannot be used.
    draws_path : Path or None
        HDF5 file with the draws, where they were asked for.
    errors : ErrorSummary
        What the misfits of all pixels say of the errors that were stated.
    redshift : ImageRedshift or None
        What was found of it, where it was not given.
    """

    names: tuple[str, ...]
    quantiles: np.ndarray
    snr: np.ndarray
    n_bands: np.ndarray
    flags: np.ndarray
    columns: Columns
    totals: QTable
    shape: tuple[int, int]
    header: fits.Header
    meta: dict
    notes: tuple[str, ...] = ()
    draws_path: Path | None = None
    errors: ErrorSummary = ErrorSummary(0)
    redshift: ImageRedshift | None = None

    @property
    def fitted(self) -> np.ndarray:
        """Which pixels (Object,) have an answer."""
        return np.isfinite(self.quantiles[0, 1])

    def draws(self, name: str) -> np.ndarray:
        """Draws (Object, Draw) of a quantity, NaN where a pixel was not fitted; from the file that has them.

        Raises
        ------
        UserError
            For a quantity that is not there, or if the draws were not kept.
        """
        self._known(name)
        if self.draws_path is None:
            raise UserError("draws of an image are kept only where infer is asked to: give it draws_path=")
        return read_draws(self.draws_path, name, len(self.snr))

    def percentiles(self, name: str, q: Sequence[float] = PERCENTILES) -> np.ndarray:
        """Percentiles (len(q), Object) of a quantity; NaN where a pixel was not fitted.

        The 16th, 50th and 84th are always there; others need the draws, see :meth:`draws`.
        """
        rows = self.quantiles[self.names.index(self._known(name))]
        if set(q) <= set(PERCENTILES):
            return rows[[PERCENTILES.index(one) for one in q]]
        return super().percentiles(name, q)

    def table(self) -> Table:
        """A row for each fitted pixel: its place, percentiles, and what they are worth."""
        y, x = np.divmod(np.arange(len(self.snr)), self.shape[1])
        columns = {"y": ("", "row, from 0"), "x": ("", "column, from 0"), "snr": ("", "observed mean S/N")}
        rows = rows_of(self, {"y": y, "x": x, "snr": self.snr}, COMMON)
        rows = [row for row, fitted in zip(rows, self.fitted, strict=True) if fitted]
        columns |= percentile_columns(self.names) | quality_columns(COMMON)
        return table_of(rows, columns, self.meta)

    def maps(self, *names: str) -> Maps:
        """Maps of some quantities, or of all of them.

        Raises
        ------
        UserError
            For a quantity that is not there.
        """
        names = names or self.names
        unknown = [name for name in names if name not in self.names]
        if unknown:
            raise UserError(f"no quantity {', '.join(unknown)}: choose from {', '.join(self.names)}")
        rows = [self.names.index(name) for name in names]
        return Maps(
            names=names,
            percentiles=self.quantiles[rows].reshape(len(names), 3, *self.shape),
            snr=self.snr.reshape(self.shape),
            n_bands=self.n_bands.reshape(self.shape),
            flags=self.flags.reshape(self.shape),
            columns=self.columns.reshaped(self.shape),
            header=self.header,
            meta=dict(self.meta) | {f"note_{i}": note for i, note in enumerate(self.notes, 1)},
            descriptions={name: describe(name) for name in names},
        )

    def write(self, folder, pictures: bool = True) -> list[Path]:
        """Write ``maps.fits``, ``summary.ecsv`` and ``maps.png`` into a folder, made if missing.

        Where the redshift was inferred, ``redshift.ecsv`` has its density. Where the misfits of ten pixels or
        more are known, ``errors.png`` has the distribution of their p-values. Without ``pictures`` neither
        picture is drawn.

        Raises
        ------
        UserError
            If the folder cannot be made or written, or holds the maps of another image.
        """
        refuse_another(Path(folder) / "maps.fits", str(self.meta.get("source", "")))
        folder = output_folder(folder)
        maps = self.maps()
        paths = [folder / name for name in ("maps.fits", "summary.ecsv", "maps.png")]
        # an old picture must not stay beside new maps where what follows is broken off
        paths[2].unlink(missing_ok=True)
        maps.write(paths[0])
        write_summary(paths[1], self.totals, maps.meta)
        if pictures:
            plot_maps(maps, path=paths[2])
        else:
            paths.pop()
        density = folder / REDSHIFT
        density.unlink(missing_ok=True)
        if self.redshift is not None:
            write_summary(density, self.redshift.table())
            paths.append(density)
        picture = folder / ERRORS
        # that of another run must not stay beside new maps
        picture.unlink(missing_ok=True)
        if pictures and self.errors.known:
            plot_errors(self.errors, path=picture)
            paths.append(picture)
        return paths
