"""A synthetic galaxy with known truth, and a real spectrum."""
