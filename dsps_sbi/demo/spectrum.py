"""A real galaxy: the spectrum of NGC 3522 by SDSS, and when its stars formed."""

from astropy.table import Table

from ..bundle.load import load_bundle
from ..instruments.lsf import LSF
from ..io.spectrum_list import SpectrumFile
from ..ssp import fetch
from ..ssp.fetch_spectrum import fetch_spectrum
from ..survey.many import infer_many

BUNDLE, GRID, GALAXY = "miles-optical", "miles", "NGC3522"
# Files of DR8 do not tell the resolution; this is typical of SDSS [Angstrom]
_FWHM_AA = 2.76


def run_spectrum_demo(folder, *, n_draws: int = 1000, progress: bool = True) -> Table:
    """Fetch the spectrum and the bundle's SSPs, fit it with the shipped bundle.

    Parameters
    ----------
    folder : path
        Gets ``catalogue.ecsv``, ``NGC3522.png`` and ``NGC3522_fit.ecsv``.
    n_draws : int
    progress : bool

    Returns
    -------
    Table
        The catalogue, of one row.

    Raises
    ------
    UserError
        If spectrum or SSPs are not in the cache and cannot be downloaded.
    """
    # the bundle is made whole with them
    fetch(GRID, progress=progress)
    post = load_bundle(BUNDLE)
    path = fetch_spectrum(progress=progress)
    spectrum = SpectrumFile(path, GALAXY, {"lsf": LSF("fwhm_aa", _FWHM_AA)})
    return infer_many(post, spectrum, folder, refine=True, n_draws=n_draws)
