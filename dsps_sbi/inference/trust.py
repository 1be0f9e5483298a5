"""How an answer was made, and whether it can be trusted: the one place with the rule.

An answer is **trusted** if all of this holds:

- it was weighed with the exact likelihood: at least 100 effective draws and a Pareto k of at most
  0.7 (method ``is``), or chains with R-hat below 1.05 and at least 100 effective draws (``hmc``);
- its predictive p-value exceeds 0.005 on both sides: a model that does not fit counts, and so do errors that
  are too large (:mod:`dsps_sbi.inference.misfit`); its typicality under training exceeds 0.005 where the
  bundle knows it;
- it has at least 3 bands, and their errors and upper limits lie in the range of training;
- of a spectrum, at least a third of the pixels that could be used are.

Otherwise it is **untrusted**. Without a likelihood it is **unchecked**, whatever else is known.
What a model cannot make at all is another question: of spectra, ``population_p`` says whether other
stellar populations fit better. It is part of this rule where the model has misfit along populations as a
parameter; else it is not, as hardly any real galaxy passes.

Each of the two p-values is close to uniform for data like those of training, so that they call about 1 % of
sound answers untrusted.

Effective draws are counted in independent ones: a quasi-random draw of photometry is worth about two
(:meth:`dsps_sbi.photometry.likelihood.PhotometryLikelihood.n_proposed`). What fails the first
condition by the accident of few draws gets more of them first (:mod:`dsps_sbi.inference.engine`).

Whether the data or the prior make an answer is a word of its own. An answer is **informed** if the standard
deviation of log10 of its mass is at most a tenth of the prior's: 0.23 dex where the prior is 8 dex wide. The
draws of one that is not may be right for the model, and trusted; where its mass lies, the prior decides too.
"""

import enum

import numpy as np

from .misfit import two_sided

FEWEST_EFFECTIVE = 100.0
LARGEST_K = 0.7
LARGEST_R_HAT = 1.05
SMALLEST_P = 0.005
SMALLEST_SHARE = 1.0 / 3.0
# Of the spread of the mass, posterior over prior
LARGEST_SPREAD = 0.1


class Method(enum.IntEnum):
    """What the draws of an answer come from."""

    NONE = -1
    FLOW = 0
    IS = 1
    HMC = 2
    FAILED = 3


class Trust(enum.IntEnum):
    """Verdict on an answer."""

    NONE = -1
    TRUSTED = 0
    UNTRUSTED = 1
    UNCHECKED = 2


class Informed(enum.IntEnum):
    """Whether the data, not the prior, tell the mass."""

    NONE = -1
    YES = 0
    NO = 1


TEXT = {
    Method: {
        Method.NONE: "not fitted",
        Method.FLOW: "draws of the network as they are",
        Method.IS: "draws weighed with the exact likelihood",
        Method.HMC: "Hamiltonian chains on the exact posterior",
        Method.FAILED: "refined without success: draws as good as they got",
    },
    Trust: {
        Trust.NONE: "not fitted",
        Trust.TRUSTED: "weighed, typical of training, and the model fits",
        Trust.UNTRUSTED: "weighed or refined in vain, or odd data",
        Trust.UNCHECKED: "no exact likelihood at hand",
    },
    Informed: {
        Informed.NONE: "not fitted, or no mass is known",
        Informed.YES: f"the mass is known to {LARGEST_SPREAD:g} of the width of the prior or better",
        Informed.NO: "the prior has a part in the mass",
    },
}


def weights_reliable(ess, pareto_k):
    """Whether weights (Object,) are good enough to stand for the posterior."""
    return (np.asarray(ess) >= FEWEST_EFFECTIVE) & (np.asarray(pareto_k) <= LARGEST_K)


def chains_converged(ess, r_hat):
    """Whether chains (Object,) have converged and are long enough."""
    return (np.asarray(ess) >= FEWEST_EFFECTIVE) & (np.asarray(r_hat) < LARGEST_R_HAT)


def informed(spread):
    """Codes of :class:`Informed` (Object,) from spreads of the mass (Object,), posterior over prior."""
    spread = np.asarray(spread)
    told = np.where(spread <= LARGEST_SPREAD, Informed.YES, Informed.NO)
    return np.where(np.isfinite(spread), told, Informed.NONE).astype(np.int8)


def populations_fit(trust, population_p):
    """Verdicts (Object,) of a model that allows for misfit along populations: what still fails is untrusted.

    Parameters
    ----------
    trust : array of int8 (Object,)
    population_p : array (Object,)
        NaN where not known.
    """
    fails = (np.asarray(population_p) <= SMALLEST_P) & (np.asarray(trust) == Trust.TRUSTED)
    return np.where(fails, Trust.UNTRUSTED, trust).astype(np.int8)


def verdict(method, ess, pareto_k, r_hat, ppc_p, typicality, in_range, wave_used=1.0):
    """The rule of this module.

    Parameters
    ----------
    method : array of int (Object,)
        Of :class:`Method`.
    ess, pareto_k, r_hat, ppc_p, typicality : array (Object,)
        NaN where not known.
    in_range : bool array (Object,)
        Whether errors and limits lie in the trained range.
    wave_used : array (Object,)
        Share of the pixels of spectra that are used, of those that could be.

    Returns
    -------
    array of int8 (Object,)
        Of :class:`Trust`.
    """
    method = np.asarray(method)
    sound = np.where(method == Method.IS, weights_reliable(ess, pareto_k), False)
    sound |= (method == Method.HMC) & chains_converged(ess, r_hat)
    usual = ~(np.asarray(typicality) <= SMALLEST_P)
    good = sound & (two_sided(ppc_p) > SMALLEST_P) & usual & np.asarray(in_range)
    good &= np.asarray(wave_used) >= SMALLEST_SHARE
    out = np.where(good, Trust.TRUSTED, Trust.UNTRUSTED)
    out = np.where(method == Method.FLOW, Trust.UNCHECKED, out)
    return np.where(method == Method.NONE, Trust.NONE, out).astype(np.int8)
