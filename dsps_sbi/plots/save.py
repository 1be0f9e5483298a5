"""Figures, and how they are saved: whole or not at all."""

from typing import TYPE_CHECKING

from ..errors import UserError
from ..io.atomic import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(figsize, **options) -> "Figure":
    """An empty figure; matplotlib is imported for the first one, so that what draws nothing need not wait.

    Parameters
    ----------
    figsize : (float, float)
        Width and height [inch].
    **options
        Those of :class:`matplotlib.figure.Figure`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    return Figure(figsize=figsize, **options)


def save_figure(figure, path, dpi: int = 200, crop: bool = True) -> None:
    """Save a figure.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : path-like
        Its ending (``.png``, ``.pdf``...) tells the format.
    dpi : int
    crop : bool
        Cut the picture to what is drawn, which has to be measured first.

    Raises
    ------
    UserError
        If the file cannot be written, or its ending is none of a picture.
    """
    with atomic_path(path) as temporary:
        try:
            figure.savefig(temporary, dpi=dpi, bbox_inches="tight" if crop else None)
        except ValueError as error:
            raise UserError(
                f"{path} has an ending that cannot be drawn: expected .png or .pdf; rename it"
            ) from error
