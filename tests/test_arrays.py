"""How arrays of a user's own come in."""

import astropy.cosmology.units as cu
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from astropy import units as u
from astropy.table import Column, MaskedColumn, QTable, Table
from astropy.utils.masked import Masked

import dsps_sbi as ds
from dsps_sbi.arrays import flags, flux_pair, number, plain, unit_of, whole
from dsps_sbi.errors import UserError

NAN = np.nan


class Frame:
    """As pandas has it: a column called unit, and missing whole numbers that only na_value makes floats."""

    unit = "a column"

    def to_numpy(self, dtype=None, na_value=None):
        if dtype is None:
            return np.array([1, None], object)
        return np.array([1.0, na_value], dtype)


@pytest.mark.parametrize(
    ("values", "unit", "expected"),
    [
        ([1, 2], None, [1, 2]),
        (np.array([1.0, 2.0], ">f4"), None, [1, 2]),
        (np.arange(6.0)[::3], None, [0, 3]),
        ([1.0, 2.0] * u.nJy, u.uJy, [1e-3, 2e-3]),
        ([1.0 * u.nJy, 2.0 * u.uJy], u.uJy, [1e-3, 2.0]),
        (Column([1.0, 2.0], unit="mJy"), u.uJy, [1e3, 2e3]),
        (Column([1.0, 2.0]), u.uJy, [1, 2]),
        (MaskedColumn([1, -99], mask=[False, True], unit="nJy"), u.uJy, [1e-3, NAN]),
        (np.ma.array([1, -99], mask=[False, True]), None, [1, NAN]),
        (Masked([1.0, 2.0] * u.nJy, mask=[True, False]), u.uJy, [NAN, 2e-3]),
        (Frame(), None, [1, NAN]),
        (QTable({"a": [1.0] * u.nJy, "b": [2.0] * u.uJy}), u.uJy, [[1e-3, 2.0]]),
        (Table({"a": [1.0], "b": MaskedColumn([2.0], mask=[True])}), u.uJy, [[1.0, NAN]]),
        ([0.5, 2.0] * cu.redshift, None, [0.5, 2.0]),
        (1.5 * u.micron, u.AA, 15000.0),
    ],
)
def test_what_comes_in(values, unit, expected):
    got = plain(values, "x", unit, dtype=np.float64)
    assert got.dtype == np.float64 and got.dtype.isnative and type(got) is np.ndarray
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    assert got.flags.c_contiguous


@pytest.mark.parametrize(
    ("values", "unit", "message"),
    [
        ([1.0] * u.m, u.uJy, "x is in m: expected uJy; convert it"),
        ([1.0] * u.m, None, "x is in m: expected numbers without a unit; convert it"),
        ([20.0] * u.ABmag, u.uJy, r"x is in mag\(AB\): expected uJy; convert it"),
        (Column([1.0], unit="nonsense"), u.uJy, "x is in nonsense: expected uJy; convert it"),
        ([1.0 * u.nJy, 2.0 * u.m], u.uJy, "x is in m: expected nJy; convert it"),
        ([1.0 * u.nJy, 2.0], u.uJy, "x: some have a unit and some have none: expected the same of all"),
        ("galaxy.fits", None, "x: text given: expected an array of real numbers; give that"),
        ({"a": 1}, None, r"x: dict \{'a': 1\} given: expected an array of real numbers"),
        ([[1, 2], [3]], None, "x: lists of unequal lengths given"),
        ([1j], None, "x: complex numbers given"),
        ([True], None, "x: true and false given"),
        (np.zeros(2, [("a", float)]), None, "x: rows of a table given"),
        (None, None, "x is None: expected an array of real numbers"),
    ],
)
def test_what_is_refused(values, unit, message):
    with pytest.raises(UserError, match=message) as caught:
        plain(values, "x", unit)
    assert "\n" not in str(caught.value)


def test_what_jax_has_passes_as_it_is():
    array = jnp.arange(3.0)
    assert plain(array, "x") is array and plain(2.5, "x") == 2.5 and type(plain(2, "x")) is int
    traced = []

    @jax.jit
    def double(x):
        traced.append(1)
        return 2.0 * plain(x, "x")

    np.testing.assert_array_equal(double(array), [0.0, 2.0, 4.0])
    double(2.0 * array)
    assert len(traced) == 1
    np.testing.assert_array_equal(jax.jacfwd(lambda x: 3.0 * plain(x, "x"))(1.0), 3.0)
    assert plain(np.float32([1.0]), "x").dtype == np.float32


def test_fluxes_and_errors_are_in_one_unit():
    flux, sigma = flux_pair([1.0] * u.nJy, [2.0] * u.uJy, unit=u.uJy)
    np.testing.assert_allclose([flux[0], sigma[0]], [1e-3, 2.0], rtol=1e-6)
    # the expected unit itself is no question
    assert flux_pair([1.0] * u.uJy, [2.0], unit=u.uJy)[1][0] == 2.0
    with pytest.raises(UserError, match="sigma is in nJy and flux has no unit: give both .* in uJy"):
        flux_pair([1.0], [2.0] * u.nJy, unit=u.uJy)


def test_units_that_values_come_with():
    assert unit_of([1.0] * u.nJy) == u.nJy and unit_of([1.0 * u.m]) == u.m
    assert unit_of(Table({"a": Column([1.0], unit="mJy")})) == u.mJy
    assert unit_of([1.0]) is unit_of(Frame()) is unit_of(jnp.ones(2)) is unit_of([]) is None


def test_true_or_false():
    masked = MaskedColumn([True, False], mask=[False, True])
    assert flags(masked, "m", masked=True).tolist() == [True, True]
    assert flags(masked, "m", masked=False).tolist() == [True, False]
    assert flags(np.array([0.0, 1.0]), "m", masked=False).tolist() == [False, True]
    with pytest.raises(
        UserError, match="m holds other values than true and false: expected an array of bool"
    ):
        flags([0, 4], "m", masked=True)


def test_one_number():
    assert number("3.4", "z") == 3.4 and number(1.5 * cu.redshift, "z") == 1.5
    assert number(np.float32(2.0), "z") == number(jnp.array(2.0), "z") == 2.0
    assert np.isnan(number(np.ma.masked, "z"))
    for value in (True, np.True_, None, "x", [1.0]):
        with pytest.raises(UserError, match="z is .*: expected one number; give that"):
            number(value, "z")
    with pytest.raises(UserError, match="z is in m: expected numbers without a unit"):
        number(1.0 * u.m, "z")


def test_whole_numbers_have_bounds():
    assert whole(2**32 - 1, "seed", least=0, most=2**32 - 1) == 2**32 - 1
    for value in (2**64, -1, 1.5, True, "4", None, NAN):
        with pytest.raises(UserError, match="seed is .*: expected a whole number from 0 to 4294967295"):
            whole(value, "seed", least=0, most=2**32 - 1)


WAVE = np.linspace(4000.0, 5000.0, 50)
FLUX_UNIT = 1e-17 * u.erg / u.s / u.cm**2 / u.AA


def test_the_doors_of_spectra():
    one = ds.Spectrum(WAVE, 2.0 * np.ones(50), np.ones(50), "air", 0.1)
    nm = ds.Spectrum(
        0.1 * WAVE * u.nm, 2.0 * np.ones(50) * FLUX_UNIT, 1e-17 * np.ones(50) * FLUX_UNIT.unit, "air"
    )
    np.testing.assert_allclose(nm.wave_aa, WAVE, rtol=1e-12)
    np.testing.assert_allclose([nm.flux, nm.sigma], [one.flux, one.sigma], rtol=1e-6)
    per_hz = (one.flux * FLUX_UNIT).to(u.Jy, u.spectral_density(WAVE * u.AA))
    error = np.ma.array(np.ones(50), mask=np.arange(50) == 7)
    jy = ds.Spectrum(WAVE, per_hz, 0.5 * per_hz, "air", mask=error.mask)
    np.testing.assert_allclose([jy.flux, jy.sigma], [one.flux, one.sigma], rtol=1e-6)
    masked = ds.Spectrum(WAVE.astype(">f8"), one.flux.astype(">f4"), error, "air")
    assert np.flatnonzero(~masked.valid).tolist() == [7]
    counts = ds.Spectrum(WAVE, np.ones(50) * u.count, 0.1 * np.ones(50) * u.count, "air", absolute=False)
    assert counts.flux[0] == 1.0
    refused = [
        ({"wave_aa": WAVE * u.s}, "wavelengths is in s: expected Angstrom"),
        ({"flux": WAVE * u.count, "sigma": WAVE * u.count}, "flux is in ct: expected 1e-17 erg"),
        ({"redshift": True}, "redshift is True: expected one number"),
        ({"lsf": 2.8}, r"lsf is of type float: expected an LSF; give for example LSF\('fwhm_aa', 2.8\)"),
    ]
    for changed, message in refused:
        given = {"wave_aa": WAVE, "flux": one.flux, "sigma": one.sigma, "medium": "air"} | changed
        with pytest.raises(UserError, match=message):
            ds.Spectrum(**given)


def test_the_doors_of_instruments_and_priors():
    assert ds.LSF("fwhm_aa", 0.28 * u.nm).value == pytest.approx(2.8)
    table = ds.LSF("sigma_km_s", [6e4, 7e4] * u.m / u.s, [400, 500] * u.nm)
    np.testing.assert_allclose([table.value, table.wave_aa], [[60, 70], [4000, 5000]])
    with pytest.raises(UserError, match="LSF fwhm_aa is in km / s: expected Angstrom; convert it"):
        ds.LSF("fwhm_aa", 60 * u.km / u.s)
    filters = ds.FilterSet(("mine",), ([0.4, 0.5, 0.6] * u.micron,), ([0, 1, 0],))
    np.testing.assert_allclose(filters.wave_aa[0], [4000, 5000, 6000])
    with pytest.raises(UserError, match="filter mine: wave_aa: dict .* given: expected an array"):
        ds.FilterSet(("mine",), ({},), ([0, 1, 0],))
    assert ds.Uniform(np.float32(0.0), 1).low == 0.0 and type(ds.Uniform(0, 1).high) is int
    with pytest.raises(
        UserError, match="low of a Uniform prior is in km / s: expected numbers without a unit"
    ):
        ds.Uniform(0.0 * u.km / u.s, 450.0)
    with pytest.raises(UserError, match="prior of av is of type tuple: give a Uniform, Beta or StudentT"):
        ds.Prior({"av": (0.0, 2.0)})
    with pytest.raises(UserError, match="marginals of type list: give a mapping"):
        ds.Prior([1.0])
    cosmology = ds.Cosmology.from_astropy()
    z = np.array([0.5, 2.0], ">f8")
    np.testing.assert_allclose(cosmology.age(z), cosmology.age(jnp.array([0.5, 2.0])))
    np.testing.assert_allclose(cosmology.distance_mpc(2.0 * cu.redshift), cosmology.distance_mpc(2.0))
    with pytest.raises(UserError, match="redshift is in km / s"):
        cosmology.distance_mpc(700.0 * u.km / u.s)


def test_the_doors_of_verbs():
    for verb in (ds.weigh, ds.refine):
        with pytest.raises(
            UserError, match="a posterior of type str is given first: expected one that load_bundle"
        ):
            verb("jades-pixels", np.ones(3))
