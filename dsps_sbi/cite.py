"""What to cite for results of a bundle, as BibTeX, and the terms of the data behind it."""

import re
from importlib import resources
from importlib.metadata import version

from .bundle.load import load_bundle
from .dust import CharlotFall, Noll, Salim
from .inference.protocol import Posterior
from .sfh import Continuity, Dirichlet
from .ssp.ppxf_models import SDISTS

_TERMS = """\
% Terms. The stellar populations rest on the MILES library: for non-commercial use, not to be
% redistributed. That is why the grid is fetched by each user and is not part of the package.
% The code is under the MIT licence."""

# Keys of references.bib
_METHOD = ("dsps_sbi", "IglesiasNavarro2025", "IglesiasNavarro2024", "Hartmann2025")
_BC03 = (
    "BruzualCharlot2003",
    "SanchezBlazquez2006",
    "FalconBarroso2011",
    "Kroupa2001",
    "RenziniCiotti1993",
    "Carnall2018",
    "Gunasekera2025",
)
_MILES = ("SanchezBlazquez2006", "FalconBarroso2011", "Vazdekis2010", "Vazdekis2016", "Girardi2000")
_LIGHT = ("Inoue2014", "Calzetti2000", "sedpy")
# What components rest on besides Calzetti's law, from which the other screens are derived
_OF_COMPONENT = {
    Dirichlet: "Iyer2019",
    Continuity: "Leja2019",
    Noll: "Noll2009",
    Salim: "Salim2018",
    CharlotFall: "CharlotFall2000",
}


def _entries() -> dict[str, str]:
    """Entries of references.bib by key; each begins with an @ at the start of a line."""
    text = resources.files(__package__).joinpath("references.bib").read_text("utf-8")
    entries = re.split(r"^(?=@)", text, flags=re.MULTILINE)[1:]
    return {re.match(r"@\w+{([^,]+),", entry)[1]: entry.strip() for entry in entries}


def cite(bundle=None) -> str:
    """References for results of a bundle.

    Parameters
    ----------
    bundle : PhotometryPosterior, SpectrumPosterior, str, path or None
        A loaded bundle, or its name or folder; by default what ``jades-pixels`` rests on.

    Returns
    -------
    str
        BibTeX, with comments that say what each group is for and on what terms the data come.

    Raises
    ------
    UserError
        If there is no such bundle.
    """
    if bundle is not None and not isinstance(bundle, Posterior):
        bundle = load_bundle(bundle)
    names = ["bc03-miles"] if bundle is None else bundle.grids or ["unknown"]
    groups = [("Method", _METHOD)]
    if names == ["bc03-miles"]:
        stars = "BC03 with MILES, Kroupa IMF, remnants, nebular emission", _BC03
    elif set(names) <= set(SDISTS):
        stars = "MILES and E-MILES on Padova 2000 isochrones", _MILES
    else:
        stars = f"{', '.join(names)}: cite the source of that grid", ()
    groups.append((f"Stellar populations: {stars[0]}", stars[1]))
    if bundle is None or bundle.data_words == "images":
        groups.append(("IGM, dust, filters", _LIGHT))
    if bundle is not None:
        works = [_OF_COMPONENT.get(type(part)) for part in bundle.components]
        if any(works):
            groups.append(("Star formation history, dust law", tuple(filter(None, works))))
    entries = _entries()
    parts = [part for title, keys in groups for part in (f"% {title}", *(entries[key] for key in keys))]
    return "\n\n".join([*parts, _TERMS]).replace("VERSION", version("dsps_sbi"))
