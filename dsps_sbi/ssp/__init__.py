"""Grids of simple stellar populations: stars, gas, and where to get them."""

from dsps_sbi.ssp.alpha_enhanced import index_changes, with_alpha
from dsps_sbi.ssp.dsps_alpha import read_dsps_alpha
from dsps_sbi.ssp.dsps_hdf5 import read_dsps, write_dsps
from dsps_sbi.ssp.fetch import available, fetch, load
from dsps_sbi.ssp.finer import finer_ages
from dsps_sbi.ssp.grid import SSPGrid
from dsps_sbi.ssp.hdf5 import read_grid, write_grid
from dsps_sbi.ssp.index_table import IndexTable, read_index_table
from dsps_sbi.ssp.miles import miles_kinds, read_miles, read_miles_alpha
from dsps_sbi.ssp.nebular import NebularGrid, with_nebular
from dsps_sbi.ssp.toy import toy_grid

__all__ = [
    "IndexTable",
    "NebularGrid",
    "SSPGrid",
    "available",
    "fetch",
    "finer_ages",
    "index_changes",
    "load",
    "miles_kinds",
    "read_dsps",
    "read_dsps_alpha",
    "read_grid",
    "read_index_table",
    "read_miles",
    "read_miles_alpha",
    "toy_grid",
    "with_alpha",
    "with_nebular",
    "write_dsps",
    "write_grid",
]
