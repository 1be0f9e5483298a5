"""Definitions of indices: those of the tables, and what is refused."""

import numpy as np
import pytest

from dsps_sbi.errors import UserError
from dsps_sbi.instruments.line_indices import LINE_INDICES, LineIndex, bands_on, indices_named


def test_definitions_as_published():
    """Some rows of Trager et al. (1998, table 2) and Worthey & Ottaviani (1997, table 1)."""
    mgb, hda, mg2 = (LINE_INDICES[name] for name in ("Mgb", "HdA", "Mg2"))
    assert (mgb.band, mgb.blue, mgb.red) == (
        (5160.125, 5192.625),
        (5142.625, 5161.375),
        (5191.375, 5206.375),
    )
    assert (hda.band, hda.blue, hda.red) == ((4083.5, 4122.25), (4041.6, 4079.75), (4128.5, 4161.0))
    assert (mg2.band, mg2.unit, mgb.unit) == ((5154.125, 5196.625), "mag", "Angstrom")
    lick = [index for index in LINE_INDICES.values() if "Trager" in index.source]
    assert len(lick) == 21 and sum(index.unit == "mag" for index in lick) == 6
    middles = [sum(index.band) for index in LINE_INDICES.values()]
    assert middles == sorted(middles)


def test_bands_hold_their_widths():
    edges = np.linspace(3500.3, 7100.1, 2777)
    bands = bands_on(indices_named(), edges)
    widths = [index.band[1] - index.band[0] for index in indices_named()]
    np.testing.assert_allclose(np.asarray(bands.band).sum(axis=1), widths, rtol=1e-4)
    np.testing.assert_allclose(np.asarray(bands.blue).sum(axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(np.asarray(bands.red).sum(axis=1), 1.0, rtol=1e-5)


def test_what_is_refused_is_one_line():
    with pytest.raises(UserError, match="index 'Mgc' is unknown: choose from CaHK"):
        indices_named(["Mgb", "Mgc"])
    with pytest.raises(UserError, match="Mgb is given twice: give each that is wanted once"):
        indices_named(["Mgb", "Mgb"])
    with pytest.raises(UserError, match="no index is given"):
        indices_named([])
    with pytest.raises(UserError, match=r"index x: band is 5100-5000: give \(low, high\)"):
        LineIndex("x", (5100.0, 5000.0), (4900.0, 4950.0), (5200.0, 5250.0))
    with pytest.raises(UserError, match="the middle of blue is not below that of red: exchange"):
        LineIndex("x", (5000.0, 5100.0), (5200.0, 5250.0), (4900.0, 4950.0))
    with pytest.raises(UserError, match="unit is 'nm': give 'Angstrom' or 'mag'"):
        LineIndex("x", (5000.0, 5100.0), (4900.0, 4950.0), (5200.0, 5250.0), "nm")
    with pytest.raises(UserError, match=r"index NaD needs 5860.6-5948.1 Angstrom \(air, at rest\), the pix"):
        bands_on(indices_named(["NaD"]), np.linspace(4000.0, 5900.0, 100))
