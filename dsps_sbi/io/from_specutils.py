"""Spectra of the specutils package (astropy.org): its objects, and the files that it can read."""

import warnings
from dataclasses import replace

import numpy as np
from astropy import units as u
from astropy.io import registry
from astropy.utils.exceptions import AstropyWarning

from ..errors import UserError
from ..instruments.lsf import LSF
from .formats.options import ReadOptions
from .join_arms import join_arms
from .spectrum import Spectrum
from .spectrum_columns import FLUX_UNIT, spectrum_of

# Power of the flux that each kind of uncertainty has
_POWERS = {"std": 1, "var": 2, "ivar": -2}
# Formats whose wavelengths are in vacuum, by how their names begin
_VACUUM = ("JWST", "SDSS", "DESI", "MaNGA", "HST", "MUSCLES", "Subaru-pfs", "APOGEE")


def from_specutils(
    spectrum, *, redshift=None, medium=None, lsf: LSF | None = None, mask=None, snr=None
) -> Spectrum:
    """Spectrum from a ``specutils.Spectrum`` (``Spectrum1D`` in its older versions).

    Parameters
    ----------
    spectrum : specutils.Spectrum, or list of them
        With a spectral axis (Pixel,) of wavelengths, frequencies, energies or wavenumbers, in either
        order, and flux densities per wavelength or frequency, also per spaxel; dimensionless ones are
        on any scale. Its uncertainties may be standard deviations, variances or their inverse. Masked
        pixels (mask not 0) are not used. The arms of one instrument, as a list, are joined.
    redshift : float, optional
        Instead of the object's; one of exactly 0, which specutils also has for none, is none.
    medium : {"air", "vacuum"}, optional
        What the wavelengths are in, which specutils does not tell; frequencies, energies and
        wavenumbers are those of vacuum.
    lsf : LSF, optional
    mask : array (Pixel,), optional
        Pixels that must not be used (not 0), in the order of the object, besides those that it masks.
    snr : float, optional
        Signal-to-noise ratio of the median pixel, instead of uncertainties: all pixels get the same
        error.

    Returns
    -------
    Spectrum

    Raises
    ------
    UserError
        If the object is not a spectrum of one axis, has no uncertainties and no ``snr`` is given, or
        has units that cannot be converted.
    """
    return _convert(
        spectrum, "specutils spectrum", redshift=redshift, medium=medium, lsf=lsf, mask=mask, snr=snr
    )


def read_with_specutils(path, format: str, **options) -> Spectrum:
    """Read a file by a format of specutils; the options are those of :func:`from_specutils`.

    Raises
    ------
    UserError
        If specutils is not installed, does not know the format, or cannot read the file as such.
    """
    try:
        import specutils
    except ImportError as error:
        raise UserError(
            f"format={format!r} needs the package specutils ({error}): pip install 'dsps_sbi[specutils]'"
        ) from error
    kinds = specutils.Spectrum, specutils.SpectrumList
    known = [set(registry.get_formats(kind, readwrite="Read")["Format"]) for kind in kinds]
    kind = next((kind for kind, names in zip(kinds, known, strict=True) if format in names), None)
    if kind is None:
        raise UserError(
            f"specutils knows no format {format!r}: give one of {', '.join(sorted(known[0] | known[1]))}"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            spectrum = kind.read(str(path), format=format)
    # whatever a reader of one format meets in a file of another
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        raise UserError(f"{path} cannot be read as {format!r} ({reason}): give its own format") from error
    return _convert(spectrum, str(path), vacuum=format.startswith(_VACUUM), **options)


def _convert(spectrum, label, *, redshift=None, medium=None, lsf=None, mask=None, snr=None, vacuum=False):
    options = ReadOptions(redshift, medium, lsf, snr=snr)
    if isinstance(spectrum, list | tuple):
        parts = [_parts(one, label, snr) for one in spectrum]
        if not parts:
            raise UserError(f"{label}: an empty list was given: expected at least one spectrum")
        if mask is not None and len(parts) > 1:
            raise UserError(f"{label}: mask= was given for {len(parts)} arms: mask them in the objects")
        spectrum, part = spectrum[0], join_arms(parts, label)
    else:
        part = _parts(spectrum, label, snr)
    wave, flux, sigma, bad = part
    if mask is not None:
        extra = np.asarray(mask) != 0
        if extra.shape != wave.shape:
            raise UserError(
                f"{label}: mask has shape {extra.shape} for {wave.size} pixels: give one for each"
            )
        bad = bad | extra
    physical = spectrum.spectral_axis.unit.physical_type
    if vacuum or physical != "length":
        options = options.known(
            "vacuum by the format" if physical == "length" else "vacuum, as the axis is no length",
            medium="vacuum",
        )
    stated = getattr(spectrum, "redshift", None)
    stated = 0.0 if stated is None else float(np.mean(u.Quantity(stated).value))
    if stated != 0.0:
        options = options.known(f"z {stated:.6g} of the object", redshift=stated)
    order = slice(None) if wave[0] <= wave[-1] else slice(None, None, -1)
    relative = flux.unit.physical_type == "dimensionless"
    columns = {"wave": wave[order], "flux": flux.value[order], "mask": bad[order]}
    if sigma is not None:
        columns["error"] = sigma.value[order]
    chosen = {name: name for name in columns}
    units = {"wave": u.AA, "flux": flux.unit, "error": flux.unit}
    if relative:
        options, units = replace(options, flux_unit="relative"), {"wave": u.AA}
    return spectrum_of(columns, chosen, units, label, options, notes=["specutils"], mask_is_known=True)


def _parts(spectrum, label, snr):
    """Wavelengths [Angstrom], flux and sigma (quantities of one unit) and mask of an object, all (Pixel,)."""
    if not (hasattr(spectrum, "flux") and hasattr(spectrum, "spectral_axis")):
        raise UserError(
            f"{label}: an object of type {type(spectrum).__name__} was given: expected a specutils.Spectrum"
        )
    shape = spectrum.flux.shape
    if len(shape) != 1 and np.prod(shape[:-1]) != 1:
        raise UserError(
            f"{label}: flux has shape {shape}: expected one spectrum; take one (of a list of spectra "
            "spectrum[0], of a cube cube[y, x]), or the sum over an aperture, and give it to from_specutils; "
            "files of MaNGA and MUSE are read by read_spectral_cube"
        )
    axis = u.Quantity(spectrum.spectral_axis)
    try:
        wave = axis.to_value(u.AA, u.spectral())
    except u.UnitConversionError as error:
        raise UserError(
            f"{label}: the spectral axis has the unit {axis.unit}: expected wavelengths, frequencies, "
            "energies or wavenumbers; convert it"
        ) from error
    flux = u.Quantity(spectrum.flux).reshape(-1)
    # where errors are none, there are no data, whatever the errors are replaced by
    sigma = None if snr is not None and not _has_errors(spectrum) else _sigma(spectrum, flux, label)
    flux, sigma = _per_wavelength(flux, sigma, wave, label)
    bad = np.zeros(wave.size, bool) if spectrum.mask is None else np.asarray(spectrum.mask).reshape(-1) != 0
    return wave, flux, sigma, bad


def _has_errors(spectrum):
    return spectrum.uncertainty is not None and spectrum.uncertainty.uncertainty_type in _POWERS


def _sigma(spectrum, flux, label):
    """Standard deviations (Pixel,) in the unit of the flux, NaN where there are none."""
    uncertainty = spectrum.uncertainty
    if uncertainty is None:
        raise UserError(
            f"{label} has no uncertainties: set them in the object, or state the median signal-to-noise "
            "ratio per pixel with snr="
        )
    power = _POWERS.get(uncertainty.uncertainty_type)
    if power is None:
        raise UserError(
            f"{label} has uncertainties of the kind {uncertainty.uncertainty_type!r}: expected standard "
            "deviations, variances or inverse variances; give one of these, or snr="
        )
    unit = flux.unit**power if uncertainty.unit is None else uncertainty.unit
    values = np.asarray(uncertainty.array, float).reshape(-1)
    if power != 1:
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.where(values > 0.0, values, np.nan) ** (1.0 / power)
    # astropy sees to it that the unit is one of the flux
    return (values * unit ** (1.0 / power)).to(flux.unit)


def _per_wavelength(flux, sigma, wave, label):
    """Flux and sigma in the unit of spectra, or as they are if that has no dimension."""
    unit = flux.unit
    if unit.physical_type == "dimensionless":
        return flux, sigma
    # flux of one spaxel is flux
    for base, power in zip(unit.bases, unit.powers, strict=True):
        if power == -1 and base.to_string() in ("spaxel", "pix", "beam"):
            unit = unit * base
    try:
        scale = u.Quantity(np.ones(wave.size), unit).to(FLUX_UNIT, u.spectral_density(wave * u.AA))
    except u.UnitConversionError as error:
        raise UserError(
            f"{label}: the flux has the unit {flux.unit}, which is no flux density: convert it to Jy or "
            "erg/s/cm2/Angstrom (per steradian: multiply by the area), or make it dimensionless for one on "
            "any scale"
        ) from error
    return flux.value * scale, None if sigma is None else sigma.value * scale
