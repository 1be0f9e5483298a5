"""A whole training of photometry in one TOML file: physics, priors, sizes, and the check at its end."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np

from ..components import from_entry
from ..dust import LAWS
from ..errors import UserError
from ..instruments.filters import FilterSet
from ..io.toml_file import read_toml
from ..priors import Prior, Uniform
from ..sfh import FAMILIES
from ..ssp import load, read_grid
from ..ssp.fetch import FILES
from ..training.trainer import TrainConfig
from .emitted import FREE
from .model import GalaxyModel
from .model_error import ModelError
from .network import PhotometryArchitecture
from .prior import photometry_prior
from .universal.network import UniversalArchitecture

# Presets of photometry, and their networks
JADES, ANY = "jades-pixels", "any-filters"
_ARCHITECTURES = {JADES: PhotometryArchitecture, ANY: UniversalArchitecture}
_MODEL = ("ssp", "sfh", "dust", "log_u", "lya_escape", "model_error")
_RANGES = ("metallicity", "av", "log_mass_formed", "z")
_TEXTS = ("name", "output", "preset", "instrument", "checkpoint", "start")
_TABLES = ("model", "prior", "network", "training", "check")
# Ionisation parameters that there is gas of
_LOG_U = (-4.0, -1.0)


@dataclass(frozen=True)
class CheckOptions:
    """The check at the end of a training, see ``dsps-sbi check``.

    Parameters
    ----------
    n : int
        Mocks in each slice; 0 for no check.
    draws : int
    refined : bool
    filters : tuple of str
        Of a bundle for any filters; ``jades`` for the 19 of JADES.
    floor : float or None
    """

    n: int = 10_000
    draws: int = 200
    refined: bool = False
    filters: tuple[str, ...] = ("jades",)
    floor: float | None = None


@dataclass(frozen=True, eq=False)
class TrainingFile:
    """What a file says of a training.

    Parameters
    ----------
    path : Path
    said : mapping
        Its content, checked.
    """

    path: Path
    said: Mapping = field(default_factory=dict)

    @classmethod
    def read(cls, path) -> "TrainingFile":
        """Read and check a file.

        Raises
        ------
        UserError
            If it is no TOML, has keys that nobody knows (with the nearest that are known), or values of
            another kind.
        """
        path = Path(path)
        said = read_toml(path)
        try:
            _check(said)
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
        return cls(path, said)

    def text(self, key: str) -> str | None:
        """One of the texts above the tables; None where it is not there."""
        return self.said.get(key)

    def place(self, key: str) -> Path | None:
        """A path, relative to the folder of the file."""
        value = self.text(key)
        return None if value is None else self.path.parent / value

    @property
    def preset(self) -> str:
        """Of photometry by default any filters; else that of an instrument of spectra."""
        return self.said.get("preset", ANY)

    @property
    def training(self) -> dict:
        """Options of the :class:`~dsps_sbi.TrainConfig` that are there, without ``guess_steps``."""
        return {key: value for key, value in self.said.get("training", {}).items() if key != "guess_steps"}

    @property
    def guess_steps(self) -> int | None:
        """Steps of the first guess."""
        return self.said.get("training", {}).get("guess_steps")

    @property
    def check(self) -> CheckOptions:
        """The check at the end."""
        values = dict(self.said.get("check", {}))
        if isinstance(values.get("filters"), str):
            values["filters"] = [values["filters"]]
        if "filters" in values:
            values["filters"] = tuple(values["filters"])
        return CheckOptions(**values)

    def architecture(self):
        """Sizes of the network; None for the defaults."""
        given = self.said.get("network")
        return None if given is None else _ARCHITECTURES[self.preset](**given)

    def model(self, ssp=None) -> GalaxyModel:
        """The model, with SSPs from the cache or a file unless they are given.

        Raises
        ------
        UserError
            For components, priors and SSPs that cannot be used.
        """
        try:
            return self._model(ssp)
        except UserError as error:
            raise UserError(f"{self.path}: {error}") from error

    def _model(self, ssp):
        given = self.said.get("model", {})
        sfh = _component(given.get("sfh", "delayed_tau"), FAMILIES, "star formation history")
        dust = _component(given.get("dust", "calzetti"), LAWS, "dust law")
        log_u = given.get("log_u", -2.0)
        log_u = None if log_u == "none" else log_u
        error = ModelError.shipped() if given.get("model_error", "none") == "libraries" else None
        prior = _prior(self.said.get("prior", {}), sfh, dust, log_u)
        name = given.get("ssp", "bc03-miles")
        if ssp is None:
            ssp = load(name) if name in FILES else read_grid(self.path.parent / name)
        more = {"log_u": log_u, "lya_escape": given.get("lya_escape", 1.0), "error": error}
        return GalaxyModel(ssp, FilterSet.from_names(), prior, sfh=sfh, dust=dust, **more)


def _component(given, kinds, what):
    return from_entry(dict(given) if isinstance(given, Mapping) else {"kind": given}, kinds, what)


def _prior(given: Mapping, sfh, dust, log_u) -> Prior:
    """The prior of a model with the bounds that are given."""
    ranges = {name: tuple(map(float, given[name])) for name in _RANGES if name in given}
    prior = photometry_prior(sfh, dust, free_log_u=log_u == FREE, **ranges)
    marginals = dict(prior.marginals)
    for name in (name for name in given if name not in _RANGES):
        if name not in marginals:
            raise UserError(
                f"[prior] {name} is no parameter of this model{_nearest(name, [*marginals, 'z'])}"
            )
        old, (low, high) = marginals[name], map(float, given[name])
        if not isinstance(old, Uniform):
            raise UserError(
                f"[prior] {name} = {given[name]}: its prior is a {type(old).__name__}, which has no bounds "
                "to choose; leave it out"
            )
        if name == "log_u" and not _LOG_U[0] <= low < high <= _LOG_U[1]:
            raise UserError(
                f"[prior] log_u = {given[name]}: give bounds within {_LOG_U[0]:g} to {_LOG_U[1]:g}"
            )
        marginals[name] = replace(old, low=low, high=high)
    return Prior(marginals, prior.z)


def _check(said):
    _known(said, (*_TEXTS, *_TABLES), "the file")
    for key in _TEXTS:
        if not isinstance(said.get(key, ""), str):
            raise UserError(f"{key} = {said[key]!r}: give a text in quotes")
    for table in _TABLES:
        if not isinstance(said.get(table, {}), Mapping):
            raise UserError(f"{table} = {said[table]!r}: give a table [{table}]")
    if "preset" in said and "instrument" in said:
        raise UserError(f"preset {said['preset']} and instrument {said['instrument']}: give one of them")
    preset = None if "instrument" in said else said.get("preset", ANY)
    if preset not in _ARCHITECTURES:
        wrong = [f"[{table}]" for table in ("model", "prior", "network") if table in said]
        if wrong:
            raise UserError(
                f"{' and '.join(wrong)} beside {preset or said['instrument']}, which is of spectra: priors "
                "and SSPs stand in the file of the instrument; leave the table out"
            )
    _known(said.get("model", {}), _MODEL, "[model]")
    for key in ("ssp", "model_error"):
        value = said.get("model", {}).get(key, "")
        if not isinstance(value, str) or (key == "model_error" and value not in ("", "none", "libraries")):
            expected = "'libraries' or 'none'" if key == "model_error" else "the name of a grid, or a file"
            raise UserError(f"[model] {key} = {value!r}: give {expected}")
    log_u = said.get("model", {}).get("log_u", FREE)
    if not (log_u in (FREE, "none") or _is_number(log_u)):
        raise UserError(f"[model] log_u = {log_u!r}: give a number such as -2, 'free' or 'none'")
    for name, value in said.get("prior", {}).items():
        good = isinstance(value, list) and len(value) == 2 and all(map(_is_number, value))
        if not good or not value[0] < value[1]:
            raise UserError(f"[prior] {name} = {value!r}: give two numbers, low < high")
    if preset in _ARCHITECTURES:
        _numbers(said.get("network", {}), _ARCHITECTURES[preset](), "[network]")
    training = dict(said.get("training", {}))
    guess = training.pop("guess_steps", 1)
    if type(guess) is not int or guess < 1:
        raise UserError(f"[training] guess_steps = {guess!r}: give a positive integer")
    _known(training, [*(f.name for f in fields(TrainConfig)), "guess_steps"], "[training]")
    _numbers(training, TrainConfig(), "[training]")
    check = dict(said.get("check", {}))
    filters, floor = check.pop("filters", []), check.pop("floor", 0.05)
    _known(check, [f.name for f in fields(CheckOptions)], "[check]")
    names = [filters] if isinstance(filters, str) else filters
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError(f"[check] filters = {filters!r}: give names of filters, or 'jades'")
    if not _is_number(floor):
        raise UserError(f"[check] floor = {floor!r}: give a number such as 0.05")
    _numbers(check, CheckOptions(), "[check]")


def _numbers(given, usual, where):
    """Refuse values of another kind than the defaults have."""
    _known(given, [f.name for f in fields(usual)], where)
    for name, value in given.items():
        kind = type(getattr(usual, name))
        if type(value) is not kind and not (kind is float and _is_number(value)):
            words = {int: "a whole number", float: "a number", bool: "true or false"}[kind]
            raise UserError(f"{where} {name} = {value!r}: give {words}, such as {getattr(usual, name)}")


def _is_number(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def _known(table, keys, where):
    unknown = sorted(set(table) - set(keys))
    if unknown:
        raise UserError(f"{where} has the unknown key {unknown[0]}{_nearest(unknown[0], keys)}")


def _nearest(name, known) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    hint = f": do you mean {close[0]}? " if close else ": "
    return f"{hint}It may have {', '.join(known)}; mend or remove it"
