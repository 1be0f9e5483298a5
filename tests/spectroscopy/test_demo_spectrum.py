"""The demo on a real spectrum: fetched once, fitted, drawn."""

import io
import shutil
import tarfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from dsps_sbi.demo import spectrum as demo_spectrum
from dsps_sbi.errors import UserError
from dsps_sbi.kernels.vacuum import air_to_vacuum
from dsps_sbi.ssp import fetch_spectrum as module
from dsps_sbi.ssp.fetch_spectrum import FILE, fetch_spectrum
from dsps_sbi.survey.run_log import LOG


@pytest.fixture
def sdist(galaxies, tmp_path, monkeypatch):
    """An archive with a small file like that of NGC 3522, their hashes declared as the right ones."""
    galaxy = galaxies[0]
    columns = {
        "wavelength": air_to_vacuum(galaxy.wave_aa),
        "flux": galaxy.flux,
        "inverse_variance": galaxy.sigma**-2.0,
    }
    columns = {name: np.asarray(a, float) for name, a in columns.items()}
    table = fits.BinTableHDU(Table(columns | {"and_mask": np.zeros(galaxy.wave_aa.size, np.int32)}))
    table.header["Z"] = "0.05"
    whole = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(whole)
    path = tmp_path / "ppxf-8.2.6.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, data in (("other.fits", b"other"), (FILE, whole.getvalue())):
            info = tarfile.TarInfo(f"ppxf-8.2.6/ppxf/spectra/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    monkeypatch.setattr(module, "SHA256", sha256(whole.getvalue()).hexdigest())
    right = replace(module.SDIST, sha256=sha256(path.read_bytes()).hexdigest())
    monkeypatch.setattr(module, "SDIST", right)
    monkeypatch.setenv("DSPS_SBI_CACHE", str(tmp_path / "cache"))
    return path


@pytest.fixture
def downloads(sdist, monkeypatch):
    """Stand-in for the download: the archive, and what was asked for."""
    calls = []

    def download(release, name, folder, progress):
        assert release == module.SDIST and name == "ngc3522"
        calls.append(release.file)
        folder.mkdir()
        return Path(shutil.copy(sdist, folder))

    monkeypatch.setattr(module, "download", download)
    return calls


def test_only_the_one_file_is_kept(downloads, tmp_path):
    path = fetch_spectrum(progress=False)
    assert path == tmp_path / "cache" / FILE and list(path.parent.iterdir()) == [path]
    assert fetch_spectrum(progress=False) == path and len(downloads) == 1
    path.write_bytes(path.read_bytes()[:500])
    assert fetch_spectrum(progress=False).stat().st_size > 500 and len(downloads) == 2


def test_from_files_without_network(run, sdist, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "none"))
    with pytest.raises(
        UserError, match=r"not download ppxf==8.2.6 .*run 'dsps-sbi fetch ngc3522 --from FILE'"
    ):
        fetch_spectrum(progress=False)
    path = fetch_spectrum(sdist, progress=False)
    status, output, _ = run("fetch", "ngc3522", "--from", path, "--cache", tmp_path / "other")
    assert status == 0 and Path(output.strip()).read_bytes() == path.read_bytes()


def test_wrong_files(sdist, tmp_path, monkeypatch):
    with pytest.raises(UserError, match=f"there is no file .*none: give {FILE} or ppxf-8.2.6.tar.gz"):
        fetch_spectrum(tmp_path / "none", progress=False)
    (tmp_path / "other.fits").write_bytes(b"other")
    with pytest.raises(UserError, match="other.fits has SHA-256 [0-9a-f]{64}, expected [0-9a-f]{64}: give"):
        fetch_spectrum(tmp_path / "other.fits", progress=False)
    with tarfile.open(tmp_path / "empty.tar", "w"):
        pass
    with pytest.raises(UserError, match=f"empty.tar does not have {FILE}"):
        fetch_spectrum(tmp_path / "empty.tar", progress=False)
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.optimized
def test_demo(run, downloads, untrained, likelihood, tmp_path, monkeypatch):
    """Refined with the populations that it fetches."""
    fetched, known = [], replace(untrained)
    known.__dict__["_kept_likelihood"] = likelihood
    # that of the small file
    monkeypatch.setattr(demo_spectrum, "_FWHM_AA", 5.5)
    monkeypatch.setattr(demo_spectrum, "fetch", lambda name, progress: fetched.append(name))
    monkeypatch.setattr(demo_spectrum, "load_bundle", {"miles-optical": known}.__getitem__)
    status, output, error = run("demo", "--spectrum", "-o", tmp_path / "out", "--draws", 500)
    assert status == 0, error
    assert output.startswith("NGC3522: trusted; t50 ") and len(downloads) == 1
    assert fetched == ["miles"]
    found = {path.name for path in (tmp_path / "out").iterdir()}
    assert found == {"catalogue.ecsv", "manifest.json", "NGC3522.png", "NGC3522_fit.ecsv", LOG}
    table = Table.read(tmp_path / "out" / "catalogue.ecsv", format="ascii.ecsv")
    assert table["name"].tolist() == ["NGC3522"] and table["z"][0] == 0.05
    assert table.meta["method"] == "refined" and table["ess"][0] >= 100.0
