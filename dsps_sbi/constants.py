"""Physical constants, each with the astropy expression that it equals."""

# astropy.constants.c.to("AA/s").value
C_AA_S = 2.99792458e18
# astropy.constants.c.to("km/s").value
C_KM_S = 2.99792458e5
# astropy.constants.L_sun.to("erg/s").value
L_SUN_ERG_S = 3.828e33
# astropy.constants.h.to("erg s").value
PLANCK_ERG_S = 6.62607015e-27
# (1 * u.Mpc).to("cm").value
MPC_CM = 3.0856775814913674e24
# (1 * u.uJy).to("erg/(s cm2 Hz)").value
UJY_CGS = 1e-29
# Largest number of draws of an object, which have to fit into memory, and largest seed: jax cuts off the rest
MOST_DRAWS = 1_000_000
MOST_SEED = 2**32 - 1
# What stands for a redshift that is not read, as it is to be inferred
UNKNOWN = "unknown"
# Percentiles of every map, catalogue and total
PERCENTILES = (16, 50, 84)
# Metallicity of the Sun that BC03 and MILES grids are scaled to (mass fraction)
Z_SUN = 0.02
