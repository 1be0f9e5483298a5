#!/usr/bin/env bash
# jax 0.10.2 on CPU: jax.numpy.asarray of a numpy array compiles a small program (jit(stage)) for every shape
# that it has not seen yet; jax.device_put of the same array compiles nothing. Code that hands over arrays of
# many lengths (spectra of a survey, images cut to their galaxy) so pays some 10 ms for each new length.
# Seen: 10 programs for 10 new lengths by asarray, 0 for a length seen before, 0 by device_put.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6

cat > "$work/count.py" <<'PY'
import jax
import jax.numpy as jnp
import numpy as np

compiled = []


def listen(event, seconds, **more):
    if event == "/jax/core/compile/backend_compile_duration":
        compiled.append(more.get("fun_name"))


jax.monitoring.register_event_duration_secs_listener(listen)


def count(call):
    before = len(compiled)
    call()
    return len(compiled) - before


new = count(lambda: [jnp.asarray(np.zeros(n, np.float32)) for n in range(100, 110)])
names = sorted(set(compiled))
again = count(lambda: [jnp.asarray(np.ones(105, np.float32)) for _ in range(10)])
put = count(lambda: [jax.device_put(np.zeros(n, np.float32)) for n in range(200, 210)])
print(f"jax {jax.__version__}: asarray of 10 new lengths {new} ({', '.join(names)}), ", end="")
print(f"of a length seen before {again}, device_put of 10 new lengths {put}")
assert (new, again, put) == (10, 0, 0), "the behaviour has changed"
PY
JAX_PLATFORMS=cpu "$work/venv/bin/python" "$work/count.py"
