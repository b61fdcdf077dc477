"""``make growth``: what becomes of time and memory as captures grow, in size, connections, packets and bodies.

``python -m tests.bench.growth --help`` lists the options. Everything is piped from `tests.generate`, on one core, while
the generator has another one.
"""

import argparse
import os
import re
import select
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

import msgspec

from tests.cli.command import COMMAND

from . import svg
from .captures import BODY, CONVERSATIONS, MTU, ROOT, generator
from .commands import has_jobs
from .process import Failed, Run, cores, run
from .results import Machine, machine, write
from .table import machine_text, markdown, megabytes, seconds

KEPT: Final = ROOT / "docs" / "growth.json"
FACTOR: Final = 3
"""How many times faster than its reader the generator must be, lest it is what is measured."""
_GB: Final = 10**9
_ONE_TALK: Final = ("--capture", "demo", "--most", "10", "--open", "1", "--loss", "0")
"""Ten connections that talk with each other, all of them open before, as often as there are to be connections."""
_SUMMARY: Final = re.compile(r"osloshark: ([\d,]+) packets?, ([\d,]+) AMQP connections?, ([\d,]+) messages?; ", re.M)


class Point(NamedTuple):
    """What is fed to a command."""

    axis: str
    value: int
    """Where on the axis: octets, connections, octets of a packet, octets of a body."""
    words: tuple[str, ...]
    """The command, without its file."""
    octets: int
    options: tuple[str, ...]
    """Of the generator."""


class Found(msgspec.Struct):
    """What a command took for it; of what differs from round to round, a value each."""

    axis: str
    value: int
    command: str
    octets: int
    packets: int
    connections: int
    messages: int
    seconds: list[float]
    user_seconds: list[float]
    system_seconds: list[float]
    peak_bytes: list[int]
    generator_seconds: list[float]
    """CPU time of the generator."""


class Growth(msgspec.Struct):
    """All of it."""

    machine: Machine
    rounds: int
    found: list[Found]


AXES: Final = {
    "size": "Size of the capture, B",
    "connections": "Connections, at equal bytes",
    "mtu": "Largest IP packet, B; bodies of 20 kB",
    "body": "Bodies on average, B",
}


def points(limit: int) -> Iterator[Point]:
    """Give all that is measured, with no capture larger than a limit."""
    usual = (*CONVERSATIONS, "--body", str(BODY), "--mtu", str(MTU))
    for size in (_GB // 10, _GB, 10 * _GB):
        for words in (("stats",), ("calls", "-T", "jsonl")):
            if size <= limit:
                yield Point("size", size, words, size, usual)
    for count in (10, 1000, 50_000):
        options = (*_ONE_TALK, "--connections", str(count), "--body", "2000", "--mtu", str(MTU))
        yield Point("connections", count, ("stats",), min(limit, _GB), options)
    for mtu in (1500, 9000, 65_535):
        options = (*CONVERSATIONS, "--body", "20000", "--mtu", str(mtu))
        yield Point("mtu", mtu, ("stats",), min(limit, _GB // 5), options)
    for body in (200, 2000, 200_000):
        options = (*_ONE_TALK, "--connections", "50", "--body", str(body), "--mtu", str(MTU))
        yield Point("body", body, ("stats",), min(limit, _GB // 5), options)


def measure(point: Point) -> tuple[Run, float]:
    """Pipe what is generated into a command; give how it went and the CPU time that the generator took while it did."""
    others = ",".join(map(str, cores()[:-1] or cores()))
    source = subprocess.Popen(
        ["taskset", "-c", others, *generator(point.octets, *point.options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
    )
    assert source.stdout is not None
    select.select([source.stdout], [], [])  # the reader's time is that of what is fed to it, not of making it ready
    before = _cpu_seconds(source.pid)
    jobs = ["--jobs", "1"] if has_jobs() else []
    done = run([COMMAND, *point.words, *jobs, "-"], source=source.stdout)
    _, status, usage = os.wait4(source.pid, 0)
    source.returncode = os.waitstatus_to_exitcode(status)
    if source.returncode:
        raise Failed(f"the generator: status {source.returncode}")
    return done, usage.ru_utime + usage.ru_stime - before


def _cpu_seconds(process: int) -> float:
    """Give the CPU time that a process has had until now."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _found(point: Point, runs: list[tuple[Run, float]]) -> Found:
    counts = _SUMMARY.search(runs[0][0].said)
    assert counts, f"osloshark does not say what it read: {runs[0][0].said}"
    packets, connections, messages = (int(group.replace(",", "")) for group in counts.groups())
    value = point.value
    made = Found(point.axis, value, " ".join(point.words), point.octets, packets, connections, messages, *_lists(5))
    for done, generating in runs:
        made.seconds.append(round(done.seconds, 3))
        made.user_seconds.append(round(done.user_seconds, 3))
        made.system_seconds.append(round(done.system_seconds, 3))
        made.peak_bytes.append(done.peak_bytes)
        made.generator_seconds.append(round(generating, 3))
    return made


def _lists(count: int) -> Iterator[list[float]]:
    return ([] for _ in range(count))


# -- how it is shown --------------------------------------------------------------------------------------------------


def text(growth: Growth) -> str:
    """Give all as Markdown."""
    parts = ["# Growth\n", f"<!-- what `make growth` found: made of {KEPT.name}, not edited -->\n"]
    parts.append("What time and memory become as captures grow. Each is piped into osloshark, which has one core.\n")
    parts.append("![Growth](growth.svg)\n")
    for axis, title in AXES.items():
        rows = [[title, "command", "MB", "MB/s", "packets/s", "messages/s", "time", "user CPU", "memory"]]
        for some in growth.found:
            if some.axis != axis:
                continue
            taken = median(some.seconds)
            rows.append(
                [
                    f"{some.value:,}",
                    f"`{some.command}`",
                    f"{some.octets / 1e6:,.0f}",
                    f"{some.octets / 1e6 / taken:,.1f}",
                    f"{some.packets / taken:,.0f}",
                    f"{some.messages / taken:,.0f}",
                    seconds(taken),
                    seconds(median(some.user_seconds)),
                    megabytes(max(some.peak_bytes)),
                ]
            )
        if len(rows) > 1:
            parts.append(markdown(rows))
    parts.append(f"Medians of {growth.rounds} rounds, on {machine_text(growth.machine)}.\n")
    return "\n".join(parts)


def plot(growth: Growth) -> str:
    """Draw speed and memory along each axis."""
    by: dict[str, dict[str, list[Found]]] = defaultdict(lambda: defaultdict(list))
    for some in growth.found:
        by[some.axis][some.command].append(some)
    drawn = []
    for axis, title in AXES.items():
        if not by[axis] or min(len(some) for some in by[axis].values()) < 2:
            continue
        for what, of in (("MB per CPU second", _speed), ("Memory, MB", _memory)):
            lines = [svg.Line(command, [(one.value, of(one)) for one in some]) for command, some in by[axis].items()]
            drawn.append(svg.Panel(what, title, lines))
    return svg.panels("What growth costs, on one core", drawn)


def _speed(found: Found) -> float:
    return found.octets / 1e6 / median(found.user_seconds)


def _memory(found: Found) -> float:
    return max(found.peak_bytes) / 1e6


def kept() -> Growth:
    """Read what was found before."""
    return msgspec.json.decode(KEPT.read_bytes(), type=Growth)


def publish(growth: Growth) -> None:
    """Write what is made of it."""
    KEPT.with_suffix(".md").write_text(text(growth))
    KEPT.with_suffix(".svg").write_text(plot(growth))


def _tell_slow_generator(found: list[Found]) -> None:
    for some in found:
        factor = median(some.user_seconds) / max(median(some.generator_seconds), 0.01)
        if factor < FACTOR:
            print(
                f"{some.axis} {some.value:,}, {some.command}: the generator is only {factor:.1f} times as fast as its "
                "reader: wall-clock time may be its",
                file=sys.stderr,
            )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.growth", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is run")
    parser.add_argument("--size-limit", type=int, default=10 * _GB, help="octets of the largest capture")
    parser.add_argument("--axis", choices=list(AXES), help="only this; nothing is kept")
    parser.add_argument("--dry", action="store_true", help="only print: leave docs/ as it is")
    parser.add_argument("--render", action="store_true", help="measure nothing: show again what docs/growth.json keeps")
    options = parser.parse_args(arguments)
    os.chdir(ROOT)
    if options.render:
        publish(kept())
        return 0
    where = machine()
    some = [point for point in points(options.size_limit) if options.axis in (None, point.axis)]
    runs: dict[Point, list[tuple[Run, float]]] = defaultdict(list)
    for number in range(options.rounds):
        for point in some:
            runs[point].append(measure(point))
            done = runs[point][-1][0]
            print(
                f"round {number + 1}: {point.axis} {point.value:,}, {' '.join(point.words)}: {done.seconds:.1f} s, "
                f"CPU {done.cpu_seconds:.1f} s, {done.peak_bytes / 1e6:.0f} MB",
                file=sys.stderr,
            )
    growth = Growth(where, options.rounds, [_found(point, runs[point]) for point in some])
    print(text(growth))
    _tell_slow_generator(growth.found)
    if not (options.dry or options.axis):
        write(KEPT, growth)
        publish(growth)
    return 0


if __name__ == "__main__":
    sys.exit(main())
