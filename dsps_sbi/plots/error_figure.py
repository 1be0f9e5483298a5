"""A picture of what misfits say of the errors: the distribution of p-values."""

import textwrap

import numpy as np

from ..errors import UserError
from .save import new_figure, save_figure

_WIDTH = 62


def plot_errors(summary, path=None):
    """Draw the distribution of predictive p-values, uniform if model and errors are right.

    Parameters
    ----------
    summary : dsps_sbi.inference.error_summary.ErrorSummary
        Of ten objects or more.
    path : str or os.PathLike, optional
        File to save: its ending (``.png``, ``.pdf``...) tells the format.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    UserError
        If there are fewer objects.
    """
    if not summary.known:
        words = summary.words() or "no object has a p-value"
        raise UserError(f"there is no distribution to draw ({words}): weigh ten objects or more")
    shares = np.array(summary.histogram)
    edges = np.linspace(0.0, 1.0, len(shares) + 1)
    figure = new_figure(figsize=(4.6, 3.4))
    axis = figure.add_axes((0.13, 0.15, 0.84, 0.64))
    axis.stairs(shares * len(shares), edges, fill=True, color="0.75")
    axis.axhline(1.0, color="black", lw=0.8, ls="--")
    axis.set_xlim(0.0, 1.0)
    axis.set_xlabel("p: near 0 no fit, near 1 errors too large", fontsize=9)
    axis.set_ylabel("density", fontsize=9)
    axis.tick_params(labelsize=8, direction="in", top=True, right=True)
    figure.suptitle(textwrap.fill(f"{summary.n} objects; {summary.words()}", _WIDTH), fontsize=8)
    if path is not None:
        save_figure(figure, path, dpi=120, crop=False)
    return figure
