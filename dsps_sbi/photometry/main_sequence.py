"""The main sequence of star-forming galaxies, and the pixels of a galaxy that are above it."""

import numpy as np

# A starburst forms stars at more than four times the rate of the main sequence: Rodighiero et al. 2011,
# ApJ 739, L40
STARBURST_DEX = float(np.log10(4.0))
SOURCE = "Speagle et al. 2014, ApJS 214, 15, eq. 28; starbursts as Rodighiero et al. 2011, ApJ 739, L40"


def log_sfr(log_mass, age_gyr):
    """log10 SFR [Msun/yr] on the main sequence: Speagle et al. 2014, ApJS 214, 15, equation 28.

    For an initial mass function of Kroupa, masses of 10^9.7 to 10^11.1 and redshifts up to 6; below that mass
    it is extrapolated.

    Parameters
    ----------
    log_mass : array
        log10 stellar mass [Msun] of the galaxy.
    age_gyr : array
        Age of the Universe at its redshift [Gyr].
    """
    slope = 0.84 - 0.026 * np.asarray(age_gyr)
    return slope * np.asarray(log_mass) - (6.51 - 0.11 * np.asarray(age_gyr))


def log_excess(log_mass, log_sfr_100, age_gyr) -> np.ndarray:
    """log10 of the specific SFR of pixels over that of the main sequence at the galaxy's mass (Pixel, Draw).

    The sequence is one of galaxies: pixels are compared with the rate per mass that the whole galaxy would
    have on it, not with the sequence at the mass of a pixel.

    Parameters
    ----------
    log_mass, log_sfr_100 : array (Pixel, Draw)
        Of the pixels of one galaxy, NaN for pixels that do not count.
    age_gyr : array (Draw,)
    """
    total = np.log10(np.nansum(10.0 ** np.asarray(log_mass, float), axis=0))
    return log_sfr_100 - log_mass - (log_sfr(total, age_gyr) - total)
