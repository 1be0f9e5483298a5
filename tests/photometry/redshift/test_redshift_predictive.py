"""What draws at redshifts of their own predict: fluxes, the best model, a picture, and files of a table."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from astropy.table import Table

from dsps_sbi.io.tables.layout import UNKNOWN, layout_of
from dsps_sbi.io.tables.rows import TableFile, fingerprint
from dsps_sbi.photometry.predictive import Predictive
from dsps_sbi.survey.table_redshifts import TableRedshifts
from dsps_sbi.survey.tables import TableRun, infer_table

NAMES = ("sdss_u0", "sdss_g0", "sdss_r0", "sdss_i0", "sdss_z0")
RANGE = (0.1, 3.0)


@pytest.fixture(scope="module")
def behind(untrained, plain_galaxies):
    post = untrained.for_filters(NAMES)
    return post, replace(plain_galaxies, filters=post.filter_set)


@pytest.fixture(scope="module")
def result(untrained, plain_galaxies, mocks):
    return untrained.infer(*mocks[:2], z_range=RANGE, filters=NAMES, model=plain_galaxies, n_draws=400)


def test_the_best_draw_is_seen_at_its_own_redshift(result, behind):
    post, model = behind
    z, best = result.view.best_redshifts, result.view._predicted.best
    np.testing.assert_array_equal(z, result.draws("z")[np.arange(3), best])
    # the same draws at exact redshifts, by the likelihood of these
    u = result.posteriors.u[np.arange(3), best][:, None]
    data = post.prepared(result.catalogue.flux_ujy, result.catalogue.sigma_ujy, z)
    exact = Predictive(post, post.likelihood_of(model), data, u, np.arange(3))
    log_p = [result.best_spectrum(i).log_likelihood for i in range(3)]
    np.testing.assert_allclose(log_p, [exact.spectrum(i).log_likelihood for i in range(3)], atol=0.05)
    spectrum = result.best_spectrum(1)
    assert spectrum.z == pytest.approx(z[1])
    np.testing.assert_allclose(spectrum.flux_ujy, model.spectrum(spectrum.theta, z[1])[1], rtol=1e-4)
    np.testing.assert_allclose(spectrum.wave_aa, (1.0 + z[1]) * result.view.rest_aa, rtol=1e-5)
    shared = np.stack([exact.spectrum(i).shared for i in range(3)])
    np.testing.assert_allclose([result.best_spectrum(i).shared for i in range(3)], shared, atol=5e-3)


def test_fluxes_are_near_the_data(result, mocks):
    low, middle, high = result.predicted_fluxes()
    assert (low < middle).all() and (middle < high).all()
    flux, sigma = mocks[:2]
    assert np.median(np.abs(middle - flux) / np.hypot(sigma, 0.5 * (high - low))) < 2.0


def test_the_picture_shows_redshifts(result, tmp_path):
    figure = result.plot(0, tmp_path / "one.png")
    (axis,) = [axis for axis in figure.axes if axis.get_xlabel() == "p(z)"]
    low, high = axis.get_ylim()
    z = result.draws("z")[0]
    assert low < z.min() and z.max() < high and (tmp_path / "one.png").stat().st_size > 10_000


def test_outputs_of_a_table(behind, mocks, tmp_path):
    post, model = behind
    flux, sigma, _ = mocks
    table = Table({"id": ["a", "b"]})
    for i, name in enumerate(NAMES):
        table[f"f_{name}"], table[f"e_{name}"] = flux[:2, i].astype(float), sigma[:2, i].astype(float)
        table[f"f_{name}"][1] = np.nan
    table.write(tmp_path / "t.fits")
    file = TableFile(tmp_path / "t.fits")
    layout = layout_of(file.names, file.units, said={"unit": "uJy"}, redshift=UNKNOWN)
    run = TableRun(
        post,
        post.likelihood_of(model),
        layout,
        n_draws=400,
        kind="ecsv",
        outputs=("model-fluxes", "seds", "pictures"),
        redshifts=TableRedshifts(z_range=RANGE),
    )
    infer_table(run, file, tmp_path / "out", fingerprint=fingerprint(tmp_path / "t.fits"))
    fluxes, catalogue = (Table.read(tmp_path / "out" / f"{n}.ecsv") for n in ("model-fluxes", "catalogue"))
    assert fluxes["z"][0] == pytest.approx(catalogue["z"][0]) and fluxes["z"].mask.tolist() == [False, True]
    assert fluxes["model_sdss_g0"].mask.tolist() == [False, True]
    with h5py.File(tmp_path / "out" / "seds.h5") as seds:
        z, theta, spectrum = seds["z"][()], seds["theta"][0], seds["flux_ujy"][0]
    assert RANGE[0] < z[0] < RANGE[1] and np.isnan(z[1])
    np.testing.assert_allclose(spectrum, model.spectrum(theta, np.float32(z[0]))[1], rtol=1e-4)
    assert [path.name for path in (tmp_path / "out" / "pictures").iterdir()] == ["000000_a.png"]
