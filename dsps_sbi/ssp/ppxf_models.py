"""MILES and E-MILES grids out of source archives of the ppxf package, which carries their files.

Salpeter-like (unimodal, 1.30) SSPs on Padova 2000 isochrones, 25 ages of 0.063-15.85 Gyr and 6
metallicities -1.71 to 0.22. The models are free for non-commercial use and must not be passed on
(see the headers of the files).
"""

import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from dsps_sbi.errors import UserError
from dsps_sbi.ssp import miles
from dsps_sbi.ssp.grid import SSPGrid
from dsps_sbi.ssp.miles_names import kinds_of
from dsps_sbi.ssp.release import Release

MASS_TABLE = "Vazdekis2012_ssp_mass_Padova00_UN_baseFe_v10.0.txt"


@dataclass(frozen=True)
class Sdist(Release):
    """A source archive of ppxf, and the cut that makes its SSPs a whole grid.

    Parameters
    ----------
    package, file, sha256 : str
        As for :class:`dsps_sbi.ssp.release.Release`.
    wave_max_aa, age_min_gyr : float or None
        As for :func:`dsps_sbi.ssp.miles.read_miles`.
    """

    wave_max_aa: float | None = None
    age_min_gyr: float | None = None


_MILES = (
    "ppxf==7.4.5",
    "ppxf-7.4.5.tar.gz",
    "3b82b5d4e1e1ff9d57eeec9c07486ccc1a0d3e83b72d9dd1c5642c4681e34858",
)
_EMILES = (
    "ppxf==8.2.6",
    "ppxf-8.2.6.tar.gz",
    "e51249d28f12eb41c6dce325a17c7bd554b546e73de930a59f7b29b02f35c8c3",
)
SDISTS = {
    "miles": Sdist(*_MILES),
    # all ages, 1680-8950 Angstrom
    "emiles": Sdist(*_EMILES, wave_max_aa=miles.EMILES_WAVE_MAX_AA),
    # all wavelengths, 1680-50000 Angstrom, without the young ages that have holes
    "emiles-nir": Sdist(*_EMILES, age_min_gyr=miles.EMILES_AGE_MIN_GYR),
}
# SSPs that each is read from, for progress bars
N_FILES = {"miles": 150, "emiles": 150, "emiles-nir": 108}


def convert(name: str, source: str | Path, progress: Callable[[str], None] | None = None) -> SSPGrid:
    """Check the archive's SHA-256 and make a grid of its SSPs and their table of masses.

    Parameters
    ----------
    name : {"miles", "emiles", "emiles-nir"}
    source : path-like
        The archive.
    progress : callable, optional
        Called with the name of each file before it is read.

    Returns
    -------
    SSPGrid
        With living and surviving (stars and remnants) masses.
    """
    source, sdist = Path(source), SDISTS[name]
    if not source.is_file():
        raise UserError(f"there is no archive {source}: give {sdist.file}")
    data = source.read_bytes()
    found = sha256(data).hexdigest()
    if found != sdist.sha256:
        raise UserError(f"{source} has SHA-256 {found}, expected {sdist.sha256}: give {sdist.file}")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        wanted = [m for m in archive if m.isfile() and Path(m.name).parent.name == "miles_models"]
        content = {m.name: archive.extractfile(m).read() for m in wanted}
    ((kind, files),) = kinds_of(content).items()
    table = next(text for key, text in content.items() if key.endswith(MASS_TABLE)).decode()
    return miles.assemble(
        kind,
        files,
        content.__getitem__,
        sdist.wave_max_aa,
        sdist.age_min_gyr,
        progress,
        _masses(table, kind.slope),
    )


def _masses(text, slope):
    """Living and surviving mass per mass formed by ([M/H], age), both rounded as in file names.

    Columns: IMF, slope, [M/H], age / Gyr, total, stars and remnants, stars, remnants, gas, ...
    """
    rows = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    chosen = [[float(v) for v in row[2:7]] for row in rows if float(row[1]) == float(slope)]
    return {(round(met, 2) + 0.0, age): (stars, total) for met, age, _, total, stars in chosen}
