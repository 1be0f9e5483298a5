r"""How wrong SSPs are: smooth relative errors over rest wavelength, which bands share.

Libraries and codes differ at equal ages and metallicities, most below 3000 Angstrom, in the near infrared,
for stars of 0.1 to 1 Gyr and for the metal-poor. The light of stars of the p-th range of ages is

.. math:: f_p(\lambda) \, [1 + \sum_m a_m s_m([\mathrm{M/H}]) \varphi_{mp}(\lambda)]

with unit normal amplitudes :math:`a_m` of each galaxy's own. The modes :math:`\varphi` are the principal
components of what differs between BC03-MILES and other libraries, the factors :math:`s` how much more they
differ at some metallicities than at others, see ``benchmarks/model_error.py``. A grey
difference is degenerate with the mass: ``grey_dex`` is its scatter, which quantities that scale with mass
have beside what the data say. Where few libraries tell that scatter, what another library does follows
Student's t distribution of as many degrees of freedom (Gelman et al. 2013, Bayesian Data Analysis, 3rd ed.,
section 3.2, of a known mean): its tails are wide.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from ..components import constant, pytree
from ..errors import UserError
from ..kernels.csp import metallicity_weights
from ..kernels.full_precision import matmul

_KEY = 20_261_127
_FILE = Path(__file__).parent / "model_error.json"


@pytree(
    arrays=("log_wave", "amplitudes"),
    static=("edges_gyr", "grey_dex", "grey_dof", "metallicity", "strength"),
    aside=("wave_aa", "modes", "source"),
)
@dataclass(frozen=True, eq=False)
class ModelError:
    """Smooth errors of the SSPs; a pytree.

    Parameters
    ----------
    wave_aa : ndarray (Wave,)
        Rest wavelengths [Angstrom], increasing.
    modes : ndarray (Mode, Part, Wave)
        Relative errors of one standard deviation, for stars of each range of ages; constant beyond the ends.
    edges_gyr : tuple of float
        Ages [Gyr] between the ranges.
    grey_dex : float
        Standard deviation of the mass-to-light ratio [dex].
    source : str
        What they come from.
    metallicity : tuple of float (Node,)
        [M/H], increasing, at which ``strength`` is given; none if the errors do not depend on it.
    strength : tuple of tuple (Mode, Node)
        Factors of the modes there; linear in between, constant beyond the ends.
    grey_dof : int
        Number of libraries that ``grey_dex`` is the root mean square of: degrees of freedom of the scatter; 0
        for a normal one.

    Raises
    ------
    UserError
        For shapes that do not fit together.
    """

    wave_aa: np.ndarray
    modes: np.ndarray
    edges_gyr: tuple[float, ...]
    grey_dex: float = 0.0
    source: str = "unknown"
    metallicity: tuple[float, ...] = ()
    strength: tuple[tuple[float, ...], ...] = ()
    grey_dof: int = 0

    def __post_init__(self):
        wave, modes = np.asarray(self.wave_aa, float), np.asarray(self.modes, float)
        if modes.ndim != 3 or modes.shape[1:] != (len(self.edges_gyr) + 1, len(wave)):
            raise UserError(
                f"model error of modes {modes.shape}: expected (modes, {len(self.edges_gyr) + 1} ranges of "
                f"ages, {len(wave)} wavelengths); give these"
            )
        if not (np.all(np.isfinite(modes)) and np.all(np.diff(wave) > 0.0) and wave[0] > 0.0):
            raise UserError("model error with wavelengths that do not increase, or with NaN: mend its table")
        nodes = np.asarray(self.metallicity, float)
        strength = np.asarray(self.strength, float).reshape(-1, len(nodes)) if len(nodes) else np.ones((0, 0))
        if len(nodes) and (len(strength) != len(modes) or not (strength >= 0.0).all()):
            raise UserError(
                f"model error with factors of shape {np.shape(self.strength)}: expected ({len(modes)} modes, "
                f"{len(nodes)} metallicities), none negative; give these"
            )
        if not np.all(np.diff(nodes) > 0.0):
            raise UserError("model error with metallicities that do not increase: sort its table")
        object.__setattr__(self, "metallicity", tuple(nodes.tolist()))
        object.__setattr__(self, "strength", tuple(tuple(row) for row in strength.tolist()))
        object.__setattr__(self, "wave_aa", wave)
        object.__setattr__(self, "modes", modes)
        object.__setattr__(self, "edges_gyr", tuple(float(edge) for edge in self.edges_gyr))

    @classmethod
    def shipped(cls) -> "ModelError":
        """The modes that come with the package."""
        table = json.loads(_FILE.read_text())
        return cls(**table)

    def identity(self) -> list:
        """What mocks depend on."""
        return [self.modes.round(6).tolist(), list(self.metallicity), [list(row) for row in self.strength]]

    def as_entry(self) -> dict:
        """What is not an array, for a bundle's configuration."""
        entry = {"edges_gyr": list(self.edges_gyr), "grey_dex": self.grey_dex, "source": self.source}
        if self.metallicity:
            entry |= {"metallicity": list(self.metallicity), "strength": [list(row) for row in self.strength]}
        return entry | ({"grey_dof": self.grey_dof} if self.grey_dof else {})

    @staticmethod
    def of_entry(entry) -> dict:
        """The inverse of :meth:`as_entry`: keywords.

        Raises
        ------
        KeyError
            If an entry is missing.
        """
        more = [name for name in ("metallicity", "strength", "grey_dof") if name in entry]
        return {name: entry[name] for name in ("edges_gyr", "grey_dex", "source", *more)}

    @cached_property
    def log_wave(self) -> jax.Array:
        """Ln of :attr:`wave_aa` as float32."""
        return constant(np.log(self.wave_aa))

    @cached_property
    def amplitudes(self) -> jax.Array:
        """:attr:`modes` as float32."""
        return constant(self.modes)

    @property
    def grey(self) -> "GreyScatter":
        """Scatter of the mass-to-light ratio."""
        return GreyScatter(np.float32(self.grey_dex), self.grey_dof)

    @property
    def n_mode(self) -> int:
        """Number of amplitudes of a galaxy."""
        return self.amplitudes.shape[0]

    def at(self, rest_aa):
        """Relative errors (Mode, Part, ...) at rest wavelengths (...) [Angstrom]."""
        x = jnp.log(rest_aa)
        return jax.vmap(jax.vmap(lambda mode: jnp.interp(x, self.log_wave, mode)))(self.amplitudes)

    def strengths(self, metallicity):
        """Factors (..., Mode) of the modes at [M/H] (...)."""
        if not self.metallicity:
            return jnp.ones((*jnp.shape(metallicity), self.n_mode), jnp.float32)
        nodes = jnp.asarray(self.metallicity, jnp.float32)
        weights = metallicity_weights(jnp.asarray(metallicity), nodes)
        return matmul(weights, jnp.asarray(self.strength, jnp.float32).T)

    def age_bins(self, edges_gyr) -> tuple[int, ...]:
        """Age bins of SSPs, whose edges [Gyr] are given, at which the ranges of ages begin."""
        return tuple(int(i) for i in np.searchsorted(np.asarray(edges_gyr)[:-1], self.edges_gyr))


@pytree(arrays=("dex",), static=("dof",))
@dataclass(frozen=True)
class GreyScatter:
    """Scatter of the SSPs' mass-to-light ratio; a pytree.

    Parameters
    ----------
    dex : float
        Scale [dex].
    dof : int
        Degrees of freedom of Student's t distribution; 0 for a normal one.
    """

    dex: float
    dof: int = 0

    def draw(self, key):
        """One deviate () [dex]; traceable."""
        normal = jax.random.normal(key, (1 + self.dof,))
        return self.dex * (normal[0] * jax.lax.rsqrt(jnp.mean(normal[1:] ** 2)) if self.dof else normal[0])


def with_grey(prior, grey, u, theta):
    """Parameters with the scatter of the SSPs' mass-to-light ratio in the mass, within the prior; traceable.

    Which deviate a draw has follows from its other coordinates: equal draws have equal masses, whatever batch
    they are in.

    Parameters
    ----------
    prior : Prior
        Its last parameter is ``log_mass_formed``.
    grey : GreyScatter or None
        None for no scatter.
    u, theta : array (..., Param)
        Normal coordinates, and the parameters that they stand for.
    """
    if grey is None:
        return theta
    bits = jax.lax.bitcast_convert_type(jnp.asarray(u[..., :2], jnp.float32), jnp.uint32).reshape(-1, 2)
    keys = jax.vmap(lambda b: jax.random.fold_in(jax.random.fold_in(jax.random.key(_KEY), b[0]), b[1]))(bits)
    deviate = jax.vmap(grey.draw)(keys).reshape(u.shape[:-1])
    mass = prior.marginals["log_mass_formed"]
    moved = theta[..., -1] + deviate
    # mirrored at the edges: a mass that is uniform stays so
    moved = jnp.where(moved > mass.high, 2.0 * mass.high - moved, moved)
    moved = jnp.where(moved < mass.low, 2.0 * mass.low - moved, moved)
    moved = jnp.clip(moved, mass.low, mass.high)
    return theta.at[..., -1].set(moved)
