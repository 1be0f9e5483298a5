"""Whether the loss of a training has stopped falling long before its end.

The rule: from a fifth of the steps on, the mean loss of the latest tenth of all steps is compared with that
of the tenth before it. A plateau is where the fall, with twice its standard error added, is less than 0.02
nat. It is looked for in the first three fifths of the steps alone: later the falling learning rate lowers the
loss of any training.
"""

from collections.abc import Sequence

import numpy as np

# Largest fall over a tenth of the steps that is one [nat], and shares of the steps between which it counts
FALL = 0.02
_FROM, _TO, _WINDOW = 0.2, 0.6, 0.1
# Entries of the history that make a mean
_FEWEST = 3


def find_plateau(history: Sequence[dict], steps: int) -> dict | None:
    """The first plateau of a training.

    Parameters
    ----------
    history : sequence of dict
        ``step`` and mean ``loss`` [nat] since the entry before.
    steps : int
        Of the whole training.

    Returns
    -------
    dict or None
        ``step``, ``loss``, the ``fall`` over a tenth of the steps, and its ``error``. None where there is
        none, and where a tenth of the steps has fewer than three entries.
    """
    step = np.array([row["step"] for row in history], float)
    loss = np.array([row["loss"] for row in history], float)
    width = _WINDOW * steps
    for now in step[(step >= _FROM * steps) & (step <= _TO * steps)]:
        latest = loss[(step > now - width) & (step <= now)]
        before = loss[(step > now - 2.0 * width) & (step <= now - width)]
        if min(len(latest), len(before)) < _FEWEST:
            continue
        fall = before.mean() - latest.mean()
        error = np.hypot(*(part.std(ddof=1) / np.sqrt(len(part)) for part in (before, latest)))
        if fall + 2.0 * error < FALL:
            return {
                "step": int(now),
                "loss": round(float(latest.mean()), 4),
                "fall": round(float(fall), 4),
                "error": round(float(error), 4),
            }
    return None


def plateau_words(found: dict, steps: int) -> str:
    """A plateau in one line."""
    return (
        f"plateau: at step {found['step']} of {steps} the loss {found['loss']:.3f} nat had fallen by "
        f"{found['fall']:.3f} +- {found['error']:.3f} over a tenth of the steps (less than {FALL:g}): more "
        "steps alone will hardly help, a wider network, a larger batch or another learning rate may"
    )


class PlateauWatch:
    """Tells a plateau once, while a training goes on.

    Parameters
    ----------
    steps : int
        Of the whole training.
    tell : callable
        Called with the line.
    """

    def __init__(self, steps: int, tell):
        self.steps, self.tell = steps, tell
        self.history, self.told = [], False

    def __call__(self, record: dict) -> None:
        """Look at a new entry of the history."""
        self.history.append(record)
        found = None if self.told else find_plateau(self.history, self.steps)
        if found is not None:
            self.told = True
            self.tell(plateau_words(found, self.steps))
