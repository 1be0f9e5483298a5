"""Catalogues of galaxies: what is refused, and a row of answers for each."""

import dataclasses

import numpy as np
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, QTable, Table

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.inference.trust import Method
from dsps_sbi.instruments.jades import JADES_BANDS
from dsps_sbi.photometry.fingerprint import reference_fluxes

N, DRAWS = 5, 40
NAMES = ("a", "b", "c", "d", "e")
REDSHIFTS = np.float32([2.0, 0.7, 2.0, 3.1, 0.7])
# of the tests' names for bands, in an order of their own
COLUMNS = [11, 3, 6, 18, 8, 0, 14]


@pytest.fixture(scope="module")
def photometry(mock_pixels):
    return tuple(a[:N, COLUMNS].copy() for a in mock_pixels)


@pytest.fixture
def make(photometry):
    """Factory of catalogues; keywords change parts of them."""

    def make(**changes):
        flux, sigma = photometry
        given = {"flux_ujy": flux, "sigma_ujy": sigma, "filters": [JADES_BANDS[i] for i in COLUMNS]}
        given |= {"redshift": REDSHIFTS, "names": NAMES}
        return ds.Catalogue(**(given | changes))

    return make


@pytest.fixture(scope="module")
def checked(tiny_posterior, toy_model):
    meta = tiny_posterior.meta | {"reference": reference_fluxes(toy_model)}
    return dataclasses.replace(tiny_posterior, meta=meta)


def with_one(array, place, value):
    array = array.copy()
    array[place] = value
    return array


def test_what_a_catalogue_holds(make, photometry):
    flux = with_one(photometry[0], (1, 2), np.nan)
    sigma = with_one(with_one(photometry[1], (2, 0), 0.0), (3, 1), np.inf)
    catalogue = make(flux_ujy=flux, sigma_ujy=sigma.astype(float))
    assert len(catalogue) == N and catalogue.flux_ujy.dtype == catalogue.sigma_ujy.dtype == np.float32
    assert np.argwhere(~catalogue.valid).tolist() == [[1, 2], [2, 0], [3, 1]]
    assert catalogue.filters == tuple(JADES_BANDS[i] for i in COLUMNS) and catalogue.names == NAMES
    assert catalogue.ids.tolist() == list(range(N)) and not catalogue.upper.any()
    plain = ds.Catalogue(flux[:, :2], sigma[:, :2], ["HST/ACS F606W", "F444W"], 2.0)
    assert plain.filters == ("acs_wfc_f606w", "jwst_f444w") and plain.names == ("0", "1", "2", "3", "4")
    np.testing.assert_array_equal(plain.redshift, np.full(N, 2.0, np.float32))


ONES = np.ones((N, len(COLUMNS)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"filters": ["F278W"] * 7}, "filter 'F278W' is not known"),
        ({"flux_ujy": ONES[:, :6]}, r"fluxes \(5, 6\) and errors \(5, 7\) of 7 filters: expected two arrays"),
        ({"sigma_ujy": ONES[:3]}, r"fluxes \(5, 7\) and errors \(3, 7\)"),
        ({"flux_ujy": ONES[0], "sigma_ujy": ONES[0]}, r"fluxes \(7,\) and errors \(7,\)"),
        (
            {"flux_ujy": ONES[:0], "sigma_ujy": ONES[:0]},
            r"fluxes \(0, 7\) hold no galaxy: expected at least one",
        ),
        ({"redshift": [1.0, 2.0]}, r"redshift has shape \(2,\): expected one, or one for each of 5 galaxies"),
        ({"redshift": [1.0, -0.5, np.nan, 1.0, 1.0]}, "redshift of b, c is -0.5: expected a finite number"),
        ({"redshift": 0.0}, "redshift of a, b, c and 2 more is 0: expected a finite number above 0"),
        ({"redshift": np.inf}, "redshift of .* is inf"),
        ({"redshift": [True] * 5}, "redshift: true and false given: expected an array of real numbers"),
        ({"redshift": REDSHIFTS * u.km}, "redshift is in km: expected numbers without a unit; convert it"),
        ({"filters": "F277W"}, "filters is the single name 'F277W': expected a sequence of names"),
        ({"filters": ["F277W"] * 7}, "filter jwst_f277w is listed twice: expected each band once"),
        ({"flux_ujy": np.nan * ONES}, "no galaxy has a flux with an error in any band"),
        ({"sigma_ujy": -ONES}, "no galaxy has a flux with an error in any band"),
        ({"flux_ujy": None}, "flux_ujy is None: expected an array of real numbers"),
        ({"flux_ujy": ONES * u.m, "sigma_ujy": ONES * u.m}, "flux_ujy is in m: expected uJy; convert it"),
        ({"flux_ujy": ONES * u.nJy}, "flux_ujy is in nJy and sigma_ujy has no unit: give both with a unit"),
        (
            {"flux_ujy": with_one(ONES, (3, 1), -99.0), "sigma_ujy": ONES},
            r"the flux of d in \w+ is -99 with an error of 1: such a number stands for a missing value",
        ),
        ({"ids": [0, 1, 2, 3, np.nan]}, "ids are not whole numbers everywhere"),
        ({"names": ("a", "b")}, "2 names, ids .* of 5 galaxies: expected one name and id each"),
        ({"ids": [1, 2]}, r"ids \(2,\) .* of 5 galaxies: expected one name and id each"),
        ({"upper": ONES[:, :2] > 0}, r"limits \(5, 2\) of 5 galaxies: .*limits as the fluxes; mend them"),
        (
            {"upper": ONES > 0, "flux_ujy": with_one(ONES, (3, 1), -1.0)},
            "an upper limit of d is not positive: expected k times the error; mend it",
        ),
    ],
)
def test_what_is_refused(make, changes, message):
    with pytest.raises(UserError, match=message):
        make(**changes)


def test_tables_units_and_masks(make, photometry):
    """Columns of a table: in nJy, masked, big-endian; the redshift of one galaxy masked."""
    flux, sigma = photometry
    known = make()
    names = [f"f{i}" for i in range(len(COLUMNS))]
    mask = np.zeros(N, bool)
    mask[2] = True
    for kind in (Table, QTable):
        tables = [
            kind({name: a[:, i].astype(">f8") * 1e3 for i, name in enumerate(names)}, units=["nJy"] * 7)
            for a in (flux, sigma)
        ]
        given = make(flux_ujy=tables[0], sigma_ujy=tables[1])
        np.testing.assert_allclose(given.flux_ujy, known.flux_ujy, rtol=1e-6)
        np.testing.assert_allclose(given.sigma_ujy, known.sigma_ujy, rtol=1e-6)
    # what lies under a mask is missing, whatever it is
    column = MaskedColumn(np.where(mask, -99.0, flux[:, 1]), mask=mask)
    masked = Table({name: flux[:, i] for i, name in enumerate(names)})
    masked["f1"] = column
    given = make(flux_ujy=masked)
    assert np.argwhere(~given.valid).tolist() == [[2, 1]] and np.isnan(given.flux_ujy[2, 1])
    with pytest.raises(UserError, match="redshift of c is nan: expected a finite number above 0"):
        make(redshift=MaskedColumn(REDSHIFTS, mask=mask))
    # a flux of -99 within 5 errors of zero is a measurement, and so is one that is not exactly that
    for value, error in ((-99.0, 25.0), (-99.001, 1.0), (99.0, 1.0)):
        kept = make(flux_ujy=with_one(ONES, (3, 1), value), sigma_ujy=with_one(ONES, (3, 1), error))
        assert kept.valid.all()


@pytest.fixture(scope="module")
def result(checked, toy_model, photometry):
    bands = [JADES_BANDS[i] for i in COLUMNS]
    given = ds.Catalogue(*photometry, bands, REDSHIFTS, names=NAMES, source="here.fits")
    return checked.infer(given, model=toy_model, n_draws=DRAWS, seed=3)


def test_a_row_for_each_galaxy(result):
    assert result.catalogue.names == NAMES and len(result.columns["trust"]) == N
    assert result.meta["source"] == "here.fits" and result.meta["method"] == "weighed"
    assert result.meta["n_draws"] == DRAWS and result.meta["seed"] == 3
    assert np.all(result.columns["method"] == Method.IS) and result.meta["n_method_is"] == N
    # 40 draws cannot be worth 100
    assert result.trust.tolist() == ["untrusted"] * N
    for name in ("ess", "pareto_k", "log_evidence", "ppc_p", "shrink_av"):
        assert np.isfinite(result.columns[name]).all()


def test_draws_and_percentiles(result, checked):
    assert result.names == checked.quantities and result.values.shape == (len(result.names), N, DRAWS)
    for i, name in enumerate(result.names):
        np.testing.assert_array_equal(result.draws(name), result.values[i])
    assert np.isfinite(result.values).all()
    got = result.percentiles("log_mass", (2.5, 50))
    np.testing.assert_allclose(got, np.percentile(result.draws("log_mass"), (2.5, 50), axis=1), rtol=1e-5)
    with pytest.raises(UserError, match="no quantity mass: choose from log_mass"):
        result.draws("mass")
    # quantities are those of the draws in normal coordinates, at the redshift of each galaxy
    prior, universe = checked.network.prior, checked.network.cosmology.age(REDSHIFTS)
    theta = prior.from_normal(result.posteriors.u, universe[:, None])
    np.testing.assert_allclose(result.draws("av"), theta[..., checked.names.index("av")], atol=1e-4)


def test_table(result):
    table = result.table()
    assert table["name"].tolist() == list(NAMES) and len(table) == N
    np.testing.assert_allclose(table["z"], REDSHIFTS)
    np.testing.assert_allclose(table["av_p16"], result.percentiles("av")[0], rtol=1e-6)
    np.testing.assert_allclose(table["ess"], result.columns["ess"], rtol=1e-6)
    assert str(table["log_mass"].unit) == "dex(solMass)" and table.meta["bundle"] == "tiny"
    assert set(table["method"]) == {"is"} and "population_p" not in table.colnames


def test_galaxies_are_those_of_an_image(result, checked, toy_model, make_cube, mock_pixels):
    """The same likelihood and the same draws: ids are places in the image."""
    flux = np.full((N, 19), np.nan, np.float32)
    flux[:, COLUMNS] = mock_pixels[0][:N, COLUMNS]
    cube = make_cube(flux, mock_pixels[1][:N], redshift=2.0, shape=(1, N))
    image = checked.infer(cube, model=toy_model, n_draws=DRAWS, seed=3)
    at_two = REDSHIFTS == 2.0
    for name in ("ess", "log_evidence"):
        np.testing.assert_allclose(result.columns[name][at_two], image.columns[name][at_two], rtol=0.02)
    np.testing.assert_allclose(
        result.percentiles("log_mass")[1, at_two], image.percentiles("log_mass")[1, at_two], atol=0.02
    )


def test_a_galaxy_does_not_depend_on_the_others(result, checked, toy_model, make):
    some = [3, 1]
    catalogue = make()
    fewer = make(
        flux_ujy=catalogue.flux_ujy[some],
        sigma_ujy=catalogue.sigma_ujy[some],
        redshift=REDSHIFTS[some],
        names=("d", "b"),
        ids=some,
    )
    alone = checked.infer(fewer, model=toy_model, n_draws=DRAWS, seed=3)
    np.testing.assert_allclose(alone.columns["ess"], result.columns["ess"][some], rtol=0.02)
    np.testing.assert_allclose(
        alone.percentiles("log_mass")[1], result.percentiles("log_mass")[1, some], atol=0.02
    )


def test_unweighted_and_chosen_quantities(checked, toy_model, make):
    options = {"n_draws": DRAWS, "quantities": ("t90_lookback", "av")}
    result = checked.infer(make(), model=toy_model, weigh=False, **options)
    assert result.names == ("t90_lookback", "av") and set(result.trust) == {"unchecked"}
    assert result.table()["t90_lookback"].unit == "Gyr" and result.table()["ess"].mask.all()
    assert result.meta["method"] == "flow"
    # the toy's grid is in no cache
    auto = checked.infer(make(), **options)
    np.testing.assert_array_equal(auto.values, result.values)


def test_missing_bands_and_limits_enter(checked, make, photometry):
    flux, sigma = photometry
    upper = np.zeros(flux.shape, bool)
    upper[0, 2] = True
    given = {
        "as they are": make(),
        "missing": make(flux_ujy=with_one(flux, (0, 2), np.nan)),
        "limit": make(upper=upper),
    }
    u = {
        name: checked.infer(catalogue, weigh=False, n_draws=DRAWS).posteriors.u
        for name, catalogue in given.items()
    }
    for name in ("missing", "limit"):
        np.testing.assert_allclose(u[name][1:], u["as they are"][1:], atol=1e-4)
        assert np.abs(u[name][0] - u["as they are"][0]).max() > 1e-3


def test_what_cannot_be_inferred(checked, make, photometry):
    far = make(redshift=[1.0, 9.0, 2.0, 8.0, 1.0])
    with pytest.raises(
        UserError, match=r"redshift 9 of b \(2 in all\) is outside the bundle's range 0.001-7.5: correct it"
    ):
        checked.infer(far)
    with pytest.raises(UserError, match="bands jwst_f770w are unknown to the bundle"):
        checked.infer(ds.Catalogue(photometry[0][:, :2], photometry[1][:, :2], ("F770W", "F444W"), 2.0))
    with pytest.raises(UserError, match="1 draws per galaxy: ask for at least 2"):
        checked.infer(make(), n_draws=1)
    with pytest.raises(UserError, match="quantity sfr is not there: choose from log_mass"):
        checked.infer(make(), quantities=("sfr",))
    with pytest.raises(UserError, match="refine needs the stellar populations of the bundle"):
        checked.infer(make(), refine=True)


@pytest.mark.parametrize("data", [np.ones((3, 19)), {"flux": 1.0}, "galaxies.fits"])
def test_data_of_another_kind_are_refused(checked, data):
    words = f"data of type {type(data).__name__} for a posterior of images: give a PixelCube, a Catalogue"
    with pytest.raises(UserError, match=words):
        checked.infer(data)
    wave = np.linspace(4000.0, 5000.0, 50)
    with pytest.raises(UserError, match="data of type Spectrum for a posterior of images"):
        checked.infer(ds.Spectrum(wave, np.ones(50), np.ones(50), "air", 0.1))
