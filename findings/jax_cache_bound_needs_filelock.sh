#!/usr/bin/env bash
# jax 0.10.2: a bound on the size of its persistent compilation cache (jax_compilation_cache_max_size) switches
# the cache off where the package filelock is missing, which jax does not install. Nothing fails: one warning
# tells of an "error reading" an entry, all later programs are compiled without a word, and nothing is ever
# written. With filelock, or without the bound, the cache works.
# Seen: with the bound 1 warning and 0 files after three programs, without the bound no warning and 3 entries.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6

cat > "$work/cache.py" <<'PY'
import sys
import warnings
from pathlib import Path

import jax
import numpy as np

folder, bound = Path(sys.argv[1]), int(sys.argv[2])
jax.config.update("jax_compilation_cache_dir", str(folder))
jax.config.update("jax_compilation_cache_max_size", bound)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for n in (3, 4, 5):
        jax.jit(lambda x: 2.0 * x)(np.ones(n, np.float32))
entries = len(list(folder.glob("*-cache"))) if folder.is_dir() else 0
about = [str(w.message) for w in told if "compilation cache" in str(w.message)]
print(f"jax {jax.__version__}, bound {bound}: {len(about)} warning(s), {entries} entries. {' '.join(about)[:160]}")
expected = (1, 0) if bound >= 0 else (0, 3)
assert (len(about), entries) == expected, "the behaviour has changed"
PY
export JAX_PLATFORMS=cpu
"$work/venv/bin/python" "$work/cache.py" "$work/bounded" 1000000000
"$work/venv/bin/python" "$work/cache.py" "$work/unbounded" -1
