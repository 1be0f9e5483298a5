"""Lists of targets: galaxies whose images are in files of their own, or in mosaics that all share."""

import dataclasses
import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from astropy.wcs.utils import proj_plane_pixel_area

from ..constants import UNKNOWN
from ..errors import UserError
from ..instruments.filters import FilterSet
from .cube import PixelCube
from .segmentation import boxes_of
from .tables.rows import TableFile, numbers_of, words_of
from .toml_list import check_band_list, listed_files, read_band_list, segmentation_of
from .wcs import celestial_wcs, check_same_grid

# Roles of columns, and the names that they have
_ROLES = {
    "id": ("id", "name"),
    "redshift": ("z", "redshift"),
    "ra": ("ra",),
    "dec": ("dec",),
    "size_arcsec": ("size_arcsec", "size"),
    "label": ("label",),
    "files": ("files", "file"),
}
_NUMBERS = ("redshift", "ra", "dec", "size_arcsec", "label")
_SEVERAL = re.compile(r"\s*[;,]\s*")
_ROWS = 65_536


@dataclasses.dataclass(frozen=True, eq=False)
class Target:
    """A galaxy of a list, on disk until its turn comes.

    Parameters
    ----------
    name : str
    redshift : float or "unknown" or None
        None: as in its file.
    ra, dec : float or None
        [deg], ICRS.
    files : tuple of Path
        Of its own, bands of one grid; or one list of mosaics.
    is_mosaic : bool
        Whether that is a list of mosaics.
    size_arcsec : float or None
        Side of the square that is cut out of mosaics.
    label : int or None
        Its number in the segmentation map.
    box : (slice, slice) or None
        Rows and columns of mosaics, where no size is given.
    stored : tuple of Stored
        Where the pixels of mosaics are.
    near : (slice, slice) or None
        Rows and columns of mosaics that hold its cutout.
    problem : str
        Why it cannot be used; empty where it can.
    reading : mapping
        Keywords of the reader of files.
    """

    name: str
    redshift: float | str | None = None
    ra: float | None = None
    dec: float | None = None
    files: tuple[Path, ...] = ()
    is_mosaic: bool = False
    size_arcsec: float | None = None
    label: int | None = None
    box: tuple | None = None
    stored: tuple = ()
    near: tuple | None = None
    problem: str = ""
    reading: Mapping = dataclasses.field(default_factory=dict)

    @property
    def source(self) -> str:
        """Where it comes from, for headers."""
        first = str(self.files[0]) if self.files else ""
        return f"{first} galaxy {self.name}" if self.is_mosaic else first

    def words(self) -> list:
        """What the image depends on beside the contents of files; plain values."""
        box = None if self.box is None else [[part.start, part.stop] for part in self.box]
        place = [self.ra, self.dec, self.size_arcsec, self.label, box, self.redshift, self.problem]
        return [*place, [path.name for path in self.files]]

    def prefetch(self) -> None:
        """Bring its pixels of mosaics from disk into the memory of the system."""
        for image in self.stored if self.near is not None else ():
            image.touch(self.near)

    def all_files(self) -> list[Path]:
        """Files that are read, and those that lists name."""
        named = [path for file in self.files if _is_list(file) for path in listed_files(file)]
        return [*self.files, *named]

    def read(self, reader) -> PixelCube:
        """The image.

        Parameters
        ----------
        reader : callable
            ``reader(path, redshift=None, bands=None)`` reads a file of any kind.

        Raises
        ------
        UserError
            If it cannot be used, naming the remedy.
        """
        if self.problem:
            raise UserError(self.problem)
        if self.is_mosaic:
            place = None
            if self.size_arcsec is not None:
                place = {"ra": self.ra, "dec": self.dec, "size_arcsec": self.size_arcsec}
            more = {"cutout": place, "box": self.box, "label": self.label}
            cube = read_band_list(self.files[0], redshift=self.redshift, **self.reading, **more)
            return dataclasses.replace(cube, source=self.source)
        given = dict(self.reading) | ({} if self.redshift is None else {"redshift": self.redshift})
        cube = joined([reader(path, **given) for path in self.files])
        self._check_place(cube)
        return cube

    def _check_place(self, cube):
        """Refuse an image that the position is not in."""
        wcs = celestial_wcs(cube.header)
        if self.ra is None or wcs is None:
            return
        x, y = (float(value) for value in wcs.all_world2pix(self.ra, self.dec, 0))
        ny, nx = cube.shape
        if not (-0.5 <= x <= nx - 0.5 and -0.5 <= y <= ny - 0.5):
            raise UserError(
                f"{self.files[0]} does not cover {self.ra:.6f} {self.dec:.6f}, where {self.name} is: "
                "expected its image; mend files, ra or dec of the list"
            )


def joined(cubes) -> PixelCube:
    """Images of one galaxy in different bands as one.

    Parameters
    ----------
    cubes : sequence of PixelCube
        On one pixel grid, at one redshift.

    Raises
    ------
    UserError
        For different shapes, pixel grids, redshifts, or a band that is there twice.
    """
    first = cubes[0]
    if len(cubes) == 1:
        return first
    reference = celestial_wcs(first.header)
    for cube in cubes[1:]:
        if cube.shape != first.shape:
            raise UserError(
                f"{cube.source} has shape {cube.shape}: expected {first.shape}, that of {first.source}; "
                "reproject all images to one grid"
            )
        check_same_grid(reference, celestial_wcs(cube.header), first.shape, where=cube.source)
        if cube.redshift != first.redshift:
            raise UserError(
                f"{cube.source} has redshift {cube.redshift}, {first.source} has {first.redshift}: expected "
                "one; give it in the column z"
            )
    filters = tuple(name for cube in cubes for name in cube.filters)
    if any(cube.curves is not None for cube in cubes):
        curves = [cube.curves or FilterSet.from_names(cube.filters) for cube in cubes]
        parts = (tuple(a for one in curves for a in getattr(one, part)) for part in ("wave_aa", "trans"))
        filters = FilterSet(filters, *parts)
    return PixelCube(
        *(np.concatenate([getattr(c, part) for c in cubes], axis=1) for part in ("flux_ujy", "sigma_ujy")),
        filters,
        first.redshift,
        first.shape,
        mask=np.any([cube.mask for cube in cubes], axis=0),
        upper=np.concatenate([cube.upper for cube in cubes], axis=1),
        header=first.header,
        source=first.source,
        notes=tuple(dict.fromkeys(note for cube in cubes for note in cube.notes)),
    )


def read_target_list(path, mosaic=None, *, redshift=None, inferred=False, bands=None) -> list[Target]:
    """A list of galaxies: a table with a row for each.

    Columns, in any case and with any others: ``id``; ``z``; ``ra`` and ``dec`` [deg]; ``files``, one or, with
    semicolons, several of other bands, relative to the folder of the list. Galaxies in mosaics have no files
    but ``size_arcsec``, the side of the square that is cut out at their position, or ``label``, their number
    in the segmentation map that the list of mosaics names: then other pixels are masked, and without
    ``size_arcsec`` the smallest box with that label is cut out. Without a column ``label`` and
    ``size_arcsec``, the label is the ``id``.

    Parameters
    ----------
    path : path-like
    mosaic : path-like, optional
        TOML list of mosaics, as :func:`~dsps_sbi.read_band_list` reads.
    redshift : float, optional
        Of those that the list has none for.
    inferred : bool
        Redshifts are not read: they are to be inferred.
    bands : BandNames, optional
        What the names of bands mean.

    Returns
    -------
    list of Target
        A target that cannot be used, such as one without a redshift, is in the list with its problem.

    Raises
    ------
    UserError
        If the list cannot be read, lacks a column, has no rows or one id twice; if mosaics are missing, or on
        different pixel grids.
    """
    table = TableFile(path)
    columns = _columns(table, path, mosaic is not None)
    rows = {role: [] for role in columns}
    for chunk in table.chunks(_ROWS, list(columns.values())):
        for role, name in columns.items():
            read = numbers_of(chunk[name], name, str(path)) if role in _NUMBERS else words_of(chunk[name])
            rows[role].extend(np.asarray(read).tolist())
    names = rows["id"]
    if not names:
        raise UserError(f"{path} has no rows: expected a galaxy in each; give another")
    _check_names(names, path)
    folder, boxes, near, stored = Path(path).parent, None, [None] * len(names), ()
    if mosaic is not None:
        wcs, stored = check_band_list(mosaic)
        near = _near(wcs, rows, len(names))
        if "size_arcsec" not in rows:
            if "label" not in rows:
                rows["label"] = _labels(names, path)
            boxes = boxes_of(*segmentation_of(mosaic))
    targets = []
    for i, name in enumerate(names):
        row = {role: values[i] for role, values in rows.items()}
        known = {
            role: row[role] for role in ("ra", "dec", "size_arcsec") if np.isfinite(row.get(role, np.nan))
        }
        z = row.get("redshift", np.nan)
        z = UNKNOWN if inferred else z if np.isfinite(z) else redshift
        label = int(row["label"]) if np.isfinite(row.get("label", np.nan)) else None
        text = row.get("files", "")
        files = tuple(folder / part for part in _SEVERAL.split(text) if part)
        if mosaic is not None:
            files = (Path(mosaic),)
        target = Target(name, z, files=files, is_mosaic=mosaic is not None, label=label, **known)
        target = dataclasses.replace(target, reading={} if bands is None else {"bands": bands})
        if boxes is not None and label is not None:
            target = dataclasses.replace(target, box=boxes.get(label))
        target = dataclasses.replace(target, stored=stored, near=near[i] if boxes is None else target.box)
        targets.append(dataclasses.replace(target, problem=_problem(target, path)))
    return targets


def _near(wcs, rows, n) -> list:
    """Rows and columns about positions that hold the squares there; None where there are none."""
    if wcs is None or not {"ra", "dec", "size_arcsec"} <= set(rows):
        return [None] * n
    place = np.array([rows["ra"], rows["dec"], rows["size_arcsec"]], float)
    with np.errstate(invalid="ignore"):
        x, y = wcs.wcs_world2pix(place[0], place[1], 0)
        half = 0.5 * place[2] / 3600.0 / np.sqrt(proj_plane_pixel_area(wcs)) + 1.0
    out = []
    for one_x, one_y, one_half in zip(x, y, half, strict=True):
        if not np.isfinite([one_x, one_y, one_half]).all():
            out.append(None)
            continue
        ends = ((int(c - one_half), int(c + one_half) + 2) for c in (one_y, one_x))
        out.append(tuple(slice(max(low, 0), max(high, 0)) for low, high in ends))
    return out


def _columns(table, path, in_mosaics) -> dict[str, str]:
    """Names of columns by role."""
    small = {name.lower(): name for name in table.names}
    found = {}
    for role, names in _ROLES.items():
        name = next((name for name in names if name in small), None)
        if name is not None:
            found[role] = small[name]
    if "id" not in found:
        raise UserError(
            f"{path} has no column id, but {', '.join(table.names[:8])}: expected the columns id, z, and "
            "files or ra and dec; rename one"
        )
    if in_mosaics and "files" in found:
        raise UserError(
            f"{path} has a column {found['files']} and was given with mosaics: expected one of them; leave "
            "one out"
        )
    if not in_mosaics and "files" not in found:
        raise UserError(
            f"{path} has no column files: expected the images of each target there, or a TOML list of "
            "mosaics beside the list; add one"
        )
    if ("ra" in found) != ("dec" in found):
        raise UserError(
            f"{path} has only one of the columns ra and dec: expected both or none; add the other"
        )
    if "size_arcsec" in found and in_mosaics and "ra" not in found:
        raise UserError(
            f"{path} has a column {found['size_arcsec']} but no ra and dec: expected the position to cut "
            "out; add them, or leave the size out"
        )
    return found


def _check_names(names, path):
    rows = {}
    for i, name in enumerate(names):
        if not name or name.startswith(".") or set(name) & set("/\\\0\n"):
            raise UserError(
                f"{path}, row {i + 1}: id {name!r} cannot be the name of a folder: expected letters and "
                "numbers; mend it"
            )
        other = rows.setdefault(name.casefold(), i)
        if other != i:
            raise UserError(
                f"{path} has the id {name} in rows {other + 1} and {i + 1}: expected each once, their "
                "outputs would overwrite each other; rename or remove one"
            )


def _labels(names, path):
    """Ids as numbers of the segmentation map."""
    if not all(name.isdecimal() for name in names):
        odd = next(name for name in names if not name.isdecimal())
        raise UserError(
            f"{path} has the id {odd} and neither size_arcsec nor label: expected the number of each target "
            "in the segmentation map; add the column label"
        )
    return [float(name) for name in names]


def _problem(target, path) -> str:
    where = f"target {target.name} of {os.path.basename(path)}"
    if not target.files:
        return f"{where} has no files: name its images in the column files"
    if target.redshift is None and target.is_mosaic:
        return f"{where} has no redshift: give it in the column z, or infer it with --z-range"
    if isinstance(target.redshift, float) and not target.redshift > 0.0:
        return f"{where} has redshift {target.redshift:g}: expected one above 0; mend it"
    if not target.is_mosaic:
        return ""
    if target.size_arcsec is not None and target.ra is None:
        return f"{where} has no position: give ra and dec in degrees"
    if target.size_arcsec is not None and not target.size_arcsec > 0.0:
        return f"{where} has size_arcsec {target.size_arcsec:g}: expected one above 0; mend it"
    if target.size_arcsec is None and target.box is None:
        return (
            f"{where} is not in the segmentation map with label {target.label}: mend its label, or give ra, "
            "dec and size_arcsec"
        )
    return ""


def _is_list(path) -> bool:
    return Path(path).suffix.lower() == ".toml"
