"""Spectroscopy: spectra of galaxies, of any pixels and resolution."""
