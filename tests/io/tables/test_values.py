"""Numbers of tables become microjansky, and what is missing is missing."""

import numpy as np
import pytest

from dsps_sbi.errors import UserError
from dsps_sbi.io.tables.layout import layout_of, said_of
from dsps_sbi.io.tables.values import check_units, photometry_of

NAMES = ("id", "z", "f_F200W", "e_F200W")


def read(flux, error, *, said=(), units=("nJy", "nJy"), names=NAMES, z=2.0, more=None):
    chunk = {names[0]: np.arange(len(flux)), names[1]: np.full(len(flux), z)}
    chunk |= {names[2]: np.ma.asanyarray(flux), names[3]: np.asarray(error)} | (more or {})
    units = dict(zip(names, (None, None, *units), strict=True))
    layout = layout_of(list(chunk), units, said=dict(said))
    seen = photometry_of(chunk, layout, units)
    return seen, seen.flux_ujy[:, 0], seen.sigma_ujy[:, 0]


def test_units_of_flux_and_error_are_their_own():
    _, flux, sigma = read([500.0], [0.02], units=("nJy", "uJy"))
    np.testing.assert_allclose([flux[0], sigma[0]], [0.5, 0.02], rtol=1e-6)


def test_inverse_variances():
    names = ("id", "z", "flux_f200w", "flux_ivar_f200w")
    seen, flux, sigma = read([2.0, 2.0], [25.0, 0.0], names=names, units=("nanomaggy", "1/nanomaggy^2"))
    np.testing.assert_allclose([flux[0], sigma[0]], [2 * 3.631, 0.2 * 3.631], rtol=1e-4)
    assert np.isnan(flux[1]) and seen.problems == ["", "no band was measured"]


def test_magnitudes_and_zero_points():
    names = ("id", "z", "F200W_mag", "F200W_magerr")
    _, flux, sigma = read([23.9, 99.0, 25.0], [0.1, 0.1, -99.0], names=names, units=(None, None))
    np.testing.assert_allclose([flux[0], sigma[0]], [1.0, 0.1 * np.log(10) / 2.5], rtol=1e-6)
    assert np.isnan(flux[1:]).all()
    _, flux, sigma = read([10.0], [1.0], units=(None, None), said={"zero_point": "26.4"})
    np.testing.assert_allclose([flux[0], sigma[0]], [1.0, 0.1], rtol=1e-6)
    # a unit of magnitudes says so whatever the name
    _, flux, _ = read([23.9], [0.1], units=("mag(AB)", "mag(AB)"))
    assert flux[0] == pytest.approx(1.0)


@pytest.mark.parametrize(
    "flux, error",
    [
        (-99.0, 3.0),
        (-999.0, -999.0),
        (np.nan, 3.0),
        (5.0, 0.0),
        (5.0, np.inf),
        (np.ma.masked, 3.0),
        (5.0, -1.0),
    ],
)
def test_missing(flux, error):
    flux = np.ma.array([0.0, 8.0]) if flux is np.ma.masked else np.array([flux, 8.0])
    if isinstance(flux, np.ma.MaskedArray):
        flux[0] = np.ma.masked
    seen, flux, sigma = read(flux, [error, 2.0])
    assert np.isnan(flux[0]) and np.isnan(sigma[0]) and flux[1] == pytest.approx(8e-3)
    assert not seen.upper.any() and seen.problems == ["no band was measured", ""]


def test_limits_only_where_they_are_asked_for():
    seen, flux, sigma = read([5.0, -9999.0], [-2.0, -9999.0], said={"limits": "cigale"})
    assert seen.upper[:, 0].tolist() == [True, False] and np.isnan(flux[1])
    np.testing.assert_allclose([flux[0], sigma[0]], [5e-3, 2e-3])
    seen, flux, _ = read([5.0, 20.0, -99.0], [2.0, 2.0, 2.0], said={"limits": "3"})
    assert seen.upper[:, 0].tolist() == [True, False, False]
    np.testing.assert_allclose(flux, [6e-3, 2e-2, np.nan])
    said = {"flux": "f_{}", "error": "e_{}", "upper": "lim_{}"}
    seen, flux, _ = read([5.0, 20.0], [2.0, 2.0], said=said, more={"lim_F200W": np.array([1, 0])})
    assert seen.upper[:, 0].tolist() == [True, False] and flux[0] == pytest.approx(5e-3)


def test_redshifts_are_judged_row_by_row():
    seen, *_ = read([5.0], [1.0], z=np.nan)
    assert seen.problems == ["no redshift"]
    seen, *_ = read([5.0], [1.0], z=-0.001)
    assert seen.problems == ["redshift -0.001 is not above 0"]
    assert read([5.0], [1.0], z=-99.0)[0].problems == ["no redshift"]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"units": (None, None)}, "f_F200W has no unit: give one, as --layout unit=nJy"),
        ({"said": {"unit": "uJy"}}, "uJy was given, and f_F200W has the unit nJy"),
        ({"units": ("erg/s", "erg/s")}, "column f_F200W has the unit erg / s, which is not a flux density"),
        ({"said": {"limits": "some"}}, "limits is 'some': expected cigale, or a number of errors"),
        ({"said": {"id": "nr"}}, "has no column nr: it has id, z, f_F200W, e_F200W"),
        ({"said": {"flux": "f_{}"}}, "no error beside the flux: give one of error, ivar, variance"),
        ({"said": {"colour": "x"}}, "unknown colour: expected band, clip, counting, curves, distance, error"),
        (
            {"names": ("id", "when", "f_F200W", "e_F200W")},
            "no column of redshifts: .* or give one for all with --z",
        ),
        ({"names": ("id", "z", "a", "b")}, "no flux with an error in a band of use: columns are id, z, a, b"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(UserError, match=message):
        read([5.0], [1.0], **options)


def test_text_is_no_number():
    with pytest.raises(UserError, match="column f_F200W is text .'bright'.: expected numbers"):
        read(["bright"], [1.0])


def test_what_is_said_on_the_command_line(tmp_path):
    assert said_of("redshift=zz, flux={}_a,error={}_b") == {"redshift": "zz", "flux": "{}_a", "error": "{}_b"}
    with pytest.raises(UserError, match="'zz' is no role=value"):
        said_of("zz")
    path = tmp_path / "layout.toml"
    path.write_text('redshift = "zz"\n[[band]]\nfilter = "F200W"\nflux = "a"\nerror = "b"\n')
    layout = layout_of(["zz", "a", "b"], {"a": "nJy", "b": "nJy"}, said=said_of(str(path)))
    assert layout.filters == ("jwst_f200w",) and layout.columns == ("zz", "a", "b") and layout.id is None
    assert layout.told({"a": "nJy"})[0] == "id: row number"
    path.write_text("redshift = ")
    with pytest.raises(UserError, match="is not valid TOML"):
        said_of(str(path))


def test_units_are_checked_before_rows_are_read():
    names = ["id", "z", "f_hsc_g", "e_hsc_g"]
    for unit, units in (
        ("km", {}),
        (None, {"f_hsc_g": "km"}),
        (None, {"f_hsc_g": "uJy", "e_hsc_g": "furl ong"}),
    ):
        layout = layout_of(names, units, said={} if unit is None else {"unit": unit})
        with pytest.raises(UserError, match=r"t.csv, column \w_hsc_g"):
            check_units(layout, units, "t.csv")
    check_units(layout_of(names, {}, said={"zero_point": "25"}), {})
    check_units(layout_of(names, {"f_hsc_g": "nJy"}), {"f_hsc_g": "nJy"})
