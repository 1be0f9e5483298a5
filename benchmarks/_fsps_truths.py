"""What the galaxies of the FSPS atlases are in our definitions, and how that is known.

What the making of the atlases did wrong is undone in :mod:`_fsps`, but for the bands, see :func:`mended`.
What the names of their quantities mean is read off the numbers (:func:`evidence`), not off their names:

- ``mstar`` is the mass of living stars and remnants under Chabrier's IMF. The share of the formed mass that
  it is falls with age as that IMF says with remnants (Renzini & Ciotti 1993, ApJ 416, L49). Without remnants,
  or under Kroupa's IMF, the share is another. Ours is living stars and remnants under Kroupa's;
- the same light needs 0.014 dex more formed mass under Kroupa's IMF (:func:`_fsps.imf_mag`), of which 0.006
  (young) to 0.018 dex (old) more survives: 0.02-0.03 dex in all;
- ``met`` is log10 of Z over 0.0142 (MIST). Ours is over 0.02 (BC03): 0.149 dex less for the same Z;
- ``dust`` is an optical depth at 5500 Angstrom: A_V is 1.086 of it;
- ``sfr`` of the tau atlas is the mean over the last tenth of the age of the Universe: it is not used. Star
  formation over 100 Myr follows from the history. In the Dirichlet atlas ``sfr`` is that of the last step of
  its history, which Dense Basis holds constant over about 10 Myr;
- the Dirichlet atlas's histories are not piecewise constant. Its t50, half of the formed mass, is exact; its
  mean age and star formation over 100 Myr are not known.
"""

from dataclasses import dataclass

import _fsps
import jax
import jax.numpy as jnp
import numpy as np

from dsps_sbi.inference.derived import MassTable, derive

# More formed mass under Kroupa's IMF for the same light of stars above 1 Msun [dex]
IMF_DEX = 0.4 * _fsps.imf_mag()
# Limits of the IMFs of FSPS and BC03 [Msun]
LIMITS = {"chabrier": (0.08, 120.0), "kroupa": (0.1, 100.0)}
_TURN_OFF = np.geomspace(0.7, 100.0, 400)
# Ages of the stars that evidence is sought in [Gyr]
EVIDENCE_GYR = ((0.0, 0.1), (0.1, 1.0), (1.0, 14.0))


@dataclass(frozen=True, eq=False)
class Truths:
    """Galaxies of an atlas; arrays have an axis ``Object``.

    Parameters
    ----------
    z, age_gyr : ndarray
        Redshift, and the age of the Universe there.
    flux : ndarray (Object, Band)
        [uJy], with true band integrals.
    released : ndarray (Object, Band)
        The same with the factor 1 + z alone put right.
    values : dict of str to ndarray
        True quantities in our definitions; ``naive_log_mass`` is that of the atlas.
    mean_age_gyr : ndarray
        Mass-weighted, to sort by.
    sane : bool ndarray
        Galaxies whose making did not fail.
    theta : ndarray (Object, Param)
        Parameters of our model.
    """

    z: np.ndarray
    age_gyr: np.ndarray
    flux: np.ndarray
    released: np.ndarray
    values: dict[str, np.ndarray]
    mean_age_gyr: np.ndarray
    sane: np.ndarray
    theta: np.ndarray


def _per_mass(imf, turn_off):
    """Shares of the formed mass below a turn-off mass, and in remnants of stars above it."""
    mass = np.geomspace(*LIMITS[imf], 4001)
    if imf == "kroupa":
        number = np.where(mass < 0.5, mass**-1.3, 0.5 * mass**-2.3)
    else:
        low = np.exp(-0.5 * ((np.log10(mass) - np.log10(0.08)) / 0.69) ** 2) / mass
        number = np.where(mass < 1.0, low, np.exp(-0.5 * (np.log10(0.08) / 0.69) ** 2) * mass**-2.3)
    heavy = np.where(mass < 40.0, 1.4, 0.5 * mass)
    remnant = np.where(mass < 8.5, 0.077 * mass + 0.48, heavy)
    steps = np.diff(np.log(mass))

    def running(values):
        return np.concatenate([[0.0], np.cumsum(0.5 * (values[1:] + values[:-1]) * steps)])

    alive, dead = running(number * mass**2), running(number * mass * remnant)
    total = alive[-1]
    alive, dead = (np.interp(np.log(turn_off), np.log(mass), a) for a in (alive, dead[-1] - dead))
    return alive / total, dead / total


def surviving(imf, remnants=True):
    """Surviving share of the formed mass at each of the turn-off masses ``_TURN_OFF``."""
    alive, dead = _per_mass(imf, _TURN_OFF)
    return alive + dead if remnants else alive


def kroupa_dex(share):
    """log10 of the surviving share (...) under Kroupa's IMF over one under Chabrier's (...).

    Both are of the same stars: lifetimes are not needed.
    """
    return np.log10(np.interp(share, surviving("chabrier"), surviving("kroupa")) / share)


def evidence(model, truths, data):
    """Surviving share in the tau atlas less what two IMFs say with and without remnants [dex], by age.

    Turn-off masses are those at which our grid, of Kroupa's IMF, has the living share that it has at the
    galaxy's history.
    """
    own = derived(model, truths.theta, truths.age_gyr, ("log_mass_living",))["log_mass_living"]
    turn_off = np.interp(10.0 ** (own - truths.theta[:, -1]), surviving("kroupa", False), _TURN_OFF)
    theirs = data["sfh_tuple"][:, 0] - data["sfh_tuple"][:, 1]
    metrics = {}
    for low, high in EVIDENCE_GYR:
        rows = truths.sane & (truths.mean_age_gyr >= low) & (truths.mean_age_gyr < high)
        for imf in LIMITS:
            for word, remnants in (("with", True), ("without", False)):
                said = np.log10(np.interp(turn_off[rows], _TURN_OFF, surviving(imf, remnants)))
                name = f"evidence.{imf}_{word}_remnants_{low:g}_{high:g}gyr_dex"
                metrics[name] = np.median(theirs[rows] - said)
    return metrics


def derived(model, theta, age_gyr, names):
    """Quantities of parameters of our model, see :func:`dsps_sbi.inference.derived.derive`."""
    out = derive(
        model.sfh,
        MassTable.from_grid(model.ssp),
        jnp.asarray(theta, jnp.float32),
        model.names,
        jnp.asarray(age_gyr, jnp.float32),
        names,
    )
    return {name: np.asarray(value, float) for name, value in out.items()}


@jax.jit
def _exact(model, theta, z):
    one = jnp.vectorize(model.predict, signature="(p),()->(b)")
    return jax.lax.map(lambda pair: one(*pair), (theta, z), batch_size=50)


def mended(model, theta, z, flux):
    """Fluxes (Object, Band) with true band integrals in place of the sums of Dense Basis.

    What an integral is over such a sum depends on the spectrum within the band. That of our model at the
    galaxy's parameters stands for it: the ratio is within a few per cent of one but across steps of the
    sampling, see :mod:`_fsps`.
    """
    sampled, norm = _fsps.through_their_sums(model)
    theta, z = np.float32(theta), np.float32(z)
    integrals = np.asarray(_exact(model, theta, z), float)
    sums = np.asarray(_exact(sampled, theta, z), float) / np.stack([norm(value) for value in z])
    good = (sums > 0.0) & (integrals > 0.0)
    ratio = np.where(good, integrals / np.where(good, sums, 1.0), 1.0)
    # beyond, one of the two sees next to nothing
    return flux * np.clip(ratio, 0.5, 2.0)


def tau_truths(model, data) -> Truths:
    """The delayed-tau atlas, for a model with such histories, of log U = -2."""
    z = data["zval"].ravel()
    age = np.asarray(model.cosmology.age(z), float)
    theta, released, _, sane = _fsps.tau_galaxies(data, age)
    mstar = data["sfh_tuple"][:, 0]
    theta = _ours(model, theta)
    names = ("log_sfr_100", "t50", "mass_weighted_age")
    known = derived(model, theta, age, names)
    values = _common(theta, model.names, mstar) | {name: known[name] for name in names[:2]}
    return _gathered(model, z, age, released, values, known["mass_weighted_age"], sane, theta)


def dirichlet_truths(model, data) -> Truths:
    """The Dirichlet atlas, for a model with such histories, of log U = -2."""
    z = data["zval"].ravel()
    age = np.asarray(model.cosmology.age(z), float)
    theta, released, log_sfr, sane = _fsps.dirichlet_galaxies(data, age)
    theta = _ours(model, theta)
    values = _common(theta, model.names, data["mstar"])
    values |= {"log_sfr_10": log_sfr + IMF_DEX, "t50": data["sfh_tuple_rec"][:, 4] * age}
    mean_age = _fsps.mean_age(model, theta, age)
    return _gathered(model, z, age, released, values, mean_age, sane, theta)


def _ours(model, theta):
    theta = np.array(theta, float)
    theta[:, model.names.index("metallicity")] += _fsps.SOLAR_DEX
    theta[:, -1] += IMF_DEX
    return theta


def _common(theta, names, mstar):
    """Masses, dust and metallicity; theta is in our definitions, mstar in those of the atlas."""
    formed = theta[:, -1]
    share = 10.0 ** (mstar - (formed - IMF_DEX))
    return {
        "log_mass": mstar + IMF_DEX + kroupa_dex(share),
        "naive_log_mass": mstar,
        "log_mass_formed": formed,
        "av": theta[:, names.index("av")],
        "metallicity": theta[:, names.index("metallicity")],
    }


def _gathered(model, z, age, released, values, mean_age, sane, theta):
    low, high = model.prior.z
    flux = np.array(released)
    # our model's age of the Universe has no other redshifts
    some = np.flatnonzero(sane & (z > low) & (z < high))
    flux[some] = mended(model, theta[some], z[some], released[some])
    sane = sane & np.isfinite(flux).all(axis=1) & np.isfinite(values["log_mass"])
    return Truths(z, age, flux, released, values, mean_age, sane, theta)
