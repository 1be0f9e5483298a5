"""What is done to data, as plain functions: the same for images, catalogues and spectra."""


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
    """
    return post.infer(data, weigh=True, **options)


def refine(post, data, **options):
    """As :func:`weigh`, and repair what weighing leaves untrusted.

    Objects with fewer than 100 effective draws or a Pareto k above 0.7 get up to four iterations of
    population Monte Carlo (:mod:`dsps_sbi.inference.pmc`). Spectra get up to eight, with mode searches
    (:mod:`dsps_sbi.inference.modes`) where fewer than 20 draws are effective. Then, if the model can fit them
    at all, come Hamiltonian chains (:mod:`dsps_sbi.inference.hmc`). The column ``method`` says what an answer
    comes from, ``failed`` where nothing was enough.
    """
    return post.infer(data, weigh=True, refine=True, **options)
