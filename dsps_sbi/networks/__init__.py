"""Encoders and conditional normalizing flows; the only place that knows distrax."""

from .flow import MassGuide as MassGuide
from .flow import PosteriorFlow as PosteriorFlow
