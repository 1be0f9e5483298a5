"""What inference returns for an image, and how it is written."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import QTable

from .columns import Columns
from .derived import describe
from .errors import UserError
from .io.atomic import atomic_path
from .io.summary import write_summary
from .maps import Maps
from .plots.map_figure import plot_maps


@dataclass(frozen=True, eq=False)
class ImageResult:
    """Posterior summaries of the pixels of an image.

    Parameters
    ----------
    names : tuple of str
        Quantities, the first axis of ``percentiles``.
    percentiles : ndarray (Quantity, 3, Object)
        16th, 50th and 84th percentiles; NaN where a pixel was not fitted.
    snr, n_bands, flags : ndarray (Object,)
        Observed mean S/N, number of usable bands, bits of :class:`~dsps_sbi.flags.PixelFlag`.
    columns : Columns
        ``method``, ``trust``, ``ess``, ``pareto_k``, ``log_evidence``, ``ppc_p``, ``typicality``
        (Object,), and ``shrink_`` of each parameter; see :mod:`dsps_sbi.trust`.
    totals : QTable
        log10 of sums over pixels, see :class:`~dsps_sbi.io.summary.TotalAccumulator`.
    shape : tuple of int
        (ny, nx).
    header : Header
        Celestial WCS.
    meta : dict
        Provenance for headers.
    draws_path : Path or None
        HDF5 file with the draws, where they were asked for.
    """

    names: tuple[str, ...]
    percentiles: np.ndarray
    snr: np.ndarray
    n_bands: np.ndarray
    flags: np.ndarray
    columns: Columns
    totals: QTable
    shape: tuple[int, int]
    header: fits.Header
    meta: dict
    draws_path: Path | None = None

    @property
    def fitted(self) -> np.ndarray:
        """Which pixels (Object,) have an answer."""
        return np.isfinite(self.percentiles[0, 1])

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
            percentiles=self.percentiles[rows].reshape(len(names), 3, *self.shape),
            snr=self.snr.reshape(self.shape),
            n_bands=self.n_bands.reshape(self.shape),
            flags=self.flags.reshape(self.shape),
            columns=self.columns.reshaped(self.shape),
            header=self.header,
            meta=self.meta,
            descriptions={name: describe(name) for name in names},
        )

    def write(self, folder) -> list[Path]:
        """Write ``maps.fits``, ``summary.ecsv`` and ``maps.png`` into a folder, made if missing.

        Raises
        ------
        UserError
            If the folder cannot be made or written.
        """
        folder = output_folder(folder)
        maps = self.maps()
        paths = [folder / name for name in ("maps.fits", "summary.ecsv", "maps.png")]
        maps.write(paths[0])
        write_summary(paths[1], self.totals, self.meta)
        plot_maps(maps, path=paths[2])
        return paths


def output_folder(folder) -> Path:
    """The folder as a path, made if missing and proven writable.

    Raises
    ------
    UserError
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"output folder {folder} cannot be made ({error.strerror}): choose another"
        ) from error
    with atomic_path(folder / ".writable") as probe:
        Path(probe).touch()
    (folder / ".writable").unlink()
    return folder


@contextlib.contextmanager
def filling(folder) -> Iterator[Path]:
    """:func:`output_folder` for the time that the work takes: tried before it, not after it.

    If it fails or is interrupted, folders that were made for it and are still empty go again.
    """
    folder = Path(folder)
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    output_folder(folder)
    try:
        yield folder
    except BaseException:
        with contextlib.suppress(OSError):
            for path in missing:
                path.rmdir()
        raise
