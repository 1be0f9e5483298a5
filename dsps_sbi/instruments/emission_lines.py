"""Emission lines of gas that the optical spectrum of a galaxy may have."""

from types import MappingProxyType

from ..errors import UserError

# Vacuum wavelengths [Angstrom] of the line list of the SDSS spectroscopic pipeline (Bolton et al.
# 2012, AJ 144, 144; extension SPZLINE of its files); [Ne III] 3969, [N I] (mean of two) and He I
# 5877: NIST Atomic Spectra Database
EMISSION_LINES = MappingProxyType(
    {
        "[OII]3727": 3727.09,
        "[OII]3730": 3729.88,
        "[NeIII]3870": 3869.86,
        "[NeIII]3969": 3968.59,
        "Hdelta": 4102.89,
        "Hgamma": 4341.68,
        "[OIII]4364": 4364.44,
        "HeII4687": 4686.99,
        "Hbeta": 4862.68,
        "[OIII]4960": 4960.30,
        "[OIII]5008": 5008.24,
        "[NI]5201": 5200.53,
        "HeI5877": 5877.25,
        "[OI]6302": 6302.05,
        "[OI]6365": 6365.54,
        "[NII]6550": 6549.86,
        "Halpha": 6564.61,
        "[NII]6585": 6585.27,
        "[SII]6718": 6718.29,
        "[SII]6733": 6732.68,
    }
)


def line_wavelengths(names) -> tuple[float, ...]:
    """Rest wavelengths in vacuum [Angstrom] of emission lines by name.

    Raises
    ------
    UserError
        For a name that is not in the list.
    """
    unknown = [name for name in names if name not in EMISSION_LINES]
    if unknown:
        raise UserError(f"emission line {unknown[0]!r} is unknown: choose from {', '.join(EMISSION_LINES)}")
    return tuple(EMISSION_LINES[name] for name in names)
