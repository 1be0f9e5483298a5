"""Trained posteriors on disk: three files, and what tells one model from another."""
