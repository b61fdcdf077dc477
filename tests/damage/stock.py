"""What stock tshark shows of the same captures, its body frames put together for it."""

import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from .talk import Talk

Shown = tuple[str, str, bool, str, int, str]
"""Client, broker, whether from the client, leg, channel, the body's digest."""

_FIELDS = (
    "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport", "tcp.dstport", "tcp.stream",
    "amqp.type", "amqp.channel", "amqp.method.class", "amqp.method.method", "amqp.header.body-size", "amqp.payload",
)  # fmt: skip
_LEGS = {40: "publish", 50: "return", 60: "deliver", 71: "get"}


def recovered(talk: Talk, path: Path) -> int:
    """Count the intact messages of which tshark shows the method, the header and the whole body."""
    intact = Counter((*some[:5], some[7]) for some in talk.intact().elements())
    return (intact & Counter(_shown(path))).total()


def _shown(path: Path, port: int = 5672) -> Iterator[Shown]:
    arguments = [argument for field in _FIELDS for argument in ("-e", field)]
    command = ["tshark", "-n", "-r", str(path), "-Y", "amqp", "-T", "fields", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    coming: dict[tuple[str, ...], list] = defaultdict(list)
    for line in done.stdout.splitlines():
        four_source, four_to, six_source, six_to, source_port, to_port, stream, *rest = line.split("\t")
        kinds, channels, classes, methods, sizes, payloads = (
            iter(part.split(",")) if part else iter(()) for part in rest
        )
        source = f"[{six_source}]:{source_port}" if six_source else f"{four_source}:{source_port}"
        to = f"[{six_to}]:{to_port}" if six_to else f"{four_to}:{to_port}"
        from_client = to_port == str(port)
        ends = (source, to) if from_client else (to, source)
        for kind in kinds:
            channel = next(channels, "0")
            key = (stream, source, channel)
            if kind == "1":
                leg = (next(classes, ""), int(next(methods, "0")))
                coming[key] = [_LEGS[leg[1]], None, b""] if leg[0] == "60" and leg[1] in _LEGS else []
            elif kind == "2" and coming[key]:
                coming[key][1] = int(next(sizes, "0"))
            elif kind == "3":
                payload = next(payloads, "")
                if coming[key]:
                    coming[key][2] += bytes.fromhex(payload)
            content = coming[key]
            if content and content[1] is not None and len(content[2]) >= content[1]:
                coming[key] = []
                yield (*ends, from_client, content[0], int(channel), sha256(content[2]).hexdigest())
