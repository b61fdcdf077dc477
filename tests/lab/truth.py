"""The broker's account of a capture, as typed records."""

import base64
import gzip
from pathlib import Path
from typing import Any, Final

import msgspec
import zstandard

PCAPS: Final = Path(__file__).resolve().parents[2] / "pcaps"
SUFFIX: Final = ".firehose.jsonl"
CLOCKS_SUFFIX: Final = ".clocks.json"


class Headers(msgspec.Struct, frozen=True):
    """What the firehose says of a message; see ``rabbit_trace.erl`` in RabbitMQ's source."""

    exchange_name: str
    routing_keys: list[str]
    properties: dict[str, Any]
    node: str
    vhost: str
    connection: str
    """``CLIENT:PORT -> BROKER:PORT``."""
    channel: int
    user: str
    routed_queues: list[str] | None = None
    """The queues that took it; None on a deliver."""
    redelivered: int | None = None
    """0 or 1; None on a publish."""


class Record(msgspec.Struct, frozen=True):
    """One message of the firehose."""

    routing_key: str
    headers: Headers
    body_base64: str

    @property
    def leg(self) -> str:
        """``publish`` or ``deliver`` (which basic.get is as well)."""
        return self.routing_key.partition(".")[0]

    @property
    def queue(self) -> str | None:
        """The queue that a deliver came from; None on a publish."""
        leg, _, name = self.routing_key.partition(".")
        return name if leg == "deliver" else None

    @property
    def body(self) -> bytes:
        """The message's body."""
        return base64.b64decode(self.body_base64)


def unpack(path: Path) -> bytes:
    """A file's content, out of gzip or zstd where its name says so."""
    data = path.read_bytes()
    match path.suffix:
        case ".gz":
            return gzip.decompress(data)
        case ".zst":
            return zstandard.decompress(data)
        case _:
            return data


def read(path: Path) -> list[Record]:
    """The records of a file of JSON lines, compressed or not, in the firehose's order."""
    return [msgspec.json.decode(line, type=Record) for line in unpack(path).splitlines()]


def captures() -> dict[str, Path]:
    """The shipped captures by name: ``demo`` is ``pcaps/demo.pcap``."""
    found = [path for path in PCAPS.iterdir() if ".pcap" in path.name]
    return {path.name.partition(".pcap")[0]: path for path in sorted(found)}


def load(name: str) -> list[Record]:
    """The truth of a shipped capture."""
    (path,) = PCAPS.glob(f"{name}{SUFFIX}*")
    return read(path)
