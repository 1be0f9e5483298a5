"""When a training has stopped getting better long before its end."""

import numpy as np
import pytest

from dsps_sbi.training.plateau import PlateauWatch, find_plateau


def history(loss, steps=10_000, every=50):
    step = np.arange(every, steps + 1, every)
    rng = np.random.default_rng(2)
    values = loss(step / steps) + 0.005 * rng.standard_normal(len(step))
    return [{"step": int(s), "loss": float(v), "seconds": 1.0} for s, v in zip(step, values, strict=True)]


def test_a_loss_that_stays_is_a_plateau():
    # falls until a third of the steps, then stays
    rows = history(lambda t: 2.0 + 3.0 * np.maximum(1.0 / 3.0 - t, 0.0))
    found = find_plateau(rows, 10_000)
    assert 4000 < found["step"] < 6000 and found["loss"] == pytest.approx(2.0, abs=0.02)
    assert abs(found["fall"]) < 0.02
    lines = []
    watch = PlateauWatch(10_000, lines.append)
    for row in rows:
        watch(row)
    assert len(lines) == 1 and lines[0].startswith(f"plateau: at step {found['step']} of 10000 the loss")


@pytest.mark.parametrize(
    "loss",
    [
        # by 0.1 nat in each tenth, all the way
        lambda t: 2.0 - t,
        # flat at the end alone, where the learning rate is small
        lambda t: 2.0 + 0.5 * np.maximum(0.75 - t, 0.0),
    ],
)
def test_a_loss_that_falls_is_none(loss):
    assert find_plateau(history(loss), 10_000) is None


def test_what_is_too_noisy_or_too_short_is_none():
    rng = np.random.default_rng(1)
    rows = history(lambda t: 2.0 + 0.1 * rng.standard_normal(t.size))
    assert find_plateau(rows, 10_000) is None
    assert find_plateau(history(lambda t: 2.0 + 0.0 * t, every=500), 10_000) is None
    assert find_plateau([], 100) is None
