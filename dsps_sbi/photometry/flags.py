"""What is noted about each pixel of a map: bits that can be combined."""

import enum

from ..errors import UserError


class PixelFlag(enum.IntFlag):
    """Bits of the FLAGS image; 0 means an ordinary, fitted pixel."""

    MASKED = 1
    LOW_SNR = 2
    BAND_MISSING = 4
    FEW_BANDS = 8
    NO_SNR_BAND = 16
    OUT_OF_DEPTH = 32
    BAD_DRAWS = 64
    UNCHECKED = 128
    BAND_OUT_OF_RANGE = 256
    UNTRUSTED = 512
    LIMIT_RANGE = 1024
    AT_EDGE = 2048
    NOT_CONVERGED = 4096


_TEXT = {
    PixelFlag.MASKED: "masked in the input: not fitted",
    PixelFlag.LOW_SNR: "signal-to-noise ratio below the cut: not fitted",
    PixelFlag.BAND_MISSING: "at least one band has no usable flux or error",
    PixelFlag.FEW_BANDS: "fewer than 3 usable bands: not fitted",
    PixelFlag.NO_SNR_BAND: "none of F277W, F356W, F444W usable: signal-to-noise ratio from all bands",
    PixelFlag.OUT_OF_DEPTH: "a band's error is outside the trained range: the answer is an extrapolation",
    PixelFlag.BAD_DRAWS: "posterior draws were not finite: set to NaN",
    PixelFlag.UNCHECKED: "not checked with the exact likelihood",
    PixelFlag.BAND_OUT_OF_RANGE: (
        "a band lies in part beyond the wavelengths of the stellar populations: used up to 1 %, else left out"
    ),
    PixelFlag.UNTRUSTED: "weighed or refined in vain, or odd data: see METHOD, ESS and the p-values",
    PixelFlag.LIMIT_RANGE: "an upper limit of more or fewer sigmas than in training",
    PixelFlag.AT_EDGE: (
        "the posterior of a parameter, not of the history, piles up at an edge of the prior: see EDGE_"
    ),
    PixelFlag.NOT_CONVERGED: "fewer than 20 effective draws: percentiles have no meaning",
}


def decode(value):
    """Names of the bits that are set.

    Parameters
    ----------
    value : int
        One pixel of the FLAGS image.

    Returns
    -------
    list of str
        Names of `PixelFlag`, lowest bit first; empty for 0.
    """
    value = int(value)
    if value < 0 or value & ~sum(PixelFlag):
        raise UserError(
            f"flag value {value} has unknown bits: expected a sum of {_bits()}; read the FLAGS image"
        )
    return [flag.name for flag in PixelFlag if value & flag]


def describe():
    """Meaning of each bit.

    Returns
    -------
    dict of str to str
        ``{name: text}``, lowest bit first.
    """
    return {flag.name: _TEXT[flag] for flag in PixelFlag}


def _bits():
    return ", ".join(f"{flag.value} {flag.name}" for flag in PixelFlag)
