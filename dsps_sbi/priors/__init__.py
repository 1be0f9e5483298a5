"""Priors of parameters, and the bijection to standard normal coordinates."""

from .marginals import MARGINALS as MARGINALS
from .marginals import Beta as Beta
from .marginals import Normal as Normal
from .marginals import StudentT as StudentT
from .marginals import Uniform as Uniform
from .prior import Prior as Prior
