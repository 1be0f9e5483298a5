"""Galaxy light to posteriors: a differentiable forward model and amortised, calibrated inference."""

import gc as _gc
from importlib.metadata import version as _version

# All that is imported lives on: looking through it for garbage again and again is a fifth of the time
_collects = _gc.isenabled()
_gc.disable()
try:
    from .bundle.load import load_bundle as load_bundle
    from .bundle.load import save_bundle as save_bundle
    from .bundle.load import shipped as shipped
    from .calibration.check import check as check
    from .cosmology import Cosmology as Cosmology
    from .errors import UserError as UserError
    from .inference.engine import Posteriors as Posteriors
    from .inference.verbs import refine as refine
    from .inference.verbs import weigh as weigh
    from .instruments.continuum import Continuum as Continuum
    from .instruments.filters import FilterSet as FilterSet
    from .instruments.line_indices import LineIndex as LineIndex
    from .instruments.lsf import LSF as LSF
    from .instruments.spectrograph import Spectrograph as Spectrograph
    from .io import Catalogue as Catalogue
    from .io import PixelCube as PixelCube
    from .io import SpectralCube as SpectralCube
    from .io import Spectrum as Spectrum
    from .io import from_specutils as from_specutils
    from .io import read as read
    from .io import read_band_list as read_band_list
    from .io import read_bins as read_bins
    from .io import read_catalogue as read_catalogue
    from .io import read_cutout as read_cutout
    from .io import read_npy as read_npy
    from .io import read_sbipix as read_sbipix
    from .io import read_spectra as read_spectra
    from .io import read_spectral_cube as read_spectral_cube
    from .io import read_spectrum as read_spectrum
    from .io.learn_noise import learn_noise as learn_noise
    from .io.noise_file import read_noise as read_noise
    from .io.noise_file import write_noise as write_noise
    from .io.spectrum_list import SpectrumFile as SpectrumFile
    from .io.spectrum_list import read_spectrum_list as read_spectrum_list
    from .io.target_list import Target as Target
    from .io.target_list import read_target_list as read_target_list
    from .noise.survey import SurveyNoise as SurveyNoise
    from .photometry import parts as _photometry
    from .photometry.bins import binned as binned
    from .photometry.catalogue import CatalogueResult as CatalogueResult
    from .photometry.fisher import fisher as fisher
    from .photometry.flags import PixelFlag as PixelFlag
    from .photometry.maps import Maps as Maps
    from .photometry.model import GalaxyModel as GalaxyModel
    from .photometry.model_error import ModelError as ModelError
    from .photometry.network import PhotometryArchitecture as PhotometryArchitecture
    from .photometry.posterior import PhotometryPosterior as PhotometryPosterior
    from .photometry.prior import photometry_prior as photometry_prior
    from .photometry.products import Products as Products
    from .photometry.profiles import Ellipse as Ellipse
    from .photometry.profiles import Profile as Profile
    from .photometry.redshift.infer import RedshiftResult as RedshiftResult
    from .photometry.redshift.prior import redshift_prior as redshift_prior
    from .photometry.resolved import Resolved as Resolved
    from .photometry.result import ImageResult as ImageResult
    from .photometry.side_by_side import side_by_side as side_by_side
    from .photometry.simulator import PhotometrySimulator as PhotometrySimulator
    from .photometry.train import train as train
    from .photometry.typicality import fit_typicality as fit_typicality
    from .photometry.universal import parts as _any_filters
    from .photometry.universal.posterior import UniversalPosterior as UniversalPosterior
    from .photometry.universal.train import train_universal as train_universal
    from .priors import Prior as Prior
    from .priors import Uniform as Uniform
    from .spectroscopy import parts as _spectroscopy
    from .spectroscopy.alpha import AlphaSource as AlphaSource
    from .spectroscopy.alpha import infer_alpha as infer_alpha
    from .spectroscopy.alpha_result import AlphaResult as AlphaResult
    from .spectroscopy.clocks import ChemicalClock as ChemicalClock
    from .spectroscopy.clocks import Clocks as Clocks
    from .spectroscopy.fast_forward import Descendant as Descendant
    from .spectroscopy.fast_forward import fast_forward as fast_forward
    from .spectroscopy.line_indices import LineIndices as LineIndices
    from .spectroscopy.line_indices import line_indices as line_indices
    from .spectroscopy.model import SpectrumModel as SpectrumModel
    from .spectroscopy.network import SpectrumArchitecture as SpectrumArchitecture
    from .spectroscopy.posterior import SpectrumPosterior as SpectrumPosterior
    from .spectroscopy.preset import SpectrumPreset as SpectrumPreset
    from .spectroscopy.prior import spectrum_prior as spectrum_prior
    from .spectroscopy.result import SpectrumResult as SpectrumResult
    from .spectroscopy.simulator import SpectrumSimulator as SpectrumSimulator
    from .spectroscopy.target import SpectrumTarget as SpectrumTarget
    from .spectroscopy.train import train_spectra as train_spectra
    from .ssp import SSPGrid as SSPGrid
    from .ssp import fetch as fetch
    from .survey.cluster import infer_on_cluster as infer_on_cluster
    from .survey.compare import compare as compare
    from .survey.many import infer_many as infer_many
    from .survey.merge import merge as merge
    from .training.trainer import TrainConfig as TrainConfig
finally:
    if _collects:
        _gc.enable()

# Their import makes all kinds of bundle known
del _any_filters, _photometry, _spectroscopy

__version__ = _version("dsps_sbi")
