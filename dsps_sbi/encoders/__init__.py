"""Networks from data to a context vector."""
