"""What a bench found, as it is kept in `docs/`."""

import os
import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Final

import msgspec

LIBRARIES: Final = ("osloshark", "numpy", "msgspec", "pyshark", "scapy")


class Machine(msgspec.Struct):
    """Where it was measured."""

    processor: str
    cores: int
    memory_bytes: int
    system: str
    load: float
    """Processes that wanted a core just before, on average of a minute: what else was going on."""
    versions: dict[str, str]


class Row(msgspec.Struct):
    """What was measured of one command; a value a round."""

    name: str
    command: str
    cores: int
    seconds: list[float]
    cpu_seconds: list[float]
    peak_bytes: list[int]
    scaled_from: int | None = None
    """Packets it truly read, where the time is reckoned for the whole capture; None where it read that."""


class Start(msgspec.Struct):
    """How long until something small is done; a value a round."""

    name: str
    command: str
    seconds: list[float]
    cpu_seconds: list[float] | None = None
    """None where the command was ended before it was done."""


class Part(msgspec.Struct):
    """All commands on one capture."""

    octets: int
    packets: int
    connections: int
    messages: int
    body_octets: int
    """Of all messages."""
    rows: list[Row]


class Bench(msgspec.Struct):
    """All of it."""

    machine: Machine
    rounds: int
    parts: list[Part]
    """A capture each, the small one first."""
    starts: list[Start]


def machine() -> Machine:
    """Say what this machine is."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    versions = {"Python": platform.python_version()} | {name: version(name) for name in LIBRARIES}
    if shutil.which("tshark"):
        said = subprocess.run(["tshark", "--version"], capture_output=True, text=True, check=True).stdout
        versions["tshark"] = said.split("(Wireshark) ")[1].split()[0]
    return Machine(
        names[0] if names else platform.machine(),
        len(os.sched_getaffinity(0)),
        os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        f"{platform.system()} {platform.machine()}",
        round(os.getloadavg()[0], 2),
        versions,
    )


def ratio(base: Row, row: Row, *, by_cpu: bool = False) -> float:
    """How many times faster a row is than another one, by the medians."""
    if by_cpu:
        return median(base.cpu_seconds) / median(row.cpu_seconds)
    return median(base.seconds) / median(row.seconds)


def write(path: Path, found: Any) -> None:
    """Keep what was found, one line for each thing."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
