"""Figures to files, whole or not at all."""

from ..errors import UserError
from ..io.atomic import atomic_path


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
