"""One spelling for a filter: the name that astro-sedpy gives it.

Catalogues, headers and archives write the same filter in many ways: ``F277W``,
``JWST_NIRCam_F277W``, ``JWST/NIRCam.F277W``. `canonical_filter` maps them to the sedpy
name, here ``jwst_f277w``.

A bare filter name, or one that names only the telescope, can belong to several cameras. The
first of these that has it is meant:

1. JWST NIRCam and MIRI (not NIRISS: say ``NIRISS F200W`` for ``jwst_niriss_f200w``);
2. HST ACS/WFC (so ``F814W`` and ``F606W`` are ACS; ``F850LP`` exists only there);
3. HST WFC3/IR (``F160W``);
4. HST WFC3/UVIS (``F336W``; say ``WFC3_UVIS F814W`` for the filter that ACS has too).

``F140M`` is therefore NIRCam's and ``F140W`` WFC3/IR's. Names of other telescopes are in
:mod:`~dsps_sbi.instruments.filter_aliases`.
"""

import difflib
import functools
import re

from ..errors import UserError
from .filter_aliases import alias_of

JADES_BANDS = (
    "jwst_f090w",
    "jwst_f115w",
    "jwst_f150w",
    "jwst_f182m",
    "jwst_f200w",
    "jwst_f210m",
    "jwst_f277w",
    "jwst_f335m",
    "jwst_f356w",
    "jwst_f410m",
    "jwst_f430m",
    "jwst_f444w",
    "jwst_f460m",
    "jwst_f480m",
    "acs_wfc_f435w",
    "acs_wfc_f606w",
    "acs_wfc_f775w",
    "acs_wfc_f814w",
    "acs_wfc_f850lp",
)
"""The 19 bands of JADES: NIRCam, then ACS, each from blue to red."""

_FILTER = re.compile(r"f\d{3,4}(?:lp|w2|[wmnx])")
_EMPTY_WHEEL = re.compile(r"_clear$|^clear_")

# What a name may say before its filter -> the beginnings of sedpy names that it can mean,
# the likeliest first.
_NIRCAM, _MIRI, _NIRISS = "jwst_f", "jwst_f", "jwst_niriss_f"
_ACS, _IR, _UVIS = "acs_wfc_f", "wfc3_ir_f", "wfc3_uvis_f"
_CAMERAS = {
    "": (_NIRCAM, _ACS, _IR, _UVIS),
    "jwst": (_NIRCAM,),
    "nircam": (_NIRCAM,),
    "nrc": (_NIRCAM,),
    "miri": (_MIRI,),
    "niriss": (_NIRISS,),
    "hst": (_ACS, _IR, _UVIS),
    "acs": (_ACS,),
    "acs_wfc": (_ACS,),
    "acs_wfc1": (_ACS,),
    "acs_wfc2": (_ACS,),
    "wfc3": (_IR, _UVIS),
    "wfc3_ir": (_IR,),
    "wfc3_uvis": (_UVIS,),
    "wfc3_uvis1": (_UVIS,),
    "wfc3_uvis2": (_UVIS,),
}
_LONGEST_NIRCAM = 480  # F480M; MIRI begins at F560W


@functools.cache
def _sedpy_names():
    """Names of the filters that sedpy has: ``{lower case: name}``."""
    from sedpy.observate import list_available_filters  # slow to import

    return {name.lower(): name for name in list_available_filters()}


def _candidates(text):
    """Sedpy names that a lower-case name with underscores can mean, the likeliest first."""
    text = _EMPTY_WHEEL.sub("", text)
    found = _FILTER.search(text)
    if found is None or found.end() != len(text):
        return []
    camera, band = text[: found.start()].rstrip("_"), found.group()
    if camera not in _CAMERAS:
        camera = re.sub(r"^(jwst|hst)_?", "", camera)
    if camera in ("nircam", "nrc", "miri"):
        if (int(re.match(r"f(\d+)", band).group(1)) > _LONGEST_NIRCAM) != (camera == "miri"):
            return []
    return [beginning + band[1:] for beginning in _CAMERAS.get(camera, ())]


def canonical_filters(names) -> tuple[str, ...]:
    """Names of the filters of some data in astro-sedpy, see :func:`canonical_filter`.

    Parameters
    ----------
    names : sequence of str

    Raises
    ------
    UserError
        For a single name, none, an unknown one, or one that is there twice.
    """
    if isinstance(names, str | bytes):
        raise UserError(
            f"filters is the single name {names!r}: expected a sequence of names; put it in a list"
        )
    try:
        filters = tuple(canonical_filter(name) for name in names)
    except TypeError as error:
        raise UserError(f"filters is {names!r}: expected a sequence of names; give a list") from error
    if not filters:
        raise UserError("filters is empty: expected at least one band; list the filter of each band")
    twice = sorted({name for name in filters if filters.count(name) > 1})
    if twice:
        raise UserError(
            f"filter {', '.join(twice)} is listed twice: expected each band once; remove or combine one"
        )
    return filters


def canonical_filter(name):
    """Name of a filter in astro-sedpy.

    Parameters
    ----------
    name : str or bytes
        Any usual spelling, in any case: ``F277W``, ``NIRCam F277W``, ``jwst_f277w``,
        ``JWST_NIRCam.F277W``, ``b"HST_ACS.F850LP"``, ``HST/WFC3_IR.F160W``; or a sedpy name.

    Returns
    -------
    str
        The sedpy name, such as ``jwst_f277w``, ``acs_wfc_f850lp`` or ``wfc3_ir_f160w``.

    Raises
    ------
    UserError
        If no filter has that name.
    """
    if isinstance(name, bytes):
        name = name.decode("utf-8", errors="replace")
    known = _sedpy_names()
    text = re.sub(r"[^a-z0-9]+", "_", str(name).lower()).strip("_")
    for candidate in (text, *_candidates(text), alias_of(text)):
        if candidate in known:
            return known[candidate]
    close = nearest_filters(text)
    hint = f"did you mean {', '.join(close)}?" if close else "spell it like jwst_f277w."
    raise UserError(
        f"filter {str(name)!r} is not known: expected one such as F277W; {hint} Filters that sedpy does not "
        "have are given by their curves, see FilterSet.of"
    )


def nearest_filters(text: str, most: int = 3) -> list[str]:
    """Names of sedpy that are most like a name that nobody knows.

    Parameters
    ----------
    text : str
        Lower case, with underscores.
    most : int
    """
    known = _sedpy_names()
    found = _FILTER.search(text)
    # the filter says more than the camera
    end = found.group() if found is not None else text.split("_")[-1]
    same = [key for key in known if key.endswith("_" + end)]
    close = difflib.get_close_matches(text, same, n=most, cutoff=0.0)
    return [known[key] for key in close or difflib.get_close_matches(text, known, n=most, cutoff=0.5)]
