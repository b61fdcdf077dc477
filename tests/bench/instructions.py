"""``make instructions``: how many instructions each room takes for a small capture, as callgrind counts them.

``python -m tests.bench.instructions`` measures and compares with the baseline; ``--write`` makes this the baseline.
Counts do not depend on what else the machine does, and differ by less than one percent from run to run.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec

from tests.generate import Plan, Written, generate
from tests.lab import truth

from .captures import ROOT
from .stages import MARKER, STAGES

BASELINE: Final = Path(__file__).with_suffix(".json")
CAPTURE: Final = Plan(800_000, 45, 0, 1, ("neutron-nova",))
"""What is measured; the same octets each time."""
ALLOWED: Final = 0.10
"""By what part a room's count may grow."""
ALLOWED_BY_YARDSTICK: Final = 0.30
"""The same where the baseline was made with other versions of Python, numpy or msgspec, and what these make of it is
reckoned by how the yardstick's count changed: it is not made of the same things in the same proportion."""


class Counts(msgspec.Struct):
    """Instructions by stage, and by what they were executed."""

    capture: str
    """The first digits of the SHA-256 of the capture."""
    versions: dict[str, str]
    """Of Python major and minor, of libraries the whole."""
    stages: dict[str, int]


def versions() -> dict[str, str]:
    """What the counts depend on, besides the code."""
    python = ".".join(map(str, sys.version_info[:2]))
    return {"Python": python, "machine": os.uname().machine} | {name: version(name) for name in ("numpy", "msgspec")}


def measure() -> Counts:
    """Count. Takes a quarter of a minute or more."""
    octets = b"".join(generate(CAPTURE, Written()))
    with tempfile.TemporaryDirectory(prefix="osloshark-") as folder:
        path = Path(folder, "capture.pcap")
        path.write_bytes(octets)
        _callgrind(folder, str(truth.captures()["demo"]), str(path))
        totals = dict(_totals(Path(folder)))
    # The first dump is of all before the first mark, and the last of all behind the last one.
    counted = [totals[number] for number in sorted(totals)][1 : len(STAGES) + 1]
    digest = hashlib.sha256(octets).hexdigest()[:16]
    return Counts(digest, versions(), dict(zip(STAGES, counted, strict=True)))


def _callgrind(folder: str, small: str, path: str) -> None:
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise FileNotFoundError("valgrind is not installed")
    words = [valgrind, "--tool=callgrind", f"--callgrind-out-file={folder}/counts", f"--dump-before={MARKER}"]
    words += ["--dump-instr=no", "--dump-line=no", "-q", sys.executable, "-s", "-P", "-m", "tests.bench.stages"]
    # Where objects lie, and with that which sets are walked in which order, is not left to chance.
    environment = {"PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT), "PATH": os.environ.get("PATH", os.defpath)}
    done = subprocess.run([*words, small, path], env=environment, cwd=ROOT, capture_output=True, check=False)
    if done.returncode or not done.stdout.strip().isdigit():
        raise RuntimeError(f"the measured run failed:\n{done.stderr.decode()}")


def _totals(folder: Path) -> Iterator[tuple[int, int]]:
    """Give number and instructions of each dump."""
    for file in folder.glob("counts.*"):
        for line in file.read_text(errors="replace").splitlines():
            if line.startswith("totals: "):
                yield int(file.suffix[1:]), int(line.split()[1])


def grown(baseline: Counts, found: Counts) -> Iterator[str]:
    """Name each stage that takes too many instructions now, and say how many."""
    factor, allowed = 1.0, ALLOWED
    if baseline.versions != found.versions:
        factor, allowed = found.stages["yardstick"] / baseline.stages["yardstick"], ALLOWED_BY_YARDSTICK
    for stage, count in found.stages.items():
        more = count / (baseline.stages[stage] * factor) - 1
        if stage != "yardstick" and more > allowed:
            yield f"{stage}: {count:,} instructions, {more:.1%} more than {baseline.stages[stage] * factor:,.0f}"


def compared(baseline: Counts, found: Counts) -> str:
    """Say in a line how the two can be compared."""
    if baseline.versions == found.versions:
        return f"compared with a baseline of the same versions: {ALLOWED:.0%} allowed"
    return (
        f"the baseline is of {baseline.versions}, this is {found.versions}: compared by the yardstick, "
        f"{ALLOWED_BY_YARDSTICK:.0%} allowed"
    )


def kept() -> Counts:
    """Read the baseline."""
    return msgspec.json.decode(BASELINE.read_bytes(), type=Counts)


def table(baseline: Counts | None, found: Counts) -> Iterator[str]:
    """Give the counts as lines."""
    for stage, count in found.stages.items():
        before = baseline.stages.get(stage) if baseline else None
        yield f"{stage:10} {count:>14,}" + (f"  {count / before - 1:+.1%}" if before else "")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.instructions", description=__doc__)
    parser.add_argument("--write", action="store_true", help="make what is found the baseline")
    options = parser.parse_args(arguments)
    found = measure()
    baseline = kept() if BASELINE.exists() else None
    print(*table(baseline, found), sep="\n")
    if options.write:
        BASELINE.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
        return 0
    if baseline is None or baseline.capture != found.capture:
        print("There is no baseline for this capture; --write makes one.", file=sys.stderr)
        return 1
    print(compared(baseline, found))
    faults = list(grown(baseline, found))
    print(*faults, sep="\n", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
