"""The command ``indices``: line-strength indices of spectra."""

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from ..errors import UserError

# How a spectrum is read where its file does not say
Redshift = Annotated[float | None, typer.Option(help="Redshift, instead of that in the file.")]
Lsf = Annotated[str | None, typer.Option(help="Resolution, such as fwhm_aa=2.8 or resolving_power=2000.")]
Medium = Annotated[str | None, typer.Option(help="What the wavelengths are in, air or vacuum.")]
ColumnRoles = Annotated[str | None, typer.Option(help="Columns by role, such as wave=a,flux=b,error=c.")]
WaveUnit = Annotated[str | None, typer.Option(help="Unit of the wavelengths.")]
FluxUnit = Annotated[str | None, typer.Option(help="Unit of flux and error, or 'relative'.")]


def indices(
    files: Annotated[list[Path], typer.Argument(help="Spectra: SDSS, FITS, ECSV, text.")],
    *,
    names: Annotated[
        str | None, typer.Option(help="Which indices, with commas, such as Mgb,Fe5270; all that are covered.")
    ] = None,
    system: Annotated[
        str,
        typer.Option(
            help="Resolution: LIS-5.0, LIS-8.4, LIS-14.0, a FWHM in Angstrom, or none to smooth nothing."
        ),
    ] = "LIS-8.4",
    sigma_v: Annotated[float, typer.Option(help="Velocity dispersion of the stars in km/s.")] = 0.0,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Table to write, such as indices.ecsv.")
    ] = None,
    z: Redshift = None,
    lsf: Lsf = None,
    medium: Medium = None,
    columns: ColumnRoles = None,
    wave_unit: WaveUnit = None,
    flux_unit: FluxUnit = None,
) -> None:
    """Measure line-strength indices (Lick, H-delta, H-gamma, TiO...) of spectra, with errors."""
    from astropy.table import vstack

    from ..io.summary import write_summary
    from ..spectroscopy.line_indices import line_indices

    spectra = read_spectra(files, z, lsf, medium, columns, wave_unit, flux_unit)
    wanted = None if names is None else [name.strip() for name in names.split(",")]
    tables = []
    for label, spectrum in spectra:
        with option_words():
            found = line_indices(
                spectrum, wanted, system=None if system == "none" else system, sigma_v=sigma_v
            )
        print(f"{label}: {'; '.join(spectrum.notes)}")
        for index, value, error in zip(found.indices, found.values, found.errors, strict=True):
            print(f"  {index.name:9s} {value:9.4f} +- {error:.4f} {index.unit}")
        for name, why in found.missing.items():
            print(f"  {name:9s} not measured: {why}")
        table = found.table()
        table.add_column([label] * len(table), index=0, name="spectrum")
        table.meta = {}
        tables.append(table)
    if output is not None:
        write_summary(output, vstack(tables))
        print(f"in {output}")


@contextlib.contextmanager
def option_words():
    """Errors that name keywords of Python name options of the command line instead."""
    from .spectra import as_options

    try:
        yield
    except UserError as problem:
        raise UserError(as_options(str(problem))) from problem


def read_spectra(files, z, lsf, medium, columns, wave_unit, flux_unit, format_=None):
    """Spectra of files with the options of the command line, None where not given, by label.

    Raises
    ------
    UserError
        Naming options as the command line does.
    """
    from ..io.read_spectrum import read_spectrum
    from ..io.spectrum_list import columns_of, lsf_of, stem
    from .spectra import check_options

    check_options(lsf, medium, columns, wave_unit, flux_unit, None)
    options = {
        "redshift": z,
        "lsf": None if lsf is None else lsf_of(lsf),
        "medium": medium,
        "columns": None if columns is None else columns_of(columns),
        "wave_unit": wave_unit,
        "flux_unit": flux_unit,
        "format": format_,
    }
    options = {name: value for name, value in options.items() if value is not None}
    with option_words():
        return [(stem(str(path), path.name), read_spectrum(path, **options)) for path in files]
