"""``make robustness``: how much osloshark gets back of damaged captures, and stock tshark of the same.

``python -m tests.robustness --help`` lists the options.
"""

import argparse
import shutil
import sys
import tempfile
import traceback
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import count
from multiprocessing import Pool
from pathlib import Path
from typing import NamedTuple

from .damage import check, stock, stream
from .damage.kinds import EVERY_START, KINDS, damaged, every_start
from .damage.talk import Talk, read
from .lab import truth

MAIN = ("neutron-nova", "channels", "big-bodies")
"""Captures of which each kind of damage is done most often."""
MORE = ("ipv6", "loopback", "any-twice", "verdicts")
"""And those of which it is done once."""


MEMORY = 850 << 20
"""Bytes of memory that a command may take for 50,000 connections, however long the stream: some 100 MiB for the program
and a batch, 6 kB a connection, and what calls may take (`dissector.limits`: 160 MB for open ones, 80 MB for ids)."""


class Job(NamedTuple):
    """One damaged capture."""

    kind: str
    capture: str
    seed: int
    with_tshark: bool
    keep: Path | None


class Outcome(NamedTuple):
    """How it was read."""

    job: Job
    verdict: check.Verdict
    """Where reading it raised, that nothing came out."""
    has_raised: bool
    stock: int | None
    """Intact messages that tshark shows; None where it was not asked."""
    trouble: str
    """The listing of what went wrong, empty where nothing did."""


@cache
def undamaged(capture: str) -> Talk:
    return read(truth.captures()[capture])


def run(job: Job) -> Outcome:
    """Make a damaged capture, read it, judge."""
    if job.kind in EVERY_START:
        talk = every_start(undamaged(job.capture), job.kind, job.seed)
    else:
        talk = damaged(undamaged(job.capture), job.kind, f"{job.capture}/{job.seed}")
    with tempfile.TemporaryDirectory(prefix="osloshark-") as directory:
        path = Path(directory, "damaged.pcap")
        check.write(path, talk.packets)
        raised = ""
        try:
            events = check.decode(path)
        except Exception:  # whatever it is, the table goes on and tells
            raised, events = traceback.format_exc(), []
        verdict = check.judge(talk, events)
        trouble = raised or "\n".join(_listed(verdict))
        shown = stock.recovered(talk, path) if job.with_tshark else None
        if trouble and job.keep:
            name = job.kind.replace(" ", "-").replace("%", "percent").replace(",", "")
            kept = job.keep / f"{name}.{job.capture}.{job.seed}.pcap"
            shutil.copyfile(path, kept)
            kept.with_suffix(".txt").write_text(trouble + "\n" + "\n".join(_carriers(talk, verdict)) + "\n")
    return Outcome(job, verdict, bool(raised), shown, trouble)


def _listed(verdict: check.Verdict) -> Iterator[str]:
    lists = (("missing", verdict.missing), ("invented", verdict.invented), ("mistaken", verdict.mistaken))
    for what, identities in lists:
        for identity, times in identities.items():
            yield f"{what} {times}: {' '.join(map(str, identity))}"


def _carriers(talk: Talk, verdict: check.Verdict) -> Iterator[str]:
    """Say in which packets of the damaged capture the missing messages are."""
    for half_at, half in enumerate(talk.halves):
        for sent in half.sent:
            if sent.identity in verdict.missing:
                numbers = [
                    number
                    for number, packet in enumerate(talk.packets, 1)
                    if packet.half == half_at
                    and any(packet.begin < end and begin < packet.end for begin, end in sent.ranges)
                ]
                client, _, _, leg, *_, digest = sent.identity
                yield f"{client} {leg} {digest[:8]} at {sent.ranges}: packets {numbers}"


def jobs(options: argparse.Namespace) -> Iterator[Job]:
    if options.every_start:
        for kind in EVERY_START:
            for capture in options.capture or MAIN:
                for first in range(len(undamaged(capture).packets)):
                    yield Job(kind, capture, first, False, options.keep)
        return
    kinds = [kind for kind in KINDS if not options.kind or any(part in kind for part in options.kind)]
    with_tshark = not options.no_tshark
    for kind in kinds:
        for capture in options.capture or (*MAIN, *MORE):
            for seed in range(options.seeds if options.capture or capture in MAIN else min(options.seeds, 1)):
                yield Job(kind, capture, seed + options.first_seed, with_tshark, options.keep)


COLUMNS = ("kind of damage", "captures", "intact", "recovered", "invented", "mistaken", "damaged", "told", "tshark")


def table(outcomes: Iterable[Outcome]) -> Iterator[list[str]]:
    """Give the rows of the table, a kind of damage each, and the sum."""
    by_kind: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_kind[outcome.job.kind].append(outcome)
        by_kind["all"].append(outcome)
    by_kind["all"] = by_kind.pop("all")
    for kind, some in by_kind.items():
        verdicts = [outcome.verdict for outcome in some]
        intact = sum(verdict.intact for verdict in verdicts)
        recovered = sum(verdict.recovered for verdict in verdicts)
        broken = sum(verdict.damaged for verdict in verdicts)
        shown = [outcome.stock for outcome in some if outcome.stock is not None]
        yield [
            kind,
            str(len(some)),
            str(intact),
            _percent(recovered, intact),
            str(sum(verdict.invented.total() for verdict in verdicts)),
            str(sum(verdict.mistaken.total() for verdict in verdicts)),
            str(broken),
            _percent(sum(verdict.told for verdict in verdicts), broken),
            _percent(sum(shown), intact) if shown else "-",
        ] + (["raised"] if any(outcome.has_raised for outcome in some) else [])


def _percent(part: int, whole: int) -> str:
    """Never rounded up to 100."""
    return f"{part * 1000 // whole / 10:.1f} %" if whole else "-"


def watch(options: argparse.Namespace) -> int:
    """Let commands read a generated stream; tell and judge their memory and their ends."""
    is_wrong = False
    for words in (["calls", "-T", "jsonl", "-"], ["stats", "-"]):
        generator = ["--size", options.stream, "--connections", str(options.connections)]
        done = stream.run(words, generator)
        rate = done.written.octets / 1e6 / done.seconds
        print(
            f"{' '.join(words)}: {done.written.octets / 1e6:,.0f} MB in {done.seconds:,.0f} s ({rate:.1f} MB/s), "
            f"peak {done.peak_bytes / 2**20:,.0f} MiB, {done.output_bytes / 1e6:,.0f} MB out"
        )
        faults = done.faults(options.memory << 20)
        is_wrong |= bool(faults)
        print(*done.told, *(f"WRONG: {fault}" for fault in faults), sep="\n", flush=True)
    return 1 if is_wrong else 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.robustness", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2, help="damaged captures of a kind, of each main capture")
    parser.add_argument("--first-seed", type=int, default=0, help="number of the first of them")
    parser.add_argument("--kind", action="append", help="only kinds whose names hold this; may be repeated")
    parser.add_argument("--capture", action="append", choices=list(truth.captures()), help="only of these captures")
    parser.add_argument("--no-tshark", action="store_true", help="do not ask tshark")
    parser.add_argument("--keep", type=Path, help="directory for the captures that were not read rightly")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--every-start", action="store_true", help="instead: start at and inside every packet")
    parser.add_argument("--stream", metavar="SIZE", help="instead: the memory that a stream of 5G, say, takes")
    parser.add_argument("--connections", type=int, default=50_000, help="how many the stream has")
    parser.add_argument("--memory", type=int, default=MEMORY >> 20, help="MiB that a command may take for it")
    options = parser.parse_args(arguments)
    if options.stream:
        return watch(options)
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    work = list(jobs(options))
    if not work:
        parser.error("no kind of damage has such a name")
    outcomes = []
    with Pool(options.processes) as pool:
        for outcome in pool.imap(run, work, chunksize=4):
            outcomes.append(outcome)
            if outcome.trouble:
                job = outcome.job
                lines = outcome.trouble.splitlines()
                last = lines[-1] if outcome.has_raised else f"{len(lines)} messages"
                print(f"{job.kind}, {job.capture}, seed {job.seed}: {last}", file=sys.stderr)
    rows = [list(COLUMNS), *table(outcomes)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(COLUMNS))]
    for row in rows:
        cells = [cell.ljust(width) if not at else cell.rjust(width) for at, cell, width in zip(count(), row, widths)]
        print("  ".join(cells + row[len(widths) :]))
    return 1 if any(outcome.trouble for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
