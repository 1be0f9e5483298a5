"""Data files of packages: one file of a release, taken from the index that the user's pip uses.

Some grids and spectra are to be had only inside packages. Their file is found by its name on the index,
downloaded and compared with its SHA-256. It is data here: nothing of the package is built, installed or run,
be it a wheel or a source archive. (pip runs the set-up script of a source archive to download it.)
"""

import ast
import hashlib
import logging
import os
import ssl
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from dsps_sbi.errors import UserError

# pip's own default
_INDEX = "https://pypi.org/simple"
_TIMEOUT_S = 60.0
# That one of several indexes does not have the package is no news; what fails is told below
logging.getLogger("unearth").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Release:
    """A file of a release of a package.

    Parameters
    ----------
    package : str
        ``name==version``.
    file : str
        Name of the file.
    sha256 : str
        Its hash.
    """

    package: str
    file: str
    sha256: str


def download(release: Release, name: str, folder: Path, progress: bool) -> Path:
    """A file of a release: a whole one that a broken-off call left behind, else a fresh download.

    Parameters
    ----------
    release : Release
    name : str
        What ``dsps-sbi fetch`` calls what is wanted of it.
    folder : path
        Where it goes; made if missing.
    progress : bool
        Show progress on standard error.

    Returns
    -------
    pathlib.Path
        The file: in the folder, or where it is if the index lies on this machine.

    Raises
    ------
    UserError
        If it is not on the index, cannot be downloaded, or its hash is another.
    """
    # slow to import, and few runs fetch
    import httpx2
    from unearth import HashMismatchError, UnpackError

    target = folder / release.file
    if target.is_file():
        with open(target, "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == release.sha256:
                return target
        target.unlink()
    remedy = f"get {release.file} on a machine with network and run 'dsps-sbi fetch {name} --from FILE'"
    try:
        return _download(release, folder, progress)
    except HashMismatchError as err:
        target.unlink(missing_ok=True)
        raise UserError(
            f"{release.file} has SHA-256 {err.actual['sha256']}, expected {release.sha256}: fetch it again, "
            "or give a good copy with --from FILE"
        ) from err
    except (LookupError, UnpackError, httpx2.HTTPError, httpx2.InvalidURL, OSError) as err:
        reason = " ".join(str(err).split()) or type(err).__name__
        raise UserError(f"could not download {release.package} ({reason}): {remedy}") from err


def _download(release, folder, progress):
    from unearth import PackageFinder
    from unearth.auth import MultiDomainBasicAuth
    from unearth.fetchers import PyPIClient

    sources, connection = _as_pip()
    if not any(sources.values()):
        raise LookupError("pip is set to use no index")
    with PyPIClient(**connection) as client:
        client.auth = MultiDomainBasicAuth(prompting=False, index_urls=sources["index_urls"])
        # Data go with every version of Python and every platform
        finder = PackageFinder(client, ignore_compatibility=True, **sources)
        found = (package.link for package in finder.find_matches(release.package))
        link = next((link for link in found if link.filename == release.file), None)
        if link is None:
            raise LookupError(f"{release.file} is not on the index that pip is set to use")
        with tqdm(desc=release.file, unit="B", unit_scale=True, disable=not progress) as bar:

            def show(_, completed, total):
                bar.total = total
                bar.update(completed - bar.n)

            return finder.download(link, folder, {"sha256": [release.sha256]}, show)


def _as_pip():
    """Where pip looks for packages, as arguments of the finder, and how it connects, of its client."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    options = {}
    # What is for all of pip's commands, what is for `pip download`, then the environment, which is read here
    # as well for want of pip
    for section in ("global.", "download."):
        for key, value in (line.split("=", 1) for line in shown.splitlines() if line.startswith(section)):
            options[key.removeprefix(section)] = ast.literal_eval(value)
    for key, value in os.environ.items():
        if key.startswith("PIP_") and value:
            options[key.removeprefix("PIP_").lower().replace("_", "-")] = value
    several = {key: options.get(key, "").split() for key in ("extra-index-url", "find-links", "trusted-host")}
    index = [options.get("index-url", _INDEX), *several["extra-index-url"]]
    no_index = options.get("no-index", "").lower() in ("1", "true", "yes", "on")
    sources = {
        "index_urls": [] if no_index else index,
        "find_links": [place for place in several["find-links"] if "://" in place or Path(place).exists()],
    }
    connection = {
        "trusted_hosts": several["trusted-host"],
        "follow_redirects": True,
        "timeout": _TIMEOUT_S,
        "proxy": options.get("proxy"),
    }
    if "cert" in options:
        connection["verify"] = ssl.create_default_context(cafile=options["cert"])
    return sources, connection
