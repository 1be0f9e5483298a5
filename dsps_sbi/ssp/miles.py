"""MILES and E-MILES grids from the FITS files of the MILES website (Vazdekis et al. 2010, 2015, 2016).

One file holds one SSP, L_sun / Angstrom / M_sun formed on linear air wavelengths; its parameters
are in its name alone, as in ``Mkb1.30Zp0.06T09.5000_iTp0.00_Ep0.40.fits``: library (M: MILES, E:
E-MILES), initial mass function and slope, [M/H], age in Gyr, isochrones, [alpha/Fe]. Names of sMILES
(Knowles et al. 2023), such as ``Mku1.30Zp0.06T10.0000_iTp0.40_ACFep00_aFep04.fits``, state the [alpha/Fe]
of the spectra and that of the isochrones.
"""

import io
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning

from dsps_sbi.errors import UserError
from dsps_sbi.ssp.grid import SSPGrid
from dsps_sbi.ssp.miles_names import MilesKind, kinds_of

# Where E-MILES's spectra of hot young stars end (Angstrom), and an age (Gyr) above all of these
EMILES_WAVE_MAX_AA = 8950.0
EMILES_AGE_MIN_GYR = 0.28


def _in_folder(folder):
    folder = Path(folder)
    kinds = kinds_of(sorted(folder.glob("*.fits"))) if folder.is_dir() else {}
    if not kinds:
        raise UserError(
            f"{folder} holds no MILES files: give the folder of files named like "
            "Mkb1.30Zp0.06T09.5000_iTp0.00_Ep0.00.fits"
        )
    return kinds


def miles_kinds(folder) -> tuple[str, ...]:
    """Names of the grids in a folder of MILES files, such as ``Mkb1.30_iTp0.00_Ep0.40``."""
    return tuple(kind.name for kind in _in_folder(folder))


def read_miles(
    folder,
    kind: str | None = None,
    *,
    wave_max_aa: float | None = None,
    age_min_gyr: float | None = None,
    progress: Callable[[str], None] | None = None,
) -> SSPGrid:
    """Read all SSPs of one kind from a folder of MILES or E-MILES files.

    E-MILES has no light at 8951 Angstrom and above for its young SSPs (all up to 0.08 Gyr, the
    metal-poor ones up to 0.25 Gyr), which SSPGrid refuses. ``wave_max_aa=8950`` keeps all ages,
    ``age_min_gyr=0.28`` all wavelengths.

    Parameters
    ----------
    folder : path-like
        Folder of files as the MILES website names them; others in it are passed over.
    kind : str, optional
        Which of :func:`miles_kinds`, where the folder holds several (IMFs, isochrones, [alpha/Fe]).
    wave_max_aa : float, optional
        Leave out longer wavelengths [Angstrom].
    age_min_gyr : float, optional
        Leave out younger SSPs [Gyr].
    progress : callable, optional
        Called with the name of each file before it is read.

    Returns
    -------
    SSPGrid
        Its name is that of the kind; surviving masses are not in the files.

    Raises
    ------
    UserError
        If files are missing, damaged or of several kinds, or the grid has holes.
    """
    kinds = {k.name: (k, files) for k, files in _in_folder(folder).items()}
    if kind is None and len(kinds) > 1:
        raise UserError(f"{folder} holds {len(kinds)} grids: pass kind= one of {', '.join(kinds)}")
    if kind is not None and kind not in kinds:
        raise UserError(f"{folder} holds no grid {kind!r}: choose from {', '.join(kinds)}")
    found, files = kinds[kind] if kind is not None else next(iter(kinds.values()))
    return assemble(found, files, Path.read_bytes, wave_max_aa, age_min_gyr, progress)


def read_miles_alpha(folder, **options) -> dict[float, SSPGrid]:
    """Grids of a folder by [alpha/Fe], for files that differ in nothing else but their isochrones' own.

    Parameters
    ----------
    folder : path-like
    **options
        As for :func:`read_miles`.

    Raises
    ------
    UserError
        If there are several initial mass functions or sets of tracks, two grids have the same [alpha/Fe], one
        is of the base models, which have no single value, or an SSP is there at one [alpha/Fe] and not at
        another.
    """
    kinds = _in_folder(folder)
    stars = sorted({kind.stars for kind in kinds})
    if len(stars) > 1:
        raise UserError(
            f"{folder} holds SSPs of {', '.join(stars)}: expected one initial mass function; keep one in the "
            "folder, or use read_miles(kind=)"
        )
    by_alpha = {}
    for kind in kinds:
        if kind.alpha_fe is None or kind.alpha_fe in by_alpha:
            raise UserError(f"{folder}: [alpha/Fe] does not tell {kind.name} apart: use read_miles(kind=)")
        by_alpha[kind.alpha_fe] = kind
    tracks = sorted({kind.words()["tracks"].split(",")[0] for kind in kinds})
    if len(tracks) > 1:
        raise UserError(
            f"{folder} holds SSPs on tracks of {', '.join(tracks)}: expected one set of tracks; keep one in "
            "the folder, or use read_miles(kind=)"
        )
    _check_same(folder, {alpha: kinds[kind] for alpha, kind in by_alpha.items()}, options.get("age_min_gyr"))
    return {alpha: read_miles(folder, kind.name, **options) for alpha, kind in sorted(by_alpha.items())}


def _check_same(folder, files, age_min_gyr):
    """Refuse [alpha/Fe] of which some SSPs are missing: between the grids one interpolates."""
    age_min = 0.0 if age_min_gyr is None else age_min_gyr
    every = {key for keys in files.values() for key in keys if key[1] >= age_min}
    for alpha, keys in sorted(files.items()):
        missing = sorted(every - set(keys))
        if missing:
            (met, age), more = missing[0], f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise UserError(
                f"{folder}: [alpha/Fe] {alpha:+.2f} lacks [M/H] {met:+.2f} at {age:g} Gyr{more}, which "
                "others have: add these files, or remove them from the others"
            )


def assemble(
    kind: MilesKind,
    files: Mapping,
    read: Callable[..., bytes],
    wave_max_aa: float | None = None,
    age_min_gyr: float | None = None,
    progress: Callable[[str], None] | None = None,
    masses: Mapping | None = None,
) -> SSPGrid:
    """Make a grid of the files of one kind; ``read`` turns a file's name into its bytes.

    ``masses`` maps ([M/H], age) to living and surviving mass per mass formed, where they are known.
    """
    age_min = 0.0 if age_min_gyr is None else age_min_gyr
    files = {key: name for key, name in files.items() if key[1] >= age_min}
    if not files:
        raise UserError(f"{kind.name} has no SSP of {age_min:g} Gyr or older: lower age_min_gyr")
    mets, ages = (sorted(set(column)) for column in zip(*files, strict=True))
    missing = [(m, a) for m in mets for a in ages if (m, a) not in files]
    if missing:
        few = ", ".join(f"[M/H] {m:+.2f} at {a:g} Gyr" for m, a in missing[:4])
        more = f" and {len(missing) - 4} more" if len(missing) > 4 else ""
        raise UserError(f"{kind.name} lacks {few}{more}: add these files or remove the others of their age")
    wave, flux = None, None
    for (met, age), name in files.items():
        if progress is not None:
            progress(Path(name).name)
        file_wave, values = _spectrum(name, read)
        if wave is None:
            wave = file_wave
            keep = wave <= (np.inf if wave_max_aa is None else wave_max_aa)
            flux = np.empty((len(mets), len(ages), int(keep.sum())), np.float32)
        if file_wave.shape != wave.shape or not np.allclose(file_wave, wave, rtol=0.0, atol=1e-3):
            raise UserError(f"{name} has other wavelengths than the files before: keep one version of them")
        flux[mets.index(met), ages.index(age)] = values[keep]
    table = None if masses is None else np.array([[masses[m, a] for a in ages] for m in mets])
    try:
        return SSPGrid(
            name=kind.name,
            wave_aa=wave[keep],
            age_gyr=np.array(ages),
            metallicity=np.array(mets),
            flux=flux,
            living_fraction=None if table is None else table[..., 0],
            surviving_fraction=None if table is None else table[..., 1],
            wave_medium="air",
            fwhm_aa=kind.fwhm_aa,
            **kind.words(),
        )
    except UserError as err:
        if kind.library == "E" and " is zero from " in str(err):
            hint = f"wave_max_aa={EMILES_WAVE_MAX_AA:g} or age_min_gyr={EMILES_AGE_MIN_GYR:g}"
            raise UserError(f"{err} (E-MILES: {hint})") from err
        raise


def _spectrum(name, read):
    try:
        with warnings.catch_warnings():
            # of a file that is cut short astropy only warns
            warnings.simplefilter("error", AstropyUserWarning)
            with fits.open(io.BytesIO(read(name))) as hdus:
                head, values = hdus[0].header, np.asarray(hdus[0].data, np.float32)
        pixel = np.arange(1, values.size + 1) - float(head.get("CRPIX1", 1))
        wave = float(head["CRVAL1"]) + pixel * float(head["CDELT1"])
    except (OSError, KeyError, TypeError, ValueError, AstropyUserWarning) as err:
        raise UserError(f"{name} is not a whole MILES spectrum ({err}): download it again") from err
    if values.ndim != 1:
        raise UserError(f"{name} has {values.ndim} dimensions, expected one spectrum: download it again")
    return wave, values
