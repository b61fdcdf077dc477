"""``make fuzz``: all targets in turn, two at a time, from the seeds and from what earlier rounds found.

``python -m tests.fuzz --seconds 60 frames`` runs one. What was found stays in ``.fuzz/TARGET/corpus``; the sums over
all rounds are in ``.fuzz/totals.json``. It stops at the first crash: the input that makes it is then in
``tests/fuzz/crashers/TARGET``, where tests run it again.
"""

import argparse
import fcntl
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .target import CRASHERS, NAMES, SEEDS

ROOT = Path(__file__).parents[2]
WORK = ROOT / ".fuzz"
_STATUS = re.compile(r"^#(\d+)\s.*?cov: (\d+) .*?corp: (\d+)/", re.MULTILINE)
_EXECUTED = re.compile(r"^stat::number_of_executed_units: (\d+)", re.MULTILINE)
_REPRODUCERS = ("crash-*", "timeout-*", "oom-*")


class Round(NamedTuple):
    """What became of one target."""

    target: str
    executions: int
    seconds: float
    edges: int
    corpus: int
    log: Path
    crashers: tuple[Path, ...]
    failed: bool


class Running:
    """One target's process."""

    def __init__(self, target: str, flags: Sequence[str]) -> None:
        self.target = target
        self.folder = WORK / target
        self.found = self.folder / "found"
        corpus = self.folder / "corpus"
        for folder in (self.found, corpus):
            folder.mkdir(parents=True, exist_ok=True)
        self.log = self.folder / "log.txt"
        command = [sys.executable, "-m", "tests.fuzz.one", target, *flags, f"-artifact_prefix={self.found}/"]
        self.began = time.monotonic()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, str(corpus), str(SEEDS / target)], cwd=ROOT, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def result(self) -> Round:
        """Read what its log says, once it has ended; move what crashed it to the fixtures."""
        seconds = time.monotonic() - self.began
        crashers = []
        for path in [path for kind in _REPRODUCERS for path in sorted(self.found.glob(kind))]:
            (CRASHERS / self.target).mkdir(parents=True, exist_ok=True)
            crashers.append(Path(shutil.move(path, CRASHERS / self.target / path.name)))
        log = self.log.read_text(errors="replace")
        rows = _STATUS.findall(log)
        executions, edges, corpus = map(int, rows[-1]) if rows else (0, 0, 0)
        if total := _EXECUTED.search(log):
            executions = int(total[1])
        return Round(
            self.target, executions, seconds, edges, corpus, self.log, tuple(crashers), self.process.returncode != 0
        )


def add_up(one: Round) -> dict[str, Any]:
    """Add a round to the sums of all rounds; give those of its target."""
    with (WORK / "totals.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = WORK / "totals.json"
        totals = json.loads(path.read_text()) if path.exists() else {}
        sums = totals.setdefault(one.target, {"rounds": 0, "executions": 0, "seconds": 0})
        sums["rounds"] += 1
        sums["executions"] += one.executions
        sums["seconds"] = round(sums["seconds"] + one.seconds, 1)
        sums["crashers"] = sums.get("crashers", 0) + len(one.crashers)
        if one.edges:
            sums["edges"], sums["corpus"] = one.edges, one.corpus
        new = path.with_suffix(".new")
        new.write_text(json.dumps(dict(sorted(totals.items())), indent=2) + "\n")
        new.replace(path)
        return sums


def run(targets: Sequence[str], flags: Sequence[str], at_once: int) -> list[Round]:
    """Run the targets; stop all at the first that fails."""
    waiting, running, done = list(targets), [], []
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                running.append(Running(waiting.pop(0), flags))
            time.sleep(0.2)
            for one in [one for one in running if one.process.poll() is not None]:
                running.remove(one)
                done.append(one.result())
                show(done[-1], add_up(done[-1]))
                if done[-1].failed:
                    return done
    finally:
        for one in running:
            one.process.terminate()
            one.process.wait()
            add_up(one.result())
    return done


_COLUMNS = "{:<10} {:>12} {:>9} {:>8} {:>8} {:>15}"


def show(one: Round, sums: dict[str, Any]) -> None:
    """Print a line of the table."""
    rate = round(one.executions / one.seconds) if one.seconds else 0
    row = (one.target, one.executions, rate, one.edges, one.corpus, sums["executions"])
    print(_COLUMNS.format(row[0], *(f"{number:,}" for number in row[1:])), flush=True)


def explain(one: Round) -> None:
    """Say what failed, and how to see it again."""
    tail = one.log.read_text(errors="replace")
    at = tail.find("=== Uncaught Python exception")
    print(tail[at:][:4000] if at >= 0 else tail[-3000:])
    for path in one.crashers:
        print(f"reproduce: {sys.executable} -m tests.fuzz.one {one.target} {path.relative_to(ROOT)}")


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz, guided by coverage.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(NAMES)}; all by default")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default: 60)")
    parser.add_argument("--runs", type=int, help="at most so many executions of each target")
    parser.add_argument("--at-once", type=int, default=2, help="targets that run at the same time (default: 2)")
    arguments = parser.parse_args()
    unknown = set(arguments.targets) - set(NAMES)
    if unknown:
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    flags = [f"-max_total_time={arguments.seconds}"]
    if arguments.runs is not None:
        flags.append(f"-runs={arguments.runs}")
    print(_COLUMNS.format("target", "executions", "a second", "edges", "corpus", "of all rounds"), flush=True)
    failed = [one for one in run(arguments.targets or NAMES, flags, arguments.at_once) if one.failed]
    for one in failed:
        explain(one)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
