import tomllib
from importlib.resources import files

import numpy as np
import pytest

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.spectroscopy.preset import spectral_presets
from dsps_sbi.ssp.cache import ENVIRONMENT

OWN = """
name = "own"

[observed]
wave_aa = [4000.0, 7000.0]
step_aa = 1.0
medium = "air"
fwhm_aa = 3.2

[network]
wave_aa = [4350.0, 5430.0]
ln_step = 2.0e-4
fwhm_aa = 3.0

[ssp]
grid = "miles"

[prior]
z = [0.001, 0.4]

[noise]
snr = [5, 50]
"""


@pytest.fixture
def own(tmp_path):
    """Writes the TOML file, one text of it replaced by another; returns its path."""

    def write(old="", new=""):
        assert old in OWN
        path = tmp_path / "own.toml"
        path.write_text(OWN.replace(old, new) if old else OWN)
        return path

    return write


@pytest.mark.parametrize("name", spectral_presets())
def test_presets_say_where_their_numbers_come_from(name):
    preset = ds.SpectrumPreset.read(name)
    content = tomllib.loads((files("dsps_sbi.instruments") / "presets" / f"{name}.toml").read_text())
    assert preset.name == name and preset.about
    assert set(preset.sources) == set(content) - {"name", "about"}
    assert preset.prior().z == preset.z and preset.prior().marginals["metallicity"].low == -1.71
    frame = preset.frame()
    assert frame.medium == "vacuum" and np.ptp(np.diff(frame.ln_edges)) < 1e-5
    # the wavelengths of the network are seen at some redshift
    assert max(np.isfinite(preset.extra_km_s(z)).mean() for z in (*preset.z, 1.0)) > 0.6


def test_all_presets_are_there():
    expected = {
        "miles-optical",
        "miles-optical-wide",
        "sdss",
        "muse",
        "desi",
        "weave",
        "4most",
        "nirspec-medium",
    }
    assert set(spectral_presets()) == expected


def test_widths_are_those_that_were_published():
    def fwhm(name, wave):
        spectrograph = ds.SpectrumPreset.read(name).spectrograph()
        width = np.diff(spectrograph.edges_aa)
        return np.interp(
            wave, spectrograph.wave_aa, 2.354820 * spectrograph.lsf.sigma_aa(spectrograph.wave_aa, width)
        )

    wave = np.linspace(4760.0, 9340.0, 20)
    np.testing.assert_allclose(fwhm("muse", wave), 5.866e-8 * wave**2 - 9.187e-4 * wave + 6.040, atol=5e-3)
    assert fwhm("sdss", 9000.0) == pytest.approx(9000.0 / 2500.0, rel=1e-3)
    assert fwhm("desi", 3600.4) == pytest.approx(3600.0 / 2000.0, rel=1e-3)
    assert fwhm("weave", 5000.0) == pytest.approx(1.0, rel=1e-3)


def test_what_is_less_sharp_than_the_network():
    sdss, weave = ds.SpectrumPreset.read("sdss"), ds.SpectrumPreset.read("weave")
    near = sdss.extra_km_s(0.001)
    assert 20.0 < np.nanmax(near) < 40.0 and np.isnan(near[0])
    assert np.nanmax(sdss.extra_km_s(0.25)) < 5.0 and np.nanmax(weave.extra_km_s(0.001)) == 0.0


def test_from_a_file_to_mocks(own, line_grid):
    preset = ds.SpectrumPreset.read(own())
    assert preset.spectrograph().medium == "air" and preset.spectrograph().wave_aa[-1] == 7000.0
    assert preset.observed.wave_aa.size == 3001
    model = preset.model(line_grid)
    simulator = preset.simulator(model)
    assert model.prior.z == (0.001, 0.4) and model.spectrograph is preset.frame()
    assert model.prior.marginals["metallicity"].high == 0.4  # that of the grid
    assert simulator.snr == (5.0, 50.0) and np.asarray(simulator.view.valid).mean() > 0.6
    assert not np.asarray(simulator.view.sharp).any()


def test_without_an_instrument_spectra_are_at_rest():
    preset = ds.SpectrumPreset.read("miles-optical")
    assert preset.spectrograph() is preset.frame() and preset.frame().wave_aa.size == 3182
    assert preset.prior().z == (0.0001, 4.0) and np.all(preset.extra_km_s(1.0) == 0.0)


def test_a_grid_that_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path))
    with pytest.raises(UserError, match="grid 'emiles' is not in .*: run 'dsps-sbi fetch emiles'"):
        ds.SpectrumPreset.read("nirspec-medium").model()


def test_a_network_sharper_than_the_populations(own, line_grid):
    preset = ds.SpectrumPreset.read(own("fwhm_aa = 3.0", "fwhm_aa = 2.6"))
    with pytest.raises(UserError, match=r"own: the network's LSF has FWHM 2.\d+ Angstrom .* lines 2.5: give"):
        preset.model(line_grid)


@pytest.mark.parametrize(
    "old, new, message",
    [
        ('name = "own"', "", 'it has no name: add name = "..." above the tables'),
        ('name = "own"', 'name = "own"\nx = 1', "it has the unknown key x: expected name, about"),
        ("[noise]\nsnr = [5, 50]", "", r"it has no table \[noise\]: add one with snr"),
        ("snr = [5, 50]", "", r"\[noise\] has no snr: add snr = \[5.0, 1000.0\]"),
        ('medium = "air"\n', "", r"\[observed\] has no medium: add medium = "),
        ('medium = "air"', 'medium = "glass"', "medium of the wavelengths is 'glass': give 'air' or"),
        ("step_aa = 1.0", "step = 1.0", r"\[observed\] has the unknown key step: expected wave_aa, step_aa"),
        ("step_aa = 1.0\n", "", r"\[observed\] has none of step_aa, ln_step: give one, like step_aa = 1.0"),
        ("step_aa = 1.0", "step_aa = 1.0\nln_step = 1e-4", "has step_aa and ln_step: give one"),
        (
            "step_aa = 1.0",
            "step_aa = 0.0001",
            "makes 30000000 pixels of 4000-7000 Angstrom: check that it is in",
        ),
        ("step_aa = 1.0", 'step_aa = "1"', r"\[observed\] step_aa = '1': give one number above 0"),
        ("[4000.0, 7000.0]", "[0.4, 0.7]", "from 0.4 to 0.7 Angstrom: check the unit"),
        (
            "[4000.0, 7000.0]",
            "[400.0, 700.0]",
            r"is 286-699 at rest for z = 0.001-0.4, \[network\] 4350-5429",
        ),
        ("[4000.0, 7000.0]", "[7000.0, 4000.0]", "give two numbers, low < high, like"),
        ("fwhm_aa = 3.2", "", r"\[observed\] has none of fwhm_aa, resolving_power, sigma_km_s: give one"),
        ("fwhm_aa = 3.2", "fwhm_aa = [3.2, 3.3]", "lsf_wave_aa = None: a list needs lsf_wave_aa"),
        ("fwhm_aa = 3.2", "fwhm_aa = [3, 4]\nlsf_wave_aa = [5000, 7000]", "LSF table covers 5000-7000"),
        ("fwhm_aa = 3.2", "fwhm_aa = [3, 4]\nlsf_wave_aa = ['a', 1]", "give a list of numbers, in Angstrom"),
        ("fwhm_aa = 3.2", "fwhm_aa = 0.2", "the LSF is narrower than a pixel at 4000.0 Angstrom"),
        ("fwhm_aa = 3.2", "resolving_power = -1", "LSF resolving_power has the value -1: give positive"),
        ('"miles"', '"mile"', r"\[ssp\] grid = 'mile': choose from bc03-miles, miles, emiles, emiles-nir"),
        ("[0.001, 0.4]", "0.4", r"\[prior\] z = 0.4: give two numbers, low < high, like \[0.0001, 1.0\]"),
        ("[0.001, 0.4]", "[0.0, 0.4]", "redshift range .*: give 0 < low < high <= 12"),
        ("[5, 50]", "[50, 5]", r"\[noise\] snr = \[50, 5\]: give two numbers"),
        ("[5, 50]", "[0, 50]", "signal-to-noise ratios from 0 to 50: give 0 < low <= high"),
        ("[5, 50]", "[5, 50]\nshortest = 2.0", "shortest of mock spectra is 2.0: give a share from 0 to 1"),
        ("[5, 50]", "[5, 50]\np_bad = '3 %'", r"\[noise\] p_bad = '3 %': give a number"),
        ("[5, 50]", "[5, 50]\nsource = 3", r"\[noise\] source = 3: give a text in quotes"),
        ("[prior]", "[prior", "own.toml is not valid TOML"),
    ],
)
def test_what_is_refused(own, old, new, message):
    path = own(old, new)
    with pytest.raises(UserError, match=message) as error:
        ds.SpectrumPreset.read(path)
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)


def test_unknown_names(tmp_path):
    with pytest.raises(
        UserError, match="no preset and no file 'sds': give one of 4most, desi, miles-optical"
    ):
        ds.SpectrumPreset.read("sds")
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="a.toml is not TOML .*: give a text file"):
        ds.SpectrumPreset.read(tmp_path / "a.toml")
