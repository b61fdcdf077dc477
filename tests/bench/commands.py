"""The commands that are measured beside each other."""

import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Final, NamedTuple

from tests.cli.command import COMMAND

from .captures import ROOT, Capture, slice_of
from .peers import WANTED
from .process import cores

FEW: Final = 10
"""Packets of the file that shows what starting costs."""
OPENING: Final = 2000
"""Packets at the begin of a capture that are not like the others: connections open."""
_SLICES: Final = {"pyshark": 4000, "scapy": 12_000}
"""Packets that a peer reads, that would take too long for all. From the time that these take, less that of the opening,
that of all is reckoned."""
_TSHARK_FIELDS: Final = ("frame.number", "amqp.method.arguments.routing_key", "amqp.payload")


class Command(NamedTuple):
    """What is measured."""

    name: str
    words: list[str]
    cores: int
    shown: str
    """The command line as a reader may type it."""
    slice: int | None = None
    """Packets that it reads, where that is not all."""
    start: list[str] | None = None
    """The command with the packets of the `OPENING`, where it reads a slice."""


def has_jobs() -> bool:
    """Whether osloshark can spread its work over processes."""
    said = subprocess.run([COMMAND, "stats", "--help"], capture_output=True, text=True, check=True).stdout
    return "--jobs" in said


def tshark_fields(path: str) -> list[str]:
    """Let tshark print what it knows of messages."""
    return ["tshark", "-r", path, "-Y", WANTED, "-T", "fields", *[w for name in _TSHARK_FIELDS for w in ("-e", name)]]


_PLUGIN: Final = ROOT / "lua" / "osloshark.lua"


def _plugin(path: str) -> Iterator[Command]:
    """Give what Wireshark's packet list, a filter and fields take without the plugin, and with it."""
    named = "oslo.kind,oslo.method"
    for options, filtered, its_own in (
        ("", [], []),
        (" -Y", ["-Y", "amqp.channel"], ["-Y", "oslo.kind"]),
        (
            " -T fields",
            ["-T", "fields", "-e", "amqp.channel", "-e", "amqp.method.class"],
            ["-o", f"oslo.only_fields:{named}", "-T", "fields", "-e", "oslo.kind", "-e", "oslo.method"],
        ),
    ):
        for name, words in (
            (f"tshark{options} without the plugin", filtered),
            (f"tshark{options} with the plugin", ["-X", f"lua_script:{_PLUGIN}", *its_own]),
        ):
            shown = shlex.join(["tshark", "-r", "FILE", *words]).replace(str(_PLUGIN), "lua/osloshark.lua")
            yield Command(name, ["tshark", "-r", path, *words], 1, shown)


def _peer(name: str, path: str) -> list[str]:
    return [sys.executable, "-m", "tests.bench.peers", name, path]


def commands(capture: Capture, *, is_large: bool) -> list[Command]:
    """Give all that is measured of a capture; ``is_large`` where those that take hours are left out."""
    path = capture.path
    found = []
    jobs = has_jobs()
    for words in (("stats",), ("calls", "-T", "jsonl"), ("read", "-T", "jsonl"), ("read", "-T", "text")):
        for count in (1, 2) if jobs and len(cores()) > 1 else (1,):
            spread = ["--jobs", str(count)] if jobs else []
            shown = shlex.join(["osloshark", *words, *spread, "FILE"])
            name = shlex.join(["osloshark", *words])
            found.append(Command(name, [COMMAND, *words, "-q", *spread, path], count, shown))
    found.append(Command("tshark -T fields", tshark_fields(path), 1, shlex.join(tshark_fields("FILE"))))
    if not is_large:
        found.append(Command("tshark -T json", ["tshark", "-r", path, "-T", "json"], 1, "tshark -r FILE -T json"))
        found.extend(_plugin(path))
        opening = slice_of(capture, OPENING)
        for name, packets in _SLICES.items():
            some = min(packets, capture.packets)
            words = _peer(name, slice_of(capture, some))
            shown = shlex.join(["python", *_peer(name, "FILE")[1:]])
            found.append(Command(name, words, 1, shown, some, _peer(name, opening)))
    shown = shlex.join(["python", *_peer("floor", "FILE")[1:]])
    found.append(Command("floor", _peer("floor", path), 1, shown))
    return found
