import numpy as np
import pytest

import dsps_sbi as ds

WAVE = np.linspace(5000.0, 5100.0, 20)


def make(**changed):
    parts = dict(wave_aa=WAVE, flux=np.ones(20), sigma=np.full(20, 0.1), medium="air", redshift=0.1)
    return ds.Spectrum(**parts | changed)


def put(array, index, value):
    array = np.array(array, float)
    array[index] = value
    return array


def test_what_it_holds():
    s = make(flux=put(np.ones(20), 2, np.nan), sigma=put(np.full(20, 0.1), 3, 0.0), mask=np.arange(20) == 4)
    assert s.flux.dtype == s.sigma.dtype == np.float32 and s.wave_aa.dtype == np.float64
    assert list(np.flatnonzero(~s.valid)) == [2, 3, 4]
    assert not (s.flux.flags.writeable or s.sigma.flags.writeable or s.wave_aa.flags.writeable)
    part = make(lsf=ds.LSF("sigma_pixel", np.arange(1.0, 21.0))).between(5020.0, 5050.0)
    assert part.wave_aa[0] >= 5020.0 and part.wave_aa.size == part.flux.size == part.lsf.value.size
    assert part.redshift == 0.1 and part.lsf.value[0] == 5.0


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"wave_aa": put(WAVE, 5, WAVE[4])}, "wavelengths repeat at pixel 4 .*keep each once"),
        ({"wave_aa": WAVE[::-1]}, "wavelengths are not increasing at pixel 0 .*sort the pixels"),
        ({"wave_aa": put(WAVE, 5, np.nan)}, "not finite at pixel 5"),
        ({"wave_aa": np.log10(WAVE)}, "run from 3.69.* Angstrom: check the unit"),
        ({"wave_aa": WAVE[:2]}, "give a list of at least 3 pixels"),
        ({"flux": np.ones(19)}, r"flux has shape \(19,\) for 20 wavelengths"),
        ({"sigma": np.zeros(20)}, "no error is finite and positive: give standard deviations, or state"),
        ({"mask": np.ones(20)}, "all pixels are masked: expected some to use; mend the mask"),
        ({"mask": np.ones(3)}, r"mask has shape \(3,\)"),
        ({"flux": np.full(20, np.nan)}, "no unmasked pixel has a flux with an error"),
        ({"medium": "water"}, "medium is 'water': give medium='air'"),
        ({"redshift": np.nan}, "redshift is nan: give the galaxy's redshift"),
    ],
)
def test_what_it_refuses(changed, message):
    with pytest.raises(ds.UserError, match=message):
        make(**changed)


def test_empty_range():
    with pytest.raises(
        ds.UserError, match="spectrum has 0 pixels from 6000 to 7000 Angstrom: it covers 5000-5100"
    ):
        make().between(6000.0, 7000.0)
