import jax
import jax.numpy as jnp
import numpy as np
import optax

from dsps_sbi.training.optimizer import muon


def test_matrix_and_vector_reach_the_minimum_of_a_bowl():
    rng = np.random.default_rng(3)
    goal = {"matrix": rng.normal(size=(6, 4)).astype(np.float32), "vector": np.float32([0.3, -0.2])}

    def loss(weights):
        return sum(jnp.sum((weights[name] - goal[name]) ** 2) for name in goal)

    optimiser = muon(0.2, 10, 300)
    weights = jax.tree.map(jnp.zeros_like, goal)
    state = optimiser.init(weights)

    @jax.jit
    def step(weights, state):
        updates, state = optimiser.update(jax.grad(loss)(weights), state, weights)
        return optax.apply_updates(weights, updates), state

    before, sizes = loss(weights), []
    for _ in range(300):
        new, state = step(weights, state)
        sizes.append(float(jnp.abs(new["matrix"] - weights["matrix"]).max()))
        weights = new
    assert loss(weights) < 1e-3 * before
    # up, then down to nearly nothing
    assert sizes[0] < 0.2 * max(sizes) and sizes[-1] < 0.02 * max(sizes)
