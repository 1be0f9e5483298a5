"""Text as people write it."""

import codecs
import gzip

import numpy as np
import pytest

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.io.text_table import read_text_table

N = 60
WAVE = 4000.0 + np.arange(N)
FLUX = 5.0 + np.round(np.cos(np.arange(N)), 3)
OPTIONS = {"medium": "air", "wave_unit": "AA", "flux_unit": "1e-17 erg/s/cm2/AA"}


def lines(apart=" ", head="wave flux error", form="{:.6g}"):
    rows = [apart.join(form.format(v) for v in row) for row in zip(WAVE, FLUX, np.full(N, 0.1), strict=True)]
    return "\n".join([apart.join(head.split())] * bool(head) + rows) + "\n"


def fortran(text):
    return text.replace("e+", "D+").replace("e-", "d-")


@pytest.mark.parametrize(
    "content",
    [
        lines().encode(),
        lines(";").encode(),
        lines(",").encode(),
        ("# a comment\n" + lines(";")).encode(),
        lines(";").replace(".", ",").encode(),
        codecs.BOM_UTF8 + lines().encode(),
        lines(";").encode("utf-16"),
        fortran(lines(form="{:.8e}")).encode(),
        fortran(lines(head="", form="{:.8e}")).encode(),
        ("# wavelength in \u00c5\n" + lines()).encode("latin-1"),
        gzip.compress(lines().encode()),
    ],
    ids=[
        "blanks",
        "semicolons",
        "commas",
        "comment",
        "decimal commas",
        "BOM",
        "utf-16",
        "D",
        "D without names",
        "latin-1",
        "gzip",
    ],
)
def test_the_same_spectrum(tmp_path, content):
    path = tmp_path / ("s.txt.gz" if content[:2] == b"\x1f\x8b" else "s.txt")
    path.write_bytes(content)
    s = ds.read_spectrum(path, **OPTIONS)
    np.testing.assert_allclose(s.wave_aa, WAVE)
    np.testing.assert_allclose(s.flux, FLUX, rtol=1e-5)
    np.testing.assert_allclose(s.sigma, 0.1, rtol=1e-6)


def test_without_names(tmp_path):
    (tmp_path / "s.txt").write_text(lines(";", head=""))
    np.testing.assert_allclose(ds.read_spectrum(tmp_path / "s.txt", **OPTIONS).flux, FLUX, rtol=1e-6)


def test_what_is_no_table_of_numbers(tmp_path):
    path = tmp_path / "s.txt"

    def refused(content, message):
        path.write_bytes(content)
        with pytest.raises(UserError, match=message):
            read_text_table(path)

    refused(lines().replace(" 0.1\n", " low\n", 1).encode(), "column error is not numbers .it has 'low'")
    refused(lines(";").replace(";0.1", ";0,1").encode(), "points and commas in numbers: expected one sign")
    refused(b"\x89HDF\r\n\x1a\n\0\0", "it is binary")
    refused(gzip.compress(lines().encode())[:-20], "is cut off or damaged .*: expected a whole file")
