"""How long does a step of the training for any filters take?

The model that bundles for any filters are trained on (log U free, no Lyman alpha, errors of SSPs that bands
share), random surveys of 3 to 40 bands, the default network and batch. ``seconds_per_step`` is the median of
warm steps on all cores, ``cpu_seconds_per_step`` what they cost together: on a busy machine the former says
little. ``seconds_per_survey`` is what a survey of the pool takes, ``pool_share`` what drawing pools anew adds
to a training, and ``seconds_to_compile`` is paid once.
"""

import time
from dataclasses import replace

import jax
import numpy as np
from _contract import options, report, terms

import dsps_sbi as ds
from dsps_sbi.photometry.universal.train import DEFAULT, universal_simulator
from dsps_sbi.training.trainer import Trainer, _update

N_SURVEYS, N_STEPS = 192, 40


def main():
    args = options(__doc__.splitlines()[0]).parse_args()
    n_steps = 4 if args.quick else N_STEPS
    config = replace(DEFAULT, batch=DEFAULT.batch // 4, n_z=DEFAULT.n_z // 4) if args.quick else DEFAULT
    model = ds.GalaxyModel.preset(log_u="free", lya_escape=0.0, error=ds.ModelError.shipped())
    simulator = universal_simulator(model)
    simulator.table_pool(jax.random.key(0), len(simulator.buckets))
    start = time.perf_counter()
    pool = simulator.table_pool(jax.random.key(1), N_SURVEYS)
    per_survey = (time.perf_counter() - start) / N_SURVEYS
    state = Trainer(simulator.network, simulator, config)._init()
    key, wall, cpu, losses = jax.random.key(2), [], [], []
    for _ in range(n_steps + 1):
        start = time.perf_counter(), time.process_time()
        state, loss = _update(state, key, pool, simulator.network, simulator, config)
        losses.append(float(jax.block_until_ready(loss)))
        wall.append(time.perf_counter() - start[0])
        cpu.append(time.process_time() - start[1])
    step = float(np.median(wall[1:]))
    metrics = {
        "seconds_per_step": step,
        "cpu_seconds_per_step": float(np.mean(cpu[1:])),
        "seconds_to_compile": wall[0] - step,
        "seconds_per_survey": per_survey,
        "pool_share": per_survey * config.pool / (step * config.refresh),
        "skipped_updates": int(state["skipped"]),
    }
    sizes = {"batch": config.batch, "surveys_per_step": config.n_z, "candidates_per_survey": config.n_per_z}
    own = sizes | {"steps": n_steps, "seed": 0, "filters": len(simulator.library)}
    weights = sum(leaf.size for leaf in jax.tree.leaves(state["weights"]))
    report(args.json, terms(**own, weights=weights, warm=True), metrics)


if __name__ == "__main__":
    main()
