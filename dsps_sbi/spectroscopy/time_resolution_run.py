"""Runs of the experiment on time resolution, that go on where they stopped, and their table."""

from dataclasses import dataclass

import numpy as np
from astropy.table import Table
from tqdm.auto import tqdm

from ..errors import UserError
from ..io.study_folder import check_numbers, open_study, read_answer, write_answer
from .time_resolution import QUANTITIES, TimeResolution

#: Of the folder of a run: where posteriors are kept
POSTERIORS = "posteriors"


@dataclass(frozen=True, eq=False)
class TimeResolutionResult:
    """What came out of the experiment.

    Parameters
    ----------
    setting : TimeResolution
    found : dict
        Posteriors by S/N, redshift and model, in the order of the galaxies: all of these have them all.
    n_galaxies : int
        How many galaxies these are.
    n_left : int
        How many posteriors were asked for and not made yet.
    """

    setting: TimeResolution
    found: dict
    n_galaxies: int
    n_left: int

    def table(self) -> Table:
        """A row for each S/N, redshift, prior and quantity.

        ``width`` is half of the central 68 % of the posterior [Gyr], the median over galaxies;
        ``prior_width`` that of the prior, ``posterior_over_prior`` their ratio; ``bias`` [Gyr] the mean
        difference of posterior median and truth, ``bias_err`` its standard error; ``coverage68`` the share of
        truths within the central 68 %; ``converged`` the share of posteriors that could be scored: of 20
        effective draws at least.
        """
        rows, setting = [], self.setting
        for snr in setting.snr:
            for z, prior, model in setting.answers():
                for row in setting.scores(self.found[snr, z, model], z, prior):
                    rows.append({"snr": snr, "universe_gyr": setting.universe_gyr(z)} | row)
        table = Table(rows=rows)
        for name in ("universe_gyr", "width", "prior_width", "bias", "bias_err", "rmse"):
            table[name].unit = "Gyr"
        table.meta |= setting.settings() | {"until_gyr": setting.until_gyr, "n_galaxies": self.n_galaxies}
        return table

    def width_ratio(self, snr: float, z: float, quantity: str, prior: str = "cosmic") -> float:
        """Width at a redshift over that at the highest one, the median over galaxies of their ratios.

        NaN where no galaxy has converged at both.
        """
        i, first = QUANTITIES.index(quantity), self.setting.redshifts[0]
        names = {(at, which): model for at, which, model in self.setting.answers()}
        late, early = (
            self.setting.widths(self.found[snr, at, names[at, prior]], prior)[:, i] for at in (z, first)
        )
        ratio = late / early
        return float(np.median(ratio[np.isfinite(ratio)])) if np.isfinite(ratio).any() else np.nan

    def lines(self) -> list[str]:
        """The table in words."""
        setting, out = self.setting, []
        words = {"t50": "t50", "t90_t10": "t90 - t10"}
        for row in self.table():
            out.append(
                f"S/N {row['snr']:g}, z = {row['z']:g}, prior {row['prior']}: {words[row['quantity']]} +- "
                f"{row['width']:.2f} Gyr, {row['posterior_over_prior']:.2f} of the prior's, bias "
                f"{row['bias']:+.2f} +- {row['bias_err']:.2f}, 68 % hold {100.0 * row['coverage68']:.0f} % "
                f"of {row['n']}"
            )
        for snr in setting.snr:
            for z in setting.redshifts[1:]:
                ratios = ", ".join(f"{words[q]} {self.width_ratio(snr, z, q):.2f}" for q in QUANTITIES)
                out.append(
                    f"S/N {snr:g}: width at z = {z:g} over that at z = {setting.redshifts[0]:g}: {ratios}"
                )
        return out


def run_time_resolution(
    setting: TimeResolution,
    n_galaxies: int,
    folder=None,
    *,
    at_most: int | None = None,
    progress: bool = False,
) -> TimeResolutionResult:
    """Make the posteriors of the experiment.

    Parameters
    ----------
    setting : TimeResolution
    n_galaxies : int
        True histories; each is seen at each S/N and redshift.
    folder : path-like, optional
        Keeps each posterior: another run with the same settings goes on there, for more galaxies too.
    at_most : int, optional
        Stop after so many new posteriors: what there is then is scored.
    progress : bool
        Show a bar.

    Raises
    ------
    UserError
        If the folder holds another experiment, or no galaxy is complete.
    """
    check_numbers(n_galaxies, at_most, folder)
    kept = None if folder is None else open_study(folder, setting.settings(), POSTERIORS)
    cases = [(snr, z, model) for snr in setting.snr for z, model in setting.cases()]
    todo = [(number, *case) for number in range(n_galaxies) for case in cases]
    found, made, bar = {}, 0, tqdm(total=len(todo), unit="posterior", disable=not progress)
    for number, snr, z, model in todo:
        path = None if kept is None else kept / f"{number}_sn{snr:g}_z{z:g}_{model}.npz"
        one = read_answer(path)
        if one is None and at_most is not None and made >= at_most:
            continue
        if one is None:
            one, made = setting.posterior(number, snr, z, model), made + 1
            write_answer(path, one)
        found[number, snr, z, model] = one
        bar.update()
    bar.close()
    complete = [i for i in range(n_galaxies) if all((i, *case) in found for case in cases)]
    if not complete:
        raise UserError(
            f"no galaxy has its {len(cases)} posteriors yet: {len(found)} are there; go on with a larger "
            "at_most"
        )
    by_case = {case: [found[i, *case] for i in complete] for case in cases}
    return TimeResolutionResult(setting, by_case, len(complete), len(todo) - len(found))
