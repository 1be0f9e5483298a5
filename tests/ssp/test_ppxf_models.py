import io
import shutil
import tarfile
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
from astropy.io import fits

from dsps_sbi.errors import UserError
from dsps_sbi.ssp import available, fetch, load, ppxf_models

MASSES = """# IMF slope [M/H] Age Mtotal M(*+remn) M* ...
UN 0.30 -0.4000 0.0631 1.0 0.1 0.1 0.1 0.1
UN 1.30 -0.4000 0.0631 1.0 0.85 0.82 0.03 0.15
UN 1.30 -0.4000 1.0000 1.0 0.75 0.70 0.05 0.25
UN 1.30 0.0000 0.0631 1.0 0.86 0.83 0.03 0.14
UN 1.30 0.0000 1.0000 1.0 0.76 0.71 0.05 0.24
"""


def make_sdist(path, lib, rest, hole):
    with tarfile.open(path, "w:gz") as archive:

        def add(name, data):
            info = tarfile.TarInfo(f"ppxf-0/ppxf/miles_models/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))

        for met in ("m0.40", "p0.00"):
            for age in ("00.0631", "01.0000"):
                hdu = fits.PrimaryHDU(np.full(80, 1.0 + float(age), np.float32))
                hdu.header.update(CRVAL1=8900.0, CDELT1=1.0, CRPIX1=1)
                if hole and age.startswith("00"):
                    hdu.data[51:] = 0.0
                whole = io.BytesIO()
                hdu.writeto(whole)
                add(f"{lib}un1.30Z{met}T{age}_iPp0.00_baseFe_linear_FWHM_{rest}.fits", whole.getvalue())
        add(ppxf_models.MASS_TABLE, MASSES.encode())
        add("../../setup.py", f"open({str(path.with_name('ran'))!r}, 'w').close()".encode())
    return path


@pytest.fixture
def sdists(tmp_path, monkeypatch):
    """Small archives laid out like those of ppxf, with their hashes declared as the right ones."""
    paths = {}
    for name, args in {"miles": ("M", "2.51", False), "emiles": ("E", "variable", True)}.items():
        paths[name] = make_sdist(tmp_path / f"{name}.tar.gz", *args)
    paths["emiles-nir"] = paths["emiles"]
    for name, path in paths.items():
        right = replace(ppxf_models.SDISTS[name], sha256=sha256(path.read_bytes()).hexdigest())
        monkeypatch.setitem(ppxf_models.SDISTS, name, right)
    monkeypatch.setenv("DSPS_SBI_CACHE", str(tmp_path / "cache"))
    return paths


@pytest.mark.parametrize(
    ("name", "shape"), [("miles", (2, 2, 80)), ("emiles", (2, 2, 51)), ("emiles-nir", (2, 1, 80))]
)
def test_archive_to_grid_in_the_cache(sdists, name, shape):
    fetch(name, source=sdists[name], progress=False)
    grid = load(name)
    assert grid.flux.shape == shape and grid.tracks == "Padova 2000, base models"
    np.testing.assert_array_equal(grid.metallicity, [-0.4, 0.0])
    np.testing.assert_allclose(grid.surviving_fraction[:, -1], [0.75, 0.76])
    np.testing.assert_allclose(grid.living_fraction[:, -1], [0.70, 0.71])


def test_archive_from_the_index_once_and_none_of_its_code_is_run(sdists, index, tmp_path):
    index.add(sdists["miles"], "ppxf-7.4.5.tar.gz")
    assert not available("miles")
    path = fetch("miles", progress=False)
    assert fetch("miles", progress=False) == path and index.sent == ["ppxf-7.4.5.tar.gz"]
    assert [p.name for p in path.parent.iterdir()] == ["miles_un_padova.h5"]
    assert not (tmp_path / "ran").exists()


def test_half_an_archive_is_downloaded_again(sdists, index, tmp_path):
    folder = tmp_path / "cache" / ".partial-miles"
    folder.mkdir(parents=True)
    (folder / "ppxf-7.4.5.tar.gz").write_bytes(b"half")
    with pytest.raises(UserError, match=r"not download ppxf==7.4.5 \(.* is not on the .*fetch miles --from"):
        fetch("miles", progress=False)
    shutil.copy(sdists["miles"], folder / "ppxf-7.4.5.tar.gz")
    assert fetch("miles", progress=False).is_file()  # a whole one that was left behind is used
    assert not index.sent


def test_wrong_archives(sdists, tmp_path):
    with pytest.raises(UserError, match="there is no archive .*none.tar.gz: give ppxf-8.2.6.tar.gz"):
        fetch("emiles", source=tmp_path / "none.tar.gz", progress=False)
    with pytest.raises(UserError, match="SHA-256 [0-9a-f]{64}, expected .*: give ppxf-8.2.6.tar.gz"):
        fetch("emiles", source=sdists["miles"], progress=False)


def test_real_grids_agree_where_they_overlap():
    if not (available("miles") and available("emiles")):
        pytest.skip("MILES and E-MILES not fetched: run dsps-sbi fetch miles; dsps-sbi fetch emiles")
    miles, emiles = load("miles"), load("emiles")
    first = int(np.argmin(np.abs(emiles.wave_aa - miles.wave_aa[0])))
    part = slice(first, first + miles.wave_aa.size)
    np.testing.assert_allclose(emiles.wave_aa[part], miles.wave_aa, atol=0.01)
    ratio = emiles.flux[:, :, part] / miles.flux
    assert np.abs(np.percentile(ratio, [1, 99]) - 1).max() < 0.01
    assert emiles.wave_aa[-1] < 8950 and emiles.surviving_fraction.min() > 0.6
