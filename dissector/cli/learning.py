"""``--learn``: what an earlier capture of connections tells of those that are open."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

import msgspec

from dissector.amqp.known import Ends, Known, KnownConnections
from dissector.errors import UsageError
from dissector.net import Endpoint
from dissector.reading import Reading
from dissector.rpc.hot import hot_of
from dissector.rpc.records import ConnectionRecord, ConsumerRecord, EndRecord, TopologyRecord
from dissector.rpc.topology import Topology

_JSON: Final = b"{"
_OPEN: Final = "open"


def check(path: str) -> None:
    """Raise `UsageError` where there is no such file; it is read later."""
    try:
        Path(path).stat()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None


def learned(path: str, ports: Collection[int]) -> KnownConnections:
    """Learn from a capture, or from the JSON lines of ``osloshark topology``, what was open at its end.

    Raises `UsageError` where the file cannot be read, by who we are now, or is neither.
    """
    streams: dict[int, Ends] = {}
    known: dict[Ends, Known] = {}
    consumers: list[ConsumerRecord] = []
    for record in _records(path, ports):
        if isinstance(record, ConnectionRecord):
            if record.state == _OPEN:
                ends = (_endpoint(record.client), _endpoint(record.broker))
                streams[record.stream] = ends
                known[ends] = _known(record)
        elif isinstance(record, ConsumerRecord) and record.active and record.queue is not None:
            consumers.append(record)
    for one in consumers:
        if one.stream in streams and one.queue is not None:
            of_channel = known[streams[one.stream]].consumers.setdefault(one.channel, {})
            of_channel[one.tag] = (one.queue, bool(one.no_ack))
    return known


def _records(path: str, ports: Collection[int]) -> Iterator[TopologyRecord]:
    try:
        with Path(path).open("rb") as file:
            if file.read(1) == _JSON:
                file.seek(0)
                yield from _parsed(path, file)
                return
    except PermissionError:
        raise UsageError(
            f"{path}: cannot be read without privileges; make it readable, or name its owner with --user"
        ) from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    topology = Topology()
    reading = Reading([path], ports=ports)
    try:
        for event in reading:
            topology.feed(event, hot_of(event))
    finally:
        reading.close()
    topology.finish()
    yield from topology.records()


def _parsed(path: str, lines: Collection[bytes] | Iterator[bytes]) -> Iterator[TopologyRecord]:
    decoder = msgspec.json.Decoder(TopologyRecord)
    for number, line in enumerate(lines, 1):
        try:
            yield decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise UsageError(
                f"{path}: line {number} is not what 'osloshark topology -T jsonl' writes; give that, or a capture"
            ) from None


def _endpoint(end: EndRecord) -> Endpoint:
    return Endpoint(end.ip, end.port)


def _known(record: ConnectionRecord) -> Known:
    client = {"connection_name": record.name, "product": record.product, "version": record.version}
    server = {"cluster_name": record.node, "product": record.broker_product, "version": record.broker_version}
    client_known = {name: value for name, value in client.items() if value is not None}
    server_known = {name: value for name, value in server.items() if value is not None}
    return Known(
        record.vhost,
        record.user,
        client_known or None,
        server_known or None,
        record.channel_max,
        record.frame_max,
        record.heartbeat_s,
    )
