"""The example of the README on spectra runs, on a small grid and a file like those of SDSS."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from astropy.io import fits
from astropy.table import Table

import dsps_sbi as ds

README = (Path(__file__).parents[2] / "README.md").read_text()
EXAMPLE = next(
    code for code in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "read_spectrum" in code
)


def test_the_example_runs(line_grid, tmp_path, monkeypatch):
    loglam = np.round(np.arange(3.6450, 3.7300, 1e-4), 4).astype(np.float32)
    n = loglam.size
    columns = {
        "loglam": loglam,
        "flux": 10 + np.cos(np.arange(n)),
        "ivar": np.ones(n),
        "wdisp": np.full(n, 1.1),
    }
    hdus = [fits.PrimaryHDU(), fits.BinTableHDU(Table(columns)), fits.BinTableHDU(Table({"Z": [0.01]}))]
    fits.HDUList(hdus).writeto(tmp_path / "spec.fits")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ds.ssp, "read_miles", {"miles": line_grid}.get)
    scope = {"ds": ds, "jax": jax, "jnp": jnp}
    exec(EXAMPLE, scope)
    assert scope["flux"].shape == (n,) and np.isfinite(scope["log_density"])
    assert scope["slope"].shape == (len(scope["model"].names),) and np.isfinite(scope["slope"]).all()
