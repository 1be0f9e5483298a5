import hashlib
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from dsps_sbi.bundle.files import CONFIG, META, WEIGHTS
from dsps_sbi.bundle.load import load_bundle, save_bundle, shipped
from dsps_sbi.errors import UserError
from dsps_sbi.noise import UpperLimits
from dsps_sbi.ssp import available


@pytest.fixture
def copy(tiny_bundle, tmp_path):
    return shutil.copytree(tiny_bundle, tmp_path / "copy")


def resign(folder):
    """Record the hashes of the files as they are now, as somebody who means harm would."""
    meta = json.loads((folder / META).read_text())
    meta["sha256"] = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in (WEIGHTS, CONFIG)
    }
    (folder / META).write_text(json.dumps(meta))


def test_round_trip(tiny_posterior, tiny_bundle, mock_pixels):
    post = load_bundle(tiny_bundle)
    assert post.filters == tiny_posterior.filters and post.names == tiny_posterior.names
    assert post.network.prior.z == tiny_posterior.network.prior.z
    assert dict(post.network.prior.marginals) == dict(tiny_posterior.network.prior.marginals)
    assert post.network.arch == tiny_posterior.network.arch and post.meta["name"] == "tiny"
    np.testing.assert_array_equal(post.noise.depth_ujy, tiny_posterior.noise.depth_ujy)
    one, two = (p.quantity_draws(*mock_pixels, 2.0, n_draws=20) for p in (post, tiny_posterior))
    np.testing.assert_array_equal(one, two)


def test_limits_of_the_training_decide_what_is_in_range(tiny_posterior, tmp_path):
    given = replace(tiny_posterior, limits=UpperLimits(0.2, 0.1, (2.0, 3.0)))
    post = load_bundle(save_bundle(given, tmp_path / "limited"))
    assert post.limits == given.limits
    flux = np.tile(np.float32([[1.5], [2.5], [4.0]]), 19)
    data = post.prepared(flux, np.ones_like(flux), 2.0, upper=np.ones(flux.shape, bool))
    assert post.odd_limits(data)[:, 0].tolist() == [True, False, True]


def test_the_files_are_plain(tiny_bundle):
    assert sorted(path.name for path in tiny_bundle.iterdir()) == sorted([WEIGHTS, CONFIG, META])


@pytest.mark.parametrize("part", [WEIGHTS, CONFIG])
def test_one_changed_byte_is_refused(copy, part):
    data = bytearray((copy / part).read_bytes())
    data[-3] ^= 1
    (copy / part).write_bytes(data)
    with pytest.raises(UserError, match=f"{part} does not match its recorded SHA-256: .*copy it again"):
        load_bundle(copy)


@pytest.mark.parametrize("part", [WEIGHTS, CONFIG])
def test_cut_and_missing_parts(copy, part):
    (copy / part).write_bytes((copy / part).read_bytes()[:100])
    with pytest.raises(UserError, match="changed or cut"):
        load_bundle(copy)
    (copy / part).unlink()
    with pytest.raises(UserError, match=f"bundle .* is incomplete .*{part}.*copy or train it again"):
        load_bundle(copy)


@pytest.mark.parametrize("text", ["", '{"name": "tiny"', "[1, 2]", "{}", '{"sha256": 3}'])
def test_broken_meta(copy, text):
    (copy / META).write_text(text)
    with pytest.raises(UserError, match="is incomplete"):
        load_bundle(copy)


def test_no_such_bundle(tmp_path):
    with pytest.raises(
        UserError, match="no bundle at jades-pixel: give a bundle's folder or one of the shipped"
    ):
        load_bundle("jades-pixel")
    with pytest.raises(UserError, match="no bundle at"):
        load_bundle(tmp_path)


@pytest.mark.parametrize(
    ("pattern", "replacement", "message"),
    [
        (r"format = \d+", "format = 99", "has format 99, this version reads"),
        (r"format = \d+\n", "", "has format None"),
        (r"cosmology = .*\n", "", "not complete"),
        (r"filters = \[[^]]*\]\n", "", r"not complete \('filters'\)"),
        (
            r"kind = \"delayed_tau\"",
            'kind = "no_such_history"',
            "star formation history .no_such_history. is unknown",
        ),
        (r"width = 24", "width = 25", "lacks weights that its configuration needs"),
        (r"n_bins = ", "n_bins = x", "cannot be read"),
    ],
)
def test_a_changed_configuration_with_a_fitting_hash(copy, pattern, replacement, message):
    text = (copy / CONFIG).read_text()
    assert re.search(pattern, text)
    (copy / CONFIG).write_text(re.sub(pattern, replacement, text, count=1))
    resign(copy)
    with pytest.raises(UserError, match=message) as caught:
        load_bundle(copy)
    assert "\n" not in str(caught.value)


def test_weights_that_are_not_finite(copy):
    arrays = load_file(copy / WEIGHTS)
    name = next(name for name in arrays if "encoder" in name)
    arrays[name].flat[3] = np.nan
    save_file(arrays, copy / WEIGHTS)
    resign(copy)
    with pytest.raises(UserError, match="values that are not finite, in weights.*: train it again"):
        load_bundle(copy)


def test_weights_that_are_not_safetensors(copy):
    (copy / WEIGHTS).write_bytes(b"\x80\x04cos\nsystem\n" * 50)
    resign(copy)
    with pytest.raises(UserError, match="cannot be read"):
        load_bundle(copy)


def test_a_place_that_cannot_be_written(tiny_posterior, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be made .*choose a writable place"):
        save_bundle(tiny_posterior, tmp_path / "file" / "bundle")


def test_shipped_bundles_load():
    if not shipped():
        pytest.skip("no bundle is shipped with this checkout")
    for name, folder in shipped().items():
        meta = json.loads((folder / META).read_text())
        assert meta["name"] == name and len(meta["reference"]["theta"]) == 32
        # those of spectra are made whole with their SSPs
        if isinstance(meta["ssp"]["name"], str) or available(*meta["ssp"]["name"]):
            assert load_bundle(name).meta == meta
        else:
            with pytest.raises(UserError, match="is not in .*: run 'dsps-sbi fetch miles'"):
                load_bundle(name)
