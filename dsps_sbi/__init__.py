"""Galaxy light to posteriors: a differentiable forward model and amortised, calibrated inference."""

from importlib.metadata import version as _version

from .answers import Answers as Answers
from .answers import refine as refine
from .answers import weigh as weigh
from .bundle import load_bundle as load_bundle
from .bundle import save_bundle as save_bundle
from .bundle import shipped as shipped
from .check import check as check
from .cosmology import Cosmology as Cosmology
from .errors import UserError as UserError
from .fisher import fisher as fisher
from .fit_typicality import fit_typicality as fit_typicality
from .flags import PixelFlag as PixelFlag
from .infer_spectra import infer_spectra as infer_spectra
from .instruments.continuum import Continuum as Continuum
from .instruments.filters import FilterSet as FilterSet
from .instruments.lsf import LSF as LSF
from .instruments.spectrograph import Spectrograph as Spectrograph
from .io import PixelCube as PixelCube
from .io import Spectrum as Spectrum
from .io import from_specutils as from_specutils
from .io import read as read
from .io import read_band_list as read_band_list
from .io import read_cutout as read_cutout
from .io import read_npy as read_npy
from .io import read_sbipix as read_sbipix
from .io import read_spectrum as read_spectrum
from .io.spectrum_list import SpectrumFile as SpectrumFile
from .io.spectrum_list import read_spectrum_list as read_spectrum_list
from .maps import Maps as Maps
from .match import check_match as check_match
from .match import model_of as model_of
from .model import GalaxyModel as GalaxyModel
from .network import Architecture as Architecture
from .posterior import AmortizedPosterior as AmortizedPosterior
from .prior import Prior as Prior
from .prior import Uniform as Uniform
from .simulate import Simulator as Simulator
from .spectra import SpectrumModel as SpectrumModel
from .spectra import SpectrumTarget as SpectrumTarget
from .spectra import spectrum_prior as spectrum_prior
from .spectra.network import SpectrumArchitecture as SpectrumArchitecture
from .spectra.preset import SpectrumPreset as SpectrumPreset
from .spectra.simulate import SpectrumSimulator as SpectrumSimulator
from .spectrum_answers import SpectrumAnswers as SpectrumAnswers
from .spectrum_answers import weigh_spectra as weigh_spectra
from .spectrum_posterior import SpectrumPosterior as SpectrumPosterior
from .ssp import SSPGrid as SSPGrid
from .ssp import fetch as fetch
from .train import train as train
from .train_spectra import train_spectra as train_spectra
from .training import TrainConfig as TrainConfig

__version__ = _version("dsps_sbi")
