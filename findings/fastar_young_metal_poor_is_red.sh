#!/usr/bin/env bash
# fastar-astro 0.1.2 (SSPs of BaSTI-IAC isochrones): its photometric SSPs of 30 Myr turn red below [M/H] = -1.7. At
# [M/H] = -2.2 the flux per Angstrom at 1.05 micron is three times that at 5500 Angstrom, at -1 a third of it, and by
# 80 Myr both are a fifth. Age and metallicity are within the isochrones that come with it (20 Myr to 14 Gyr, -2.5 to
# 0.3), and nothing is said: the stars are hotter and poorer than the spectra that its network of stars learned from.
# Seen: flux(10500)/flux(5500) 3.0 at 30 Myr and [M/H] -2.2; 0.31 at -1.0; 0.22 at 84 Myr and -2.2.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip --quiet --disable-pip-version-check install fastar-astro==0.1.2

cat > "$work/look.py" <<'PY'
from importlib.metadata import version

import numpy as np
from fastar import IntegratedSSPSynthesizer
from fastar.imf.named_imf.kroupa import kroupa

synthesizer = IntegratedSSPSynthesizer(model_label="phot", imf_function=kroupa)
wave = np.asarray(synthesizer.wave)
assert synthesizer.ages.min() <= 30.0 and synthesizer.mets.min() <= -2.2


def ratio(age_gyr, metallicity):
    flux = np.asarray(synthesizer.synthesize(age_gyr, metallicity))
    return float(np.interp(10_500.0, wave, flux) / np.interp(5500.0, wave, flux))


found = [ratio(0.031, -2.2), ratio(0.031, -1.0), ratio(0.084, -2.2)]
print(f"fastar-astro {version('fastar-astro')}: flux(10500)/flux(5500)")
for words, value in zip(("30 Myr, -2.2", "30 Myr, -1.0", "84 Myr, -2.2"), found, strict=True):
    print(f"  {words}: {value:.2f}")
assert found[0] > 2.0 and found[1] < 0.5 and found[2] < 0.3, "fastar has changed"
PY
"$work/venv/bin/python" "$work/look.py"
