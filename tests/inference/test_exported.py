"""Traced programs on disk: found by later processes, and never in the way."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsps_sbi.components import pytree
from dsps_sbi.inference import exported as module
from dsps_sbi.inference.exported import exported, keep_in


@pytree(arrays=("slope",), static=("power",), aside=("note",))
@dataclass(frozen=True, eq=False)
class Line:
    slope: jax.Array
    power: int
    note: str = "no matter"


def make():
    """A function that counts how often it is traced, as each process makes its own."""
    traced = []

    @exported(lambda line, *_, n: {"sum": 0, "parts": (0, 0)})
    @partial(jax.jit, static_argnames="n")
    def run(line, x, key, n):
        traced.append(n)
        y = line.slope * x**line.power
        return {"sum": y.sum() + n, "parts": (y, jax.random.normal(key, (n,)))}

    return run, traced


@pytest.fixture
def folder(tmp_path):
    keep_in(tmp_path / "traced")
    yield tmp_path / "traced"
    keep_in(None)


def call(run, power=2, n=3, note="no matter", size=4):
    x = np.arange(size, dtype=np.float32)
    return run(Line(jnp.float32(1.5), power, note), x, jax.random.key(7), n=n)


def same(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_a_second_process_does_not_trace(folder):
    run, traced = make()
    expected = call(run)
    assert traced == [3] and len(list(folder.iterdir())) == 1
    again, traced = make()
    # what programs do not depend on may differ
    same(call(again, note="another"), expected)
    same(call(again), expected)
    assert traced == []


@pytest.mark.parametrize("change", [{"power": 3}, {"n": 5}, {"size": 6}])
def test_another_program_is_not_taken_for_the_same(folder, change):
    call(make()[0])
    run, traced = make()
    got = call(run, **change)
    assert len(traced) == 1 and len(list(folder.iterdir())) == 2
    keep_in(None)
    same(got, call(make()[0], **change))


def test_another_source_or_jax_makes_another_program(folder, monkeypatch):
    call(make()[0])
    monkeypatch.setattr(module, "surroundings", lambda: b"of another version")
    run, traced = make()
    call(run)
    assert traced == [3] and len(list(folder.iterdir())) == 2


def test_what_is_let_go_comes_from_disk(folder):
    run, traced = make()
    expected = call(run)
    module.forget()
    same(call(run), expected)
    assert traced == [3]


def test_a_damaged_file_is_written_anew(folder):
    expected = call(make()[0])
    (file,) = folder.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    run, traced = make()
    same(call(run), expected)
    assert traced == [3] and file.stat().st_size > 100


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path):
    (tmp_path / "file").write_text("no folder")
    keep_in(tmp_path / "file" / "traced")
    try:
        run, traced = make()
        got = call(run)
    finally:
        keep_in(None)
    assert traced == [3]
    same(got, call(make()[0]))


def test_inside_of_what_is_traced_nothing_is_kept(folder):
    run, traced = make()
    twice = jax.jit(lambda x: 2.0 * run(Line(jnp.float32(1.0), 1), x, jax.random.key(0), n=2)["sum"])
    assert float(twice(jnp.ones(3))) == 10.0
    assert not folder.exists()


def test_few_programs_are_kept(folder, monkeypatch):
    monkeypatch.setattr(module, "MOST", 2)
    run, _ = make()
    for size in (1, 2, 3):
        call(run, size=size)
    assert len(list(folder.iterdir())) == 2
