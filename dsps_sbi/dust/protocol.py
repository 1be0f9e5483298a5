"""What a dust law has to offer."""

from typing import Protocol


class DustLaw(Protocol):
    """A dust law; what is not ``__call__`` may be left out, the attributes then having the values given here.

    Attributes
    ----------
    names : tuple of str
        Its free parameters besides A_V, none by default. A model then has them after ``av``.
    birth_gyr : float or None
        Age up to which stars, and the gas that they ionise, are seen through a second screen
        besides that of all stars; None, the default, for a single screen. A law with two screens
        has a method ``birth`` with the arguments of ``__call__``: what the second one adds.
    """

    def marginals(self):
        """Marginals (dict) of the free parameters, the prior that the presets give them."""

    def __call__(self, wave_aa, params=None):
        """A(lambda) / A_V of the screen before all stars.

        Parameters
        ----------
        wave_aa : array (Wave,)
            Rest wavelengths [Angstrom].
        params : array (..., n), optional
            Free parameters in the order of ``names``.

        Returns
        -------
        array (Wave,), or (..., Wave) with free parameters
            A_V is that of this screen.
        """


def free_names(dust: DustLaw) -> tuple[str, ...]:
    """Free parameters of a law, () where it names none."""
    return tuple(getattr(dust, "names", ()))


def birth_age(dust: DustLaw) -> float | None:
    """Age [Gyr] up to which stars have a second screen, None where there is none."""
    return getattr(dust, "birth_gyr", None)


def is_plain(dust: DustLaw) -> bool:
    """Whether the law is a single screen without free parameters."""
    return not free_names(dust) and birth_age(dust) is None


def columns(names, fixed, params):
    """Value of each parameter: the fixed one, or its column of params (..., n) as (..., 1).

    Parameters
    ----------
    names : tuple of str
        Free parameters.
    fixed : dict of str to (float or None)
        None for those that are free.
    params : array (..., n) or None
    """
    return [params[..., names.index(k), None] if v is None else v for k, v in fixed.items()]
