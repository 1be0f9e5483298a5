"""Tables of photometry: a row for each galaxy, columns found by the conventions of the field."""

from .layout import Layout, layout_of
from .read import read_catalogue
from .rows import TableFile

__all__ = ["Layout", "TableFile", "layout_of", "read_catalogue"]
