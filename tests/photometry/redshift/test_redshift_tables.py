"""A table whose redshifts are inferred: columns, draws, and rows without an answer."""

from dataclasses import replace

import numpy as np
from astropy.table import Table

from dsps_sbi.io.tables.layout import UNKNOWN, layout_of
from dsps_sbi.io.tables.rows import TableFile
from dsps_sbi.io.tables.values import photometry_of
from dsps_sbi.survey.table_redshifts import TableRedshifts
from dsps_sbi.survey.tables import TableRun

NAMES = ("sdss_u0", "sdss_g0", "sdss_r0", "sdss_i0", "sdss_z0")


def test_rows_of_a_table(untrained, plain_galaxies, mocks):
    flux, sigma, _ = mocks
    table = Table({"id": ["a", "b", "c"]})
    for i, name in enumerate(NAMES):
        table[f"f_{name}"], table[f"e_{name}"] = flux[:, i].astype(float), sigma[:, i].astype(float)
        table[f"f_{name}"][1] = np.nan
    file = TableFile(table)
    layout = layout_of(file.names, file.units, said={"unit": "uJy"}, redshift=UNKNOWN)
    (chunk,) = file.chunks(10, layout.columns)
    post = untrained.for_filters(NAMES)
    likelihood = post.likelihood_of(replace(plain_galaxies, filters=post.filter_set))
    redshifts = TableRedshifts(z_range=(0.1, 5.0))
    run = TableRun(post, likelihood, layout, n_draws=400, quantities=("log_mass",), redshifts=redshifts)
    rows, draws, _ = run.rows(photometry_of(chunk, layout, file.units), 0)
    assert run.names == ("z", "log_mass") and draws.shape == (2, 3, 400)
    assert np.isfinite(draws[:, [0, 2]]).all() and np.isnan(draws[:, 1]).all()
    assert [row["problem"] for row in rows] == ["", "no band was measured", ""]
    for row in (rows[0], rows[2]):
        assert row["z_p16"] < row["z"] < row["z_p84"] and 0.1 <= row["z_best"] <= 5.0
        assert 0.0 < row["z_odds"] <= 1.0 and row["z_peaks"] >= 1 and row["n_bands"] == 5
    assert set(rows[0]) <= {*run.columns, "name"}
