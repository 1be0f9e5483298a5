"""The part of the command ``train`` that is about spectra."""

import sys

from ..errors import UserError


def is_spectral(preset: str) -> bool:
    """Whether a preset is one of spectra."""
    from ..spectroscopy.preset import spectral_presets

    return preset in spectral_presets()


def refuse_pixel_options(**given) -> None:
    """Refuse options of pixels; ``given`` has the value and the default of each.

    Raises
    ------
    UserError
        Naming the first that is not at its default.
    """
    for name, (value, default) in given.items():
        if value != default:
            option = name.replace("_", "-")
            raise UserError(f"--{option} {value} is for presets of pixels: leave it out to train for spectra")


def train_instrument(
    source, *, output, name, checkpoint, command, options, start=None, guess_steps=None
) -> None:
    """Train for a preset of spectra, or the TOML file of an instrument, and write the bundle.

    Parameters
    ----------
    source : str or path
    output, checkpoint : Path
        The latter may be None.
    name, command : str
        For the bundle's provenance.
    options : mapping
        Of :class:`dsps_sbi.TrainConfig`, those that were given.
    start : str or None
        Name or folder of the bundle to begin with.
    guess_steps : int or None
        Of the first guess.
    """
    from ..bundle.load import load_bundle, save_bundle
    from ..spectroscopy.preset import SpectrumPreset
    from ..spectroscopy.train import train_spectra
    from ..training.trainer import TrainConfig

    preset = SpectrumPreset.read(source)
    config = TrainConfig(**{"batch": 256} | dict(options))
    model = preset.model()
    post = train_spectra(
        model,
        simulator=preset.simulator(model),
        config=config,
        name=name,
        checkpoint=checkpoint,
        start=None if start is None else load_bundle(start),
        guess_steps=guess_steps,
        command=command,
        progress=sys.stderr.isatty(),
    )
    save_bundle(post, output)
    print(f"{output}: loss {post.meta['loss']:.3f} after {post.meta['simulations']} simulations")
