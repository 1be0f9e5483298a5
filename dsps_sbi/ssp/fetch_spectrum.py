"""Fetch the spectrum of the demo once, and keep it in the cache.

NGC 3522 as observed by SDSS (Data Release 8; York et al. 2000, AJ 120, 1579; Aihara et al. 2011, ApJS 193,
29). The file comes from the source archive of ppxf (25 MB), which carries it as an example.
"""

import os
import shutil
import tarfile
from hashlib import sha256
from pathlib import Path

from dsps_sbi.errors import UserError
from dsps_sbi.io.atomic import atomic_path
from dsps_sbi.ssp import ppxf_models
from dsps_sbi.ssp.cache import cache_dir, make_cache
from dsps_sbi.ssp.release import download

NAME, FILE = "ngc3522", "NGC3522_SDSS_DR8.fits"
SHA256 = "022d34ab3a3a00078dcd22ecbd03cf687c511dd44042274450bbfe88687e0aff"
SDIST = ppxf_models.SDISTS["emiles"]


def fetch_spectrum(
    source: str | os.PathLike | None = None,
    cache: str | os.PathLike | None = None,
    progress: bool = True,
) -> Path:
    """Put the spectrum in the cache, unless it is there already.

    Parameters
    ----------
    source : path-like, optional
        The spectrum's file, or the source archive: no network is needed.
    cache : path-like, optional
        Folder to use instead of `cache_dir`.
    progress : bool
        Show progress on standard error.

    Returns
    -------
    pathlib.Path
        The FITS file.

    Raises
    ------
    UserError
        If it cannot be downloaded, or the source is another file.
    """
    target = (Path(cache) if cache is not None else cache_dir()) / FILE
    if target.is_file() and _hash(target.read_bytes()) == SHA256:
        return target
    make_cache(target.parent)
    partial = target.parent / f".partial-{NAME}"
    archive = download(SDIST, NAME, partial, progress) if source is None else Path(source)
    data = _contents(archive)
    if _hash(data) != SHA256:
        raise UserError(
            f"the spectrum in {archive} has SHA-256 {_hash(data)}, expected {SHA256}: give {FILE} or "
            f"{SDIST.file}"
        )
    with atomic_path(target) as temporary:
        temporary.write_bytes(data)
    if source is None:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _contents(path) -> bytes:
    """The spectrum's file, itself or out of an archive."""
    if not path.is_file():
        raise UserError(f"there is no file {path}: give {FILE} or {SDIST.file}")
    if not tarfile.is_tarfile(path):
        return path.read_bytes()
    with tarfile.open(path) as archive:
        wanted = [m for m in archive if m.isfile() and Path(m.name).name == FILE]
        if not wanted:
            raise UserError(f"{path} does not have {FILE}: give {SDIST.file}")
        return archive.extractfile(wanted[0]).read()


def _hash(data: bytes) -> str:
    return sha256(data).hexdigest()
