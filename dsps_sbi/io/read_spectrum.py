"""Spectra from files."""

import warnings
from dataclasses import replace

import numpy as np

from ..errors import UserError
from .column_roles import check_roles, choose, has_spectrum
from .fits_open import existing_file, is_fits, open_fits
from .formats import image
from .formats.options import ReadOptions
from .formats.registry import cube_format_of, format_of
from .formats.table import from_table, read_columns
from .from_specutils import read_with_specutils
from .spectrum import FEWEST_PIXELS, Spectrum
from .spectrum_columns import spectrum_of
from .text_table import read_text_table

_TEXT_ORDER = ("wave", "flux", "error")
# Names that a message lists
_LISTED = 8


def read_spectrum(
    path,
    *,
    columns=None,
    redshift=None,
    medium=None,
    lsf=None,
    wave_unit=None,
    flux_unit=None,
    snr=None,
    format=None,
    targets=None,
    pixel_in_lsf=None,
) -> Spectrum:
    """Read a spectrum: files of surveys, FITS and ECSV tables, images, columns of text; by specutils, more.

    Files of SDSS (spec and spSpec), DESI, ESO (Phase 3), JWST (x1d, also of JADES; msaexp's spec.fits), IRAF
    (also multispec) and images with a scale of wavelengths need nothing else. ``notes`` of the spectrum say
    what was taken from where. Tables are read by the usual names of columns (wavelength, flux, error or ivar,
    mask, wdisp in any case of letters) or by ``columns``; units are those of the file or of the keywords.
    Text without names of columns is wavelength, flux, error, or as ``columns`` says.

    Parameters
    ----------
    path : path-like
        ``.fits``, ``.fits.gz``, ``.fit``, ``.ecsv``, or text.
    columns : mapping of str to str, or sequence of str, optional
        For tables with names: the column of each role (for FITS files that hold them so: the
        image extension of each role); for text: the role of each column in order,
        ``""`` for one that is not wanted. Extensions may be given by number; wavelengths of images are those
        of the header, unless they are named. Roles are wave, log10_wave, flux, error, variance, ivar, mask
        (not 0: do not use), good (0: do not use), and for an LSF fwhm_aa, sigma_pixel, sigma_km_s,
        resolving_power. Errors have the unit that their column states, or else that of the flux.
    redshift : float, optional
        Instead of that in the file (SDSS's table; ``REDSHIFT`` in the header or metadata). Here and in
        headers a number may be text.
    medium : {"air", "vacuum"}, optional
        What the wavelengths are in, instead of what the file says.
    lsf : LSF, optional
        Instead of that in the file.
    wave_unit, flux_unit : str, optional
        Instead of those in the file; a flux_unit of "relative" is for spectra on any scale. Errors whose
        unit the file states keep its ratio to the file's unit of the flux.
    snr : float, optional
        Signal-to-noise ratio of the median pixel: all pixels get the same error, instead of those in the
        file. Where the file has errors and one is 0 or NaN, there still are no data.
    format : str, optional
        A format of specutils, such as ``"JWST x1d"`` or ``"DESI coadd"``, which then reads the file
        (``pip install 'dsps_sbi[specutils]'``); see :func:`dsps_sbi.from_specutils`.
    targets : str, int, or sequence of one of these, optional
        Which spectrum of a file that has several, see :func:`read_spectra`.
    pixel_in_lsf : bool, optional
        Whether the LSF holds the width of the pixels, see
        :class:`~dsps_sbi.instruments.spectrograph.Spectrograph`; by default it does.

    Returns
    -------
    Spectrum

    Raises
    ------
    UserError
        If the file cannot be read, its columns or units are not known or ambiguous, errors are missing, it
        has fewer than 50 wavelengths and columns are not named, or :class:`dsps_sbi.Spectrum` refuses what it
        holds.

    Notes
    -----
    Pixels with numbers that stand for missing ones, and runs of zeros, are no data: see
    :mod:`dsps_sbi.io.no_data`.
    """
    path = existing_file(path)
    options = ReadOptions(redshift, medium, lsf, wave_unit, flux_unit, snr)
    if format is not None:
        for name, value in {"columns": columns, "wave_unit": wave_unit, "flux_unit": flux_unit}.items():
            if value is not None:
                raise UserError(f"{name}= was given with format=: specutils knows the columns; leave it out")
        spectrum = read_with_specutils(path, format, redshift=redshift, medium=medium, lsf=lsf, snr=snr)
    elif is_fits(path):
        spectrum = _read_fits(path, columns, options, targets)
    else:
        _chosen(("",), targets, path)
        spectrum = _read_text(path, columns, options)
    if columns is None and format is None:
        _long_enough(spectrum)
    return spectrum if pixel_in_lsf is None else _with_pixels(spectrum, bool(pixel_in_lsf))


def _with_pixels(spectrum, in_lsf):
    words = "holds" if in_lsf else "does not hold"
    notes = (*spectrum.notes, f"the LSF {words} the width of the pixels, as given")
    return replace(spectrum, pixel_in_lsf=in_lsf, notes=notes)


def spectrum_names(path, targets=None) -> tuple[str, ...]:
    """Names of the spectra that a file has, "" for the one of a file that has one.

    Parameters
    ----------
    path : path-like
    targets : str, int, or sequence of these, optional
        Some of them, by name, or by number from 0.

    Raises
    ------
    UserError
        If a target is not there.
    """
    path = existing_file(path)
    if not is_fits(path):
        return _chosen(("",), targets, path)
    with open_fits(path, memmap=False) as hdus:
        known = format_of(hdus)
        return _chosen(("",) if known is None else known.names(hdus), targets, path)


def read_spectra(path, *, targets=None, **options) -> list[Spectrum]:
    """Read all spectra of a file, or some: coadds of DESI, sources of JWST, rows of an image.

    Of all, those that cannot be read, such as fibres without light, are left out with a warning.

    Parameters
    ----------
    path : path-like
    targets : str, int, or sequence of these, optional
        Those that are wanted: by name (a TARGETID, a SOURCEID), or by number from 0.
    **options
        Of :func:`read_spectrum`.

    Returns
    -------
    list of Spectrum
        Their ``source`` is the file's name and the target's.

    Raises
    ------
    UserError
        See :func:`read_spectrum`; if a target is not there; if none of all can be read.
    """
    spectra, reasons = [], []
    for name in spectrum_names(path, targets):
        try:
            spectra.append(read_spectrum(path, targets=(name,), **options))
        except UserError as error:
            if targets is not None:
                raise
            reasons.append(error)
    if reasons and not spectra:
        raise reasons[0]
    if reasons:
        warnings.warn(
            f"{path}: {len(reasons)} of {len(spectra) + len(reasons)} spectra are left out ({reasons[0]})",
            UserWarning,
            stacklevel=2,
        )
    return spectra


def _chosen(names, targets, path):
    if targets is None:
        return names
    # one name or number is one target, not its letters
    targets = (targets,) if isinstance(targets, str) or np.ndim(targets) == 0 else targets
    if not len(targets):
        raise UserError(
            f"{path}: targets= is empty: expected some of {_listed(names)}; name them, or leave it out"
        )
    by_name = {name: name for name in names} | {str(i): names[i] for i in range(len(names)) if names[i] == ""}
    out = []
    for target in targets:
        text = str(target).strip()
        if text in by_name:
            out.append(by_name[text])
        elif text.isdigit() and int(text) < len(names):
            out.append(names[int(text)])
        else:
            raise UserError(f"{path} has no target {text}: give {_listed(names)}, or a number from 0")
    return tuple(out)


def _listed(names):
    shown = ", ".join(names[:_LISTED])
    return f"{shown} ... ({len(names)} in all)" if len(names) > _LISTED else shown or "none, it has one"


def _read_fits(path, columns, options, targets):
    label = str(path)
    with open_fits(path, memmap=False) as hdus:
        if columns is not None:
            return _by_columns(hdus, columns, label, options, targets)
        if cube_format_of(hdus) is not None:
            raise UserError(
                f"{path} is a cube of spectra: give it to dsps-sbi infer by itself, or take a spaxel of it "
                "with ds.read_spectral_cube(path).spectrum(y, x)"
            )
        known = format_of(hdus)
        if known is None:
            raise UserError(
                f"{path} has no spectrum that can be told ({_contents(hdus)}): expected a table with "
                "wavelength and flux, or an image with a scale of wavelengths; name columns=, or format= for "
                "specutils"
            )
        names = known.names(hdus)
        chosen = _chosen(names, targets, path)
        if len(chosen) != 1:
            raise UserError(
                f"{path} has {len(names)} spectra ({known.name}: {_listed(names)}): choose one with "
                "targets=, or read all of them with read_spectra"
            )
        name = chosen[0]
        return known.read(hdus, names.index(name), f"{label}:{name}" if name else label, options)


def _contents(hdus):
    """The extensions in words."""
    words = []
    for i, hdu in enumerate(hdus):
        columns = getattr(hdu, "columns", None)
        what = f"table of {', '.join(columns.names[:6])}" if columns is not None else f"image {hdu.shape}"
        words.append(f"{i} {hdu.name or 'unnamed'}: {what}".replace("image ()", "empty"))
    return "; ".join(words[:_LISTED])


def _by_columns(hdus, columns, label, options, targets):
    """The spectrum of columns that the user names: of a table, or extensions by name or number."""
    images = {
        key: hdu
        for i, hdu in enumerate(hdus)
        if hdu.is_image and len(hdu.shape) in (1, 2)
        for key in {str(i), hdu.name}
        if key
    }
    if hasattr(columns, "values") and {str(name) for name in columns.values()} <= set(images):
        named = {role: images[str(name)] for role, name in columns.items()}
        if not {"wave", "log10_wave"} & set(named):
            # wavelengths are where those of images are
            check_roles(named)
            if not image.recognises(hdus):
                raise UserError(
                    f"{label} has no image with a scale of wavelengths ({_contents(hdus)}): name their "
                    "extension, columns=dict(wave='...', flux='...', error='...')"
                )
            names = image.names(hdus)
            chosen = _chosen(names, targets, label)
            if len(chosen) != 1:
                raise UserError(f"{label} has {len(names)} spectra: choose one with targets=")
            return image.read(hdus, names.index(chosen[0]), label, options, named)
        units = {role: hdu.header.get("BUNIT") for role, hdu in named.items()}
        table = {role: np.array(hdu.data, float) for role, hdu in named.items()}
        chosen = choose(list(table), {role: role for role in table}, label)
        options = options.redshift_of([hdus[0].header], label)
        return spectrum_of(table, chosen, units, label, options, notes=["images"], mask_is_known=True)
    tables = [i for i, h in enumerate(hdus) if getattr(h, "columns", None) is not None and len(h.data)]
    if not tables:
        raise UserError(
            f"{label} has no table ({_contents(hdus)}): leave columns= out, or name extensions, or their "
            "numbers"
        )
    number = next((i for i in tables if has_spectrum(hdus[i].columns.names, columns)), tables[0])
    return read_columns(hdus, number, label, options, columns)


def _read_text(path, columns, options):
    table = read_text_table(path)
    nameless = all(name == f"col{i}" for i, name in enumerate(table.colnames, 1))
    if nameless or (columns is not None and not hasattr(columns, "keys")):
        table, columns = _by_order(path, table, columns)
    units = {name: table[name].unit for name in table.colnames}
    return from_table(table, units, columns, [table.meta], str(path), options)


def _long_enough(spectrum):
    """Refuse what is too short to be a spectrum, unless the user names its columns."""
    n = spectrum.wave_aa.size
    if n < FEWEST_PIXELS:
        raise UserError(
            f"{spectrum.label} has {n} wavelengths from {spectrum.wave_aa[0]:.6g} to "
            f"{spectrum.wave_aa[-1]:.6g} Angstrom: expected {FEWEST_PIXELS} and more; if its axes are not "
            "swapped, name the columns or extensions, for example columns=dict(wave='wave', flux='flux', "
            "error='error')"
        )
    return spectrum


def _by_order(path, table, columns):
    """Table and columns by role, for text whose columns have no names or are told by their order."""
    if hasattr(columns, "keys"):
        raise UserError(
            f"{path} has no names of columns: give columns= as their order, such as ('wave', 'flux')"
        )
    n = len(table.colnames)
    order = _TEXT_ORDER[: min(n, 3)] if columns is None else tuple(columns)
    if (columns is None and n > 3) or len(order) > n:
        raise UserError(
            f"{path} has {n} columns: give columns= as their order, such as ('wave', 'flux', 'error')"
        )
    return table, {role: name for role, name in zip(order, table.colnames, strict=False) if role}
