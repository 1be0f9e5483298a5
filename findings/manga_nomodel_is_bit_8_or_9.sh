#!/usr/bin/env bash
# Bits of the MASK of MaNGA DAP cubes. sdss-mangadap 4.5.0 comes with two lists: its own (dap_cube_bits.ini) gives
# NOMODEL bit 9, SDSS's sdssMaskbits.par gives it bit 8, which is ELFAILED in both. pydl 1.0.0, which reads the
# latter, tells a failed fit of emission lines for a pixel outside of the fitted range, and knows no bit 9. The same
# file has bit 10 twice for pixels of the DRP: DONOTUSE in cubes, SMEARIMAGE, which harms nothing, in row-stacked
# spectra; both are called MASK in files that look alike.
# Seen: NOMODEL 512 by the one and 256 by the other; 256 is ELFAILED, 512 nothing; 1024 SMEARIMAGE and DONOTUSE.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
pip=("$work/venv/bin/python" -m pip --quiet --disable-pip-version-check)
"${pip[@]}" install pydl==1.0.0 numpy==2.4.6
"${pip[@]}" download --no-deps --only-binary :all: -d "$work" sdss-mangadap==4.5.0

cat > "$work/look.py" <<'PY'
import configparser
import sys
import zipfile
from pathlib import Path

import pydl
from pydl.pydlutils import sdss

folder = Path(sys.argv[1])
(wheel,) = folder.glob("sdss_mangadap-4.5.0*.whl")
with zipfile.ZipFile(wheel) as archive:
    own = configparser.ConfigParser(interpolation=None)
    own.read_string(archive.read("mangadap/config/bitmasks/dap_cube_bits.ini").decode())
    archive.extract("mangadap/data/sdss/sdssMaskbits.par", folder)
sdss.maskbits = sdss.set_maskbits(maskbits_file=str(folder / "mangadap/data/sdss/sdssMaskbits.par"))
by_dap = 1 << int(own["NOMODEL"]["value"])
by_sdss = int(sdss.sdss_flagval("MANGA_DAPSPECMASK", "NOMODEL"))
names = {bit: sdss.sdss_flagname("MANGA_DAPSPECMASK", bit) for bit in (256, 512)}
drp = [sdss.sdss_flagname(kind, 1024) for kind in ("MANGA_DRP2PIXMASK", "MANGA_DRP3PIXMASK")]
print(f"pydl {pydl.__version__}; NOMODEL: {by_dap} by the DAP's list, {by_sdss} by SDSS's")
print(f"names of MANGA_DAPSPECMASK {names}; 1024 of spectra and of cubes of the DRP {drp}")
same = (by_dap, by_sdss) == (512, 256) and names == {256: ["ELFAILED"], 512: []}
sys.exit(not (same and drp == [["SMEARIMAGE"], ["DONOTUSE"]]))
PY
"$work/venv/bin/python" -W ignore "$work/look.py" "$work"
