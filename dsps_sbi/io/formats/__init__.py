"""Formats of FITS files that hold spectra, one file for each."""
