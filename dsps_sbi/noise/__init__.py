"""Noise models: what turns noiseless fluxes into data, and the likelihood that goes with it."""

from .depth import DepthNoise as DepthNoise
from .limits import UpperLimits as UpperLimits
from .masks import BandMasks as BandMasks
from .survey import SurveyNoise as SurveyNoise
