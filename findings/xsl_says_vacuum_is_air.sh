#!/usr/bin/env bash
# X-shooter Spectral Library, ESO Phase 3 product of the star BD+012916 (in the tests of sdss-mangadap 4.5.0,
# xsl_spectrum_X0360_uvb.fits): its wavelengths have the UCD em.wl. In ESO's Science Data Products standard that
# says vacuum; air is em.wl;obs.atmos. The lines lie at air wavelengths: a reader that follows the standard shifts
# the spectrum by 80 km/s. The star is at rest in the file (SPECSYS SOURCE).
# Seen: TUCD1 em.wl; Balmer lines H beta, H gamma, H delta within 0.1 Angstrom of air, 1.2 to 1.3 from vacuum.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
pip=("$work/venv/bin/python" -m pip --quiet --disable-pip-version-check)
"${pip[@]}" install astropy==8.0.2
"${pip[@]}" download --no-deps --no-build-isolation --no-binary :all: -d "$work" sdss-mangadap==4.5.0 ||
  "${pip[@]}" download --no-deps -d "$work" sdss-mangadap==4.5.0

cat > "$work/look.py" <<'PY'
import sys
import tarfile
import zipfile
from pathlib import Path

import astropy
import numpy as np
from astropy.io import fits

folder, name = Path(sys.argv[1]), "xsl_spectrum_X0360_uvb.fits"
(path,) = folder.glob("sdss_mangadap-4.5.0*")
if path.suffix == ".whl":
    archive = zipfile.ZipFile(path)
    (member,) = (n for n in archive.namelist() if n.endswith(name))
    content = archive.open(member)
else:
    archive = tarfile.open(path)
    (member,) = (n for n in archive.getnames() if n.endswith(name))
    content = archive.extractfile(member)
file = folder / name
file.write_bytes(content.read())
with fits.open(file) as hdus:
    ucd, frame = hdus[1].header["TUCD1"], hdus[1].header.get("SPECSYS", hdus[0].header.get("SPECSYS"))
    wave, flux = (np.asarray(hdus[1].data[key], float).ravel() for key in ("WAVE", "FLUX"))
wave *= 10.0
print(f"astropy {astropy.__version__}; UCD {ucd!r}, SPECSYS {frame!r}")
worst_air, least_vacuum = 0.0, np.inf
# Balmer lines: NIST, air and vacuum
for air, vacuum in ((4861.33, 4862.68), (4340.46, 4341.68), (4101.73, 4102.89)):
    near = np.abs(wave - air) < 12.0
    core = wave[near][np.argmin(flux[near])]
    print(f"core at {core:.2f}: air {air}, vacuum {vacuum}")
    worst_air = max(worst_air, abs(core - air))
    least_vacuum = min(least_vacuum, abs(core - vacuum))
ok = ucd == "em.wl" and worst_air < 0.2 and least_vacuum > 1.0
print("as found" if ok else "CHANGED")
sys.exit(not ok)
PY
"$work/venv/bin/python" "$work/look.py" "$work"
