"""Radial profiles, growth curves and gradients of a galaxy, every draw by itself, in annuli or ellipses."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy.table import Table

from ..constants import PERCENTILES
from ..errors import UserError
from ..inference.derived import describe
from ..inference.table import ENDINGS, table_of
from .resolved import Resolved

# Points along each side of a pixel by which its share in an annulus is counted
_POINTS = 10
# Quantities that are summed, and given per square kiloparsec; others are means over the mass
_SUMMED = ("log_mass", "log_mass_living", "log_mass_formed", "log_sfr_10", "log_sfr_100")
# Fewest annuli that a gradient is fitted to
_FEWEST = 3


@dataclass(frozen=True)
class Ellipse:
    """Centre and shape of the isophotes that a profile follows.

    Parameters
    ----------
    y, x : float
        Centre, in pixels from 0.
    axis_ratio : float
        Minor over major axis, 0 to 1; 1: circles.
    angle_deg : float
        Of the major axis, from the x axis towards the y axis.

    Raises
    ------
    UserError
        If the ratio is none.
    """

    y: float
    x: float
    axis_ratio: float = 1.0
    angle_deg: float = 0.0

    def __post_init__(self):
        if not 0.0 < self.axis_ratio <= 1.0:
            raise UserError(
                f"axis ratio {self.axis_ratio:g}: expected minor over major axis, above 0 up to 1"
            )

    @classmethod
    def of(cls, resolved: Resolved, round_: bool = False) -> "Ellipse":
        """That of the stellar mass: centroid and second moments of the medians.

        Parameters
        ----------
        resolved : Resolved
        round_ : bool
            Circles about the centroid.
        """
        mass = 10.0 ** np.median(resolved.draws("log_mass"), axis=1).astype(float)
        good = np.isfinite(mass)
        y, x = np.divmod(resolved.pixels[good], resolved.shape[1])
        weight = mass[good] / mass[good].sum()
        y0, x0 = weight @ y, weight @ x
        if round_:
            return cls(y0, x0)
        covariance = np.cov(np.stack([x, y]), aweights=weight, ddof=0)
        small, large = np.linalg.eigvalsh(covariance)
        if small <= 0.0:
            return cls(y0, x0)
        # of the larger one
        axis = np.linalg.eigh(covariance)[1][:, 1]
        angle = np.rad2deg(np.arctan2(axis[1], axis[0])) % 180.0
        return cls(float(y0), float(x0), float(np.sqrt(small / large)), float(angle))

    def radius(self, y, x) -> np.ndarray:
        """Semi-major axis [pixel] of the ellipse through points (...)."""
        angle = np.deg2rad(self.angle_deg)
        dy, dx = np.asarray(y) - self.y, np.asarray(x) - self.x
        along = dx * np.cos(angle) + dy * np.sin(angle)
        across = -dx * np.sin(angle) + dy * np.cos(angle)
        return np.hypot(along, across / self.axis_ratio)

    def shares(self, pixels, width: int, edges) -> np.ndarray:
        """Part of each pixel in each annulus (Annulus, Pixel), by 10 x 10 points in it.

        Parameters
        ----------
        pixels : int array (Pixel,)
        width : int
            Of the image.
        edges : array (Annulus + 1,)
            Semi-major axes [pixel].
        """
        y, x = np.divmod(np.asarray(pixels), width)
        inner = (np.arange(_POINTS) + 0.5) / _POINTS - 0.5
        dy, dx = (part.ravel() for part in np.meshgrid(inner, inner, indexing="ij"))
        radius = self.radius(y[:, None] + dy, x[:, None] + dx)
        place = np.searchsorted(np.asarray(edges), radius, side="right") - 1
        return np.stack([(place == k).mean(axis=1) for k in range(len(edges) - 1)])


@dataclass(frozen=True, eq=False)
class Profile:
    """What the draws of the pixels say of annuli.

    Parameters
    ----------
    ellipse : Ellipse
    edges_kpc : ndarray (Annulus + 1,)
        Semi-major axes, at the median redshift.
    values : dict of str to ndarray (Annulus, Draw)
        log10 of sums per kpc^2 of masses and rates (``log_mass_density``...), means over the mass of others.
    mass_within : ndarray (Annulus, Draw)
        Stellar mass [Msun] within the outer edge of each.
    n_pixels : ndarray (Annulus,)
        Fitted pixels, parts counted as such.
    coverage : ndarray (Annulus,)
        Their area over that of the annulus: below 1 where pixels were not fitted.
    meta : dict
    """

    ellipse: Ellipse
    edges_kpc: np.ndarray
    values: dict
    mass_within: np.ndarray
    n_pixels: np.ndarray
    coverage: np.ndarray
    meta: dict

    @classmethod
    def of(
        cls,
        resolved: Resolved,
        edges_kpc: Sequence[float] | None = None,
        ellipse: Ellipse | None = None,
        quantities: Sequence[str] = ("log_mass", "log_sfr_100", "t50", "av"),
    ) -> "Profile":
        """Of the draws of a galaxy.

        Parameters
        ----------
        resolved : Resolved
        edges_kpc : sequence of float, optional
            Rising semi-major axes, the first may be 0; default: two pixels wide, up to the last fitted one.
        ellipse : Ellipse, optional
            Default: :meth:`Ellipse.of`.
        quantities : sequence of str
            Those with draws; ``log_mass`` is always there.

        Raises
        ------
        UserError
            For edges that do not rise, annuli without any fitted pixel, or a quantity without draws.
        """
        ellipse = Ellipse.of(resolved) if ellipse is None else ellipse
        drawn = {
            name: resolved.draws(name).astype(float) for name in dict.fromkeys(("log_mass", *quantities))
        }
        good = np.all([np.isfinite(values).all(axis=1) for values in drawn.values()], axis=0)
        pixels, scale = resolved.pixels[good], resolved.pixel_kpc
        drawn = {name: values[good] for name, values in drawn.items()}
        if edges_kpc is None:
            farthest = ellipse.radius(*np.divmod(pixels, resolved.shape[1])).max()
            edges_kpc = scale * np.arange(0.0, farthest + 2.0, 2.0)
        edges = np.asarray(edges_kpc, float)
        if edges.ndim != 1 or len(edges) < 2 or edges[0] < 0.0 or not (np.diff(edges) > 0.0).all():
            raise UserError(
                f"radii {edges_kpc}: expected two or more rising numbers from 0 up [kpc]; mend them"
            )
        share = ellipse.shares(pixels, resolved.shape[1], edges / scale)
        n_pixels = share.sum(axis=1)
        if (n_pixels == 0.0).any():
            k = int(np.flatnonzero(n_pixels == 0.0)[0])
            raise UserError(
                f"no fitted pixel is between {edges[k]:.3g} and {edges[k + 1]:.3g} kpc: expected some in "
                "each annulus; give other radii"
            )
        mass = 10.0 ** drawn["log_mass"]
        in_annuli, area = share @ mass, n_pixels[:, None] * resolved.pixel_kpc2
        values = {}
        for name, draws in drawn.items():
            if name in _SUMMED:
                with np.errstate(divide="ignore"):
                    values[f"{name}_density"] = np.log10(share @ 10.0**draws / area)
            else:
                values[name] = share @ (mass * draws) / in_annuli
        whole = np.pi * ellipse.axis_ratio * np.diff((edges / scale) ** 2)
        meta = dict(resolved.maps.meta) | {
            "centre_y": ellipse.y,
            "centre_x": ellipse.x,
            "axis_ratio": ellipse.axis_ratio,
            "angle_deg": ellipse.angle_deg,
            "pixel_kpc": scale,
            "errors_of_sums": resolved.errors_of_sums,
        }
        within = np.cumsum(in_annuli, axis=0)
        return cls(ellipse, edges, values, within, n_pixels, n_pixels / whole, meta)

    @property
    def middle_kpc(self) -> np.ndarray:
        """Middle of each annulus (Annulus,)."""
        return 0.5 * (self.edges_kpc[1:] + self.edges_kpc[:-1])

    def half_mass_radius(self) -> np.ndarray:
        """Semi-major axis [kpc] within which half of the mass of the annuli is (Draw,)."""
        start = np.zeros((1, self.mass_within.shape[1]))
        share = np.concatenate([start, self.mass_within]) / self.mass_within[-1]
        return np.array([np.interp(0.5, column, self.edges_kpc) for column in share.T])

    def gradient(self, name: str = "t50", per_dex: bool = False) -> np.ndarray:
        """Slope of a quantity against radius (Draw,), by least squares over the annuli, all alike.

        Parameters
        ----------
        name : str
            Key of :attr:`values`.
        per_dex : bool
            Against log10 of the radius, else per kpc.

        Raises
        ------
        UserError
            For a quantity that is not there, or fewer than three annuli.
        """
        if name not in self.values:
            raise UserError(f"no profile of {name}: choose from {', '.join(self.values)}")
        if len(self.middle_kpc) < _FEWEST:
            raise UserError(
                f"a gradient over {len(self.middle_kpc)} annuli: expected {_FEWEST} or more; give more radii"
            )
        radius = np.log10(self.middle_kpc) if per_dex else self.middle_kpc
        centred = radius - radius.mean()
        return centred @ self.values[name] / (centred @ centred)

    def table(self) -> Table:
        """A row for each annulus; half-mass radius and gradient of t50 in the metadata, with percentiles."""
        columns = {
            "r_in": ("kpc", "inner semi-major axis"),
            "r_out": ("kpc", "outer semi-major axis"),
            "n_pixels": ("", "fitted pixels, parts counted as such"),
            "coverage": ("", "their area over that of the annulus"),
        }
        known = {name: np.percentile(draws, list(ENDINGS), axis=1) for name, draws in self.values.items()}
        with np.errstate(divide="ignore"):
            known["log_mass_within"] = np.percentile(np.log10(self.mass_within), list(ENDINGS), axis=1)
        rows = []
        for k, (low, high) in enumerate(zip(self.edges_kpc[:-1], self.edges_kpc[1:], strict=True)):
            row = {"r_in": float(low), "r_out": float(high)}
            row |= {"n_pixels": float(self.n_pixels[k]), "coverage": float(self.coverage[k])}
            for name, values in known.items():
                row |= {name + end: _known(v[k]) for end, v in zip(ENDINGS.values(), values, strict=True)}
            rows.append(row)
        for name in known:
            unit, text = _described(name)
            for percentile, ending in ENDINGS.items():
                which = f"{percentile}th percentile" if ending else "median"
                columns[name + ending] = unit, f"{text} ({which})"
        meta = dict(self.meta) | _summary("half_mass_radius_kpc", self.half_mass_radius())
        if "t50" in self.values and len(rows) >= _FEWEST:
            meta |= _summary("t50_gyr_per_kpc", self.gradient("t50"))
        return table_of(rows, columns, meta)


def _described(name):
    if name == "log_mass_within":
        return "dex(solMass)", "log10 of the stellar mass within the outer edge"
    base = name.removesuffix("_density")
    unit, text = describe(base)
    if base != name:
        return unit.replace(")", "/kpc2)"), f"{text}, per square kiloparsec"
    return unit, f"{text}, mean over the mass"


def _summary(name, draws) -> dict:
    low, median, high = np.percentile(draws, PERCENTILES)
    return {name: float(median), f"{name}_p16": float(low), f"{name}_p84": float(high)}


def _known(value):
    return float(value) if np.isfinite(value) else None
