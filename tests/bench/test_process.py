"""What is told of a process is that process's own."""

import subprocess
import sys

import pytest

from .captures import ROOT
from .process import Failed, cores, first_output, output, pinned, run

PYTHON = [sys.executable, "-c"]


def test_memory_is_of_the_command():
    # Tests have much loaded, and what they start begins as a copy of them; a bench has not.
    code = """
import sys
from tests.bench import __main__, growth
from tests.bench.process import run
print(*(run([sys.executable, "-c", f"x = b'x' * {size}"]).peak_bytes for size in (1, 200 << 20)))
"""
    done = subprocess.run([*PYTHON, code], stdout=subprocess.PIPE, check=True, cwd=ROOT)
    small, large = map(int, done.stdout.split())
    assert small < 40 << 20
    assert 180 << 20 < large - small < 240 << 20


def test_time_is_that_of_its_children_too():
    # Both wait for the other; what is used is told, not what is waited.
    work = "sum(range(3_000_000))"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{work}'], check=True)"
    done, lazy = run([*PYTHON, child]), run([*PYTHON, "import subprocess"])
    assert done.cpu_seconds > lazy.cpu_seconds
    assert done.seconds >= 0.9 * done.cpu_seconds


def test_one_that_fails_is_no_result():
    with pytest.raises(Failed, match=r"status 3[\s\S]*what it said"):
        run([*PYTHON, "import sys; print('what it said', file=sys.stderr); sys.exit(3)"])
    with pytest.raises(Failed, match="status 3"):
        output([*PYTHON, "import sys; sys.exit(3)"])
    with pytest.raises(Failed, match="no output"):
        first_output([*PYTHON, ""])


def test_lines_are_counted():
    assert output([*PYTHON, "print('a line\\n' * 300_000, end='')"]) == 300_000


def test_the_first_output_is_not_waited_beyond():
    endless = "import time; print(1, flush=True); time.sleep(600)"
    assert first_output([*PYTHON, endless]) < 600
    reader = "import sys, time; print(sys.stdin.readline(), flush=True); time.sleep(600)"
    assert first_output([*PYTHON, reader], [*PYTHON, endless]) < 600


def test_on_so_many_cores():
    for count in range(1, len(cores()) + 1):
        code = f"import os, sys; sys.exit(len(os.sched_getaffinity(0)) != {count})"
        run([*PYTHON, code], count)
    assert pinned(["x"], 1) == ["taskset", "-c", str(cores()[-1]), "x"]
