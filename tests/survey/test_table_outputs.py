"""Fluxes, spectra and pictures of a run over a table: in its order, resumed, refused where due."""

import h5py
import numpy as np
import pytest
from astropy.table import Table

from dsps_sbi.errors import UserError
from dsps_sbi.instruments.jades import JADES_BANDS
from dsps_sbi.io.tables.layout import layout_of
from dsps_sbi.io.tables.rows import TableFile, fingerprint
from dsps_sbi.photometry.likelihood import PhotometryLikelihood
from dsps_sbi.survey import tables as module
from dsps_sbi.survey.tables import TableRun, infer_table

BANDS = ("acs_wfc_f606w", "jwst_f200w", "jwst_f277w", "jwst_f444w")
ALL = ("model-fluxes", "seds", "pictures")


@pytest.fixture(scope="module")
def file(mock_pixels, tmp_path_factory):
    """Five galaxies at one redshift, the fourth of no use."""
    flux, sigma = (np.asarray(a[:5], float) for a in mock_pixels)
    table = Table({"id": ["a", "b/1", "a", "d", "e"], "z": [2.0, 2.0, 2.0, -1.0, 2.0]})
    for band in BANDS:
        i = JADES_BANDS.index(band)
        for name, values in ((f"f_{band}", flux[:, i]), (f"e_{band}", sigma[:, i])):
            table[name] = values
            table[name].unit = "uJy"
    path = tmp_path_factory.mktemp("table") / "t.fits"
    table.write(path)
    return path


@pytest.fixture(scope="module")
def likelihood(loaded, toy_model):
    return PhotometryLikelihood(loaded, toy_model)


@pytest.fixture
def go(loaded, likelihood, file, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ROWS", 3)

    def go(resume=False, folder=tmp_path / "out", outputs=ALL, **options):
        source = TableFile(file)
        layout = layout_of(source.names, source.units, bands=loaded.filters)
        run = TableRun(loaded, likelihood, layout, n_draws=20, outputs=outputs, **options)
        infer_table(run, source, folder, fingerprint=fingerprint(file), resume=resume)
        return folder

    return go


def test_outputs(go, file, toy_model, loaded):
    folder = go(kind="ecsv")
    given, fluxes = Table.read(file), Table.read(folder / "model-fluxes.ecsv")
    assert fluxes["id"].tolist() == ["a", "b/1", "a", "d", "e"]
    np.testing.assert_allclose(fluxes["flux_jwst_f200w"], given["f_jwst_f200w"], rtol=1e-5)
    assert fluxes["model_jwst_f200w"].mask.tolist() == [False, False, False, True, False]
    low, middle, high = (fluxes[f"model_jwst_f444w{end}"] for end in ("_p16", "", "_p84"))
    assert (low[:3] <= middle[:3]).all() and (middle[:3] <= high[:3]).all()
    catalogue = Table.read(folder / "catalogue.ecsv")
    assert np.isfinite(catalogue["log_evidence_error"][[0, 1, 2, 4]]).all()
    with h5py.File(folder / "seds.h5") as seds:
        assert seds["id"].asstr()[()].tolist() == ["a", "b/1", "a", "d", "e"]
        wave, flux, theta = seds["wave_rest_aa"][()], seds["flux_ujy"][()], seds["theta"][()]
        assert tuple(seds.attrs["parameters"]) == loaded.names
        np.testing.assert_allclose(seds["z"][()], [2.0, 2.0, 2.0, -1.0, 2.0])
    assert np.isnan(flux[3]).all() and np.isfinite(flux[[0, 1, 2, 4]]).all() and flux.shape == (5, len(wave))
    # the spectrum is that of the parameters beside it, and the same that its bands see
    expected = toy_model.spectrum(theta[4], 2.0)
    np.testing.assert_allclose(flux[4], expected[1], rtol=1e-4)
    np.testing.assert_allclose(3.0 * wave, expected[0], rtol=1e-6)
    assert sorted(path.name for path in (folder / "pictures").iterdir()) == [
        "000000_a.png",
        "000001_b_1.png",
        "000002_a.png",
        "000004_e.png",
    ]


def test_resume(go, monkeypatch, tmp_path):
    real, seen = TableRun.rows, []

    def rows(self, photometry, first):
        seen.append(first)
        if first == 3 and len(seen) == 2:
            raise KeyboardInterrupt
        return real(self, photometry, first)

    monkeypatch.setattr(TableRun, "rows", rows)
    with pytest.raises(KeyboardInterrupt):
        go(outputs=ALL[:2])
    folder = go(resume=True, outputs=ALL[:2])
    assert seen == [0, 3, 3]
    other = go(folder=tmp_path / "whole", outputs=ALL[:2])
    assert (folder / "model-fluxes.fits").read_bytes() == (other / "model-fluxes.fits").read_bytes()
    with h5py.File(folder / "seds.h5") as one, h5py.File(other / "seds.h5") as two:
        np.testing.assert_array_equal(one["flux_ujy"][()], two["flux_ujy"][()])
    (folder / "seds.h5").unlink()
    go(resume=True, outputs=ALL[:2])
    assert (folder / "seds.h5").is_file()
    with pytest.raises(UserError, match="holds a run with outputs .*, this one has"):
        go(resume=True, outputs=())
    # outputs of another run do not stay beside a new catalogue
    go(outputs=())
    assert not (folder / "seds.h5").exists() and not (folder / "model-fluxes.fits").exists()


def test_what_needs_stellar_populations(loaded, file):
    source = TableFile(file)
    layout = layout_of(source.names, source.units, bands=loaded.filters)
    with pytest.raises(UserError, match="model-fluxes and seds need the stellar populations"):
        TableRun(loaded, None, layout, outputs=ALL)
    with pytest.raises(
        UserError, match="output colours is not there: choose from model-fluxes, seds, pictures"
    ):
        TableRun(loaded, None, layout, outputs=("colours",))


def test_in_python(loaded, likelihood, file, tmp_path):
    table = Table.read(file)[[0, 1]]
    result = loaded.infer(table, model=likelihood, n_draws=20)
    fluxes = result.predicted_fluxes()
    assert fluxes.shape == (3, 2, len(loaded.filters)) and (fluxes[0] <= fluxes[2]).all()
    spectrum = result.best_spectrum(1)
    assert spectrum.theta.shape == (len(loaded.names),) and np.isfinite(spectrum.log_likelihood)
    assert result.plot(1, tmp_path / "one.png").axes and (tmp_path / "one.png").stat().st_size > 10_000
    assert result.table()["n_left_out"].tolist() == [0, 0] and result.table()["n_bands"].tolist() == [4, 4]
    bare = loaded.infer(table, weigh=False, n_draws=20)
    assert bare.plot(0).axes
    with pytest.raises(UserError, match="fluxes and spectra of the model need the stellar populations"):
        bare.predicted_fluxes()


def test_the_best_draw_is_the_likeliest(loaded, likelihood, file):
    from scipy.stats import multivariate_normal

    table = Table.read(file)[[0]]
    result = loaded.infer(table, model=likelihood, n_draws=20)
    view = result.view
    columns = [loaded.filters.index(band) for band in BANDS]
    best = result.best_spectrum(0)
    model = likelihood.model.predict(best.theta, 2.0)[np.array(columns)]
    flux, sigma = (np.asarray(a)[0, columns] for a in (view.data.flux, view.data.sigma))
    variance = sigma**2 + (loaded.noise.floor * np.asarray(model)) ** 2
    expected = multivariate_normal.logpdf(flux, np.asarray(model), np.diag(variance))
    assert best.log_likelihood == pytest.approx(expected, rel=2e-3, abs=0.2)


def test_on_the_command_line(infer, file):
    status, _, error = infer(file, "--unweighted", "--seds")
    assert status == 1 and "seds need the stellar populations" in error and error.count("\n") == 1
    status, _, error = infer(file, "--unweighted", "--floor", "0.1")
    assert status == 1 and "--floor were given with bundle" in error and error.count("\n") == 1
