"""Captures cut out of others, and what their calls look like beside those of the whole."""

import tempfile
from collections import Counter
from collections.abc import Iterable
from functools import cache
from ipaddress import ip_address
from pathlib import Path

from dissector.capture import open_capture
from dissector.fields import RpcFields
from dissector.reading import Reading
from dissector.rpc import Calls
from dissector.rpc.hot import hot_of

from ..capture.build import PCAP_NANO, pcap
from ..lab import truth

Packets = list[tuple[int, bytes]]
"""Time in nanoseconds and bytes."""

ETHERNET = ["demo", "neutron-nova", "verdicts", "old-releases", "ipv6", "quorum-stream", "compressed-unicode"]
"""Captures of several hosts, made at the broker."""

ANSWERED = {"ok", "failed"}


@cache
def packets(name: str) -> tuple[tuple[int, bytes], ...]:
    return tuple(
        (int(batch.time_ns[index]), batch.packet(index))
        for batch in open_capture([truth.captures()[name]])
        for index in range(len(batch))
    )


def addresses(packet: bytes) -> tuple[str, str]:
    """Source and destination of a packet on Ethernet."""
    kind, at, size = (packet[12:14], 26, 4) if packet[12:14] == b"\x08\x00" else (packet[12:14], 22, 16)
    assert kind in (b"\x08\x00", b"\x86\xdd")
    return str(ip_address(packet[at : at + size])), str(ip_address(packet[at + size : at + 2 * size]))


def broker(name: str) -> str:
    return "fd00:99::1" if name == "ipv6" else "10.99.0.1"


def calls(chosen: Iterable[tuple[int, bytes]], *, late_ns: int | None = None) -> list[RpcFields]:
    with tempfile.NamedTemporaryFile(suffix=".pcap") as file:
        Path(file.name).write_bytes(pcap(chosen, magic=PCAP_NANO))
        return calls_of(file.name, late_ns=late_ns)


def calls_of(path: str | Path, *, late_ns: int | None = None) -> list[RpcFields]:
    followed = Calls(late_ns=late_ns)
    found = [call for event in Reading([path]) for call in followed.feed(event, hot_of(event))]
    return [call.rpc for call in [*found, *followed.finish()]]


@cache
def whole(name: str) -> dict[str, RpcFields]:
    """The calls of a shipped capture, by what `identity` says."""
    found = calls_of(truth.captures()[name])
    by_identity = {identity: rpc for rpc in found for identity in identities(rpc)}
    assert len({id(rpc) for rpc in by_identity.values()}) == len(found)
    return by_identity


def identities(rpc: RpcFields) -> list[str]:
    return [text for text in (rpc.unique_id, rpc.msg_id) if text is not None]


def verdicts(found: Iterable[RpcFields]) -> Counter[tuple[str, str, str | None]]:
    return Counter((rpc.kind, rpc.status, rpc.cause) for rpc in found)


def contradictions(name: str, found: list[RpcFields], *, causes: bool = True) -> list[tuple[object, ...]]:
    """What a part of a capture says that is not so by the whole: a status other than pending, a cause, a time."""
    known = whole(name)
    wrong: list[tuple[object, ...]] = []
    for rpc in found:
        full = known[identities(rpc)[0]]
        told = (rpc.kind, rpc.method, rpc.status, rpc.cause, full.status, full.cause)
        if rpc.status not in ("pending", full.status):
            wrong.append(told)
        if causes and rpc.status == full.status and rpc.cause not in (None, "capture_gap", full.cause):
            wrong.append(told)
        for leg in ("publish_time", "deliver_time", "reply_deliver_time", "queue_wait_s", "service_s", "latency_s"):
            seen, there = getattr(rpc, leg), getattr(full, leg)
            # The first delivery of a fanout, or of what is delivered again, may be another one there.
            is_one = rpc.kind != "fanout" and not rpc.redelivered
            if is_one and seen is not None and there is not None and abs(seen - there) > 2e-6:
                wrong.append((*told, leg, seen, there))
    return wrong
