"""Training of networks on fresh simulations."""
