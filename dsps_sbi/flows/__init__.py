"""Conditional normalizing flows; the only place that knows distrax."""

from .coupling import Coupling as Coupling
from .pixel_flow import MassGuide as MassGuide
from .pixel_flow import PixelFlow as PixelFlow
