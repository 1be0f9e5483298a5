import dataclasses

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from astropy.io import fits

from dsps_sbi.errors import UserError
from dsps_sbi.inference.importance import importance_sample
from dsps_sbi.inference.trust import Method, Trust
from dsps_sbi.instruments.jades import JADES_BANDS
from dsps_sbi.photometry import images as infer
from dsps_sbi.photometry import reduce
from dsps_sbi.photometry.fingerprint import reference_fluxes
from dsps_sbi.photometry.flags import PixelFlag
from dsps_sbi.photometry.likelihood import PhotometryLikelihood
from dsps_sbi.photometry.maps import Maps

OPTIONS = {"n_draws": 40, "seed": 3}
CLOSE = {"rtol": 1e-4, "atol": 2e-4}


@pytest.fixture(scope="session")
def reference(tiny_posterior, mock_pixels):
    """All 42 pixels in one chunk."""
    from dsps_sbi.io import PixelCube

    return tiny_posterior.infer(PixelCube(*mock_pixels, JADES_BANDS, 2.0, (6, 7)), **OPTIONS)


def has(result, flag):
    return (result.flags & flag.value) != 0


def test_all_pixels_and_their_provenance(reference):
    assert reference.fitted.all() and np.all(reference.flags & ~PixelFlag.AT_EDGE == PixelFlag.UNCHECKED)
    low, median, high = np.moveaxis(reference.quantiles, 1, 0)
    assert np.all(low <= median) and np.all(median <= high)
    assert np.all(reference.n_bands == 19) and np.all(reference.snr > 5)
    expected = {"bundle": "tiny", "redshift": 2.0, "n_draws": 40, "seed": 3, "method": "flow", "ssp": "toy-0"}
    assert expected.items() <= reference.meta.items()
    assert set(reference.totals["quantity"]) == {
        "log_mass",
        "log_mass_living",
        "log_mass_formed",
        "log_sfr_100",
    }


# one pixel at a time, and five with a rest of two
@pytest.mark.parametrize("chunk_draws", [1, 5 * 40])
def test_chunks_do_not_matter(tiny_posterior, make_cube, reference, monkeypatch, chunk_draws):
    monkeypatch.setattr(infer, "_CHUNK_DRAWS", chunk_draws)
    result = tiny_posterior.infer(make_cube(), **OPTIONS)
    # rounding differs with the chunk's shape; long after the end of star formation, T/tau of hundreds
    # multiplies it in the logarithm of what little is left
    quenched = np.array(["sfr" in name for name in result.names])
    np.testing.assert_allclose(result.quantiles[~quenched], reference.quantiles[~quenched], **CLOSE)
    np.testing.assert_allclose(result.quantiles[quenched], reference.quantiles[quenched], atol=0.02)
    for name in ("independent_50", "correlated_84"):
        np.testing.assert_allclose(result.totals[name], reference.totals[name], atol=1e-3)


def test_a_pixel_does_not_depend_on_its_neighbours(tiny_posterior, make_cube, reference):
    mask = np.ones(42, bool)
    mask[[0, 9, 40]] = False
    with pytest.warns(UserWarning, match="image: the mask hides 39 of 42 pixels that have data"):
        result = tiny_posterior.infer(make_cube(mask=mask), **OPTIONS)
    assert result.notes[0].endswith("turn it over if it means good pixels")
    assert np.flatnonzero(result.fitted).tolist() == [0, 9, 40]
    np.testing.assert_allclose(result.quantiles[..., ~mask], reference.quantiles[..., ~mask], **CLOSE)
    assert np.array_equal(has(result, PixelFlag.MASKED), mask)
    assert np.isnan(result.quantiles[..., mask]).all() and not has(result, PixelFlag.UNCHECKED)[mask].any()
    assert result.totals["n_pixels"].tolist() == [3] * 4


def test_absent_bands_in_any_order_are_columns_of_nan(tiny_posterior, make_cube, mock_pixels):
    flux, sigma = mock_pixels
    columns = [11, 3, 6, 18, 8, 0, 14]
    some = make_cube(flux[:, columns], sigma[:, columns], [JADES_BANDS[i] for i in columns])
    holes = np.full_like(flux, np.nan)
    holes[:, columns] = flux[:, columns]
    one, two = (tiny_posterior.infer(cube, **OPTIONS) for cube in (some, make_cube(holes)))
    np.testing.assert_array_equal(one.quantiles, two.quantiles)
    assert np.all(one.n_bands == 7) and not has(one, PixelFlag.BAND_MISSING).any()
    assert has(two, PixelFlag.BAND_MISSING).all()


def test_bad_values_are_missing_bands_and_flagged(tiny_posterior, make_cube, mock_pixels, reference):
    flux, sigma = (a.copy() for a in mock_pixels)
    flux[0, 1] = np.nan
    sigma[1, 2] = -sigma[1, 2]
    sigma[2, 3] = 0.0
    sigma[3, 4] = np.nan
    flux[4, 5] = np.inf
    flux[5, 3:] = np.nan
    flux[6, 2:] = np.nan
    flux[7, [6, 8, 11]] = np.nan
    # far beyond training: as good as no error, unless the flux is detected all the same
    sigma[8:10, 0] *= 1e5
    flux[9, 0] *= 1e6
    result = tiny_posterior.infer(make_cube(flux, sigma), **OPTIONS)
    assert np.flatnonzero(has(result, PixelFlag.BAND_MISSING)).tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert result.n_bands[:10].tolist() == [18, 18, 18, 18, 18, 3, 2, 16, 18, 19]
    assert np.flatnonzero(has(result, PixelFlag.FEW_BANDS)).tolist() == [6]
    assert np.flatnonzero(has(result, PixelFlag.NO_SNR_BAND)).tolist() == [5, 6, 7]
    assert np.flatnonzero(has(result, PixelFlag.OUT_OF_DEPTH)).tolist() == [9]
    assert np.flatnonzero(~result.fitted).tolist() == [6]
    assert np.isfinite(result.quantiles[..., result.fitted]).all()
    np.testing.assert_allclose(result.quantiles[..., 10:], reference.quantiles[..., 10:], **CLOSE)


def test_the_cut_is_on_the_mean_observed_signal_to_noise(tiny_posterior, make_cube, mock_pixels):
    flux, sigma = mock_pixels
    bands = [JADES_BANDS.index(f"jwst_f{name}w") for name in (277, 356, 444)]
    snr = (flux / sigma)[:, bands].mean(axis=1)
    cut = float(np.median(snr))
    result = tiny_posterior.infer(make_cube(), snr_min=cut, **OPTIONS)
    np.testing.assert_allclose(result.snr, snr, rtol=1e-4)
    assert np.array_equal(result.fitted, result.snr > cut) and result.meta["snr_min"] == cut
    assert np.array_equal(has(result, PixelFlag.LOW_SNR), ~result.fitted)


def test_draws_that_are_kept(tiny_posterior, make_cube, tmp_path, monkeypatch):
    monkeypatch.setattr(infer, "_CHUNK_DRAWS", 5 * 40)
    mask = np.zeros(42, bool)
    mask[:2] = True
    path = tmp_path / "draws.h5"
    result = tiny_posterior.infer(make_cube(mask=mask), draws_path=path, **OPTIONS)
    assert result.draws_path == path
    with h5py.File(path) as file:
        assert file["pixel"][()].tolist() == list(range(2, 42)) and file.attrs["shape"].tolist() == [6, 7]
        assert file.attrs["bundle"] == "tiny" and set(file["draws"]) == set(result.names)
        for i, name in enumerate(result.names):
            draws = file["draws"][name][()]
            assert draws.shape == (40, 40)
            expected = np.percentile(draws, (16, 50, 84), axis=1)
            np.testing.assert_allclose(result.quantiles[i, :, 2:], expected, rtol=1e-5, atol=1e-6)


def test_an_interruption_leaves_no_file_of_draws(tiny_posterior, make_cube, tmp_path, monkeypatch):
    def broken(draws):
        raise KeyboardInterrupt

    monkeypatch.setattr(reduce, "percentiles", broken)
    with pytest.raises(KeyboardInterrupt):
        tiny_posterior.infer(make_cube(), draws_path=tmp_path / "draws.h5", **OPTIONS)
    assert not list(tmp_path.iterdir())


def test_draws_that_are_not_finite_are_flagged(tiny_posterior, make_cube, monkeypatch):
    real = infer.derived

    def broken(*args, **wanted):
        return real(*args, **wanted).at[0, 4, 0].set(jnp.nan)

    monkeypatch.setattr(infer, "derived", broken)
    result = tiny_posterior.infer(make_cube(), **OPTIONS)
    assert np.flatnonzero(has(result, PixelFlag.BAD_DRAWS)).tolist() == [4]
    assert np.flatnonzero(~result.fitted).tolist() == [4] and result.totals["n_left_out"].tolist() == [1] * 4


def test_totals_of_trusted_pixels(tiny_posterior, make_cube, tmp_path, monkeypatch):
    """The third of the pixels that holds most of the mass is not trusted."""
    real, seen = infer.Engine.finish, []

    def finish(self, started, n):
        posteriors = real(self, started, n)
        mass = posteriors.u[..., -1].mean(axis=1)
        seen.append(mass < np.quantile(mass, 2 / 3))
        trust = np.where(seen[0], Trust.TRUSTED, Trust.UNTRUSTED).astype(np.int8)
        return dataclasses.replace(posteriors, trust=trust)

    monkeypatch.setattr(infer.Engine, "finish", finish)
    with pytest.warns(UserWarning, match=r"here: totals .* the 28 trusted ones .* log_mass is \d"):
        result = tiny_posterior.infer(make_cube(source="here"), draws_path=tmp_path / "draws.h5", **OPTIONS)
    row = next(row for row in result.totals if row["quantity"] == "log_mass")
    mass = 10.0 ** result.draws("log_mass").astype(float)
    for start, pixels in (("", slice(None)), ("trusted_", seen[0])):
        for kind, values in (("independent", mass), ("correlated", np.sort(mass, axis=1))):
            sums = np.log10(np.percentile(values[pixels].sum(axis=0), (16, 50, 84)))
            got = [row[f"{start}{kind}_{p}"] for p in (16, 50, 84)]
            np.testing.assert_allclose(got, sums, atol=1e-5)
    assert (row["n_pixels"], row["n_trusted"]) == (42, 28)
    result.maps("log_mass").write(tmp_path / "maps.fits")
    meta = Maps.read(tmp_path / "maps.fits").meta
    for start, name in (("", "total_"), ("trusted_", "trusted_")):
        for p, ending in ((50, ""), (16, "_p16"), (84, "_p84")):
            assert meta[f"{name}log_mass{ending}"] == pytest.approx(row[f"{start}independent_{p}"], abs=1e-4)
    assert "differ by more than their errors" in " ".join(
        meta[name] for name in meta if name.startswith("note_")
    )


def test_quantities_can_be_chosen(tiny_posterior, make_cube, reference, tmp_path):
    wanted = ("t90_lookback", "log_mass", "t10")
    result = tiny_posterior.infer(make_cube(), quantities=wanted, draws_path=tmp_path / "draws.h5", **OPTIONS)
    assert result.names == wanted and result.totals["quantity"].tolist() == ["log_mass"]
    i = reference.names.index("log_mass")
    np.testing.assert_allclose(result.quantiles[1], reference.quantiles[i], **CLOSE)
    assert result.maps("t10").descriptions["t10"][0] == "Gyr"
    with pytest.raises(UserError, match="quantity sfr is not there: choose from log_mass"):
        tiny_posterior.infer(make_cube(), quantities=("sfr",), **OPTIONS)


def test_limits_out_of_range_and_their_flag(tiny_posterior, make_cube, mock_pixels):
    flux, sigma = (a.copy() for a in mock_pixels)
    upper = np.zeros(flux.shape, bool)
    upper[[2, 3], 0] = True
    flux[2, 0], flux[3, 0] = 3.0 * sigma[2, 0], 20.0 * sigma[3, 0]
    result = tiny_posterior.infer(make_cube(flux, sigma, upper=upper), **OPTIONS)
    assert np.flatnonzero(has(result, PixelFlag.LIMIT_RANGE)).tolist() == [3]


@pytest.fixture(scope="module")
def checked(tiny_posterior, toy_model, mock_pixels):
    """Pixels weighed with the model that the posterior is said to be trained on."""
    from dsps_sbi.io import PixelCube

    meta = tiny_posterior.meta | {"reference": reference_fluxes(toy_model)}
    post = dataclasses.replace(tiny_posterior, meta=meta)
    likelihood = PhotometryLikelihood(post, toy_model)
    cube = PixelCube(*(a[:6] for a in mock_pixels), JADES_BANDS, 2.0, (2, 3))
    return post, likelihood, cube, post.infer(cube, model=likelihood, **OPTIONS)


def test_weighed_pixels(checked):
    _, _, _, result = checked
    assert result.fitted.all() and result.meta["method"] == "weighed"
    assert np.all(result.columns["method"] == Method.IS)
    # 40 draws cannot be worth 100
    assert np.all(result.columns["trust"] == Trust.UNTRUSTED) and has(result, PixelFlag.UNTRUSTED).all()
    assert not has(result, PixelFlag.UNCHECKED).any() and result.meta["n_trust_untrusted"] == 6
    for name in ("ess", "pareto_k", "log_evidence", "ppc_p", "shrink_av"):
        assert np.isfinite(result.columns[name]).all()
    assert np.isnan(result.columns["typicality"]).all()


def test_effective_draws_are_those_of_the_weights(checked):
    post, likelihood, cube, result = checked
    data = post.prepared(cube.flux_ujy, cube.sigma_ujy, 2.0)
    view, ids = likelihood.model.band_table(2.0, trim=False), np.arange(6, dtype=np.uint32)
    # as many as a batch has
    rows = np.resize(ids, 16)
    data, ids = jax.tree.map(lambda a: jnp.asarray(a[rows]), data), jnp.asarray(ids[rows])
    u, weighted, _ = importance_sample(likelihood, data, view, ids, jax.random.key(3), n_draws=40)
    weight = jax.nn.softmax(weighted.log_weight[:6], axis=1)
    np.testing.assert_allclose(result.columns["ess"], 1.0 / (weight**2).sum(axis=1), rtol=1e-3)
    np.testing.assert_allclose(result.columns["log_evidence"], weighted.log_evidence[:6], atol=0.01)
    assert np.ptp(result.columns["log_evidence"]) > 1.0
    shrinkage = 1.0 - np.asarray(u[:6]).var(axis=1)[:, post.names.index("av")]
    np.testing.assert_allclose(result.columns["shrink_av"], shrinkage, atol=1e-3)


def test_weighed_chunks_do_not_matter(checked, monkeypatch):
    post, likelihood, cube, result = checked
    monkeypatch.setattr(infer, "_CHUNK_DRAWS", 4 * 40)
    again = post.infer(cube, model=likelihood, **OPTIONS)
    np.testing.assert_allclose(again.columns["ess"], result.columns["ess"], rtol=0.02)
    np.testing.assert_allclose(again.columns["log_evidence"], result.columns["log_evidence"], atol=0.02)


def test_columns_in_the_file(checked, tmp_path):
    _, _, _, result = checked
    result.maps("av").write(tmp_path / "maps.fits")
    with fits.open(tmp_path / "maps.fits") as hdus:
        assert hdus["TRUST"].header["CODE1"] == "0 TRUSTED" and hdus["METHOD"].header["CODE2"] == "1 IS"
        np.testing.assert_array_equal(hdus["ESS"].data.ravel(), result.columns["ess"])
        assert {"PARETO_K", "LOGEVID", "PPC_P", "TYPICAL", "SHRINK_AV"} <= {hdu.name for hdu in hdus}
        assert hdus[0].header["DSPS_SBI N_TRUST_UNTRUSTED"] == 6
    again = Maps.read(tmp_path / "maps.fits")
    assert again.names == ("av",) and set(again.columns) == set(result.columns)
    np.testing.assert_array_equal(again.columns["method"].ravel(), result.columns["method"])


def test_another_model_is_refused(checked, toy_model):
    post, _, cube, _ = checked
    with pytest.raises(UserError, match="bundle tiny was trained on another model: "):
        post.infer(cube, model=dataclasses.replace(toy_model, log_u=None))
    with pytest.raises(UserError, match="refine needs the stellar populations of the bundle"):
        post.infer(cube, refine=True)


@pytest.mark.parametrize("z", [7.6, 14.2])
def test_redshift_out_of_range(tiny_posterior, make_cube, z):
    with pytest.raises(UserError, match=f"redshift {z:g} is outside the bundle's range 0.001-7.5"):
        tiny_posterior.infer(make_cube(redshift=z))


def test_no_pixel_above_the_cut(tiny_posterior, make_cube):
    with pytest.raises(
        UserError, match=r"no pixel of galaxy.fits has S/N > 1e\+06 and 3 bands, .*: lower the cut"
    ):
        tiny_posterior.infer(make_cube(source="galaxy.fits"), snr_min=1e6)


def test_bands_that_the_network_does_not_know(tiny_posterior, make_cube):
    with pytest.raises(UserError, match="bands jwst_f770w are unknown to the bundle"):
        tiny_posterior.infer(make_cube(filters=("F770W", *JADES_BANDS[1:])))


def test_too_few_draws(tiny_posterior, make_cube):
    with pytest.raises(UserError, match="1 draws per pixel: ask for at least 2"):
        tiny_posterior.infer(make_cube(), n_draws=1)
