"""The examples of the guide on spectra run."""

import os
import re
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

import dsps_sbi as ds
from dsps_sbi.inference.trust import FEWEST_EFFECTIVE, Trust
from dsps_sbi.ssp import available

GUIDE = (Path(__file__).parents[2] / "docs" / "guide.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
INFERENCE = next(code for code in BLOCKS if "read_spectrum" in code and "load_bundle" in code)
FORWARD = next(code for code in BLOCKS if "SpectrumTarget.of" in code)


def test_the_forward_model_s_example_runs(line_grid, tmp_path, monkeypatch):
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
    monkeypatch.setattr(ds.ssp, "load", {"miles": line_grid}.get)
    scope = {"ds": ds, "jax": jax, "jnp": jnp, "spectrum": ds.read_spectrum(tmp_path / "spec.fits")}
    exec(FORWARD, scope)
    assert scope["flux"].shape == (n,) and np.isfinite(scope["log_density"])
    assert scope["slope"].shape == (len(scope["model"].names),) and np.isfinite(scope["slope"]).all()


@pytest.mark.skipif("DSPS_SBI_TEST_DATA" not in os.environ, reason="DSPS_SBI_TEST_DATA is not set")
@pytest.mark.skipif(not available("miles"), reason="SSP grid miles is not in the cache: dsps-sbi fetch miles")
def test_the_example_of_inference_runs(tmp_path, monkeypatch):
    source = Path(os.environ["DSPS_SBI_TEST_DATA"], "spectra/sdss/NGC3522_SDSS_DR8.fits")
    (tmp_path / "spec.fits").write_bytes(source.read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ds, "read_spectrum", partial(ds.read_spectrum, lsf=ds.LSF("fwhm_aa", 2.8)))
    scope = {"ds": ds}
    exec(INFERENCE, scope)
    result = scope["result"]
    assert result.columns["trust"][0] != Trust.UNCHECKED and result.columns["ess"][0] >= FEWEST_EFFECTIVE
    # an old galaxy, whatever the details
    assert np.median(result.formation_times([0.5])) < 7.0
