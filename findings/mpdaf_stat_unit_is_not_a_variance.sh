#!/usr/bin/env bash
# The MUSE minicube in mpdaf 3.6 (mpdaf/data/sdetect/minicube.fits): the extension STAT holds variances, and its
# BUNIT is not the square of that of DATA. DATA: 10**(-20)*erg/s/cm**2/Angstrom. STAT:
# 10**(-20)*erg/s/cm**2/Angstrom**2, where only the last factor is squared. A reader that takes the unit at its word
# has errors wrong by ten orders of magnitude, or refuses the file.
# Seen: the two units; the scatter of DATA between neighbouring wavelengths is 0.5 to 2 times the root of STAT.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
pip=("$work/venv/bin/python" -m pip --quiet --disable-pip-version-check)
"${pip[@]}" install astropy==8.0.2
"${pip[@]}" download --no-deps --only-binary :all: -d "$work" mpdaf==3.6

cat > "$work/look.py" <<'PY'
import sys
import zipfile
from pathlib import Path

import numpy as np
from astropy.io import fits

(wheel,) = Path(sys.argv[1]).glob("mpdaf-3.6*.whl")
file = Path(sys.argv[1]) / "minicube.fits"
file.write_bytes(zipfile.ZipFile(wheel).read("mpdaf/data/sdetect/minicube.fits"))
with fits.open(file) as hdus:
    units = [hdus[name].header["BUNIT"] for name in ("DATA", "STAT")]
    data, stat = (np.asarray(hdus[name].data, float) for name in ("DATA", "STAT"))
steps = np.diff(data, axis=0) / np.sqrt(stat[1:] + stat[:-1])
ratio = 1.4826 * np.nanmedian(np.abs(steps))
print(f"mpdaf 3.6: DATA {units[0]!r}, STAT {units[1]!r}; scatter over the root of STAT {ratio:.2f}")
ok = units == ["10**(-20)*erg/s/cm**2/Angstrom", "10**(-20)*erg/s/cm**2/Angstrom**2"] and 0.5 < ratio < 2.0
print("as found" if ok else "CHANGED")
sys.exit(not ok)
PY
"$work/venv/bin/python" "$work/look.py" "$work"
