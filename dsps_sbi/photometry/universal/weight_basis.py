"""The light that weights are made of, in few functions of wavelength; made once, and kept on disk.

A decomposition of the light of all stellar populations takes ten seconds and more, and depends on nothing
that a user changes from one run to the next.
"""

import io
from dataclasses import replace

import numpy as np

from ...bundle.verified import content_key
from ...components import to_entry
from ...dust import LAWS
from ...errors import UserError
from ...io.kept import keep
from ...ssp.cache import cache_dir
from ..decompose import wave_basis
from ..wave_basis import WaveBasis

# Functions of wavelength, of stars and of gas, and mixtures of ages that stand for those of gas
RANKS, N_MIXTURE = (112, 40), 16
# Files that are kept, the oldest go first
MOST = 6
# Where a model keeps it
KEPT = "_kept_weight_basis"


def weight_basis(model) -> WaveBasis:
    """The light of a model's stellar populations as precisely as weights need it.

    Parameters
    ----------
    model : GalaxyModel
        Its filters do not count.

    Raises
    ------
    UserError
        See :func:`~dsps_sbi.photometry.decompose.wave_basis`.
    """
    known = model.__dict__.get(KEPT)
    if known is None:
        known = model.__dict__[KEPT] = _from_disk(model)
    return known


def _from_disk(model):
    key = _key(model)
    file = None if key is None else cache_dir() / "light" / f"{key}.npz"
    rest = {"cosmology": model.cosmology, "dust": model.dust, "n_sub": model.n_screen}
    rest["parts"] = model.parts or ()
    try:
        if file is not None:
            with np.load(file, allow_pickle=False) as arrays:
                return WaveBasis.from_arrays(dict(arrays), **rest)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError):
        # damaged: made again, and written anew
        file.unlink(missing_ok=True)
    made = wave_basis(model, rank=RANKS[0], gas_rank=RANKS[1]).simplified(*RANKS, n_mixture=N_MIXTURE)
    # in full precision, unlike a bundle's
    arrays = made.as_arrays()
    arrays["curves"] = np.float32(made.curves / arrays["scale"])
    if file is not None:
        memory = io.BytesIO()
        np.savez(memory, **arrays)
        keep(file, memory.getvalue(), MOST)
    # as it is read from disk: answers do not depend on which run they are of
    return WaveBasis.from_arrays(arrays, **rest)


def _key(model) -> str | None:
    """Hash of what the light depends on; None where that has no content, such as a dust law of the user's."""
    try:
        dust = to_entry(model.dust, LAWS, "dust law")
    except UserError:
        return None
    words = (model.ssp.sha, sorted(dust.items()), model.log_u, model.lya_escape, RANKS, N_MIXTURE)
    words += (model.n_screen, model.n_age, model.parts, sorted(model.prior.marginals))
    gas = model.prior.marginals.get("log_u")
    words += (repr(gas),)
    return content_key(repr(words), model.edges_gyr, model.ssp.metallicity)


# What a model has that does not depend on its filters, and takes long to make
_COSTLY = ("light", "gas", "rest_aa", "pixel_edges_aa", KEPT)


def with_filters(model, filters):
    """The same model behind other filters: the light of its SSPs is not made again."""
    new = replace(model, filters=filters)
    new.__dict__.update({name: model.__dict__[name] for name in _COSTLY if name in model.__dict__})
    return new
