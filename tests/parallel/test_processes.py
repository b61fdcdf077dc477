"""What becomes of workers, and of their parent when they are gone."""

import os
import re
import signal
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from dissector import limits
from dissector.amqp import AmqpEvent
from dissector.capture import open_capture
from dissector.errors import WorkerError
from dissector.parallel import Task
from dissector.reading import Reading, worthwhile_jobs

from .. import generate
from ..cli.command import COMMAND
from ..lab import truth

DEMO = truth.captures()["demo"]
SECONDS = 20


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    """A capture of several batches."""
    path = tmp_path_factory.mktemp("large") / "large.pcap"
    arguments = ["--size", str(6 * limits.BATCH_BYTES), "--capture", "neutron-nova", "--connections", "40"]
    with path.open("wb") as file:
        subprocess.run([os.sys.executable, "-m", generate.__name__, *arguments], stdout=file, check=True, stderr=-3)
    return path


def begin(*arguments: object, **more) -> subprocess.Popen[bytes]:
    words = [COMMAND, *map(str, arguments)]
    more = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, **more}
    return subprocess.Popen(words, bufsize=0, stderr=subprocess.PIPE, start_new_session=True, **more)


def workers_of(process: subprocess.Popen[bytes]) -> list[int]:
    return list(map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()))


def wait_for(condition) -> None:
    until = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def are_gone(numbers: list[int]) -> bool:
    return not any(Path(f"/proc/{number}/exe").exists() for number in numbers)


@pytest.fixture
def following():
    """A command that has shown what a pipe held, and waits for more; its pipe, and its workers."""
    process = begin("read", "-T", "jsonl", "--jobs", 2, "-", stdin=subprocess.PIPE)
    process.stdin.write(DEMO.read_bytes()[:-100])
    assert process.stdout.readline().startswith(b'{"type":"message"')
    workers = workers_of(process)
    assert len(workers) == 2
    yield process, workers
    process.kill()
    process.communicate()
    wait_for(lambda: are_gone(workers))


def test_what_came_through_a_pipe_is_shown_at_once(following):
    process, _ = following
    shown = 1
    while shown < 78:  # of 82: some wait for what follows them
        assert process.stdout.readline()
        shown += 1


def test_a_killed_worker_is_told(following):
    process, workers = following
    os.kill(workers[0], signal.SIGKILL)
    process.stdin.write(DEMO.read_bytes()[-100:] + DEMO.read_bytes()[24:])
    process.stdin.close()
    process.stdin = None
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert errors.decode().splitlines() == [
        "osloshark: a worker process was killed (SIGKILL), the output is not complete; if memory is short, try --jobs 1"
    ]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_worker_outlives_its_parent(following, number):
    process, workers = following
    process.send_signal(number)
    process.wait(SECONDS)
    wait_for(lambda: are_gone(workers))


def test_a_signal_to_all_is_for_the_parent_alone(following):
    process, workers = following
    for number in workers:
        os.kill(number, signal.SIGTERM)
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert output.endswith(b"}\n")
    (told,) = errors.decode().splitlines()
    assert told.endswith("(interrupted)")
    wait_for(lambda: are_gone(workers))


def test_ctrl_c_shows_what_there_is(large):
    process = begin("read", "-T", "jsonl", "--jobs", 2, large)
    first = process.stdout.readline()
    workers = workers_of(process)
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    messages = re.search(r"([\d,]+) messages.*\(interrupted\)", errors.decode())
    assert int(messages[1].replace(",", "")) == len((first + output).splitlines())
    assert are_gone(workers)


def test_a_closed_output_ends_all(large):
    process = begin("read", "-T", "jsonl", "--jobs", 2, large)
    assert process.stdout.readline()
    workers = workers_of(process)
    process.stdout.close()
    process.stdout = None
    _, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, errors) == (0, b"")
    assert are_gone(workers)


def test_who_is_slow_to_take_it_makes_all_wait(large):
    """No process takes more memory, or reads on, while nobody takes what comes out."""
    process = begin("read", "-T", "jsonl", "--jobs", 2, large)
    assert process.stdout.readline()
    everybody = [process.pid, *workers_of(process)]

    def used() -> int:
        return sum(int(Path(f"/proc/{number}/stat").read_text().split()[13]) for number in everybody)

    before = -1
    while before != (before := used()):
        time.sleep(0.5)
    peak = max(_peak_bytes(number) for number in everybody)
    position = int(re.search(r"pos:\s*(\d+)", _fdinfo(process.pid, large))[1])
    process.kill()
    process.communicate()
    assert position <= (limits.BATCHES_AHEAD + 2) * limits.BATCH_BYTES
    assert peak < 250 << 20
    wait_for(lambda: are_gone(everybody[1:]))


def _peak_bytes(number: int) -> int:
    return int(re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{number}/status").read_text())[1]) << 10


def _fdinfo(number: int, path: Path) -> str:
    folder = Path(f"/proc/{number}/fd")
    (descriptor,) = [each.name for each in folder.iterdir() if each.readlink() == path]
    return Path(f"/proc/{number}/fdinfo/{descriptor}").read_text()


FIRST = 7
"""The packet that brings the first event of the capture."""


class Failing:
    """A task with an error in it."""

    def send(self, event: AmqpEvent) -> int | None:
        return event.number

    def work(self, sent: int) -> float:
        return 1 / (sent - FIRST)

    def join(self, _event: AmqpEvent, made: float) -> float:
        return made


def test_an_error_in_a_worker_names_its_place_and_no_value():
    task: Task[float] = Failing()
    with (
        closing(Reading([DEMO], jobs=2)) as reading,
        pytest.raises(WorkerError, match=r"ZeroDivisionError at test_processes\.py:\d+$") as caught,
    ):
        list(reading.results(task))
    assert caught.value.is_ours
    assert any("in work: return 1 / (sent - FIRST)" in line for line in caught.value.trace)


def test_jobs_that_are_worthwhile(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(99)))
    path = tmp_path / "sparse.pcap"
    path.write_bytes(DEMO.read_bytes())

    def jobs(*paths: Path) -> int:
        with open_capture(paths) as capture:
            return worthwhile_jobs(capture)

    assert jobs(path) == 1
    os.truncate(path, limits.JOBS_BYTES // 2)
    assert jobs(path) == 1
    assert jobs(path, path) == limits.JOBS
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    assert jobs(path, path) == 1
