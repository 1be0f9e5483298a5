import pytest

from dsps_sbi.errors import UserError
from dsps_sbi.photometry.flags import PixelFlag, decode, describe


def test_bits_are_distinct_and_fixed():
    assert [(flag.name, flag.value) for flag in PixelFlag] == [
        ("MASKED", 1),
        ("LOW_SNR", 2),
        ("BAND_MISSING", 4),
        ("FEW_BANDS", 8),
        ("NO_SNR_BAND", 16),
        ("OUT_OF_DEPTH", 32),
        ("BAD_DRAWS", 64),
        ("UNCHECKED", 128),
        ("BAND_OUT_OF_RANGE", 256),
        ("UNTRUSTED", 512),
        ("LIMIT_RANGE", 1024),
        ("AT_EDGE", 2048),
        ("NOT_CONVERGED", 4096),
    ]


def test_decode_names_the_bits():
    assert decode(0) == []
    assert decode(PixelFlag.BAND_MISSING | PixelFlag.UNCHECKED) == ["BAND_MISSING", "UNCHECKED"]


@pytest.mark.parametrize("value", [-1, 8192, 8193])
def test_unknown_bits_are_refused(value):
    with pytest.raises(UserError, match=f"flag value {value} has unknown bits"):
        decode(value)


def test_every_bit_is_described_in_ascii():
    texts = describe()
    assert list(texts) == [flag.name for flag in PixelFlag]
    assert all(text and text.isascii() for text in texts.values())
