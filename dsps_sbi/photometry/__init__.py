"""Photometry: pixels of images and catalogues of galaxies, in bands."""
