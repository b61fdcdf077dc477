"""What once crashed, what the fuzzer begins with, a short round of it; and that time is linear in what is decoded."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .fuzz import shapes, work
from .fuzz.__main__ import ROOT
from .fuzz.target import CRASHERS, NAMES, SEEDS, load, lowered

FIXTURES = sorted(path for path in CRASHERS.glob("*/*") if path.is_file())
ROUND = 1500
"""Executions of each target; the seeds are among them."""


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: f"{path.parent.name}-{path.name[:20]}")
def test_crashers(path: Path):
    target = load(path.parent.name)
    with lowered(target.limits):
        target.run(path.read_bytes())


@pytest.mark.parametrize("name", NAMES)
def test_seeds(name):
    target = load(name)
    seeds = [path.read_bytes() for path in (SEEDS / name).iterdir()]
    assert len(seeds) > 5
    assert max(map(len, seeds)) <= target.max_len
    with lowered(target.limits):
        for seed in seeds:
            target.run(seed)


@pytest.mark.parametrize("name", NAMES)
def test_short_round(name, tmp_path):
    if find_spec("atheris") is None:
        reason = "needs atheris, of which there are wheels for Linux on x86_64, Python 3.11 to 3.13"
        if os.environ.get("OSLOSHARK_CI"):
            pytest.fail(f"{reason}; in CI no test may be left out")
        pytest.skip(reason)
    flags = ["-seed=1", f"-runs={ROUND}", "-max_total_time=60", f"-artifact_prefix={tmp_path}/"]
    command = [sys.executable, "-m", "tests.fuzz.one", name, *flags, str(tmp_path), str(SEEDS / name)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    assert ended.returncode == 0, ended.stderr[ended.stderr.find("=== Uncaught") :][:4000]
    assert "DONE" in ended.stderr


def assert_linear(do, make):
    """Four times the bytes take at most about four times the calls: of functions in Python, and of those in C."""
    few, many = (work.calls(do, make(size)) for size in (2_000, 8_000))
    assert many <= 5 * few + 500


@pytest.mark.parametrize("shape", shapes.JSON)
def test_work_on_bodies_is_linear(shape):
    make = shapes.JSON[shape]
    for do in work.BODIES.values():
        assert_linear(do, make)
        assert_linear(do, lambda size: shapes.enveloped(make(size)))


@pytest.mark.parametrize("shape", shapes.TABLES)
def test_work_on_field_tables_is_linear(shape):
    for do in work.TABLES.values():
        assert_linear(do, shapes.TABLES[shape])


def test_work_that_is_not_linear_is_noticed():
    with pytest.raises(AssertionError):
        assert_linear(
            lambda data: [data.count(data[at : at + 1], 0, 1) for at in range(len(data) ** 2 // 10_000)], bytes
        )


def values_of(value):
    """How many values there are in one."""
    if isinstance(value, dict):
        return 1 + sum(map(values_of, value.values()))
    return 1 + sum(map(values_of, value)) if isinstance(value, list) else 1


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8) | st.integers(-(10**30), 10**30),
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(st.sampled_from(["a", "token", "b" * 70, "value"]) | st.text(max_size=6), inner, max_size=6)
    ),
    max_leaves=30,
)


@settings(max_examples=80)
@given(VALUES, st.integers(2, 6))
def test_any_value_again_and_again(value, times):
    """A list of a value many times takes as many times the calls, whatever the value is."""
    once, often = (json.dumps([value] * count).encode() for count in (times, 8 * times))
    for do in work.BODIES.values():
        assert work.calls(do, often) <= 9 * work.calls(do, once) + 60 * values_of(value)
