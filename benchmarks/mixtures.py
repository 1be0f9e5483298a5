"""Are the errors right for galaxies that are free mixtures of SSPs, as least squares find them in real ones?

The truths are not of our prior: non-negative weights of all SSPs of the grid that are younger than the
Universe, as fits by mixtures (pPXF, STARLIGHT) find them in galaxies of SDSS and in stacks of MaNGA,
regularised (``smooth``) and not. Every mock has weights of its own, as each is fitted to the galaxy with the
signs of its residuals thrown anew (wild bootstrap, Davidson & Flachaire 2008, J. Econometrics 146, 162). The
mocks have the network's pixels of the preset ``miles-optical-wide``, the galaxy's velocity dispersion, S/N 30
or 100, and no misfit: all that the model lacks is the history. The posteriors are those of the exact
likelihood (``_spectrum_search.py``), as no network is trained for that model.

Mass-weighted age and [M/H] at each S/N: ``coverage68``, ``bias_sigma`` (median of estimate less truth in
units of the errors), ``rmse``, and of the trusted ones the same. ``--keep FILE`` holds what is done.
"""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from _contract import data_folder, options, report, terms
from _spectrum_search import posterior
from real_spectra import model_of, of_folder, scaled
from scipy.optimize import nnls

from dsps_sbi.kernels.amplitude import amplitude
from dsps_sbi.spectroscopy.by_prior import PriorLikelihood

SNR = (30, 100)
# Strength of the regularisation, of differences between neighbouring ages and metallicities
SMOOTH = 0.3
_SIGMAS_KM_S = (60.0, 100.0, 150.0, 200.0, 260.0)


def fitted(light, flux, sigma, poly, smooth, shape):
    """Non-negative shares of light (SSP,) of spectra (SSP, Pixel), and the fit (Pixel,)."""
    rows, right = (light * poly / sigma).T, flux / sigma
    if smooth:
        unit = np.eye(len(light)).reshape(*shape, -1)
        differences = [np.diff(unit, axis=axis).reshape(-1, len(light)) for axis in (0, 1)]
        more = smooth * np.sqrt(len(flux)) * np.concatenate(differences)
        rows, right = np.concatenate([rows, more]), np.concatenate([right, np.zeros(len(more))])
    shares, _ = nnls(rows, right)
    return shares, shares @ (light * poly)


class Galaxy:
    """What least squares find in one spectrum, at the velocity dispersion that fits it best."""

    def __init__(self, likelihood, spectrum):
        self.model, self.view = likelihood.model, likelihood.observed(scaled(spectrum), 0.0)
        target = self.view.target
        self.used = np.asarray(target.used)
        data = (np.asarray(a, float)[self.used] for a in (target.flux, target.sigma))
        self.flux, self.sigma = data
        young = self.model.grids[0.0].age_gyr <= float(target.view.universe_gyr)
        light = np.asarray(self.model.light)[:, young]
        self.shape, self.young = light.shape[:2], young
        self.light = jnp.asarray(light.reshape(-1, light.shape[-1]))
        self.terms = np.polynomial.legendre.legvander(np.linspace(-1, 1, self.flux.size), 8)
        found = [(self._at(sigma_v), sigma_v) for sigma_v in _SIGMAS_KM_S]
        (_, self.seen, self.unit, self.poly, self.fit), self.sigma_v = min(found, key=lambda one: one[0][0])

    def _at(self, sigma_v):
        theta = jnp.zeros(len(self.model.names)).at[self.model.names.index("sigma_v")].set(sigma_v)
        seen = np.asarray(_seen(self.model, self.light, theta, self.view.target.view), float)[:, self.used]
        unit = np.median(seen, axis=1) / np.median(self.flux)
        seen, poly = seen / unit[:, None], np.ones(self.flux.size)
        for _ in range(4):
            _, fit = fitted(seen, self.flux, self.sigma, poly, 0.0, self.shape)
            bare = fit / poly
            terms = self.terms * (bare / self.sigma)[:, None]
            poly = self.terms @ np.linalg.lstsq(terms, self.flux / self.sigma, rcond=None)[0]
        _, fit = fitted(seen, self.flux, self.sigma, poly, 0.0, self.shape)
        return np.sum(((self.flux - fit) / self.sigma) ** 2), seen, unit, poly, fit

    def mixture(self, smooth, rng):
        """Formed mass (Met, Age) of the SSPs of one mock."""
        flipped = self.fit + rng.choice([-1.0, 1.0], self.fit.size) * (self.flux - self.fit)
        shares, _ = fitted(self.seen, flipped, self.sigma, self.poly, smooth, self.shape)
        return (shares / self.unit).reshape(self.shape)


@jax.jit
def _seen(model, light, theta, view):
    return model.seen(light, theta, view)


def mock(likelihood, galaxy, mass, snr, seed):
    """A spectrum in the network's pixels, and the true mass-weighted age and [M/H]."""
    model = likelihood.model
    view, mass = model.view(0.0), mass / mass.sum()
    light = jnp.asarray(mass.reshape(-1), jnp.float32) @ galaxy.light
    theta = jnp.zeros(len(model.names)).at[model.names.index("sigma_v")].set(galaxy.sigma_v)
    flux = _seen(model, light, theta, view)
    flux = flux / jnp.median(flux)
    sigma = amplitude(flux[None])[0] / snr * jnp.ones_like(flux)
    flux = flux + sigma * jax.random.normal(jax.random.key(seed), flux.shape)
    ages = model.grids[0.0].age_gyr[galaxy.young]
    truth = np.sum(mass * ages), np.sum(mass * np.asarray(model.nodes)[:, None])
    z = model.prior.z[0]
    return likelihood.observed_mock(*(np.asarray(a) for a in (flux, sigma, view.valid)), z), truth


def estimates(likelihood, found, universe_gyr):
    """Median, half of 16-84 %, and percentiles (3,) of mass-weighted age and [M/H]."""
    model = likelihood.model
    theta = model.prior.from_normal(jnp.asarray(found.u), universe_gyr)
    age = model.sfh.mean_age(theta[:, : len(model.sfh.names)], universe_gyr)
    # linear in the share of mass: that of half of the mass is the mean, where the grid does not end
    both = np.stack([np.asarray(age), np.asarray(model.column(theta, "metallicity"))])
    return np.quantile(both, (0.16, 0.5, 0.84), axis=1).T


def summary(rows) -> dict[str, float]:
    """Coverage, bias and scatter by S/N and kind; all, and trusted ones."""
    out = {}
    for snr in SNR:
        for label, keep in (("", lambda row: True), ("_trusted", lambda row: row["trusted"])):
            some = [row for row in rows.values() if row["snr"] == snr and keep(row)]
            out[f"sn{snr}.mocks{label}"] = len(some)
            if not some:
                continue
            for i, name in enumerate(("mass_weighted_age", "metallicity")):
                low, middle, high = np.transpose([row["found"][i] for row in some])
                truth = np.array([row["truth"][i] for row in some])
                key = f"sn{snr}.{name}"
                out[f"{key}.coverage68{label}"] = np.mean((low <= truth) & (truth <= high))
                out[f"{key}.bias_sigma{label}"] = np.median((middle - truth) / (0.5 * (high - low)))
                out[f"{key}.rmse{label}"] = np.sqrt(np.mean((middle - truth) ** 2))
    return out


def main():
    parser = options(__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with sdss and etg_stacks; default: the test data's")
    parser.add_argument("--mocks", type=int, default=300, help="at each S/N")
    parser.add_argument("--keep", type=Path, help="file of what is done")
    parser.add_argument("--seed", type=int, default=6)
    args = parser.parse_args()
    spectra = of_folder(data_folder(parser, args.data, "spectra"), args.quick)
    likelihood = PriorLikelihood.of(model_of(True, False))
    galaxies = {name: Galaxy(likelihood, one) for name, one in spectra.items()}
    n = 1 if args.quick else args.mocks
    sizes = {"n_prior": 250, "n_climb": 1, "n_draws": 250, "n_iterations": 0} if args.quick else {}
    rows = json.loads(args.keep.read_text()) if args.keep is not None and args.keep.exists() else {}
    for i in range(n):
        name = list(galaxies)[i % len(galaxies)]
        smooth = SMOOTH if (i // len(galaxies)) % 2 else 0.0
        mass = galaxies[name].mixture(smooth, np.random.default_rng([args.seed, i]))
        for snr in SNR[: 1 if args.quick else None]:
            key = f"{i}.sn{snr}"
            if key in rows:
                continue
            view, truth = mock(likelihood, galaxies[name], mass, snr, args.seed + i)
            found = posterior(likelihood, view, args.seed + i, **sizes)
            of = estimates(likelihood, found, view.target.view.universe_gyr)
            rows[key] = {"galaxy": name, "smooth": bool(smooth), "snr": snr, "truth": list(map(float, truth))}
            rows[key] |= {"found": of.tolist(), "trusted": found.trusted, "ess": found.ess}
            print(key, rows[key], flush=True)
            if args.keep is not None:
                args.keep.write_text(json.dumps(rows))
    report(
        args.json,
        terms(
            preset="miles-optical-wide",
            mocks=n,
            galaxies=list(galaxies),
            answer="exact likelihood: climbs from the prior, population Monte Carlo; no network",
            regularisation=SMOOTH,
            seed=args.seed,
        ),
        {name: float(value) for name, value in summary(rows).items()},
    )


if __name__ == "__main__":
    main()
