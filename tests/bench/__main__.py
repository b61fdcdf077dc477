"""``make bench``: osloshark beside its peers on the same capture, in the same run, as whole processes.

``python -m tests.bench --help`` lists the options.
"""

import argparse
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from statistics import median
from typing import Final

from tests.cli.command import COMMAND

from . import captures, svg
from .commands import FEW, OPENING, Command, commands, tshark_fields
from .peers import PEERS
from .process import Run, first_output, output, run, warm
from .results import Bench, Part, Row, Start, machine, ratio, write
from .table import KEPT, README, YARDSTICK, kept, put, text

LAB: Final = 100 * 10**6
LARGE: Final = 10**9
BUSY: Final = 1.1
"""Where the clock on the wall shows so many times what a process on one core took of it, others were on that core."""


def measure(capture: captures.Capture, *, rounds: int, is_large: bool, only: str) -> Part:
    """Run all commands on a capture, one after the other, and that so many times."""
    some = [command for command in commands(capture, is_large=is_large) if only in command.name]
    warm(capture.path)
    for command in some:
        _check(command, capture)
    runs: dict[tuple[str, int], list[tuple[Run, Run | None]]] = defaultdict(list)
    for number in range(rounds):
        for command in some:
            start = run(command.start, 1) if command.start else None
            runs[_key(command)].append((run(command.words, command.cores), start))
            done = runs[_key(command)][-1][0]
            print(
                f"round {number + 1}: {command.shown[:60]}: {done.seconds:.2f} s, CPU {done.cpu_seconds:.2f} s, "
                f"{done.peak_bytes / 1e6:.0f} MB",
                file=sys.stderr,
            )
    rows = [_row(command, runs[_key(command)], capture.packets) for command in some]
    return Part(capture.octets, capture.packets, capture.connections, capture.messages, capture.body_octets, rows)


def _key(command: Command) -> tuple[str, int]:
    return command.name, command.cores


def _check(command: Command, capture: captures.Capture) -> None:
    """Look that the command shows what it should: a run that stops early is a fast one."""
    if command.name in PEERS:
        done = subprocess.run(command.words, stdout=subprocess.PIPE, check=True)
        lines = int(done.stdout)
    else:
        lines = output(command.words, command.cores)
    if command.name.startswith("osloshark read") and lines != capture.messages:
        raise SystemExit(f"{command.shown} shows {lines:,} of {capture.messages:,} messages")
    if not lines:
        raise SystemExit(f"{command.shown} shows nothing")


def _row(command: Command, runs: list[tuple[Run, Run | None]], packets: int) -> Row:
    row = Row(command.name, command.shown, command.cores, [], [], [], command.slice)
    for done, start in runs:
        seconds, cpu_seconds = done.seconds, done.cpu_seconds
        if start is not None and command.slice:
            factor = (packets - OPENING) / (command.slice - OPENING)
            seconds = start.seconds + (done.seconds - start.seconds) * factor
            cpu_seconds = start.cpu_seconds + (done.cpu_seconds - start.cpu_seconds) * factor
        row.seconds.append(round(seconds, 3))
        row.cpu_seconds.append(round(cpu_seconds, 3))
        row.peak_bytes.append(done.peak_bytes)
    return row


def starts(capture: captures.Capture, rounds: int) -> list[Start]:
    """Measure what small things take."""
    few, huge = captures.slice_of(capture, FEW), captures.huge(capture)
    whole = {
        "`osloshark --help`": [COMMAND, "--help"],
        f"`osloshark read`, {FEW} packets": [COMMAND, "read", few],
        f"`{YARDSTICK}`, {FEW} packets": tshark_fields(few),
    }
    found = []
    for name, words in whole.items():
        runs = [run(words) for _ in range(rounds + 1)][1:]  # the first one only loads files into memory
        found.append(Start(name, _shown(words), [r.seconds for r in runs], [r.cpu_seconds for r in runs]))
    reader = [COMMAND, "read", "-T", "jsonl"]
    seconds = [first_output([*reader, huge]) for _ in range(rounds)]
    found.append(Start("first message of a 10 GB file", _shown([*reader, huge]), seconds))
    endless = captures.generator(10**10, *captures.CONVERSATIONS)
    seconds = [first_output([*reader, "-"], endless) for _ in range(rounds)]
    found.append(Start("first message of a 10 GB pipe", _shown([*reader, "-"]), seconds))
    for start in found:
        start.seconds = [round(value, 4) for value in start.seconds]
    return found


def _shown(words: list[str]) -> str:
    names = {COMMAND: "osloshark"}
    return " ".join("FILE" if str(captures.KEPT) in word else names.get(word, word) for word in words)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is run")
    parser.add_argument("--large", action="store_true", help="also a capture of 1 GB, with fewer peers")
    parser.add_argument("--size", type=int, default=LAB, help="octets of the capture")
    parser.add_argument("--only", default="", help="only commands whose names hold this; nothing is kept")
    parser.add_argument("--dry", action="store_true", help="only print: leave docs/ and the README as they are")
    parser.add_argument("--render", action="store_true", help="measure nothing: show again what docs/bench.json keeps")
    options = parser.parse_args(arguments)
    os.chdir(captures.ROOT)
    if options.render:
        publish(kept())
        return 0
    where = machine()
    sizes = [options.size, LARGE] if options.large else [options.size]
    parts = []
    for size in sizes:
        is_large = size >= LARGE
        parts.append(measure(captures.lab(size), rounds=options.rounds, is_large=is_large, only=options.only))
    bench = Bench(where, options.rounds, parts, starts(captures.lab(options.size), options.rounds))
    print(text(bench))
    _tell_cpu(parts)
    if not (options.dry or options.only or options.size != LAB):
        write(KEPT, bench)
        publish(bench)
    return 0


def publish(bench: Bench) -> None:
    """Write what is made of it."""
    KEPT.with_suffix(".svg").write_text(svg.bench(bench))
    README.write_text(put(README.read_text(), bench))


def _tell_cpu(parts: list[Part]) -> None:
    """Say how busy the machine was, and then the ratios by CPU time, which others take nothing of."""
    for part in parts:
        one = [row for row in part.rows if row.cores == 1]
        worst = max(median(row.seconds) / median(row.cpu_seconds) for row in one)
        base = next((row for row in one if row.name == YARDSTICK), None)
        if worst > BUSY and base:
            print(f"The machine was busy: up to {worst:.1f} times the CPU time. By CPU time, on one core:")
            for row in one:
                print(f"  {row.name}: {ratio(base, row, by_cpu=True):.3g} times {YARDSTICK}")


if __name__ == "__main__":
    sys.exit(main())
