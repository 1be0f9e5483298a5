"""Comparisons that are not made again, and those that have to be."""

import os
from types import SimpleNamespace

import numpy as np
import pytest

from dsps_sbi.bundle import verified as module
from dsps_sbi.bundle.verified import content_key, verified, verified_dir
from dsps_sbi.errors import UserError


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("DSPS_SBI_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "verified"


class Check:
    """Counts how often it is asked."""

    def __init__(self, difference=2e-4):
        self.n, self.difference = 0, difference

    def __call__(self):
        self.n += 1
        return self.difference


def light():
    return {"light": np.arange(6, dtype=np.float32), "z": 0.5}


def test_the_same_content_is_compared_once(folder):
    check = Check()
    assert verified_dir() == folder
    assert verified(check, "bundle", light()) == verified(check, "bundle", light()) == 2e-4
    assert check.n == 1 and len(list(folder.iterdir())) == 1


def test_any_change_of_content_is_compared_again(monkeypatch):
    check, changed = Check(), light()
    changed["light"][3] = np.nextafter(changed["light"][3], np.float32(9))
    doubled = light() | {"light": light()["light"].astype(np.float64)}
    others = [(light(), 1), (changed, 1), (doubled, 1), (light(), 2)]
    others += [(light() | {"z": 0.6}, 1), (light(), None)]
    for compared in others:
        verified(check, *compared)
    assert check.n == len(others)
    monkeypatch.setattr(module, "surroundings", lambda: b"another version")
    verified(check, *others[0])
    assert check.n == len(others) + 1


def test_what_has_no_content_is_always_compared(folder):
    check = Check()
    for compared in (SimpleNamespace(light=1), [lambda: 1]):
        assert content_key(compared) is None
        assert verified(check, compared) == verified(check, compared) == 2e-4
    assert check.n == 4 and not folder.exists()


def test_a_difference_is_refused_every_time(folder):
    def check():
        raise UserError("another model")

    for _ in range(2):
        with pytest.raises(UserError, match="another model"):
            verified(check, light())
    assert not folder.exists()


@pytest.mark.parametrize("damage", ["", "nan", "0.5", "-1", "cut", "\x00\x01"])
def test_a_damaged_file_is_compared_again_and_mended(folder, damage):
    check = Check()
    verified(check, light())
    (file,) = folder.iterdir()
    file.write_text(damage)
    assert verified(check, light()) == verified(check, light()) == 2e-4
    assert check.n == 2


def test_a_folder_that_cannot_be_written_stops_nothing(folder):
    check = Check()
    folder.parent.write_text("in the way")
    assert verified(check, light()) == verified(check, light()) == 2e-4
    assert check.n == 2


def test_the_oldest_outcomes_make_room(folder, monkeypatch):
    monkeypatch.setattr(module, "MOST", 2)
    check = Check()
    for i in range(3):
        verified(check, i)
        os.utime(folder / content_key(i), (i, i))
    assert {file.name for file in folder.iterdir()} == {content_key(1), content_key(2)}
