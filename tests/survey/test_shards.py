"""Shares of a run in folders of their own, merged: the same bytes as of one run; what is refused."""

import json
import shutil

import pytest

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.survey.manifest import MANIFEST
from dsps_sbi.survey.shards import Shard, slurm_shard

OPTIONS = {"n_draws": 20, "seed": 4, "pictures": False}


@pytest.fixture
def shared(tiny_posterior, several, tmp_path):
    """Folder of a run of five images in three shards."""
    for i in (3, 1, 2):
        ds.infer_many(tiny_posterior, several, tmp_path / "shards", shard=f"{i}/3", **OPTIONS)
    return tmp_path / "shards"


def test_merged_shards_are_the_bytes_of_one_run(tiny_posterior, several, shared, tmp_path, contents, run):
    whole, out = tmp_path / "whole", tmp_path / "out"
    table = ds.infer_many(tiny_posterior, several, whole, **OPTIONS)
    assert {path.name for path in (shared / "shard-1-of-3").iterdir() if path.is_dir()} == {"a", "d"}
    merged = ds.merge(shared, out)
    assert contents(out) == contents(whole) and merged["name"].tolist() == table["name"].tolist()
    # again, of single folders in any order, by the command line
    status, output, error = run("merge", *sorted(shared.iterdir(), reverse=True), "-o", out)
    assert (
        status == 1 and "5 objects; in" in output and "1 of 5 objects have no answer, see the column" in error
    )
    assert contents(out) == contents(whole)
    # what has no answer is tried again, and no more
    stamp = (out / "a" / "maps.fits").stat().st_mtime_ns
    ds.infer_many(tiny_posterior, several, out, resume=True, **OPTIONS)
    assert contents(out) == contents(whole) and (out / "a" / "maps.fits").stat().st_mtime_ns == stamp


def test_what_is_not_merged(tiny_posterior, several, shared, tmp_path):
    out = tmp_path / "out"
    one, two, three = (shared / f"shard-{i}-of-3" for i in (1, 2, 3))
    with pytest.raises(UserError, match="shards 2, 3 of 3 are not there: .* run them with --shard 2/3"):
        ds.merge(one, out)
    copied = tmp_path / "copied"
    shutil.copytree(one, copied)
    with pytest.raises(UserError, match="copied are both shard 1/3: leave one out"):
        ds.merge([shared, copied], out)
    (copied / "a" / "maps.fits").write_bytes(b"")
    with pytest.raises(UserError, match="copied/a/maps.fits is not what the manifest says"):
        ds.merge([copied, two, three], out)
    (copied / MANIFEST).unlink()
    with pytest.raises(UserError, match="copied has no manifest.json: expected the folder of a run that is"):
        ds.merge([copied, two, three], out)
    with pytest.raises(UserError, match="nowhere is no folder"):
        ds.merge(tmp_path / "nowhere", out)
    ds.infer_many(tiny_posterior, several, tmp_path / "other", shard="2/3", **OPTIONS | {"seed": 5})
    other = tmp_path / "other" / "shard-2-of-3"
    with pytest.raises(UserError, match="shard-2-of-3 was made with seed 5, .*shard-1-of-3 with 4: expected"):
        ds.merge([one, other, three], out)
    manifest = json.loads((two / MANIFEST).read_text())
    for key, value, message in (
        ("options", manifest["options"] | {"bundle": "another"}, "made with bundle another, .* with tiny"),
        ("listed", manifest["listed"] | {"n": 6}, "a share of 6 objects, .* of 5, and not of the same list"),
        ("shard", None, "shard-2-of-3 is a whole run, no share of one"),
        ("shard", "2/4", "shards of 3 and of 4 were given"),
    ):
        (two / MANIFEST).write_text(json.dumps(manifest | {key: value}))
        with pytest.raises(UserError, match=message):
            ds.merge(shared, out)
    assert not out.exists()
    (two / MANIFEST).write_text(json.dumps(manifest))
    ds.merge(shared, out)
    # a folder of another run
    with pytest.raises(UserError, match="holds a run with seed 4, this one has 5"):
        ds.infer_many(tiny_posterior, several, out, resume=True, **OPTIONS | {"seed": 5})
    for i in (1, 3):
        ds.infer_many(tiny_posterior, several, tmp_path / "other", shard=f"{i}/3", **OPTIONS | {"seed": 5})
    with pytest.raises(UserError, match="holds a run with seed 4, this one has 5"):
        ds.merge(tmp_path / "other", out)


def test_another_number_of_shards_is_refused(tiny_posterior, several, shared):
    with pytest.raises(UserError, match="shards holds shards of 3, this one is 1/2: give --shard i/3"):
        ds.infer_many(tiny_posterior, several, shared, shard="1/2", **OPTIONS)


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/3/4", "-1/3"])
def test_shards_that_are_none(text):
    with pytest.raises(UserError, match=r"shard .*: expected i/n with i from 1 to n, such as 3/10"):
        Shard.of(text)


def test_each_object_is_in_one_shard():
    rows = [row for i in range(1, 8) for row in Shard(i, 7).rows(23)]
    assert sorted(rows) == list(range(23)) and Shard(3, 5).rows(2) == range(2, 2, 5)


def task(number, first, last, count):
    names = {"ID": number, "MIN": first, "MAX": last, "COUNT": count}
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in names.items()}


def test_tasks_of_slurm_arrays_have_shares():
    assert slurm_shard({}) is None and slurm_shard({"SLURM_JOB_ID": "7"}) is None
    assert slurm_shard(task(0, 0, 9, 10)) == Shard(1, 10)
    assert slurm_shard(task(17, 5, 17, 4)) == Shard(4, 4)
    assert [slurm_shard(task(k, 2, 8, 4)) for k in (2, 4, 6, 8)] == [Shard(i, 4) for i in (1, 2, 3, 4)]
    assert slurm_shard(task(3, 3, 3, 1)) == Shard(1, 1)
    for odd in (task(5, 1, 7, 3), task(7, 1, 8, 3), task(11, 0, 9, 10)):
        with pytest.raises(UserError, match="does not tell its share: expected numbers with a common step"):
            slurm_shard(odd)
    with pytest.raises(UserError, match="expected whole numbers; give --shard i/n"):
        slurm_shard(task("x", 0, 9, 10))


def test_the_command_line_takes_its_share_of_an_array(infer, several, tmp_path, monkeypatch):
    for name, value in task(2, 1, 5, 5).items():
        monkeypatch.setenv(name, value)
    status, output, _ = infer(*several, "--no-pictures")
    assert status == 0 and "shard 2/5: 1 of 5 images" in output and "dsps-sbi merge" in output
    assert {path.name for path in (tmp_path / "out" / "shard-2-of-5").iterdir() if path.is_dir()} == {"b"}
    # a task that has one image has all of it
    status, output, _ = infer(several[0], "--no-pictures", out=tmp_path / "single")
    assert status == 0 and (tmp_path / "single" / "maps.fits").is_file()
    # and what is said counts
    status, output, _ = infer(*several, "--no-pictures", "--shard", "5/6", out=tmp_path / "said")
    assert status == 0 and (tmp_path / "said" / "shard-5-of-6" / "e").is_dir()
    assert infer(*several, "--shard", "7/6")[2].startswith("error: shard 7/6: expected i/n")
