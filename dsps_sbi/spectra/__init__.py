"""Spectra: the forward model and the exact likelihood."""

from .model import SpectrumModel as SpectrumModel
from .prior import spectrum_prior as spectrum_prior
from .target import SpectrumTarget as SpectrumTarget
from .view import SpectrumView as SpectrumView
