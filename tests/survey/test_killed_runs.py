"""Runs that are killed, on full disks, or in a folder of another process: nothing lost, the same bytes."""

import errno
import json
import signal
import subprocess
import sys
import time

import h5py
import pytest
from astropy.io import fits

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.io.folders import alone_in
from dsps_sbi.survey.ahead import ReadAhead
from dsps_sbi.survey.entries import Entry
from dsps_sbi.survey.manifest import MANIFEST, file_hash
from dsps_sbi.survey.run_log import LOG

OPTIONS = {"n_draws": 20, "seed": 4, "keep_draws": True, "pictures": False}
# Moves files slowly, so that a kill at a random moment is as likely between two of them as elsewhere
CHILD = """
import os, sys, time
import dsps_sbi as ds
replace = os.replace
def slow(*args):
    time.sleep(0.02)
    replace(*args)
os.replace = slow
ds.infer_many(ds.load_bundle(sys.argv[1]), sys.argv[3:], sys.argv[2], resume=True, n_draws=20, seed=4,
              keep_draws=True, pictures=False)
"""


def test_a_killed_run_that_is_resumed_leaves_the_same_bytes(tiny_bundle, loaded, several, tmp_path, contents):
    """kill -9 after the first object, at whatever is under way then."""
    whole, out = tmp_path / "whole", tmp_path / "out"
    ds.infer_many(loaded, several, whole, **OPTIONS)
    files = list(map(str, several))
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tiny_bundle), str(out), *files])
    try:
        while child.poll() is None and not (out / LOG).is_file():
            time.sleep(0.005)
        time.sleep(0.03)
    finally:
        child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert not (out / MANIFEST).exists() and (out / "a" / "maps.fits").is_file()
    ds.infer_many(loaded, several, out, resume=True, **OPTIONS)
    assert contents(out) == contents(whole)


def test_the_manifest_tells_what_there_is(tiny_posterior, several, tmp_path, contents):
    out = tmp_path / "out"
    ds.infer_many(tiny_posterior, several, out, **OPTIONS)
    manifest = json.loads((out / MANIFEST).read_text())
    assert manifest["options"]["n_draws"] == 20 and manifest["listed"]["n"] == 5 and manifest["shard"] is None
    lines = {line["name"]: line for line in manifest["objects"]}
    assert list(lines) == list("abcde") and "files" not in lines["c"]
    assert "redshift 9 is outside the bundle's range" in lines["c"]["row"]["problem"]
    told = {name: key for line in lines.values() for name, key in line.get("files", {}).items()}
    told |= manifest["others"]
    assert set(told) == set(contents(out)) - {MANIFEST, LOG}
    assert all(file_hash(out / name) == key for name, key in told.items())
    # the checksums of FITS hold, and there is no time beside them
    with fits.open(out / "a" / "maps.fits", checksum=True) as hdus:
        assert all("of this extension" in hdu.header.comments["CHECKSUM"] for hdu in hdus)
    # what is damaged is made again, and nothing else
    before = contents(out)
    stamp = (out / "b" / "maps.fits").stat().st_mtime_ns
    with h5py.File(out / "a" / "draws.h5", "r+") as file:
        file["draws/av"][0] = 0.0
    ds.infer_many(tiny_posterior, several, out, resume=True, **OPTIONS)
    assert contents(out) == before and (out / "b" / "maps.fits").stat().st_mtime_ns == stamp


def test_a_full_disk_stops_the_run_and_is_no_fault_of_an_object(
    tiny_posterior, several, tmp_path, contents, monkeypatch
):
    whole, out = tmp_path / "whole", tmp_path / "out"
    ds.infer_many(tiny_posterior, several, whole, **OPTIONS)
    real = fits.HDUList.writeto

    def full(self, path, *rest, **more):
        if path.parent.parent.name == "b":
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, path, *rest, **more)

    with (
        monkeypatch.context() as patch,
        pytest.raises(UserError, match="No space left on device.: make room"),
    ):
        patch.setattr(fits.HDUList, "writeto", full)
        ds.infer_many(tiny_posterior, several, out, **OPTIONS)
    names = [json.loads(line).get("name") for line in (out / LOG).read_text().splitlines()]
    assert names == [None, "a"]
    ds.infer_many(tiny_posterior, several, out, resume=True, **OPTIONS)
    assert contents(out) == contents(whole)


def test_what_a_killed_process_was_writing_goes(tiny_posterior, several, tmp_path, contents):
    whole, shards, out = tmp_path / "whole", tmp_path / "shards", tmp_path / "out"
    ds.infer_many(tiny_posterior, several, whole, **OPTIONS)
    before = contents(whole)
    for name in ("manifest.json", ".infer.jsonl", "catalogue.ecsv"):
        (whole / f".123-0123abcd-{name}").write_text("half of")
    (whole / ".my-own-notes").touch()
    ds.infer_many(tiny_posterior, several, whole, resume=True, **OPTIONS)
    assert contents(whole) == before | {".my-own-notes": b""}
    # of merging, too
    ds.infer_many(tiny_posterior, several, shards, shard="1/1", **OPTIONS)
    (out / "a").mkdir(parents=True)
    (out / "a" / ".7-0123abcd-maps.fits").touch()
    ds.merge(shards, out)
    assert contents(out) == before


def test_two_processes_do_not_share_a_folder(tiny_posterior, several, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with alone_in(out), pytest.raises(UserError, match="another process is at work in .*out: expected to be"):
        ds.infer_many(tiny_posterior, several, out, **OPTIONS)
    with alone_in(out):
        pass


def test_the_next_object_is_read_while_this_one_is_fitted():
    read = []

    def entry(name):
        def fingerprint():
            read.append(name)
            if name == "b":
                raise OSError("b is gone")
            return f"hash of {name}"

        return Entry(name, lambda: None, fingerprint, prefetch=lambda: read.append(f"{name} whole"))

    entries = [entry(name) for name in "abcd"]
    with ReadAhead(entries) as ahead:
        assert ahead.fingerprint(entries[0]) == "hash of a"
        limit = time.monotonic() + 10.0
        while len(read) < 3 and time.monotonic() < limit:
            time.sleep(0.001)
        # the next one by itself, and no further
        assert read == ["a", "a whole", "b"]
        assert ahead.fingerprint(entries[1]) is None
        assert ahead.fingerprint(entries[2]) == "hash of c"
