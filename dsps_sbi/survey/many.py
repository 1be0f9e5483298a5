"""One call for many objects of any kind."""

from astropy.table import Table

from ..errors import UserError
from ..io.spectral_cube import CubeSpectra, SpectralCube
from .cubes import CubeJob, cube_entries
from .image_entries import image_entries
from .images import ImageJob, image_options
from .run import run
from .shards import OF_CUBES, WITH_DRAWS, Shard
from .spectra import SpectrumJob, spectrum_entries, with_fitted_scale

# Kind of the posterior -> its job, and what makes entries of its data
_KINDS = {"photometry": (ImageJob, image_entries), "spectrum": (SpectrumJob, spectrum_entries)}
_KINDS["photometry-any"] = _KINDS["photometry"]


def infer_many(
    post,
    inputs,
    folder,
    *,
    weigh: bool = True,
    refine: bool = False,
    model="auto",
    resume: bool = False,
    progress: bool = False,
    shard: Shard | str | None = None,
    **options,
) -> Table:
    """Posteriors of many images or spectra, in a folder: a catalogue, and files of each.

    Objects that are given as files are read one at a time. One that cannot be used gets a row without numbers
    and the reason in the column ``problem``; the others go on.

    Parameters
    ----------
    post : PhotometryPosterior, UniversalPosterior or SpectrumPosterior
    inputs : path, Target, PixelCube, Spectrum or SpectrumFile, or sequence of these
        Of images, folders and globs too, and what :func:`dsps_sbi.read_target_list` gives. Or one
        SpectralCube (all spaxels of S/N 5 and more), or what its ``spectra`` gives.
    folder : path
        Gets ``catalogue.ecsv`` with a row of each object. Of images, a folder ``NAME`` each with maps, totals
        and a picture; of spectra, ``NAME.png`` and ``NAME_fit.ecsv``; of a cube, ``maps.fits``.
    weigh, refine, model
        As for ``post.infer``.
    resume : bool
        Keep what an earlier run with the same options finished in this folder.
    progress : bool
        Show a bar.
    shard : Shard or str, optional
        Fit every n-th image or spectrum alone, from the i-th: "i/n"; see :func:`dsps_sbi.merge`. Not of
        cubes, and without draws of spectra.
    **options
        Of :class:`~dsps_sbi.survey.images.ImageJob` or :class:`~dsps_sbi.survey.spectra.SpectrumJob`:
        ``n_draws``, ``seed``, ``keep_draws``, ``error_scale`` and others. ``error_scale="fit"`` fits one
        scale to all spectra, and one to each image. Of images ``z_err``, ``z_range``, ``p_z`` and
        ``keep_p_z`` too, the same of all, as for :meth:`dsps_sbi.UniversalPosterior.infer`.

    Returns
    -------
    Table
        The catalogue; rows in the order of the inputs.

    Raises
    ------
    UserError
        If the folder cannot be written, two objects have the same name, the model is not the bundle's, an
        earlier run had other options, or there is nothing to refine with; and what is wrong with the object,
        where there is only one.
    """
    kind, entries = _KINDS[post.kind]
    likelihood = post.weighed_by(model, weigh, refine)
    if refine and likelihood is None:
        raise UserError(
            "refine needs the stellar populations of the bundle: run dsps-sbi fetch, or give their model"
        )
    shard = Shard.of(shard) if isinstance(shard, str) else shard
    if shard is not None and kind is not ImageJob and options.get("keep_draws"):
        raise UserError(f"shard {shard} was given with keep_draws: {WITH_DRAWS}")
    if isinstance(inputs, SpectralCube | CubeSpectra):
        if shard is not None:
            raise UserError(f"shard {shard} was given with a cube: {OF_CUBES}")
        if post.kind != "spectrum":
            raise UserError(f"a cube of spectra was given to a posterior of {post.data_words}: give images")
        spectra = inputs.spectra() if isinstance(inputs, SpectralCube) else inputs
        found = cube_entries(spectra)
        options = with_fitted_scale(post, likelihood, found, options)
        job = CubeJob(post, likelihood, spectra, refine=refine, **options)
        return run(job, found, folder, resume=resume, progress=progress)
    options, reading = image_options(options) if kind is ImageJob else (options, {})
    found = entries(inputs, **reading)
    if post.kind == "spectrum":
        options = with_fitted_scale(post, likelihood, found, options)
    job = kind(post, likelihood, refine=refine, **options)
    return run(job, found, folder, resume=resume, progress=progress, shard=shard)
