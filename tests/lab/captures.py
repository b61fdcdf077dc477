"""The shipped captures: made, checked and described.

``make`` records each one with its truth, then asserts what every shipped capture keeps: as many content
methods as the firehose has messages (counted by tshark), no path, host name or credential of the place
where it was made, and the bound on the size of all.
"""

import gzip
import platform
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import zstandard

from . import truth
from .network import BROKER, COMPUTE1
from .recorder import Tap
from .releases import RELEASES
from .session import Lab, Recording, laboratory

TOTAL_BYTES: Final = 5_000_000
PLAIN_BYTES: Final = 1_000_000
"""Larger captures are shipped gzip'd, larger truths in zstd, which finds a body's second copy as well."""
FORBIDDEN: Final = (
    *(str(path).encode() for path in (Path(__file__).parents[2], sys.prefix, sys.base_prefix, Path.home())),
    b"/root",
    b"/home",
    b"/tmp",
    b".venv",
)
"""Where the project, its Python and its people are, and the usual places of such."""
CONTENT: Final = {"40": "publish", "50": "return", "60": "deliver", "71": "get-ok"}
"""Methods of class 60 (basic) that carry content."""


@dataclass(frozen=True)
class Capture:
    """One shipped capture: its file, its scenarios, how and where it is recorded."""

    file: str
    scenarios: Sequence[str]
    about: str
    link: str = "Ethernet"
    where: str = "lan0, the broker's bridge"
    options: dict[str, Any] = field(default_factory=dict)
    releases: bool = False
    """Whether older releases of oslo.messaging have to be fetched for it."""
    clocks: bool = False
    """Whether what the clients measured is shipped as well, as ``NAME.clocks.json``."""

    @property
    def name(self) -> str:
        return self.file.partition(".pcap")[0]


ON_COMPUTE1: Final = "any, on the services' host"
CAPTURES: Final = (
    Capture("demo.pcap", ["demo"], "agents report, an instance is built, a call fails, another is too slow"),
    Capture(
        "neutron-nova.pcapng",
        [
            *("call", "cast", "fanout", "notification", "failure", "late_reply", "call_monitor"),
            *("nobody_listens", "dead_reply_queue", "other_vhost"),
        ],
        "every kind of message and every ending of a call, one story after the other; by dumpcap",
        options={"tap": Tap(program="dumpcap")},
    ),
    Capture(
        "verdicts.pcap",
        ["verdicts"],
        "every status and cause of a call three times; beside it what the clients' own clocks say",
        clocks=True,
    ),
    Capture("big-bodies.pcap.gz", ["several_frames", "megabyte"], "bodies over frame_max, up to 1 MB"),
    Capture("compressed-unicode.pcap", ["compressed", "non_ascii"], "kombu's compressions, text beyond ASCII"),
    Capture("quorum-stream.pcap", ["quorum", "stream_fanout"], "quorum queues, a stream as the fanout queue"),
    Capture(
        "channels.pcap.gz",
        ["channels", "blocked"],
        "AMQP beyond oslo.messaging: interleaved channels, get, return, nack, transactions, errors, blocked",
    ),
    Capture(
        "old-releases.pcap",
        ["old_releases"],
        f"oslo.messaging {', '.join(RELEASES)}",
        releases=True,
    ),
    Capture(
        "ipv6.pcap",
        ["call", "failure"],
        "calls over IPv6",
        options={"address": f"[{BROKER.ipv6}]"},
    ),
    Capture(
        "any-sll2.pcap",
        ["fanout", "failure"],
        "`tcpdump -i any`",
        link="Linux cooked v2",
        where=ON_COMPUTE1,
        options={"tap": Tap("any"), "everyone": COMPUTE1.name},
    ),
    Capture(
        "any-sll1.pcap",
        ["fanout", "failure"],
        "`tcpdump -i any -y LINUX_SLL`",
        link="Linux cooked v1",
        where=ON_COMPUTE1,
        options={"tap": Tap("any", "LINUX_SLL"), "everyone": COMPUTE1.name},
    ),
    Capture(
        "any-twice.pcap",
        ["call"],
        "every packet twice: on a bridge and on its port",
        link="Linux cooked v2",
        where="any, on the broker's host",
        options={"tap": Tap("any")},
    ),
    Capture(
        "loopback.pcap.gz",
        ["call", "several_frames"],
        "packets of up to 64 kB",
        where="lo, everything on one host",
        options={"tap": Tap("lo"), "everyone": BROKER.name, "address": "127.0.0.1"},
    ),
)


def tshark_counts(path: Path) -> Counter[str]:
    """Content methods in a capture, as tshark's own AMQP dissector sees them, by name."""
    shown = subprocess.run(
        [
            *("tshark", "-r", str(path), "-Y", "amqp.method.class == 60", "-T", "fields"),
            *("-E", "occurrence=a", "-e", "amqp.method.class", "-e", "amqp.method.method"),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    counts: Counter[str] = Counter()
    for line in shown.stdout.splitlines():
        classes, methods = (column.split(",") for column in line.split("\t"))
        counts.update(
            CONTENT[number] for kind, number in zip(classes, methods, strict=True) if kind == "60" and number in CONTENT
        )
    return counts


def check_counts(path: Path, records: Iterable[truth.Record]) -> Counter[str]:
    """tshark's counts of *path*; ValueError unless they equal the firehose's."""
    seen = tshark_counts(path)
    told = Counter(record.leg for record in records)
    if seen["publish"] != told["publish"] or seen["deliver"] + seen["get-ok"] != told["deliver"]:
        raise ValueError(f"{path.name}: the capture has {dict(seen)}, the firehose {dict(told)}")
    return seen


def check_neutral(path: Path) -> None:
    """ValueError when *path* holds a path or name of the place where it was made."""
    data = truth.unpack(path)
    if truth.SUFFIX in path.name:
        data += b"\n".join(record.body for record in truth.read(path))
    # Names of two or three letters turn up in binary fields by chance.
    own = [name.encode() for name in (platform.node(), platform.release()) if len(name) > 3]
    if found := re.search(b"|".join(map(re.escape, [*FORBIDDEN, *own])), data):
        raise ValueError(f"{path.name} holds {found[0].decode()}")


def _block(kind: int, content: bytes) -> bytes:
    return struct.pack("<II", kind, len(content) + 12) + content + struct.pack("<I", len(content) + 12)


def _without_option(options: bytes, dropped: int) -> bytes:
    kept, at = b"", 0
    while at < len(options):
        code, length = struct.unpack_from("<HH", options, at)
        end = at + 4 + (length + 3) // 4 * 4
        if code != dropped:
            kept += options[at:end]
        at = end
    return kept


def anonymous(data: bytes) -> bytes:
    """A pcapng file of dumpcap (one section, one interface) without the options that name the machine.

    They are all of the section header's, and the interface's if_os (12).
    """
    (section, section_length, magic) = struct.unpack_from("<III", data)
    (interface, interface_length) = struct.unpack_from("<II", data, section_length)
    if (section, magic, interface) != (0x0A0D0D0A, 0x1A2B3C4D, 1):
        raise ValueError("not what dumpcap writes")
    rest = section_length + interface_length
    described = data[section_length + 8 : rest - 4]
    return (
        _block(section, data[8:24])
        + _block(interface, described[:8] + _without_option(described[8:], 12))
        + data[rest:]
    )


def _ship_pcap(made: Path, target: Path) -> Path:
    """Put a capture into the folder, gzip'd if its name says so; ValueError if it is large and not."""
    data = made.read_bytes()
    if target.suffix == ".pcapng":
        data = anonymous(data)
    if target.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    elif len(data) > PLAIN_BYTES:
        raise ValueError(f"{target.name} has {len(data)} bytes: ship it as {target.name}.gz")
    target.write_bytes(data)
    return target


def _ship_truth(made: Path, target: Path) -> Path:
    """Put a truth into the folder, in zstd if it is large."""
    data = made.read_bytes()
    if len(data) > PLAIN_BYTES:
        target = target.with_name(f"{target.name}.zst")
        data = zstandard.compress(data, 19)
    target.write_bytes(data)
    return target


def _packets(path: Path) -> int:
    shown = subprocess.run(["capinfos", "-Mcr", "-T", str(path)], check=True, capture_output=True, text=True)
    return int(shown.stdout.split("\t")[1])


def make_one(lab: Lab, capture: Capture, folder: Path) -> str:
    """Record one capture, check it in *folder*, and ship it; its line of the README."""
    made: Recording = lab.record(*capture.scenarios, **capture.options)
    counts = check_counts(made.pcap, made.truth)
    pcap = _ship_pcap(made.pcap, folder / capture.file)
    firehose = _ship_truth(made.firehose, folder / f"{capture.name}{truth.SUFFIX}")
    shipped = [pcap, firehose]
    if capture.clocks:
        shipped.append(made.clocks.rename(folder / f"{capture.name}{truth.CLOCKS_SUFFIX}"))
    for path in shipped:
        check_neutral(path)
    for old in truth.PCAPS.glob(f"{capture.name}.*"):
        old.unlink()
    packets = _packets(pcap)
    for path in shipped:
        shutil.move(path, truth.PCAPS / path.name)
    legs = ", ".join(f"{counts[name]} {name}" for name in CONTENT.values() if counts[name])
    return (
        f"| `{pcap.name}` | {capture.about} | {', '.join(capture.scenarios)} | {capture.where} | {capture.link} "
        f"| {packets} | {legs} |"
    )


def _origin() -> str:
    """The versions of what made the traffic and the captures."""
    packages = [f"{name} {version(name)}" for name in ("oslo.messaging", "kombu", "amqp", "pika")]
    query = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Version}, ", "rabbitmq-server", "tcpdump", "wireshark-common"],
        check=True,
        capture_output=True,
        text=True,
    )
    return f"{query.stdout.strip(', ')}; Python {platform.python_version()}, {', '.join(packages)}"


def _readme(lines: Sequence[str]) -> str:
    return "\n".join(
        (
            "# Captures",
            "",
            "Real traffic of real oslo.messaging services on a private RabbitMQ, made by `make pcaps`",
            "(`python -m tests.lab pcaps`). Beside each capture lies its truth, `NAME.firehose.jsonl`: what the",
            "broker's own firehose told of the same messages, one JSON object a line. Users, tokens and",
            f"passwords are the laboratory's. Files over {PLAIN_BYTES // 1_000_000} MB are compressed.",
            f"`NAME{truth.CLOCKS_SUFFIX}` holds how long calls took by their clients' own clocks.",
            "",
            f"Made with {_origin()}.",
            "",
            "| capture | story | scenarios | where | link type | packets | messages |",
            "|---|---|---|---|---|---|---|",
            *lines,
            "",
        )
    )


def _describe(lines: Sequence[str]) -> None:
    """Put these captures' lines into the README; those of the others stay."""
    readme = truth.PCAPS / "README.md"
    old = readme.read_text().splitlines() if readme.exists() else []
    rows = {line.split("`")[1]: line for line in [*old, *lines] if line.startswith("| `")}
    readme.write_text(_readme([rows[capture.file] for capture in CAPTURES if capture.file in rows]))


def make(names: Sequence[str]) -> None:
    """Remake the captures *names*, or all of them, and their lines of the README."""
    wanted = [capture for capture in CAPTURES if not names or capture.name in names]
    truth.PCAPS.mkdir(exist_ok=True)
    lines = []
    with tempfile.TemporaryDirectory(prefix="osloshark-pcaps-") as scratch:
        checked = Path(scratch, "checked")
        checked.mkdir()
        with laboratory(Path(scratch)) as lab:
            if any(capture.releases for capture in wanted):
                lab.add_releases()
            for capture in wanted:
                lines.append(make_one(lab, capture, checked))
                print(lines[-1], flush=True)
    _describe(lines)
    total = sum(path.stat().st_size for path in truth.PCAPS.iterdir())
    if total > TOTAL_BYTES:
        raise ValueError(f"the captures have {total} bytes, more than {TOTAL_BYTES}")
    print(f"{total} bytes in {truth.PCAPS.name}/")
