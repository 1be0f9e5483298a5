"""The peer's half of exactness_pixels.py: runs in an environment of its own, with sbi and PyTorch.

``_peer_worker.py FOLDER QUESTION ANSWER`` draws from the network in FOLDER, and evaluates it at the truths
of the question. Where there is none yet, it is trained first: from train.npz (theta, x) and recipe.json.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from sbi.inference import NPE
from sbi.neural_nets import posterior_nn

# Objects that are asked about together
CHUNK = 200


def read(folder):
    """Recipe, training set as tensors, and which inputs vary in it (sbi divides by their spread)."""
    recipe = json.loads((folder / "recipe.json").read_text())
    data = np.load(folder / "train.npz")
    varies = data["x"].std(axis=0) > 1e-4
    return recipe, torch.as_tensor(data["theta"]), torch.as_tensor(data["x"][:, varies]), varies


def train(folder):
    """Train until the validation loss has stopped to fall."""
    torch.manual_seed(0)
    recipe, theta, x, _ = read(folder)
    n = theta.shape[1]
    prior = torch.distributions.MultivariateNormal(torch.zeros(n), torch.eye(n))
    trainer = NPE(prior, posterior_nn(**recipe["flow"]), show_progress_bars=False)
    trainer.append_simulations(theta, x)
    start = time.process_time()
    net = trainer.train(**recipe["training"])
    record = {
        "cpu_seconds": time.process_time() - start,
        "epochs": int(trainer.summary["epochs_trained"][-1]),
        "best_validation_loss": float(trainer.summary["best_validation_loss"][-1]),
        "parameters": sum(p.numel() for p in net.parameters()),
    }
    np.savez(folder / "net.npz", **{name: value.numpy() for name, value in net.state_dict().items()})
    (folder / "net.json").write_text(json.dumps(record))


@torch.no_grad()
def ask(folder, question, answer):
    """Draws (Object, Draw, Param), their log q, and log q of the truths (Object,)."""
    recipe, theta, x, varies = read(folder)
    net = posterior_nn(**recipe["flow"])(theta, x)
    stored = np.load(folder / "net.npz")
    net.load_state_dict({name: torch.as_tensor(stored[name]) for name in stored})
    net.eval()
    torch.manual_seed(1)
    data = np.load(question)
    inputs, truths = torch.as_tensor(data["x"][:, varies]), torch.as_tensor(data["theta"])
    draws, log_q, log_q_truth = [], [], []
    for x, truth in zip(inputs.split(CHUNK), truths.split(CHUNK), strict=True):
        some = net.sample((int(data["n_draws"]),), condition=x)
        draws.append(some.transpose(0, 1).numpy())
        log_q.append(net.log_prob(some, condition=x).T.numpy())
        log_q_truth.append(net.log_prob(truth[None], condition=x)[0].numpy())
    parts = {"draws": draws, "log_q": log_q, "log_q_truth": log_q_truth}
    np.savez(answer, **{name: np.concatenate(part) for name, part in parts.items()})


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder, *files = map(Path, sys.argv[1:])
    if not (folder / "net.json").exists():
        train(folder)
    ask(folder, *files)
