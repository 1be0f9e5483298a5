import jax
import jax.numpy as jnp
import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM, Flatw0waCDM, LambdaCDM, Planck18

from dsps_sbi.cosmology import Cosmology
from dsps_sbi.errors import UserError

Z = np.r_[np.geomspace(1e-3, 7.5, 300), 11.99].astype(np.float32)
ALL = [
    None,
    Planck18,
    LambdaCDM(H0=50.0, Om0=0.2, Ode0=0.9),
    Flatw0waCDM(H0=80.0, Om0=0.4, w0=-0.8, wa=0.2),
]


@pytest.mark.parametrize("theirs", ALL, ids=["default", "planck18", "curved", "w0wa"])
def test_against_astropy(theirs):
    ours = Cosmology.from_astropy(theirs)
    theirs = FlatLambdaCDM(H0=70.0, Om0=0.3) if theirs is None else theirs
    z = Z.astype(float)
    np.testing.assert_allclose(ours.distance_mpc(Z), theirs.luminosity_distance(z).value, rtol=1e-5)
    np.testing.assert_allclose(ours.age(Z), theirs.age(z).value, rtol=1e-5)
    assert f"Om0={theirs.Om0:g}" in ours.name and f"H0={theirs.H0.value:g}" in ours.name


def test_ages_keep_the_digits_of_float32():
    """Young histories are the small difference of the age of the Universe and their start."""
    z = np.random.default_rng(0).uniform(0.001, 11.9, 500).astype(np.float32)
    expected = FlatLambdaCDM(H0=70.0, Om0=0.3).age(z.astype(float)).value
    np.testing.assert_allclose(jax.jit(Cosmology.from_astropy().age)(z), expected, rtol=3e-7)


def test_gradient_with_redshift():
    ours, theirs = Cosmology.from_astropy(), FlatLambdaCDM(H0=70.0, Om0=0.3)
    z = np.array([0.002, 0.5, 2.0, 7.0])
    step = 1e-4
    for function, reference in (
        (ours.distance_mpc, lambda z: theirs.luminosity_distance(z).value),
        (ours.age, lambda z: theirs.age(z).value),
    ):
        expected = (reference(z + step) - reference(z - step)) / (2 * step)
        got = jax.vmap(jax.grad(function))(jnp.asarray(z, jnp.float32))
        # the slope of a table of float32 numbers 6e-4 apart in ln(1+z)
        np.testing.assert_allclose(got, expected, rtol=2e-3)


@pytest.mark.parametrize("bad", ["Planck18", 70.0, {"H0": 70}])
def test_something_else_is_refused(bad):
    with pytest.raises(UserError, match="expected an astropy FLRW cosmology"):
        Cosmology.from_astropy(bad)
