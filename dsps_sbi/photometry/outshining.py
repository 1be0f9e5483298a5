"""The experiment on outshining: simulated resolved galaxies, fitted pixel by pixel and as a whole.

Bright young stars hide the light of old ones, so that the fit of a galaxy's summed light may miss mass that
its pixels show. Galaxies whose mass is known are fitted both ways, under the histories of several bundles.

**Galaxies** of 10^6.5 to 10^11 solar masses are disks of old stars with gradients of age (the centre formed
first), metallicity and dust, and a young population in clumps: stars formed at a constant rate over the last
10 to 100 Myr in 15 to 80 % of the pixels. The specific SFR is that of the main sequence (Speagle et al. 2014)
with a scatter of 0.3 dex, and 0.15 dex more for each dex below 10^9 solar masses: faint galaxies form stars
in bursts. No pixel with young stars has a history that a bundle knows. Less massive galaxies are nearer, as a
survey of one depth sees them. The noise is white, of a sky such that the median pixel has the wanted S/N.

Both fits see the same pixels, those above the cut in S/N, and are compared with the true mass in these.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import jax
import numpy as np
from scipy.ndimage import gaussian_filter

from ..arrays import whole
from ..errors import UserError
from ..inference.derived import MassTable, derive
from ..inference.engine import check_numbers
from ..instruments.jades import JADES_BANDS, JADES_DEPTH_UJY, SNR_BANDS
from ..io.cube import PixelCube
from ..ssp import SSPGrid, load
from .main_sequence import log_sfr
from .model import GalaxyModel
from .side_by_side import side_by_side

QUANTITIES = ("log_mass", "log_sfr_100")
# Lowest redshift, and the highest one of the lowest mass; it grows as the square root of the mass
_Z_LOW, _Z_LEAST = 0.1, 0.3
_BURST_GYR, _CLUMPS = (0.01, 0.1), (0.15, 0.8)
# Histories of old and of young stars
_HISTORIES = ("delayed_tau", "constant")
# Scatter of the specific SFR [dex], and more for each dex below a mass
_SCATTER, _MORE, _BELOW = 0.3, 0.15, 9.0
_MOST_YOUNG = 0.9
_SCALE = 0.4


@dataclass(frozen=True, eq=False)
class Outshining:
    """The experiment's setting.

    Parameters
    ----------
    posts : mapping of str to posterior
        Bundles of images by name: a history of stars each.
    log_mass : (float, float)
        Range of the galaxies' surviving mass [dex Msun], uniform.
    z_most : float
        Highest redshift.
    snr : (float, float)
        Range of the median pixel's S/N in F277W, F356W and F444W, uniform in log.
    sides : tuple of int
        Pixels across a galaxy: resolutions.
    n_draws, seed : int
    snr_min : float
        As of ``infer``.
    ssp : SSPGrid, optional
        Of the galaxies; default: BC03 in the cache.
    models : mapping, optional
        Of bundles by name, instead of those that they find themselves; None: draws are not weighed.

    Raises
    ------
    UserError
        For settings that make no experiment.
    """

    posts: Mapping
    log_mass: tuple[float, float] = (6.5, 11.0)
    z_most: float = 3.0
    snr: tuple[float, float] = (6.0, 50.0)
    sides: tuple[int, ...] = (5, 8, 12)
    n_draws: int = 200
    seed: int = 0
    snr_min: float = 5.0
    ssp: SSPGrid | None = None
    models: Mapping = field(default_factory=dict)

    def __post_init__(self):
        check_numbers(self.n_draws, self.seed, "pixel")
        if not self.posts:
            raise UserError("no bundle is named: give one or more of images, such as photometry")
        spectral = [name for name, post in self.posts.items() if post.data_words == "spectra"]
        if spectral:
            raise UserError(f"bundle {spectral[0]} knows spectra: give bundles of images")
        for name, (low, high), least in (("mass", self.log_mass, 4.5), ("S/N", self.snr, 1.0)):
            if not least <= low < high < np.inf:
                raise UserError(f"{name} from {low:g} to {high:g}: give low < high, from {least:g} up")
        if not _Z_LEAST < self.z_most <= 7.0:
            raise UserError(f"redshifts up to {self.z_most:g}: give a number above {_Z_LEAST:g}, up to 7")
        for side in self.sides or (0,):
            whole(side, "pixels across a galaxy", least=3, most=200)
        object.__setattr__(self, "ssp", load() if self.ssp is None else self.ssp)
        truth = {kind: GalaxyModel.preset(ssp=self.ssp, sfh=kind, lya_escape=0.0) for kind in _HISTORIES}
        object.__setattr__(self, "_truth", truth)

    def settings(self) -> dict:
        """What fits depend on, in plain values."""
        return {
            "bundles": {
                name: post.meta.get("sha256", {}).get("params.safetensors", post.label)
                for name, post in self.posts.items()
            },
            "log_mass": [float(v) for v in self.log_mass],
            "z_most": float(self.z_most),
            "snr": [float(v) for v in self.snr],
            "sides": [int(v) for v in self.sides],
            "n_draws": int(self.n_draws),
            "seed": int(self.seed),
            "snr_min": float(self.snr_min),
            "ssp": self.ssp.name,
        }

    def galaxy(self, number: int) -> tuple[PixelCube, dict]:
        """A simulated galaxy and its truth.

        Parameters
        ----------
        number : int
            Which one; each has random numbers of its own.

        Returns
        -------
        cube : PixelCube
        truth : dict
            ``mass``, ``sfr_100`` [Msun, Msun/yr] of each pixel (Pixel,), ``z``, ``side``, ``snr``.
        """
        rng = np.random.default_rng([self.seed, number])
        log_mass, side = rng.uniform(*self.log_mass), int(rng.choice(self.sides))
        z_high = min(self.z_most, _Z_LEAST * 10.0 ** (0.5 * (log_mass - self.log_mass[0])))
        z = float(np.exp(rng.uniform(np.log(_Z_LOW), np.log(z_high))))
        snr = float(np.exp(rng.uniform(*np.log(self.snr))))
        old, young, universe = self._stars(rng, log_mass, side, z)
        flux, mass, rate = 0.0, 0.0, 0.0
        for kind, theta in zip(_HISTORIES, (old, young), strict=True):
            model = self._truth[kind]
            light, derived = _seen(model, MassTable.from_grid(self.ssp), theta, z, universe)
            flux, mass = flux + light, mass + 10.0 ** derived["log_mass"]
            rate = rate + 10.0 ** derived["log_sfr_100"]
        # of all stars that are left, not of those that formed
        scale = 10.0**log_mass / mass.sum()
        flux, mass, rate = flux * scale, mass * scale, rate * scale
        inside = np.flatnonzero(mass > 0.0)
        bands = [JADES_BANDS.index(name) for name in SNR_BANDS]
        ratio = np.median((flux[inside][:, bands] / JADES_DEPTH_UJY[bands]).mean(axis=1))
        sigma = JADES_DEPTH_UJY * ratio / snr
        noisy = flux + sigma * rng.standard_normal(flux.shape)
        cube = PixelCube(
            noisy, np.broadcast_to(sigma, noisy.shape), JADES_BANDS, z, (side, side),
            mask=mass == 0.0, source=f"galaxy {number}",
        )  # fmt: skip
        return cube, {"mass": mass, "sfr_100": rate, "z": z, "side": side, "snr": snr}

    def _stars(self, rng, log_mass, side, z):
        """Parameters of old and young stars (Pixel, Param) of both models; -inf for the mass of no stars."""
        model = self._truth[_HISTORIES[0]]
        universe = float(model.cosmology.age(np.float32(z)))
        y, x = np.indices((side, side)) - (side - 1) / 2.0
        angle, ratio = rng.uniform(0.0, np.pi), rng.uniform(0.5, 1.0)
        along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        r = (np.hypot(along, across / ratio) / (0.5 * side)).ravel()
        inside = r <= 1.1
        share = np.where(inside, np.exp(-r / _SCALE), 0.0)
        share /= share.sum()
        # clumps: where a smooth random field is highest
        covered = rng.uniform(*_CLUMPS)
        clumps = gaussian_filter(rng.standard_normal((side, side)), 0.12 * side).ravel()
        clumps = inside & (clumps >= np.quantile(clumps[inside], 1.0 - covered))
        duration = float(np.exp(rng.uniform(*np.log(_BURST_GYR))))
        scatter = _SCATTER + _MORE * max(_BELOW - log_mass, 0.0)
        log_ssfr = log_sfr(log_mass, universe) - log_mass + scatter * rng.standard_normal()
        new = min(10.0**log_ssfr * 1e9 * duration, 1.0)
        young = np.where(clumps, min(new / share[clumps].sum(), _MOST_YOUNG), 0.0)
        # old stars: inside out
        log_tau = np.clip(rng.uniform(-0.3, 0.7) + rng.uniform(0.0, 0.5) * r, -1.9, 1.9)
        start = np.clip(rng.uniform(0.03, 0.35) + rng.uniform(0.0, 0.35) * r, 0.02, 0.8) * universe
        met = np.clip(0.3 * (log_mass - 10.0) + rng.normal(0.0, 0.1) - 0.3 * r, -2.2, 0.35)
        dust = np.clip(0.5 + 0.35 * (log_mass - 9.0), 0.1, 2.0) * np.exp(-r) * np.exp(rng.normal(0.0, 0.2))
        extra = rng.uniform(0.0, 0.5)
        common = [met, dust]
        with np.errstate(divide="ignore"):
            masses = np.log10(share * (1.0 - young)), np.log10(share * young)
        of_old = np.stack([log_tau, start, *common, masses[0]], axis=1)
        of_young = np.stack([np.full_like(r, universe - duration), met, dust + extra, masses[1]], axis=1)
        return of_old, of_young, universe

    def fit(self, name: str, cube: PixelCube, truth: dict | None = None) -> dict:
        """Totals of a galaxy by one bundle, both ways.

        Parameters
        ----------
        name : str
            Of the bundle.
        cube : PixelCube
        truth : dict, optional
            Of a simulated galaxy.

        Returns
        -------
        dict of arrays
            ``pixels``, ``integrated`` (Quantity, 3): 16th, 50th and 84th percentile of the totals [dex];
            ``true`` (Quantity,) in the same pixels, ``seen``, the part of the mass that these have;
            ``log_mass`` of the whole galaxy; ``n_pixels``, ``n_trusted``, ``integrated_trusted``. NaN where
            no pixel is bright enough.
        """
        nothing = np.full((len(QUANTITIES), 3), np.nan)
        out = {"pixels": nothing, "integrated": nothing, "true": nothing[:, 0], "seen": 0.0}
        out |= {"n_pixels": 0, "n_trusted": 0, "integrated_trusted": False, "z": cube.redshift}
        if truth is not None:
            total = {key: truth[key].sum() for key in ("mass", "sfr_100")}
            out |= {"log_mass": np.log10(total["mass"]), "snr": truth["snr"], "side": truth["side"]}
            out["log_ssfr"] = np.log10(total["sfr_100"] / total["mass"])
        model = self.models.get(name, "auto")
        options = {"model": model, "weigh": model is not None, "n_draws": self.n_draws, "seed": self.seed}
        try:
            result = self.posts[name].infer(cube, snr_min=self.snr_min, quantities=QUANTITIES, **options)
        except UserError as error:
            if "S/N" not in str(error):
                raise
            return {key: np.asarray(value) for key, value in out.items()}
        table = side_by_side(self.posts[name], cube, result, **options)
        rows = [list(table["quantity"]).index(quantity) for quantity in QUANTITIES]
        for word in ("pixels", "integrated"):
            values = [[table[f"{word}{end}"][row] for end in ("_p16", "", "_p84")] for row in rows]
            out[word] = np.array(values, float)
        out |= {"n_pixels": int(result.fitted.sum()), "n_trusted": result.meta["n_trust_trusted"]}
        out["integrated_trusted"] = table.meta["integrated_trust"] == "trusted"
        if truth is not None:
            inside = [truth[key][result.fitted].sum() for key in ("mass", "sfr_100")]
            out |= {"true": np.log10(inside), "seen": inside[0] / total["mass"]}
        return {key: np.asarray(value) for key, value in out.items()}


def _seen(model, table, theta, z, universe):
    """Fluxes (Pixel, Band) [uJy] and derived quantities of pixels, none of those without stars."""
    there = np.isfinite(theta[:, -1])
    # of one shape whatever the galaxy
    theta = np.float32(np.where(there[:, None], theta, theta[there][:1]))
    n = len(theta)
    filled = np.resize(theta, (-(-n // 64) * 64, theta.shape[1]))
    flux = np.asarray(model.predict_fast(filled, model.band_table(z, trim=False)), float)[:n]
    ages = np.full(len(filled), universe, np.float32)
    found = {key: np.asarray(value, float)[:n] for key, value in _derived(model, table, filled, ages).items()}
    empty = {key: np.where(there, value, -np.inf) for key, value in found.items()}
    return np.where(there[:, None], flux, 0.0), empty


@jax.jit
def _derived(model, table, theta, universe):
    return derive(model.sfh, table, theta, model.names, universe, QUANTITIES)
