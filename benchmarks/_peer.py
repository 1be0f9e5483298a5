"""The peer's recipe side by side: sbi's neural posterior estimation on stored simulations of ours.

SBIPIX (arXiv:2506.04336) trains sbi's masked autoregressive flow, 5 transforms of 128 hidden units,
on 100,000 stored simulations; the mass is one of its parameters. Here the same flow is trained by the
same recipe on galaxies of *our* simulator, in our normal coordinates u, on the inputs that our own
encoder starts from (without our Gauss-Newton steps). Mocks are picked as in our
training (all above S/N 1, a tenth of the others). In u the prior has no edges, so that the peer's
density leaks nowhere and its draws need no rejection.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from _environment import CACHE, python_with

from dsps_sbi.networks.bands import features

# Tested together
VERSIONS = {"torch": "2.13.0", "sbi": "0.27.0"}
FLOW = {"model": "maf", "hidden_features": 128, "num_transforms": 5}
# sbi's defaults (optimiser: Adam), written out; the SBIPIX code uses them
TRAINING = {
    "training_batch_size": 200,
    "learning_rate": 5e-4,
    "validation_fraction": 0.1,
    "stop_after_epochs": 20,
    "clip_max_norm": 5.0,
}
WORKER = Path(__file__).with_name("_peer_worker.py")
# Candidates per redshift and call of the simulator, and how many of their mocks are kept
N_Z, PER_Z, KEEP = 32, 64, 1000


def inputs(mocks, cosmology):
    """What the peer sees of mocks: the array (Object, 5 * Band + 6) that our encoder starts from."""
    distance = jnp.log10(cosmology.distance_mpc(mocks.z))
    return features(*mocks.data, distance, cosmology.age(mocks.z))[0]


def simulations(simulator, n, n_pool, seed):
    """Stored simulations: u (n, Param) and inputs (n, 5 * Band + 6)."""
    pool_key, key = jax.random.split(jax.random.key(seed))
    pool = simulator.table_pool(pool_key, n_pool)
    parts = [_batch(simulator, jax.random.fold_in(key, i), pool) for i in range(-(-n // KEEP))]
    return [np.concatenate(column)[:n] for column in zip(*parts, strict=True)]


@jax.jit
def _batch(simulator, key, pool):
    mocks = simulator.draw_detected(key, pool, N_Z, PER_Z, KEEP, snr_min=1.0, p_faint=0.1)
    return mocks.u, inputs(mocks, simulator.model.cosmology)


class Peer:
    """A network of the peer's, trained when first asked and kept in the cache under a hash.

    Parameters
    ----------
    theta, x : array (n, Param), (n, D)
        Stored simulations.
    max_epochs : int
        Training stops earlier when the validation loss does not fall any more.
    """

    def __init__(self, theta, x, max_epochs):
        self.python = python_with(
            "-".join(f"{name}-{version}" for name, version in VERSIONS.items()),
            *(f"{name}=={version}" for name, version in VERSIONS.items()),
        )
        recipe = {"flow": FLOW, "training": TRAINING | {"max_num_epochs": max_epochs}}
        digest = hashlib.sha256(json.dumps([VERSIONS, recipe]).encode())
        for array in (theta, x):
            digest.update(np.ascontiguousarray(array, np.float32))
        self.folder = CACHE / "peer" / digest.hexdigest()[:16]
        if not (self.folder / "net.json").exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            np.savez(self.folder / "train.npz", theta=theta.astype(np.float32), x=x.astype(np.float32))
            (self.folder / "recipe.json").write_text(json.dumps(recipe))

    @property
    def record(self) -> dict:
        """Of its training: CPU seconds, epochs, number of parameters."""
        return json.loads((self.folder / "net.json").read_text())

    def _run(self, *arguments):
        # one thread at low priority, in the folder where sbi may leave its logs
        nice = ["nice", "-n", str(max(0, 15 - os.nice(0)))]
        subprocess.run(
            [*nice, self.python, WORKER.resolve(), *map(str, arguments)],
            check=True,
            cwd=self.folder,
            env=os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
            stdout=sys.stderr,
        )

    def ask(self, theta, x, n_draws):
        """Draws (Object, Draw, Param), their log q, and log q of the truths theta (Object,)."""
        with tempfile.TemporaryDirectory() as temporary:
            question, answer = (Path(temporary) / f"{name}.npz" for name in ("question", "answer"))
            np.savez(question, theta=theta, x=x, n_draws=n_draws)
            self._run(self.folder, question, answer)
            with np.load(answer) as stored:
                return [stored[name] for name in ("draws", "log_q", "log_q_truth")]
