"""How much memory the numbers in a file's header may ask for: the one bound of all readers.

A few damaged bytes of a header, or one absurd pixel index, can ask for more than any machine has. What is
larger than the bound, and than the file itself, is refused before memory is asked for.
"""

import math
from pathlib import Path

from ..errors import UserError

# Bytes that the contents of a file may take in memory; more only if the file is as large itself
MOST_BYTES = 8 * 2**30


def check_size(shape, where: str, *, item_bytes: int = 8, path=None) -> None:
    """Refuse a shape that asks for more memory than any input needs.

    Parameters
    ----------
    shape : sequence of int
        What a header, or the indices in a file, ask for.
    where : str
        How messages name it.
    item_bytes : int
        Bytes of each number.
    path : path, optional
        The file; one that is as large as what its header says is right.

    Raises
    ------
    UserError
    """
    shape = tuple(int(size) for size in shape)
    asked = math.prod(shape) * item_bytes
    held = Path(path).stat().st_size if path is not None and Path(path).is_file() else 0
    if min(shape, default=0) < 0 or asked > max(MOST_BYTES, held):
        raise UserError(
            f"{where} has shape {shape}, {asked / 2**30:.3g} GiB: expected at most {MOST_BYTES / 2**30:g} "
            "GiB, or what the file itself holds; mend its header or indices, or cut out a part"
        )
