"""Images of a survey: maps, totals and a picture of each."""

import os
import shutil
import warnings
from pathlib import Path
from typing import ClassVar

import numpy as np
from astropy.table import Table

from ..constants import UNKNOWN
from ..errors import UserError
from ..inference.engine import check_numbers
from ..inference.error_summary import checked_scale
from ..inference.quality import OF_REDSHIFTS
from ..inference.result import provenance
from ..inference.table import table_of
from ..io.summary import TRUSTED, stated_kind, write_summary
from ..noise.survey import SurveyNoise
from ..photometry.flags import PixelFlag
from ..photometry.maps_fits import card_text, source_of
from ..photometry.result import ERRORS, REDSHIFT
from ..photometry.side_by_side import SIDE_BY_SIDE, side_by_side
from .entries import Entry
from .run import Job
from .table_redshifts import TableRedshifts

_OUTPUTS = ("maps.fits", "summary.ecsv", "maps.png")
# What there may be beside
_MORE = ("draws.h5", ERRORS, REDSHIFT, SIDE_BY_SIDE)
_COLUMNS = {
    "name": ("", "name of the image"),
    "z": ("", "redshift; the median where it is inferred"),
    "n_pixels": ("", "pixels of the image"),
    "n_fitted": ("", "pixels that were fitted"),
    "n_trusted": ("", "pixels that can be trusted"),
    "errors": ("", "what the misfits of the pixels say of the errors"),
    "flags": ("", "pixels with each flag"),
}
_ENDS = ("p16", "p84", "best", "odds", "peaks")
_OF_REDSHIFTS = {
    "z_p16": ("", "redshift (16th percentile)"),
    "z_p84": ("", "redshift (84th percentile)"),
    **{name: ("", text) for name, (_, text) in OF_REDSHIFTS.items()},
}
_TOTALS = {
    "log_mass": ("dex(solMass)", "log10 of the total mass of living stars and remnants"),
    "log_sfr_100": ("dex(solMass/yr)", "log10 of the total SFR averaged over the last 100 Myr"),
}
_ENDINGS = {"_50": "", "_16": "_p16", "_84": "_p84"}
# Whose totals: columns of the totals of an image, what the catalogue's names have before their endings
_WHOSE = {"": ("", "all fitted pixels"), TRUSTED: ("_trusted", "trusted pixels")}
# Files are written in here, and moved when all of them are whole
_UNFINISHED = ".unfinished"


def image_options(options: dict) -> tuple[dict, dict]:
    """Options of :class:`ImageJob` with what is said of redshifts, and how files are read then."""
    names = [name for name in ("z_err", "z_range", "p_z", "keep_p_z") if name in options]
    if not names:
        return options, {}
    said = {name: options[name] for name in names}
    if said.get("p_z") is not None:
        said["p_z"] = tuple(np.asarray(part, float) for part in said["p_z"])
    redshifts = TableRedshifts(**said)
    rest = {name: value for name, value in options.items() if name not in names}
    # what is not read need not be there
    unknown = redshifts.z_range is not None or redshifts.p_z is not None
    return rest | {"redshifts": redshifts}, {"redshift": UNKNOWN} if unknown else {}


class ImageJob(Job):
    """Images, by one posterior: ``maps.fits``, ``summary.ecsv``, ``maps.png``, perhaps ``draws.h5`` of each.

    Parameters
    ----------
    post : PhotometryPosterior
    likelihood : PhotometryLikelihood or None
        What the draws are weighed with; without, they are the network's own.
    refine : bool
    n_draws, seed : int
    keep_draws : bool
        Write all draws to ``draws.h5``.
    snr_min, quantities
        As for :func:`~dsps_sbi.photometry.images.infer_cube`.
    folders : bool
        Whether each image has a folder of its own name.
    progress : bool
        Show a bar for the pixels.
    reading : mapping, optional
        What was said about reading the images: a run that says otherwise is not resumed.
    error_scale : float or "fit", optional
        See :meth:`dsps_sbi.PhotometryPosterior.infer`; "fit" for each image by itself.
    floor : float or mapping of str to float, optional
        Of a posterior for any filters, see :meth:`dsps_sbi.UniversalPosterior.for_filters`.
    redshifts : TableRedshifts, optional
        What is known of redshifts that are not exact, the same of all images; by default they are.
    pictures : bool
        Draw maps and errors; takes a second or two each.
    integrated : bool
        Fit the summed light of each image too, and write ``integrated.ecsv``: see
        :func:`dsps_sbi.photometry.side_by_side.side_by_side`.
    noise : SurveyNoise, optional
        Of the images, see :meth:`dsps_sbi.PixelCube.with_noise`.
    """

    words: ClassVar[str] = "images"
    unit: ClassVar[str] = "image"
    refits: ClassVar[bool] = False

    def __init__(
        self,
        post,
        likelihood,
        *,
        refine: bool = False,
        n_draws: int = 500,
        seed: int = 0,
        keep_draws: bool = False,
        snr_min: float = 5.0,
        quantities=None,
        folders: bool = True,
        progress: bool = False,
        reading=None,
        error_scale=None,
        floor=None,
        redshifts: TableRedshifts | None = None,
        pictures: bool = True,
        integrated: bool = False,
        noise: SurveyNoise | None = None,
    ):
        check_numbers(n_draws, seed, "pixel")
        self.post, self.likelihood = post, likelihood
        self.keep_draws, self.folders, self.pictures = keep_draws, folders, pictures
        self.integrated, self.noise = integrated, noise
        self._reading = {name: str(value) for name, value in (reading or {}).items() if value is not None}
        self._infer = {"model": likelihood, "weigh": likelihood is not None, "refine": refine}
        self._infer |= {"n_draws": n_draws, "seed": seed, "progress": progress}
        self._infer |= {"snr_min": snr_min, "quantities": quantities, "error_scale": error_scale}
        if error_scale is not None:
            checked_scale(error_scale)
        self._infer |= {} if floor is None else {"floor": floor}
        redshifts = TableRedshifts() if redshifts is None else redshifts
        self.redshifts, self.limits = redshifts, post.network.prior.z
        self.redshifts.check(None, self.limits)
        if self.inferred and likelihood is None:
            raise UserError(
                "redshifts that are not exact need the stellar populations of the bundle, whose likelihood "
                "tells them: run dsps-sbi fetch, leave --unweighted out, or give exact redshifts"
            )
        self._said = {"redshifts": "; ".join(redshifts.told()), "p_z": redshifts.fingerprint}
        self._said |= {} if noise is None else {"noise": noise.digest}
        method = "flow" if likelihood is None else "refined" if refine else "weighed"
        self.meta = provenance(post, n_draws=n_draws, seed=seed, method=method, snr_min=float(snr_min))
        self.meta |= {} if error_scale is None else {"error_scale": error_scale}
        self.meta |= {} if floor is None else {"floor": floor if np.isscalar(floor) else str(floor)}

    @property
    def inferred(self) -> bool:
        """Whether redshifts are."""
        return self.redshifts.inferred(None)

    def options(self) -> dict:
        """What answers depend on beside the images."""
        weights = self.post.meta.get("sha256", {}).get("params.safetensors", "unknown")
        quantities = self._infer["quantities"]
        return self.meta | {
            "weights": weights,
            "quantities": None if quantities is None else list(quantities),
            "folders": self.folders,
            **{name: value for name, value in self._said.items() if value},
            **self._reading,
        }

    def _place(self, name, folder) -> Path:
        return folder / name if self.folders else folder

    def admit(self, entry, folder, log):
        """Refuse a place that has the maps of another image."""
        place = self._place(entry.name, folder)
        there = source_of(place / "maps.fits")
        if there and entry.source and not _same(there, entry, *log.earlier(entry.name)):
            try:
                entry.fingerprint()
            except OSError:
                # reading it tells what is wrong
                return
            raise UserError(
                f"{place} holds the maps of {there}, which those of {entry.source} would take the place of: "
                "give another folder, or all images in one call"
            )

    def fit(self, entry, folder) -> dict:
        """Fit an image and write its files."""
        place = self._place(entry.name, folder)
        # of a run that was killed
        unfinished = place / _UNFINISHED
        shutil.rmtree(unfinished, ignore_errors=True)
        for left in place.glob(".*-*-draws.h5"):
            left.unlink()
        cube = entry.read()
        cube = cube if self.noise is None else cube.with_noise(self.noise)
        unfinished.mkdir(parents=True, exist_ok=True)
        try:
            draws_path = unfinished / "draws.h5" if self.keep_draws else None
            with warnings.catch_warnings():
                # the row says so too
                warnings.simplefilter("ignore", UserWarning)
                prior = self.redshifts.of_image(cube, self.limits)
                result = self.post.infer(cube, draws_path=draws_path, redshift=prior, **self._infer)
            result.write(unfinished, pictures=self.pictures)
            if self.integrated:
                own = ("model", "weigh", "refine", "n_draws", "seed", "floor")
                options = {name: self._infer[name] for name in own if name in self._infer}
                table = side_by_side(self.post, cube, result, **options)
                write_summary(unfinished / SIDE_BY_SIDE, table)
            _move(unfinished, place)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
            if self.folders and not any(place.iterdir()):
                place.rmdir()
        return _row(entry.name, result)

    def complete(self, row, folder) -> bool:
        """Whether all files of a row are there."""
        wanted = _OUTPUTS[: None if self.pictures else -1]
        wanted += ("draws.h5",) * self.keep_draws + (REDSHIFT,) * self.inferred
        wanted += (SIDE_BY_SIDE,) * self.integrated
        return all((self._place(row["name"], folder) / name).is_file() for name in wanted)

    def files(self, row, folder):
        """Files of a row that are there."""
        if "problem" in row:
            return []
        place = self._place(row["name"], folder)
        names = (*_OUTPUTS, *_MORE)
        return [(place / name).relative_to(folder).as_posix() for name in names if (place / name).is_file()]

    @property
    def columns(self):
        """Unit and meaning of the catalogue's columns."""
        columns = {}
        for name, words in _COLUMNS.items():
            columns[name] = words
            if name == "z" and self.inferred:
                columns |= _OF_REDSHIFTS
        for middle, whose in _WHOSE.values():
            for name, (unit, text) in _TOTALS.items():
                for ending in _ENDINGS.values():
                    which = f"{ending[2:]}th percentile" if ending else "median"
                    errors = "independent" if self.noise is None else "correlated as the noise is"
                    of = f"{text} ({which}; {whose}, their errors {errors})"
                    columns[name + middle + ending] = unit, of
        columns |= {"notes": ("", "what has to be known about the answer")}
        return columns | {"problem": ("", "why there is no answer")}

    def table(self, rows) -> Table:
        """Rows as a table."""
        return table_of(rows, self.columns, self.meta)


def _same(there: str, entry: Entry, fingerprint, source) -> bool:
    """Whether maps that name an image are of this entry; the log of their run says more, if it is there."""
    if source:
        same = os.path.abspath(source) == os.path.abspath(entry.source)
        try:
            return same or fingerprint == entry.fingerprint()
        except OSError:
            return same
    # the path may be relative to a folder that nobody knows any more
    named = (Path(text.split(" galaxy ")[0]).name for text in (there, card_text(entry.source)))
    return len(set(named)) == 1


def _move(unfinished: Path, place: Path) -> None:
    """Whole files to where they belong; the picture goes first and comes last, as the sign of the rest."""
    for name in ("maps.png", *_MORE):
        (place / name).unlink(missing_ok=True)
    for name in (*_MORE, *_OUTPUTS):
        if (unfinished / name).is_file():
            os.replace(unfinished / name, place / name)


def _row(name, result) -> dict:
    counts = {flag.name: int(np.sum((result.flags & flag.value) != 0)) for flag in PixelFlag}
    row = {
        "name": name,
        "z": result.meta["redshift"],
        **{f"z_{name}": result.meta[f"redshift_{name}"] for name in _ENDS if result.redshift is not None},
        "n_pixels": int(result.fitted.size),
        "n_fitted": int(result.fitted.sum()),
        "n_trusted": result.meta["n_trust_trusted"],
        "errors": result.errors.words(),
        "flags": ", ".join(f"{n} {flag}" for flag, n in counts.items() if n),
    }
    kind = stated_kind(result.totals)
    for total in result.totals:
        for start, (middle, _) in _WHOSE.items() if total["quantity"] in _TOTALS else ():
            for column, ending in _ENDINGS.items():
                value = float(total[f"{start}{kind}{column}"])
                row[f"{total['quantity']}{middle}{ending}"] = value if np.isfinite(value) else None
    return row | {"notes": "; ".join(result.notes)}
