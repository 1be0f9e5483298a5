from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def contents():
    """All files of a folder and of its folders: bytes by relative name."""

    def contents(folder):
        folder = Path(folder)
        files = (path for path in sorted(folder.rglob("*")) if path.is_file())
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}

    return contents


@pytest.fixture
def several(make_cutout, mock_pixels):
    """Cutouts a.fits ... e.fits, the third of which cannot be used."""
    rng = np.random.default_rng(3)
    out = []
    for name in "abcde":
        redshift = 9.0 if name == "c" else float(rng.uniform(1.0, 3.0))
        out.append(
            make_cutout(f"{name}.fits", flux=mock_pixels[0] * rng.uniform(1.0, 2.0), REDSHIFT=redshift)
        )
    return out
