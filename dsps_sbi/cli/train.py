"""The commands ``simulate`` and ``train``: those that need an SSP grid."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from ..constants import MOST_SEED
from ..errors import UserError

Preset = Annotated[str, typer.Option(help="Model, noise and masks: jades-pixels.")]
AnyPreset = Annotated[
    str,
    typer.Option(
        help="Model, noise and masks: jades-pixels; any-filters for photometry of any survey; for spectra "
        "miles-optical, miles-optical-wide, sdss, muse, desi, weave, "
        "4most or nirspec-medium."
    ),
]
Sfh = Annotated[
    str,
    typer.Option(
        help="Star formation history: delayed_tau, dirichlet, dirichlet_burst, continuity, constant or burst."
    ),
]
Dust = Annotated[str, typer.Option(help="Dust law: calzetti, noll, salim or charlot_fall.")]
Lya = Annotated[
    float, typer.Option(min=0.0, max=1.0, help="Share of the Lyman alpha photons that leave a galaxy.")
]
Errors = Annotated[
    str,
    typer.Option(help="Errors of the SSPs that bands share: libraries (how much these differ), or none."),
]
LogU = Annotated[
    str, typer.Option(help="Ionisation parameter of the gas: a number, free, or none for no gas.")
]


def _model(preset, sfh, dust, log_u, lya_escape, model_error):
    from ..photometry.emitted import FREE
    from ..photometry.model import GalaxyModel
    from ..photometry.model_error import ModelError

    if model_error not in ("none", "libraries"):
        raise UserError(f"--model-error {model_error}: give 'libraries' or 'none'")
    error = ModelError.shipped() if model_error == "libraries" else None

    words = {"none": None, FREE: FREE}
    try:
        log_u = words[log_u] if log_u in words else float(log_u)
    except ValueError as error:
        raise UserError(f"--log-u {log_u}: give a number such as -2, 'free' or 'none'") from error
    return GalaxyModel.preset(preset, sfh=sfh, dust=dust, log_u=log_u, lya_escape=lya_escape, error=error)


def simulate(
    path: Annotated[Path, typer.Argument(metavar="OUT.h5", help="HDF5 file to write.")],
    n: Annotated[int, typer.Option("--n", min=1, help="Number of mocks.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Of the random numbers.")] = 0,
    preset: Preset = "jades-pixels",
    sfh: Sfh = "delayed_tau",
    dust: Dust = "calzetti",
    log_u: LogU = "-2.0",
    lya_escape: Lya = 1.0,
    model_error: Errors = "none",
    noise: Annotated[
        Path | None,
        typer.Option(help="Depths of a survey, of dsps-sbi noise learn."),
    ] = None,
) -> None:
    """Write a library of mock pixels: parameters, noisy fluxes, sky sigmas, masks, redshifts."""
    from ..io.library import write_library
    from ..photometry.simulator import PhotometrySimulator

    model = _model(preset, sfh, dust, log_u, lya_escape, model_error)
    simulator = _simulator(noise, model) or PhotometrySimulator.jades_pixels(model)
    write_library(path, simulator, n, seed=seed, preset=preset, progress=sys.stderr.isatty())
    print(f"{n} mocks in {path}")


def train(
    ctx: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[MODEL.toml]", help="File that describes all of a training; options come before it."
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder of the bundle.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the bundle.")] = None,
    preset: AnyPreset = "jades-pixels",
    instrument: Annotated[
        Path | None, typer.Option(help="TOML file of an instrument to train for, instead of a preset.")
    ] = None,
    sfh: Sfh = "delayed_tau",
    dust: Dust = "calzetti",
    log_u: LogU = "-2.0",
    lya_escape: Lya = 1.0,
    model_error: Errors = "none",
    steps: Annotated[int | None, typer.Option(min=1, help="Optimiser steps.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Mocks of a step: more on a GPU.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=MOST_SEED, help="Of the random numbers; 0.")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Peak rate; lower than the default with --start.")
    ] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="File to save to and to resume from.")] = None,
    start: Annotated[
        str | None, typer.Option(help="Bundle to begin with: a network as wide, at most as deep.")
    ] = None,
    guess_steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="For spectra and any-filters: steps of the first guess; of spectra it goes on with --start.",
        ),
    ] = None,
    noise: Annotated[
        Path | None,
        typer.Option(help="For jades-pixels: depths of a survey, of dsps-sbi noise learn."),
    ] = None,
    check_n: Annotated[
        int | None,
        typer.Option(
            min=0, help="With a file: mocks in each slice of the check at the end; 10000, 0 for no check."
        ),
    ] = None,
) -> None:
    """Train a posterior on fresh simulations and write it as a bundle; with a file, check it too."""
    from ..bundle.load import load_bundle, save_bundle
    from ..photometry.train import train as train_model
    from ..training.trainer import TrainConfig
    from .train_any_filters import ANY_FILTERS, train_any_filters
    from .train_file import refuse_places, train_from_file
    from .train_spectra import is_spectral, refuse_pixel_options, train_instrument

    given = {"steps": steps, "batch": batch, "learning_rate": learning_rate, "seed": seed}
    given = {key: value for key, value in given.items() if value is not None}
    command = shlex.join(["dsps-sbi", *(ctx.obj or [])])
    if noise is not None and (file is not None or instrument is not None or preset != "jades-pixels"):
        _simulator(noise, None, str(file or instrument or preset))
    if file is not None:
        physics = {"preset": (preset, "jades-pixels"), "instrument": (instrument, None)}
        physics |= {"sfh": (sfh, "delayed_tau"), "dust": (dust, "calzetti"), "log_u": (log_u, "-2.0")}
        physics |= {"lya_escape": (lya_escape, 1.0), "model_error": (model_error, "none")}
        places = {"output": output, "name": name, "checkpoint": checkpoint, "start": start}
        more = {"options": given, "guess_steps": guess_steps, "physics": physics, "command": command}
        more |= {"check_n": check_n}
        if not train_from_file(file, **places, **more):
            raise typer.Exit(2)
        return None
    if check_n is not None:
        raise UserError(f"--check-n {check_n} goes with a file that describes a training: leave it out")
    missing = [option for option, value in (("--output", output), ("--name", name)) if value is None]
    if missing:
        raise UserError(f"{' and '.join(missing)} are missing: give them, or a file that has them")
    refuse_places(output, checkpoint)
    if instrument is not None or is_spectral(preset):
        if instrument is not None and preset != "jades-pixels":
            raise UserError(
                f"--preset {preset} and --instrument {instrument} were given: expected one of them"
            )
        refuse_pixel_options(
            sfh=(sfh, "delayed_tau"),
            dust=(dust, "calzetti"),
            log_u=(log_u, "-2.0"),
            lya_escape=(lya_escape, 1.0),
            model_error=(model_error, "none"),
        )
        source = preset if instrument is None else instrument
        paths = {"output": output, "checkpoint": checkpoint}
        spectral = {"options": given, "start": start, "guess_steps": guess_steps}
        return train_instrument(source, **paths, name=name, command=command, **spectral)
    if preset == ANY_FILTERS:
        physics = {
            "sfh": sfh,
            "dust": dust,
            "log_u": log_u,
            "lya_escape": lya_escape,
            "model_error": model_error,
        }
        more = {"options": given, "start": start, "guess_steps": guess_steps}
        return train_any_filters(
            _model("jades-pixels", **physics),
            output=output,
            checkpoint=checkpoint,
            name=name,
            command=command,
            **more,
        )
    if guess_steps is not None:
        raise UserError(f"--guess-steps {guess_steps} is for spectra and any-filters: leave it out")
    config = TrainConfig(**given)
    model = _model(preset, sfh, dust, log_u, lya_escape, model_error)
    progress = sys.stderr.isatty()
    post = train_model(
        model,
        simulator=_simulator(noise, model),
        config=config,
        name=name,
        checkpoint=checkpoint,
        start=None if start is None else load_bundle(start),
        progress=progress,
        command=command,
    )
    save_bundle(post, output)
    scores = post.meta["validation"]
    print(f"{output}: loss {post.meta['loss']:.3f} after {post.meta['simulations']} simulations")
    for quantity in post.quantities:
        row = scores[quantity]
        print(
            f"{quantity:>18}: r2 {row['r2']:.3f}  rmse {row['rmse']:.3f}  coverage68 {row['coverage68']:.3f}"
        )


def _simulator(path, model, preset="jades-pixels"):
    """Noise that was learned of a survey, with the bands and masks of a preset; None without a path."""
    if path is None:
        return None
    from ..io.noise_file import read_noise
    from ..photometry.simulator import PhotometrySimulator

    if preset != "jades-pixels":
        raise UserError(
            f"--noise {path} was given with {preset}, which knows any depth or has noise of its own: give it "
            "to dsps-sbi infer, or leave it out"
        )
    return PhotometrySimulator.of_survey(model, read_noise(path))


def typicality(
    bundle: Annotated[str, typer.Argument(help="Name or folder of a bundle.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the new bundle.")],
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Of the random numbers.")] = 0,
) -> None:
    """Give a bundle what tells unusual data without stellar populations; train does so at its end."""
    from ..bundle.load import load_bundle, save_bundle
    from ..photometry.typicality import fit_typicality

    post = load_bundle(bundle)
    if hasattr(post, "for_filters"):
        from ..photometry.universal.train import with_typicality

        post = with_typicality(post, seed=seed)
    else:
        post = fit_typicality(post, post.simulator(post.model()), seed=seed)
    save_bundle(post, output)
    print(f"{output}: measured on {post.meta['typicality']['mocks']} mocks")
