"""Redshifts that are uncertain or unknown: by evidence, beside all other parameters."""
