#!/usr/bin/env bash
# specutils 2.4.0, loader "iraf", FITS images in IRAF's multispec system (help page "specwcs" of IRAF's noao.onedspec).
# There a dispersion may be a weighted sum of several functions, w = sum_i weight_i (offset_i + W_i) / (1 + z); sums
# of two come from tasks that shift or refine a solution. The loader takes the first function alone, and drops its
# weight and offset: 0.5 (0 + W) + 0.5 (10 + W) of W = 5000 is read as 5000, not 5005 Angstrom, without a word.
# Linear dispersions (type 0), the commonest kind, end in "list index out of range".
# Seen: first wavelength 5000.0 Angstrom where 5005.0 is due; IndexError for type 0.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check specutils==2.4.0 astropy==8.0.2

cat > "$work/read.py" <<'PY'
import sys
import warnings

import numpy as np
import specutils
from astropy.io import fits

warnings.simplefilter("ignore")


def write(path, dispersion):
    """One spectrum of 100 pixels, and its dispersion in the WAT2 keywords."""
    header = fits.Header()
    header["WCSDIM"] = 2
    for i in (1, 2):
        header[f"CTYPE{i}"] = "MULTISPE"
        header[f"CDELT{i}"] = header[f"CD{i}_{i}"] = header[f"LTM{i}_{i}"] = 1.0
    header["WAT0_001"] = "system=multispec"
    header["WAT1_001"] = "wtype=multispec label=Wavelength units=angstroms"
    text = f'wtype=multispec spec1 = "{dispersion}"'
    for i in range(0, len(text), 68):
        header[f"WAT2_{i // 68 + 1:03d}"] = text[i : i + 68]
    fits.PrimaryHDU(np.ones((1, 100), np.float32), header).writeto(path)


# Chebyshev's polynomial of order 2 over pixels 1 to 100: 5000 to 5099 Angstrom
one = "1 2 1. 100. 5049.5 49.5"
write(f"{sys.argv[1]}/two.fits", f"1 1 2 5000. 1. 100 0. 10. 20. 0.5 0. {one} 0.5 10. {one}")
write(f"{sys.argv[1]}/linear.fits", "1 1 0 5000. 1. 100 0. 10. 20.")

wave = specutils.Spectrum.read(f"{sys.argv[1]}/two.fits", format="iraf").spectral_axis
print("specutils", specutils.__version__, "first wavelength", wave[0])
assert wave[0].value == 5000.0, "the sum of functions is read otherwise now"
try:
    specutils.Spectrum.read(f"{sys.argv[1]}/linear.fits", format="iraf")
except IndexError as error:
    print("linear:", type(error).__name__, error)
else:
    raise SystemExit("linear dispersions are read now")
PY
"$work/venv/bin/python" "$work/read.py" "$work"
