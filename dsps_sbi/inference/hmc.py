"""Hamiltonian chains on many posteriors at once, for what weights cannot repair."""

import warnings
from functools import partial

import jax
import jax.numpy as jnp

N_CHAINS, N_WARMUP, N_SAMPLES = 8, 60, 150
_N_STEPS = 6
_ACCEPTANCE = 0.8


def _blackjax():
    with warnings.catch_warnings():
        # what blackjax imports, not what is called here
        warnings.simplefilter("ignore")
        import blackjax
    return blackjax


def run_chains(log_density, keys, start, *, n_warmup=N_WARMUP, n_samples=N_SAMPLES):
    """Chains of Hamiltonian Monte Carlo for a batch of objects; traceable.

    The coordinates should be whitened: the mass matrix is the unit matrix. The step size is adapted
    by dual averaging (Hoffman & Gelman 2014, JMLR 15, 1593), one for all chains of an object, and
    then fixed but for a random factor of each step that keeps trajectories from closing.

    Parameters
    ----------
    log_density : callable
        (position (n,), everything of one object) to a scalar. Called under ``vmap``.
    keys : array of keys (Object,)
    start : tuple
        Positions (Object, Chain, n), and a pytree of (Object, ...) arrays that ``log_density`` takes.
    n_warmup, n_samples : int

    Returns
    -------
    draws : array (Object, Chain, Sample, n)
    r_hat : array (Object,)
        Largest over coordinates of the split potential scale reduction.
    ess : array (Object,)
        Least over coordinates of the effective sample size.
    """
    blackjax = _blackjax()
    from blackjax.adaptation.step_size import dual_averaging_adaptation

    # traced once, wherever the sampler calls it
    log_density = jax.jit(log_density)
    kernel = blackjax.hmc.build_kernel()
    initialise, update, final = dual_averaging_adaptation(_ACCEPTANCE)
    metric = jnp.ones(start[0].shape[-1])

    def one_object(key, position, of_object):
        density = partial(_density, log_density, of_object)
        n_chains = len(position)

        def step(key, states, step_size):
            keys = jax.random.split(key, n_chains + 1)
            size = step_size * jax.random.uniform(keys[0], minval=0.6, maxval=1.2)
            one_step = partial(
                kernel,
                logdensity_fn=density,
                step_size=size,
                inverse_mass_matrix=metric,
                num_integration_steps=_N_STEPS,
            )
            return jax.vmap(lambda k, s: one_step(k, s))(keys[1:], states)

        # one loop for warm-up and sampling: the gradient is compiled once
        def move(carry, now):
            states, averaging = carry
            key, i = now
            warming = i < n_warmup
            step_size = jnp.where(warming, jnp.exp(averaging.log_step_size), final(averaging))
            states, info = step(key, states, step_size)
            new = update(averaging, jnp.mean(jnp.nan_to_num(info.acceptance_rate)))
            averaging = jax.tree.map(lambda a, b: jnp.where(warming, a, b), new, averaging)
            return (states, averaging), states.position

        states = jax.vmap(lambda p: blackjax.hmc.init(p, density))(position)
        n = n_warmup + n_samples
        steps = jax.random.split(key, n), jnp.arange(n)
        _, draws = jax.lax.scan(move, (states, initialise(0.5)), steps)
        return jnp.swapaxes(draws[n_warmup:], 0, 1)

    draws = jax.vmap(one_object)(keys, *start)
    halves = draws.reshape(*draws.shape[:1], 2 * draws.shape[1], draws.shape[2] // 2, -1)
    r_hat = jax.vmap(lambda d: jnp.max(blackjax.diagnostics.potential_scale_reduction(d)))(halves)
    ess = jax.vmap(lambda d: jnp.min(blackjax.diagnostics.effective_sample_size(d)))(draws)
    # chains that never moved agree with themselves: no variance is no convergence
    return draws, jnp.where(jnp.isfinite(r_hat), r_hat, jnp.inf), jnp.nan_to_num(ess)


def _density(log_density, of_object, position):
    value = log_density(position, of_object)
    return jnp.where(jnp.isfinite(value), value, -jnp.inf)
