"""Checks of posteriors against known truth."""
