"""A live capture's clock, and what it tells, on taps that are made by hand."""

import time

import numpy as np
import pytest

from dissector import limits
from dissector.capture import Quiet
from dissector.capture.live import capture as module
from dissector.capture.live.capture import LiveCapture

from .test_live_reader import Pipe, batch

HOUR_NS = 3_600 * 10**9


class Clocks:
    """The machine's clocks: one can be set, the other goes on while the machine sleeps."""

    def __init__(self, monkeypatch) -> None:
        self.set_by_ns = self.slept_ns = 0
        real, since_boot = time.time_ns, time.clock_gettime_ns

        class Time:
            monotonic = staticmethod(time.monotonic)
            CLOCK_BOOTTIME = time.CLOCK_BOOTTIME

            @staticmethod
            def time_ns() -> int:
                return real() + self.set_by_ns + self.slept_ns

            @staticmethod
            def clock_gettime_ns(clock: int) -> int:
                return since_boot(clock) + self.slept_ns

        monkeypatch.setattr(module, "time", Time)

    @property
    def now_ns(self) -> int:
        return module.time.time_ns()


@pytest.fixture
def clocks(monkeypatch) -> Clocks:
    return Clocks(monkeypatch)


@pytest.fixture
def pipe(monkeypatch):
    tap = Pipe()
    monkeypatch.setattr(module, "_open", lambda *_: tap)
    monkeypatch.setattr(module, "drop", lambda _: None)
    monkeypatch.setattr(limits, "QUIET_NS", 1_000_000)
    return tap


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def live(pipe, told):
    running = LiveCapture(["lo"], [5672], tell=told.append)
    yield running
    running.close()


def quiet(packets) -> int:
    """The next time at which nothing has come."""
    return next(one.time_ns for one in packets if isinstance(one, Quiet))


def is_about(time_ns: int, expected_ns: int) -> bool:
    return abs(time_ns - expected_ns) < HOUR_NS / 100


def test_a_clock_that_is_set_moves_no_time_while_nothing_comes(clocks, pipe, live, monkeypatch):
    packets = iter(live)
    before = quiet(packets)
    assert is_about(before, clocks.now_ns)
    for jump in (HOUR_NS, -HOUR_NS):
        clocks.set_by_ns += jump
        assert is_about(quiet(packets), before)
    clocks.set_by_ns = HOUR_NS
    assert is_about(quiet(packets), before)
    # What comes has the new time, and so has what comes not.
    module.os.write(pipe.writing, b"a")
    while not len(next(one for one in packets if not isinstance(one, Quiet))):
        pass
    assert is_about(quiet(packets), before + HOUR_NS)


def test_time_goes_on_while_the_machine_sleeps(clocks, live):
    packets = iter(live)
    before = quiet(packets)
    clocks.slept_ns = HOUR_NS
    assert is_about(quiet(packets), before + HOUR_NS)
    assert is_about(quiet(packets), clocks.now_ns)


def test_what_a_tap_says_is_told_and_its_failure_once(pipe, told, live, monkeypatch):
    pipe.look_after = iter(["lo: dumpcap is stopped", *[None] * 1000]).__next__
    packets = iter(live)
    quiet(packets)
    while not told:
        quiet(packets)
    assert told == ["lo: dumpcap is stopped"]
    pipe.failure = "lo: it broke"
    pipe.stop()
    assert all(isinstance(one, Quiet) for one in packets)
    assert told == ["lo: dumpcap is stopped", "lo: it broke"]
    assert live.notices == ["lo: it broke"]


def test_packets_are_numbered_over_batches(pipe, live):
    packets = iter(live)
    module.os.write(pipe.writing, b"ab")
    first = next(one for one in packets if not isinstance(one, Quiet))
    module.os.write(pipe.writing, b"c")
    second = next(one for one in packets if not isinstance(one, Quiet))
    assert (first.first_number, len(first), second.first_number) == (1, 2, 3)
    assert np.array_equal(first.captured, batch(b"ab").captured)
