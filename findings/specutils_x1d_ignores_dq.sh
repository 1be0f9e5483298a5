#!/usr/bin/env bash
# specutils 2.4.0, loader "JWST x1d": the column DQ of an x1d table (bit 0: DO_NOT_USE) does not become the mask of
# the spectrum. Its mask is None, and pixels that the pipeline forbids to use count like all others. (The loader of
# s3d cubes does take the DQ extension as mask.)
# Seen: mask None, 200 of 200 fluxes, among them the 30 that DQ marks, 30 times too bright.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check specutils==2.4.0 astropy==8.0.2

cat > "$work/read.py" <<'PY'
import sys
import warnings

import astropy
import numpy as np
import specutils
from astropy import units as u
from astropy.io import fits
from astropy.table import QTable

path, n = sys.argv[1], 200
flux = np.ones(n)
dq = np.zeros(n, np.int32)
flux[50:80], dq[50:80] = 30.0, 1
table = QTable(
    {
        "WAVELENGTH": np.linspace(1.0, 2.0, n) * u.um,
        "FLUX": flux * u.Jy,
        "FLUX_ERROR": 0.1 * np.ones(n) * u.Jy,
        "SURF_BRIGHT": flux * u.MJy / u.sr,
        "SB_ERROR": 0.1 * np.ones(n) * u.MJy / u.sr,
        "DQ": dq,
    }
)
hdu = fits.BinTableHDU(table, name="EXTRACT1D")
hdu.header["SRCTYPE"] = "POINT"
first = fits.PrimaryHDU()
first.header.update(TELESCOP="JWST", INSTRUME="NIRSPEC", EXP_TYPE="NRS_FIXEDSLIT")
fits.HDUList([first, hdu, fits.ImageHDU(name="ASDF")]).writeto(path)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    spectrum = specutils.Spectrum.read(path, format="JWST x1d")
bright = int(np.sum(spectrum.flux.value > 10.0))
print(f"specutils {specutils.__version__}, astropy {astropy.__version__}: mask {spectrum.mask}, ", end="")
print(f"{spectrum.flux.size} fluxes, {bright} of them marked by DQ as not to be used")
sys.exit(not (spectrum.mask is None and spectrum.flux.size == n and bright == 30))
PY
"$work/venv/bin/python" "$work/read.py" "$work/test_x1d.fits"
