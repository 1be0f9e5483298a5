"""The redshift of an image: all of its pixels share one, and their summed light tells it.

Only a sum over pixels is looked at. The product of the evidences of single pixels would count the light of
one PSF many times, as neighbours share it and their noise, and so would make a redshift far too certain. A
sum counts its light once. What is assumed of it: errors of pixels are independent, unless the image knows its
noise (the relative error of the model's fluxes, beside them, is that of any galaxy), and one history with one
dust screen makes the sum.

Pixels are then fitted at a few redshifts, each as likely as the others, see :func:`equal_redshifts`.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from astropy.table import Table

from ..errors import UserError
from ..inference.edges import EDGE
from ..inference.table import table_of
from ..instruments.filters import FilterSet
from ..io.catalogue import Catalogue
from .redshift.infer import infer_redshifts
from .redshift.summary import density_of

# Redshifts at which pixels are fitted
N_REDSHIFTS = 9
# Their places among the quantiles: of a normal density they have its standard deviation, within 1 %
_OFFSET = 0.65
# A band counts in the sum where it is there in so many of the pixels
_SHARE = 0.5
_FEWEST = 3
# Draws of the redshift, and points of its density
_N_DRAWS, _N_POINTS = 1000, 400


@dataclass(frozen=True, eq=False)
class ImageRedshift:
    """What is known of the redshift of an image, of its summed light.

    Parameters
    ----------
    draws : ndarray (Draw,)
        Of the redshift.
    at : ndarray (Z,)
        Equally likely ones, at which the pixels are fitted.
    best, odds, peaks : float
        As the columns ``z_best``, ``z_odds``, ``z_peaks`` of catalogues.
    trust : str
        Of the fit of the sum.
    quality : dict of float
        Its ``ess``, ``pareto_k`` and ``ppc_p``.
    at_edge : bool
        Whether its mass piles up at an edge of the prior.
    prior : str
        What was known before, in words.
    n_pixels : int
        Pixels that are summed.
    filters : tuple of str
        Bands of the sum.
    noise : str
        Where the noise of the image was learned; empty where errors of pixels are taken as independent.
    """

    draws: np.ndarray
    at: np.ndarray
    best: float
    odds: float
    peaks: float
    trust: str
    quality: dict
    at_edge: bool
    prior: str
    n_pixels: int
    filters: tuple[str, ...]
    noise: str = ""

    @property
    def median(self) -> float:
        """The one in the middle."""
        return float(self.at[len(self.at) // 2])

    def p_z(self, grid) -> np.ndarray:
        """Density (n,) of the redshift at redshifts (n,), a smooth curve through the draws."""
        x, share = density_of(self.draws, np.full(self.draws.size, 1.0 / self.draws.size))
        grid = np.asarray(grid, float)
        at = np.interp(np.log1p(grid), x, share / (x[1] - x[0]), left=0.0, right=0.0)
        return at / (1.0 + grid)

    def meta(self) -> dict:
        """For headers."""
        low, high = np.percentile(self.draws, [16, 84])
        source = f"light of {self.n_pixels} pixels in {len(self.filters)} bands, summed"
        return {
            "redshift": self.median,
            "redshift_p16": float(low),
            "redshift_p84": float(high),
            "redshift_best": self.best,
            "redshift_odds": self.odds,
            "redshift_peaks": int(self.peaks),
            "redshift_trust": self.trust,
            **{f"redshift_{name}": round(value, 4) for name, value in self.quality.items()},
            "redshift_prior": self.prior,
            "redshift_from": f"{source}; errors of pixels {self._errors()}",
            "redshifts_fitted": ", ".join(f"{z:.5g}" for z in self.at),
        }

    def _errors(self):
        return "correlated as the noise is" if self.noise else "independent"

    def table(self) -> Table:
        """Its density: columns ``z`` and ``p``."""
        low, high = self.draws.min(), self.draws.max()
        margin = 0.05 * (high - low) + 1e-4
        grid = np.linspace(max(low - margin, 0.0), high + margin, _N_POINTS)
        rows = [{"z": z, "p": p} for z, p in zip(grid, self.p_z(grid), strict=True)]
        columns = {"z": ("", "redshift"), "p": ("", "density per unit redshift")}
        return table_of(rows, columns, self.meta())

    def notes(self) -> list[str]:
        """What has to be known of it."""
        out = []
        if self.trust != "trusted":
            why = ", ".join(f"{name} {value:.3g}" for name, value in self.quality.items())
            out.append(f"the redshift is {self.trust}, as the fit of the summed light is ({why})")
        if self.at_edge:
            out.append("the mass of the summed light piles up at an edge of the prior: so may the redshift")
        if self.peaks > 1:
            out.append(
                f"{self.peaks:.0f} separate ranges of redshift are possible: maps are means over them, see "
                "redshift.ecsv"
            )
        return out


def equal_redshifts(draws, n: int = N_REDSHIFTS) -> np.ndarray:
    """Redshifts (n,) that stand for draws (Draw,), each as likely as the others.

    They are quantiles at (i - 0.65) / (n - 0.3), i from 1: nine of a normal density have its standard
    deviation.
    """
    return np.float32(np.quantile(draws, (np.arange(1, n + 1) - _OFFSET) / (n + 1.0 - 2.0 * _OFFSET)))


def summed(cube, pixels) -> tuple[Catalogue, int]:
    """The light of some pixels of an image, as that of one galaxy, and how many are summed.

    Parameters
    ----------
    cube : PixelCube
    pixels : int ndarray (Pixel,)
        Those that are fitted.

    Returns
    -------
    catalogue : Catalogue
        Of one galaxy without a redshift, in the bands that most pixels have. Upper limits do not count.
    n : int
        Of the pixels, those that have all of these bands.

    Raises
    ------
    UserError
        If fewer than three bands are left.
    """
    there = (cube.valid & ~cube.upper)[pixels]
    bands = np.flatnonzero(there.mean(axis=0) >= _SHARE)
    order = bands[np.argsort(there[:, bands].mean(axis=0), kind="stable")]
    # bands that lie on other pixels than most go first
    while len(order) > _FEWEST and there[:, order].all(axis=1).mean() < _SHARE:
        order = order[1:]
    whole = there[:, order].all(axis=1)
    if len(order) < _FEWEST or not whole.any():
        raise UserError(
            f"{cube.source or 'the image'} has no {_FEWEST} bands that the same pixels have, whose sum could "
            "tell the redshift: give the redshift"
        )
    rows, bands = pixels[whole], np.sort(order)
    flux = cube.flux_ujy[np.ix_(rows, bands)].astype(float).sum(axis=0)
    sigma = cube.sum_error(rows, bands)
    filters, curves = tuple(cube.filters[i] for i in bands), cube.curves
    if curves is not None:
        filters = FilterSet(filters, *(tuple(a[i] for i in bands) for a in (curves.wave_aa, curves.trans)))
    return Catalogue(flux[None], sigma[None], filters, names=["image"], source=cube.source), len(rows)


def infer_image_redshift(post, cube, pixels, likelihood, prior, *, seed=0, refine=False) -> ImageRedshift:
    """The redshift of an image from the sum of some pixels.

    Parameters
    ----------
    post : PhotometryPosterior
    cube : PixelCube
    pixels : int ndarray (Pixel,)
    likelihood : PhotometryLikelihood
    prior : RedshiftPrior
        Of one galaxy.
    seed : int
    refine : bool
        As of galaxies.

    Raises
    ------
    UserError
        Without a likelihood, and as :func:`summed`.
    """
    if len(prior) != 1:
        raise UserError(f"redshifts of {len(prior)} galaxies for an image: its pixels share one; give that")
    light, n = summed(cube, pixels)
    with warnings.catch_warnings():
        # the mass of all of a galaxy may be beyond what a pixel can have
        warnings.simplefilter("ignore", UserWarning)
        found = infer_redshifts(
            post, light, likelihood, redshift=prior, n_draws=_N_DRAWS, seed=seed, refine=refine,
            quantities=("log_mass",),
        )  # fmt: skip
    z, noise = found.draws("z")[0], "" if cube.noise is None else cube.noise.source
    columns = (float(found.columns[name][0]) for name in ("z_best", "z_odds", "z_peaks"))
    quality = {name: float(found.columns[name][0]) for name in ("ess", "pareto_k", "ppc_p")}
    at_edge = bool(found.columns[EDGE + "log_mass_formed"][0] != 0)
    told = str(found.trust[0]), quality, at_edge, prior.words()
    return ImageRedshift(z, equal_redshifts(z), *columns, *told, n, light.filters, noise)
