"""Dust laws: rest wavelength to A(lambda) / A_V."""

from .calzetti import Calzetti as Calzetti
