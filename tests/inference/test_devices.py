"""Several devices: objects split between them, with the bits of a single one."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np

import dsps_sbi as ds
from dsps_sbi.inference.devices import mesh, n_devices, spread

OPTIONS = {"n_draws": 500, "seed": 4, "keep_draws": True, "pictures": False}
CHILD = """
import sys
import dsps_sbi as ds
from dsps_sbi.inference import devices
assert devices.n_devices() == 4
traced = []
real = devices._spread
devices._spread = lambda *args: traced.append(args[0].__name__) or real(*args)
ds.infer_many(ds.load_bundle(sys.argv[1]), sys.argv[3], sys.argv[2], n_draws=500, seed=4, keep_draws=True,
              pictures=False)
print(sorted(set(traced)))
"""


def test_four_devices_leave_the_bytes_of_one(tiny_bundle, loaded, make_cutout, tmp_path):
    # two batches on one device, one on four
    file, one, four = make_cutout(), tmp_path / "one", tmp_path / "four"
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=4"
    arguments = [sys.executable, "-c", CHILD, str(tiny_bundle), str(four), str(file)]
    child = subprocess.Popen(
        arguments, env=os.environ | {"XLA_FLAGS": flags}, stdout=subprocess.PIPE, text=True
    )
    ds.infer_many(loaded, file, one, **OPTIONS)
    output, _ = child.communicate()
    assert child.returncode == 0 and output.strip() == "['_of_network', 'derived']"
    for path in sorted(one.rglob("*")):
        if path.is_file():
            assert path.read_bytes() == (four / path.relative_to(one)).read_bytes(), path
    assert (four / "galaxy" / "draws.h5").is_file()


def test_a_single_device_is_left_alone():
    assert len(jax.devices()) == 1 and mesh() is None and n_devices() == 1
    seen = spread(lambda a, b, factor: (a + b) * factor, (1.0,), (jnp.arange(4.0),), 4, factor=2.0)
    assert np.array_equal(seen, [2.0, 4.0, 6.0, 8.0])
