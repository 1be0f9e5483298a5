"""The command ``clocks``: formation times from the history, and from [alpha/Fe]."""

from pathlib import Path
from typing import Annotated

import typer

from ..constants import MOST_DRAWS, MOST_SEED
from ..errors import UserError
from .indices import (
    ColumnRoles,
    FluxUnit,
    Lsf,
    Medium,
    Redshift,
    WaveUnit,
    option_words,
    read_spectra,
)


def clocks(
    files: Annotated[list[Path], typer.Argument(help="Spectra: SDSS, FITS, ECSV, text.")],
    *,
    bundle: Annotated[str, typer.Option(help="Name or folder of a bundle of spectra.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for pictures and the table.")],
    alpha: Annotated[
        Path | None,
        typer.Option(
            help="What tells [alpha/Fe]: a table of indices such as MILES_KB_LIS8.4.fits, a folder of MILES "
            "or sMILES files, or an HDF5 grid; without it [alpha/Fe] is not told."
        ),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(help="TOML of [alpha/Fe] as a clock: intercept, slope, scatter, of, source."),
    ] = None,
    later_z: Annotated[
        float | None, typer.Option(help="Age the stars passively to this redshift: what are they then?")
    ] = None,
    beside: Annotated[
        Path | None, typer.Option(help="Spectrum to lay beside the aged stars, such as that of a relic.")
    ] = None,
    beside_sigma_v: Annotated[float, typer.Option(help="Velocity dispersion there in km/s.")] = 0.0,
    refine: Annotated[
        bool, typer.Option(help="Repair draws of little weight; takes seconds to minutes.")
    ] = True,
    draws: Annotated[int, typer.Option(min=2, max=MOST_DRAWS, help="Draws per spectrum.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Of the random numbers.")] = 0,
    z: Redshift = None,
    lsf: Lsf = None,
    medium: Medium = None,
    columns: ColumnRoles = None,
    wave_unit: WaveUnit = None,
    flux_unit: FluxUnit = None,
) -> None:
    """Formation times and durations from the star formation history and from [alpha/Fe], side by side."""
    from ..spectroscopy.clocks import ChemicalClock

    # what is mistyped is told before anything is loaded
    clock = None if calibration is None else ChemicalClock.read(calibration)
    if clock is not None and alpha is None:
        raise UserError(
            "--calibration was given without --alpha: [alpha/Fe] needs a source, such as MILES_KB_LIS8.4.fits"
        )
    if beside is not None and later_z is None:
        raise UserError("--beside was given without --later-z: name the redshift to age to, such as 0")
    source = None if alpha is None else alpha_source(alpha)
    spectra = read_spectra(files, z, lsf, medium, columns, wave_unit, flux_unit)
    other = None if beside is None else read_spectra([beside], *[None] * 6)[0][1]

    from ..bundle.load import load_bundle
    from ..io.summary import write_summary
    from ..plots.clocks_figure import plot_clocks
    from ..spectroscopy.alpha import AlphaSource, infer_alpha
    from ..spectroscopy.clocks import Clocks
    from ..spectroscopy.fast_forward import fast_forward
    from ..spectroscopy.posterior import bundled_ssp

    post = load_bundle(bundle)
    if post.data_words != "spectra":
        raise UserError(
            f"bundle {bundle} knows {post.data_words}: give one of spectra, such as miles-optical"
        )
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise UserError(f"cannot make folder {output} ({err.strerror}): choose another") from err
    if source is not None:
        source = AlphaSource.of(post, source)
    rows = []
    for label, spectrum in spectra:
        print(f"{label}: {'; '.join(spectrum.notes)}")
        with option_words():
            if source is None:
                result = post.infer(spectrum, n_draws=draws, seed=seed, refine=refine)
                trust, ess = str(result.trust[0]), float(result.posteriors.ess[0])
            else:
                result = infer_alpha(post, spectrum, source, n_draws=draws, seed=seed, refine=refine)
                trust, ess = result.trust, result.ess
        found = Clocks.of(result, clock, seed=seed)
        print(f"{label}: {trust}, {ess:.0f} effective draws")
        for line in found.lines():
            print(f"  {line}")
        plot_clocks(found, label, path=output / f"{label}_clocks.png")
        if later_z is not None:
            grids = bundled_ssp(post.meta) if source is None else source.model.grids
            aged = fast_forward(result, later_z, ssp=grids, label=label)
            for line in forward(aged, other, beside_sigma_v, output):
                print(f"  {line}")
        rows.append({"name": label, "trust": str(trust), "ess": ess} | found.row())
    write_summary(output / "clocks.ecsv", {name: [row[name] for row in rows] for name in rows[0]})
    print(f"in {output}: clocks.ecsv and pictures")


def forward(aged, other, sigma_v: float, output: Path) -> list[str]:
    """Write what aged stars are, beside another spectrum where one is given, and tell it in words."""
    from ..io.summary import write_summary
    from ..plots.forward_figure import plot_forward

    table, compared = aged.table(), None
    write_summary(output / f"{aged.label}_later.ecsv", table)
    words = [f"{row['quantity']} {row['value']:.3g} {row['unit']}".strip() for row in table[:4]]
    lines = [f"at z = {aged.later_z:g}, {aged.years_gyr:.1f} Gyr later: {', '.join(words)}"]
    if other is not None:
        with option_words():
            compared = aged.beside(other, sigma_v=sigma_v)
        write_summary(output / f"{aged.label}_beside.ecsv", compared.table())
        chi2, p = compared.p_value()
        lines.append(f"beside {other.label}: chi2 {chi2:.1f} of {len(compared.names)} indices, p = {p:.2g}")
    plot_forward(aged, compared, other, path=output / f"{aged.label}_later.png")
    return lines


def alpha_source(path: Path):
    """A table of indices, or grids by [alpha/Fe], of whatever a path is."""
    from ..ssp import read_dsps_alpha, read_index_table, read_miles_alpha

    if path.is_dir():
        return read_miles_alpha(path)
    if path.suffix.lower() in (".h5", ".hdf5"):
        return read_dsps_alpha(path)
    return read_index_table(path)
