"""The part of the command ``train`` that is about a file that describes all of a training."""

import sys
from dataclasses import replace
from pathlib import Path

from ..errors import UserError

# Mocks in each slice, at most, whose answers are refined
_N_REFINED = 2000


def train_from_file(
    path, *, output, name, checkpoint, start, options, guess_steps, check_n, physics, command
) -> bool:
    """Train as a file says, write the bundle, and check it.

    Parameters
    ----------
    path : Path
    output, name, checkpoint, start, guess_steps, check_n
        As options of the command line, which come first; None where the file says them.
    options : dict
        Of the training, those that were given.
    physics : dict of (value, default)
        Options of the command line that the file says: refused.
    command : str
        For the bundle's provenance.

    Returns
    -------
    bool
        Whether the bundle is calibrated; True without a check.

    Raises
    ------
    UserError
        Without a name or an output, and for options that belong into the file.
    """
    from ..bundle.load import load_bundle, save_bundle
    from ..photometry.model_toml import ANY, JADES, TrainingFile

    said = TrainingFile.read(path)
    wrong = [f"--{key.replace('_', '-')}" for key, (value, usual) in physics.items() if value != usual]
    if wrong:
        raise UserError(f"{', '.join(wrong)} beside {path}: the file says what the model is; write it there")
    name = name or said.text("name")
    output = output or said.place("output")
    for key, value in (("name", name), ("output", output)):
        if value is None:
            raise UserError(f'{path} has no {key}: add {key} = "..." above the tables, or give --{key}')
    checkpoint = checkpoint or said.place("checkpoint") or output.with_name(f"{output.name}.ckpt")
    refuse_places(output, checkpoint)
    options = said.training | options
    guess_steps = guess_steps or said.guess_steps
    start = start or said.text("start")
    places = {"name": name, "checkpoint": checkpoint, "command": command}
    begin = {"start": None if start is None else load_bundle(start), "progress": sys.stderr.isatty()}
    begin |= {} if guess_steps is None else {"guess_steps": guess_steps}
    if said.preset in (ANY, JADES) and said.text("instrument") is None:
        model = said.model()
        train = _train_any if said.preset == ANY else _train_jades
        post = train(said, model, options, **places, **begin)
    else:
        model, post = _train_spectra(said, options, **places, **begin)
    save_bundle(post, output)
    print(f"{output}: loss {post.meta['loss']:.3f} after {post.meta['simulations']} simulations")
    return _checked(said.check if check_n is None else replace(said.check, n=check_n), post, model)


def refuse_places(output, checkpoint) -> None:
    """Refuse places that a bundle or a checkpoint cannot have: found out now rather than after hours.

    Raises
    ------
    UserError
    """
    from ..io.folders import output_folder

    if output.exists() and not output.is_dir():
        raise UserError(f"{output} is a file: expected a folder for the bundle; choose another name")
    for path in (output, checkpoint):
        if path is not None:
            output_folder(Path(path).parent)


def _train_any(said, model, options, **rest):
    from ..photometry.universal.train import DEFAULT, train_universal, universal_simulator
    from .train_any_filters import of_batch

    config = replace(DEFAULT, **of_batch(options))
    arch = said.architecture()
    simulator = None if arch is None else universal_simulator(model, arch=arch)
    return train_universal(model, simulator=simulator, config=config, on_record=watch(config.steps), **rest)


def _train_jades(said, model, options, **rest):
    from ..photometry.train import train
    from ..training.trainer import TrainConfig

    config = TrainConfig(**options)
    return train(model, arch=said.architecture(), config=config, on_record=watch(config.steps), **rest)


def _train_spectra(said, options, **rest):
    from ..spectroscopy.preset import SpectrumPreset
    from ..spectroscopy.train import train_spectra
    from ..training.trainer import TrainConfig

    preset = SpectrumPreset.read(said.place("instrument") or said.preset)
    model = preset.model()
    config = TrainConfig(**{"batch": 256} | options)
    rest |= {"simulator": preset.simulator(model), "config": config, "on_record": watch(config.steps)}
    return model, train_spectra(model, **rest)


def watch(steps: int):
    """What is done with each new entry of a training's history: a line, and one more at a plateau."""
    from ..training.plateau import PlateauWatch

    plateau = PlateauWatch(steps, lambda line: print(line, flush=True))

    def tell(record):
        if not sys.stderr.isatty():
            # a training of hours in the background is watched in a file
            seconds = f"{record['seconds']:.0f} s"
            print(f"step {record['step']}: loss {record['loss']:.4f} nat, {seconds}", flush=True)
        plateau(record)

    return tell


def _checked(options, post, model) -> bool:
    from ..calibration.check import check

    if not options.n:
        return True
    if hasattr(post, "for_filters"):
        from ..instruments.jades import JADES_BANDS
        from ..photometry.universal.weight_basis import with_filters

        names = JADES_BANDS if options.filters == ("jades",) else options.filters
        post = post.for_filters(names, *([] if options.floor is None else [options.floor]))
        model = with_filters(model, post.filter_set)
    n_refined = min(options.n, _N_REFINED) if options.refined else 0
    progress = sys.stderr.isatty()
    result = check(post, model, n=options.n, n_draws=options.draws, n_refined=n_refined, progress=progress)
    print(result)
    return result.passed
