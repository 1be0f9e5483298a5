"""Grids of simple stellar populations: stars, gas, and where to get them."""

from dsps_sbi.ssp.fetch import available, fetch, load
from dsps_sbi.ssp.grid import SSPGrid
from dsps_sbi.ssp.hdf5 import read_grid, write_grid
from dsps_sbi.ssp.nebular import NebularGrid, with_nebular
from dsps_sbi.ssp.toy import toy_grid

__all__ = [
    "NebularGrid",
    "SSPGrid",
    "available",
    "fetch",
    "load",
    "read_grid",
    "toy_grid",
    "with_nebular",
    "write_grid",
]
