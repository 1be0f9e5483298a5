"""Networks trained as that of arXiv:2406.18661: no nuisances, z = 0; ours beside its two-stage recipe.

The spectra have no velocity dispersion, continuum error, model error or gaps; S/N is 1000 per pixel in
training. The networks are tested on fluxes without noise that are labelled S/N 1000, as in the paper, whose
R2 of t50 is 0.97. Three recipes (``_recipes.py``) have the same sizes: ``ours``, ``joint`` and
``two_stage``; the latter two are trained with convolutions as wide as the paper's too (``_wide``). A step
of ``ours`` takes longer, since it goes to the peak: the other recipes get twice as many steps, and hence
twice the mocks. ``loss`` is the mean of -log q of all parameters but the mass over test spectra with noise
[nat]; ``seconds`` is the whole training. A run that was broken off goes on from its checkpoints.
"""

import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
from _contract import options, report, terms
from _recipes import joint, ours, two_stage
from recovery_spectra import NAMES, at_redshift_zero, chunks, draws_of, quantities

import dsps_sbi as ds
from dsps_sbi.calibration.recovery import recovery
from dsps_sbi.spectroscopy.compressed import find_subspace
from dsps_sbi.spectroscopy.network import SpectrumArchitecture, SpectrumNetwork
from dsps_sbi.spectroscopy.preset import SpectrumPreset

RECIPES = ("ours", "joint", "two_stage", "joint_wide", "two_stage_wide")
SNR, SHOWN = 1000.0, ("t10", "t50", "t90", "metallicity")
# Channels of the paper's first convolution
_WIDE = 128


def paper_model():
    """The model of the preset miles-optical without its nuisances."""
    own = SpectrumPreset.read("miles-optical").model()
    marginal = own.prior.marginals["metallicity"]
    # all redshifts and dispersions are as good as one; a polynomial of degree 0 is none
    prior = ds.spectrum_prior(
        metallicity=(marginal.low, marginal.high),
        sigma_v=(0.0, 1.0),
        log_model_error=None,
        z=(1e-4, 1.1e-4),
    )
    return ds.SpectrumModel(
        own.ssp,
        own.spectrograph,
        prior,
        continuum=ds.Continuum(degree=0),
        model_error=0.0,
        sharper="mask",
        rest_aa=own.rest_aa,
    )


def networks(model, arch, seed):
    """A network for the model's spectra, not trained."""
    view = model.view(0.0)
    sizes = {"n_component": arch.n_component, "n_light": arch.n_light, "n_node": arch.n_node}
    subspace = find_subspace(model, view, n_draw=4000, seed=seed, **sizes)
    basis = view.basis, model.continuum.sigma
    return SpectrumNetwork(arch, model.prior, model.sfh, model.cosmology, subspace, *basis)


def scores(network, weights, simulator, n, n_draws, seed):
    """R2, RMSE and coverage of noise-free spectra; the loss on noisy ones."""
    clean = at_redshift_zero(simulator, jax.random.key(seed), n, SNR, noise_free=True)
    noisy = at_redshift_zero(simulator, jax.random.key(seed + 1), n, SNR)

    post = SimpleNamespace(network=network, weights=weights, names=network.prior.names)
    drawn = quantities(post, draws_of(post, clean, n_draws, jax.random.key(seed + 2)), clean.z)
    truth = quantities(post, clean.theta[:, None], clean.z)[:, 0]
    out = {}
    for name in SHOWN:
        one = recovery(drawn[..., NAMES.index(name)], truth[:, NAMES.index(name)])
        out |= {f"{name}.{score}": one[score] for score in ("r2", "rmse", "coverage68")}
    each = [_loss(network, weights, data[:-1], data[-1]) for data in chunks(*noisy.data, noisy.u)]
    return out | {"loss": float(np.mean(np.concatenate(each)))}


@jax.jit
def _loss(network, weights, data, u):
    """Loss (Object,) [nat] of all parameters but the mass."""
    return -network.log_prob_shape(weights, network.condition(weights, *data), u[:, :-1])


def main():
    parser = options(__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2500, help="of `ours`")
    parser.add_argument("--guess-steps", type=int, default=1500, help="of the first guess in `ours`")
    parser.add_argument("--latent-steps", type=int, default=5000, help="of each other recipe")
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=RECIPES)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--checkpoints", type=Path, help="folder (default: one that is removed)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.checkpoints or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        run(args, folder)


def run(args, folder):
    sizes = args.steps, args.guess_steps, args.latent_steps, 3000
    steps, guess_steps, latent_steps, n = (4, 2, 4, 128) if args.quick else sizes
    model = paper_model()
    # all pixels: nothing is missing
    simulator = ds.SpectrumSimulator(model, snr=(SNR, SNR), p_whole=1.0, n_gap=0, p_bad=0.0)
    config = ds.TrainConfig(steps=steps, batch=256, learning_rate=0.01, warmup=200, seed=args.seed)
    latent_config = replace(config, steps=latent_steps)
    network = networks(model, SpectrumArchitecture(), args.seed)
    wide = replace(network, arch=SpectrumArchitecture(conv_width=_WIDE))

    def trained_as(name):
        own = wide if name.endswith("_wide") else network
        if name == "ours":
            return ours(own, simulator, config, guess_steps, folder / name)
        recipe = joint if name.startswith("joint") else two_stage
        return recipe(own, simulator, latent_config, folder / name)

    metrics = {}
    for name in args.recipes:
        own, trained, metrics[f"{name}.seconds"] = trained_as(name)
        got = scores(own, trained.weights, simulator, n, 500, args.seed + 40)
        metrics |= {f"{name}.{key}": value for key, value in got.items()}
        metrics[f"{name}.weights"] = sum(leaf.size for leaf in jax.tree.leaves(trained.weights))
        print(name, {key: round(value, 3) for key, value in got.items()}, flush=True)
    report(
        args.json,
        terms(
            batch=config.batch,
            steps=steps,
            guess_steps=guess_steps,
            latent_steps=latent_steps,
            mocks=n,
            draws=500,
            seed=args.seed,
            snr=SNR,
        ),
        metrics,
    )


if __name__ == "__main__":
    main()
