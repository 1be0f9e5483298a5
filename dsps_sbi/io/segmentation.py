"""Segmentation maps: images of whole numbers, the pixels of one object with one number, 0 for the sky."""

import numpy as np
from scipy.ndimage import find_objects

from ..errors import UserError
from .fits_open import image_hdu, open_fits

# Rows that are looked at together
_ROWS = 512
# Labels beyond are no numbers of objects
_MOST_LABELS = 50_000_000


def boxes_of(path, ext=None) -> dict[int, tuple[slice, slice]]:
    """Smallest box, rows and columns, of each label of a map; read some rows at a time.

    Parameters
    ----------
    path : str or os.PathLike
    ext : int or str or None
        Number or name of the extension; ``None``: the first two-dimensional image.

    Raises
    ------
    UserError
        If a number of the map is not whole, or negative.
    """
    corners = {}
    with open_fits(path, memmap=False) as hdus:
        hdu = image_hdu(hdus, ext, path)
        for first in range(0, hdu.shape[0], _ROWS):
            values = np.asarray(hdu.section[first : first + _ROWS, :])
            labels = values.astype(np.int64)
            if (labels != values).any() or labels.min() < 0 or labels.max() > _MOST_LABELS:
                odd = values[(labels != values) | (labels < 0) | (labels > _MOST_LABELS)][0]
                raise UserError(
                    f"{path} has a pixel {odd}: expected a segmentation map, of whole numbers from 0 up; "
                    "give that"
                )
            for i, box in enumerate(find_objects(labels), 1):
                if box is not None:
                    rows, columns = box
                    new = first + rows.start, first + rows.stop, columns.start, columns.stop
                    corners[i] = _union(corners.get(i, new), new)
    return {i: (slice(y0, y1), slice(x0, x1)) for i, (y0, y1, x0, x1) in corners.items()}


def _union(one, other):
    return min(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), max(one[3], other[3])
