"""The captures that are measured, made once and kept in `.bench/`."""

import hashlib
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec

ROOT: Final = Path(__file__).resolve().parents[2]
KEPT: Final = ROOT / ".bench"
CONVERSATIONS: Final = ("--capture", "neutron-nova", "--connections", "45", "--open", "3", "--loss", "0")
"""Some fifty connections, of which every third was open before: calls with replies, casts, fanouts, notifications."""
BODY: Final = 2500
MTU: Final = 1500
_SPARSE_BYTES: Final = 10 * 10**9
_RECORD_HEADER: Final = struct.Struct("<IIII")
_FILE_HEADER_BYTES: Final = 24


class Capture(msgspec.Struct, omit_defaults=True):
    """A capture and what is in it."""

    path: str
    octets: int
    packets: int
    connections: int
    messages: int = 0
    body_octets: int = 0
    """Of all messages."""


def generator(size: int, *options: str) -> list[str]:
    """The command line that writes a capture of so many octets to standard output."""
    return [sys.executable, "-m", "tests.generate", "--size", str(size), *options]


def lab(size: int) -> Capture:
    """Make or find the capture of so many octets, with its bodies beside it."""
    options = (*CONVERSATIONS, "--body", str(BODY), "--mtu", str(MTU))
    capture = made(f"lab-{size // 10**6}M", size, *options)
    if not capture.messages:
        _find_bodies(capture)
        _keep(capture)
    return capture


def made(name: str, size: int, *options: str) -> Capture:
    """Make or find a capture; it is made anew where it should be another."""
    KEPT.mkdir(exist_ok=True)
    path = KEPT / f"{name}.pcap"
    recipe = " ".join([str(size), *options, _sources()])
    told, how = path.with_suffix(".json"), path.with_suffix(".recipe")
    if told.exists() and how.exists() and how.read_text() == recipe:
        return msgspec.json.decode(told.read_bytes(), type=Capture)
    print(f"making {path.relative_to(ROOT)}", file=sys.stderr)
    with path.open("wb") as file:
        done = subprocess.run(generator(size, *options), stdout=file, stderr=subprocess.PIPE, check=True, cwd=ROOT)
    written = msgspec.json.decode(done.stderr.splitlines()[-1])
    capture = Capture(str(path), written["octets"], written["packets"], written["connections"])
    _keep(capture)
    how.write_text(recipe)
    return capture


def _keep(capture: Capture) -> None:
    Path(capture.path).with_suffix(".json").write_bytes(msgspec.json.encode(capture))


def _sources() -> str:
    """Give a digest of what the generator is made of."""
    files = (ROOT / "tests/generate.py", *sorted((ROOT / "tests/damage").glob("*.py")))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _find_bodies(capture: Capture) -> None:
    """Write the bodies to a file, each behind its length; in a process of its own, to keep this one small."""
    code = "import sys; from tests.bench.captures import write_bodies; write_bodies(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", code, capture.path], stdout=subprocess.PIPE, check=True, cwd=ROOT)
    capture.messages, capture.body_octets = map(int, done.stdout.split())


def write_bodies(path: str) -> None:
    """Do that, and print how many there are and their octets."""
    from dissector.amqp import Message  # noqa: PLC0415 - only this process needs them
    from dissector.reading import Reading  # noqa: PLC0415

    count = size = 0
    with Path(path).with_suffix(".bodies").open("wb") as file:
        for event in Reading([path]):
            if isinstance(event, Message):
                file.write(struct.pack("<I", len(event.body)) + event.body)
                count += 1
                size += len(event.body)
    print(count, size)


def slice_of(capture: Capture, packets: int) -> str:
    """Make or find a file of the first packets of a capture."""
    path = Path(capture.path)
    made = path.with_name(f"{path.stem}.first-{packets}.pcap")
    if not made.exists() or made.stat().st_mtime_ns < path.stat().st_mtime_ns:
        with path.open("rb") as file, made.open("wb") as out:
            out.write(file.read(_FILE_HEADER_BYTES))
            for _ in range(packets):
                header = file.read(_RECORD_HEADER.size)
                out.write(header + file.read(_RECORD_HEADER.unpack(header)[2]))
    return str(made)


def huge(capture: Capture) -> str:
    """Make or find a file of 10 GB that begins with a capture; what follows takes no room, and is not reached."""
    path = Path(capture.path)
    made = path.with_name(f"{path.stem}.huge.pcap")
    if not made.exists() or made.stat().st_mtime_ns < path.stat().st_mtime_ns:
        made.write_bytes(path.read_bytes())
        os.truncate(made, _SPARSE_BYTES)
    return str(made)
