"""The part of the command ``train`` that is about photometry in any filters."""

import sys
from dataclasses import replace

ANY_FILTERS = "any-filters"


def train_any_filters(
    model, *, output, checkpoint, name, command, options, start=None, guess_steps=None
) -> None:
    """Train for photometry in any filters, and write the bundle.

    Parameters
    ----------
    model : GalaxyModel
    output, checkpoint : Path
        The latter may be None.
    name, command : str
        For the bundle's provenance.
    options : dict
        Of the :class:`~dsps_sbi.TrainConfig`, other than its defaults for any filters.
    start : str or None
        Bundle to begin with.
    guess_steps : int or None
    """
    from ..bundle.load import load_bundle, save_bundle
    from ..photometry.universal.train import DEFAULT, train_universal

    progress = sys.stderr.isatty()
    more = {} if guess_steps is None else {"guess_steps": guess_steps}
    post = train_universal(
        model,
        config=replace(DEFAULT, **of_batch(options)),
        name=name,
        checkpoint=checkpoint,
        start=None if start is None else load_bundle(start),
        progress=progress,
        on_record=None if progress else _tell,
        command=command,
        **more,
    )
    save_bundle(post, output)
    print(f"{output}: loss {post.meta['loss']:.3f} after {post.meta['simulations']} simulations")
    for parameter in post.names:
        row = post.meta["validation"][parameter]
        scores = "  ".join(f"{score} {row[score]:.3f}" for score in ("r2", "rmse", "coverage68"))
        print(f"{parameter:>18}: {scores}")


def of_batch(options: dict) -> dict:
    """Options of a training with as many galaxies of each survey, whatever the batch."""
    from ..photometry.universal.train import DEFAULT

    if "batch" not in options or "n_z" in options:
        return options
    return options | {"n_z": max(options["batch"] * DEFAULT.n_z // DEFAULT.batch, 1)}


def _tell(record):
    # a training of hours in the background is watched in a file
    print(f"step {record['step']}: loss {record['loss']:.4f} nat, {record['seconds']:.0f} s", flush=True)
