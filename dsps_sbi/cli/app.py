"""The command line: ``dsps-sbi VERB``.

Exit status 0 is good; 1 is an error that the user can mend, told in one line on standard error;
2 is a calibration that failed its check; 130 is an interruption. What is slow to import is imported
inside the commands.
"""

import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ..errors import UserError
from .check import check
from .clocks import clocks
from .compare import compare
from .compiled import keep_compiled
from .demo import demo
from .indices import indices
from .infer import infer
from .merge import merge
from .noise import noise_app
from .products import products
from .study import study
from .train import simulate, train, typicality

# Commands that compile
_COMPILING = ("infer", "indices", "clocks", "study", "simulate", "typicality", "train", "check", "demo")

app = typer.Typer(
    help="Galaxy light to posteriors: images to maps, spectra to star formation histories.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(infer)
app.command()(merge)
app.command()(products)
app.command()(indices)
app.command()(clocks)
app.command()(study)
app.command()(simulate)
app.command()(typicality)
app.command()(train)
app.command()(check)
app.command()(compare)
app.command()(demo)
app.add_typer(noise_app, name="noise")


@app.command()
def fetch(
    name: Annotated[
        str,
        typer.Argument(help="Grid: bc03-miles, miles, emiles, emiles-nir; or ngc3522, a spectrum."),
    ],
    source: Annotated[
        Path | None, typer.Option("--from", help="Local file to use instead of the network.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder to keep it in; default: the user's cache.")
    ] = None,
) -> None:
    """Fetch an SSP grid once; needed to simulate, train and predict, not to infer."""
    from ..ssp import fetch as fetch_grid
    from ..ssp.fetch_spectrum import NAME, fetch_spectrum

    progress = sys.stderr.isatty()
    if name == NAME:
        print(fetch_spectrum(source, cache, progress))
    else:
        print(fetch_grid(name, source, cache, progress=progress))


@app.command()
def doctor() -> None:
    """Show versions, device, precision, cache, grids and bundles."""
    from .doctor import report

    print(report())


@app.command()
def cite(
    bundle: Annotated[
        str | None, typer.Argument(help="Name or folder of a bundle; default: the presets'.")
    ] = None,
) -> None:
    """Print what to cite: methods, stellar populations, dust, IGM, filters."""
    from ..cite import cite as citations

    print(citations(bundle))


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line.

    Parameters
    ----------
    argv : sequence of str or None
        Default: those of the process.

    Returns
    -------
    int
        Exit status.
    """
    if argv is None:
        # a process of its own: what was imported lives on, and is not looked through for garbage again
        gc.freeze()
    argv = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    if argv[0] in _COMPILING:
        keep_compiled()
    try:
        status = app(argv, prog_name="dsps-sbi", standalone_mode=False, obj=argv) or 0
        # typer may have caught the interruption itself
        return _fail("interrupted", 130) if status == 130 else status
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except (UserError, OSError) as error:
        return _fail(error)
    except MemoryError as error:
        return _fail(f"there is not enough memory ({error or 'none is left'}): cut out a part, or draw fewer")
    except Exception as error:
        # usage errors: their class lives in click or inside typer, depending on typer's version
        if type(error).__name__ == "Abort":
            return _fail("interrupted", 130)
        if not hasattr(error, "format_message"):
            raise
        return _fail(f"{error.format_message()} See 'dsps-sbi --help'.")


def _fail(error, status: int = 1) -> int:
    print("error:", " ".join(str(error).split()), file=sys.stderr)
    return status
