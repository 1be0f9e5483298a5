"""Runs of the experiment on outshining, that go on where they stopped, and their tables."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.table import Table
from tqdm.auto import tqdm

from ..errors import UserError
from ..io.cube import PixelCube
from ..io.study_folder import check_numbers, open_study, read_answer, write_answer
from .outshining import QUANTITIES, Outshining

#: Of the folder of a run: where fits are kept
FITS = "fits"
# By what galaxies are told apart, and between which values
BINS = {
    "log_mass": (6.5, 8.0, 9.0, 10.0, 11.0),
    "log_ssfr": (-np.inf, -9.5, -9.0, -8.5, -8.0, np.inf),
    "snr": (0.0, 10.0, 20.0, np.inf),
    "side": (3.0, 6.0, 10.0, np.inf),
}
_MASS = QUANTITIES.index("log_mass")
# Galaxies of a bin, at least, that a number is told of
_FEWEST = 3


@dataclass(frozen=True, eq=False)
class OutshiningResult:
    """What came out of the experiment.

    Parameters
    ----------
    setting : Outshining
    found : dict
        Of each bundle, what :meth:`Outshining.fit` gives as arrays (Galaxy, ...).
    images : list of dict
        Real images by both ways: ``image``, ``bundle`` and what the fit gives.
    n_galaxies, n_left : int
        Galaxies that all bundles have fitted, and fits that were asked for and not made yet.
    """

    setting: Outshining
    found: dict
    images: list
    n_galaxies: int
    n_left: int

    def error(self, bundle: str, way: str) -> np.ndarray:
        """log10 of recovered over true mass (Galaxy,), by ``pixels`` or ``integrated``; NaN without a fit."""
        one = self.found[bundle]
        return one[way][:, _MASS, 1] - one["true"][:, _MASS]

    def outshined(self, bundle: str) -> np.ndarray:
        """log10 of the integrated mass over that summed over pixels (Galaxy,)."""
        one = self.found[bundle]
        return one["integrated"][:, _MASS, 1] - one["pixels"][:, _MASS, 1]

    def groups(self):
        """Names, ranges and members (Galaxy,) of groups of galaxies: all, and the bins of :data:`BINS`."""
        first = next(iter(self.found.values()))
        yield "all", -np.inf, np.inf, np.ones(self.n_galaxies, bool)
        for name, edges in BINS.items():
            for low, high in zip(edges[:-1], edges[1:], strict=True):
                yield name, low, high, (first[name] >= low) & (first[name] < high)

    def table(self) -> Table:
        """A row for each bundle and group of galaxies.

        Of ``pixels`` and ``integrated``: ``bias`` [dex], the median of log10 of recovered over true mass;
        ``bias_err``, its standard error; ``scatter``, half of the central 68 %; ``coverage68``, the share of
        true masses within the stated 68 %. ``outshined``: the median of log10 of the integrated mass over
        that summed over pixels, with ``outshined_err`` and ``outshined_scatter``.
        """
        rows = []
        for bundle, one in self.found.items():
            for by, low, high, members in self.groups():
                fitted = members & np.isfinite(one["pixels"][:, _MASS, 1])
                row = {"bundle": bundle, "by": by, "low": low, "high": high, "n": int(fitted.sum())}
                for way in ("pixels", "integrated"):
                    row |= _scores(way, self.error(bundle, way)[fitted])
                    ends, true = one[way][fitted, _MASS], one["true"][fitted, _MASS]
                    held = (true >= ends[:, 0]) & (true <= ends[:, 2])
                    row[f"{way}_coverage68"] = float(held.mean()) if fitted.any() else np.nan
                found = _scores("outshined", self.outshined(bundle)[fitted])
                row |= {key.removesuffix("_bias"): value for key, value in found.items()}
                rows.append({key.replace("_bias_err", "_err") if "outsh" in key else key: value
                             for key, value in row.items()})  # fmt: skip
        table = Table(rows=rows)
        table.meta |= {"n_galaxies": self.n_galaxies}
        return table

    def between_histories(self, way: str = "pixels") -> dict[str, float]:
        """How the total masses of the first two bundles differ [dex]: median, rms and median size.

        Empty for one bundle.
        """
        if len(self.found) < 2:
            return {}
        one, other = (found[way][:, _MASS, 1] for found in list(self.found.values())[:2])
        off = (other - one)[np.isfinite(one) & np.isfinite(other)]
        if not len(off):
            return {}
        return {
            "median": float(np.median(off)),
            "rms": float(np.sqrt(np.mean(off**2))),
            "median_size": float(np.median(np.abs(off))),
        }

    def image_table(self) -> Table | None:
        """Real images: totals both ways [dex], a row for each image and bundle; None without images."""
        rows = []
        for one in self.images:
            low, middle, high = one["pixels"][_MASS]
            ends = one["integrated"][_MASS]
            row = {"image": one["image"], "bundle": one["bundle"], "z": float(one["z"])}
            row |= {"n_pixels": int(one["n_pixels"]), "n_trusted": int(one["n_trusted"])}
            row |= {"pixels": middle, "pixels_err": (high - low) / 2, "integrated": ends[1]}
            row |= {"integrated_err": (ends[2] - ends[0]) / 2, "outshined": ends[1] - middle}
            rows.append(row | {"integrated_trusted": bool(one["integrated_trusted"])})
        return Table(rows=rows) if rows else None

    def lines(self) -> list[str]:
        """The tables in words."""
        out = []
        for row in self.table():
            if row["by"] not in ("all", "log_mass") or row["n"] < _FEWEST:
                continue
            which = f"10^{row['low']:g} to 10^{row['high']:g} Msun"
            which = "all masses" if row["by"] == "all" else which
            out.append(
                f"{row['bundle']}, {which}, {row['n']} galaxies: recovered over true mass "
                f"{row['pixels_bias']:+.2f} dex by pixels, {row['integrated_bias']:+.2f} by the whole; whole "
                f"over pixels {row['outshined']:+.3f} +- {row['outshined_err']:.3f} dex, scatter "
                f"{row['outshined_scatter']:.2f}"
            )
        names, between = list(self.found), self.between_histories()
        if between:
            out.append(
                f"{names[1]} over {names[0]}, summed over pixels: {between['median']:+.2f} dex in the "
                f"median, {between['rms']:.2f} rms"
            )
        for row in self.image_table() if self.images else ():
            out.append(
                f"{row['image']}, {row['bundle']}: {row['pixels']:.2f} by {row['n_pixels']} pixels, "
                f"{row['integrated']:.2f} by the whole"
            )
        return out


def _scores(name, off) -> dict:
    """Median, its standard error and half of the central 68 % of deviations."""
    if len(off) < _FEWEST:
        return {f"{name}_{word}": np.nan for word in ("bias", "bias_err", "scatter")}
    low, middle, high = np.percentile(off, (16, 50, 84))
    scatter = (high - low) / 2
    # of a median: that of a mean times sqrt(pi / 2)
    error = scatter * np.sqrt(np.pi / 2 / len(off))
    return {
        f"{name}_bias": float(middle),
        f"{name}_bias_err": float(error),
        f"{name}_scatter": float(scatter),
    }


def run_outshining(
    setting: Outshining,
    n_galaxies: int,
    folder=None,
    *,
    images=(),
    at_most: int | None = None,
    progress: bool = False,
) -> OutshiningResult:
    """Simulate galaxies and fit them, pixel by pixel and as a whole; real images too.

    Parameters
    ----------
    setting : Outshining
    n_galaxies : int
    folder : path-like, optional
        Keeps each fit: another run with the same settings goes on there, for more galaxies too.
    images : sequence of PixelCube
        Real ones, with redshifts.
    at_most : int, optional
        Stop after so many new fits: what there is then is scored.
    progress : bool
        Show a bar.

    Raises
    ------
    UserError
        If the folder holds another experiment, or no galaxy is complete.
    """
    check_numbers(n_galaxies, at_most, folder)
    kept = None if folder is None else open_study(folder, setting.settings(), FITS)
    todo = [(name, number) for number in range(n_galaxies) for name in setting.posts]
    todo += [(name, image) for image in images for name in setting.posts]
    found, pictures, made, simulated = {}, [], 0, (None, None)
    bar = tqdm(total=len(todo), unit="fit", disable=not progress)
    for name, which in todo:
        real = isinstance(which, PixelCube)
        label = _label(which) if real else str(which)
        path = None if kept is None else kept / f"{label}_{name}.npz"
        one = read_answer(path)
        if one is None and at_most is not None and made >= at_most:
            continue
        if one is None:
            if not real and simulated[0] != which:
                simulated = which, setting.galaxy(which)
            one = setting.fit(name, which) if real else setting.fit(name, *simulated[1])
            made += 1
            write_answer(path, one)
        if real:
            pictures.append(one | {"image": Path(which.source or label).name, "bundle": name})
        else:
            found[name, which] = one
        bar.update()
    bar.close()
    complete = [i for i in range(n_galaxies) if all((name, i) in found for name in setting.posts)]
    if not complete:
        raise UserError(
            f"no galaxy has the fits of all {len(setting.posts)} bundles yet: go on with a larger at_most"
        )
    stacked = {}
    for name in setting.posts:
        some = [found[name, i] for i in complete]
        stacked[name] = {key: np.array([one[key] for one in some]) for key in some[0]}
    left = len(todo) - len(found) - len(pictures)
    return OutshiningResult(setting, stacked, pictures, len(complete), left)


def _label(cube) -> str:
    """A name for an image: that of its file, and its content."""
    content = hashlib.sha256(np.ascontiguousarray(cube.flux_ujy).tobytes())
    content.update(np.ascontiguousarray(cube.sigma_ujy).tobytes() + cube.mask.tobytes())
    return f"image-{content.hexdigest()[:16]}-z{cube.redshift}"
