"""What is done to data, as plain functions: the same for images, catalogues and spectra."""

from ..errors import UserError
from .protocol import Posterior


def _check(post):
    if not isinstance(post, Posterior):
        raise UserError(
            f"a posterior of type {type(post).__name__} is given first: expected one that load_bundle "
            "returns; give that, then the data"
        )


def weigh(post, data, **options):
    """Posteriors weighed with the exact likelihood where the SSPs are at hand: ``post.infer(data)``.

    Parameters
    ----------
    post : PhotometryPosterior or SpectrumPosterior
    data : PixelCube, Catalogue, Spectrum or sequence of Spectrum
    **options
        Of ``post.infer``.

    Returns
    -------
    Result

    Raises
    ------
    UserError
        If the first argument is no posterior; else as of ``post.infer``.
    """
    _check(post)
    return post.infer(data, weigh=True, **options)


def refine(post, data, **options):
    """As :func:`weigh`, and repair what weighing leaves untrusted.

    Objects with fewer than 100 effective draws or a Pareto k above 0.7 get up to four iterations of
    population Monte Carlo (:mod:`dsps_sbi.inference.pmc`), whose draws count together. Spectra get up to
    eight iterations, the first a mode search (:mod:`dsps_sbi.inference.modes`) where fewer than 20 draws are
    effective. Then, if the model can fit them at all, come Hamiltonian chains
    (:mod:`dsps_sbi.inference.hmc`). The column ``method`` says what an answer comes from, ``failed`` where
    nothing was enough.
    """
    _check(post)
    return post.infer(data, weigh=True, refine=True, **options)
