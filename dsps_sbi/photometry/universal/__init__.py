"""Photometry in any filters: one network for all surveys."""
