"""One queue shown: whose it is, who writes to it, and what became of it."""

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Final

from dissector import limits
from dissector.rpc.records import BindingRecord, ConsumerRecord, QueueRecord, TopologyRecord
from dissector.views.escape import escape
from dissector.views.times import TimeFormat
from dissector.views.topology import exchange_name, features, process_text, queue_flags

_GONE: Final = {
    "deleted": "it was deleted",
    "exclusive": "the connection that it belonged to ended",
    "auto_delete": "its last consumer went",
    "no_route": "a message to it came back (312 NO_ROUTE)",
    "not_found": "the broker did not find it (404 NOT_FOUND)",
}

_When = Callable[[float], str]


def owner_records(queue: QueueRecord, records: Iterable[TopologyRecord]) -> list[TopologyRecord]:
    """Pick what belongs to a queue: itself, its bindings, its consumers."""
    picked: list[TopologyRecord] = [queue]
    for record in records:
        if isinstance(record, BindingRecord):
            is_its = record.destination_kind == "queue" and record.destination == queue.name
        else:
            is_its = isinstance(record, ConsumerRecord) and record.queue == queue.name
        if is_its and record.vhost == queue.vhost:
            picked.append(record)
    return picked


def owner_text(records: Iterable[TopologyRecord], time: TimeFormat) -> bytes:
    """Write what `owner_records` gave, a fact a line."""
    return "".join(
        f"{'  ' if label else ''}{label:<16}{escape(text)}\n" if label else f"{escape(text)}\n"
        for record in records
        for label, text in _facts(record, lambda seconds: time(round(seconds * 1e6) * 1000))
    ).encode()


def _facts(record: TopologyRecord, when: _When) -> Iterator[tuple[str, str]]:
    if isinstance(record, QueueRecord):
        yield from _queue(record, when)
    elif isinstance(record, BindingRecord):
        key = f"{exchange_name(record.source)} with {record.routing_key or 'an empty key'}"
        arguments = features((), record.arguments)
        ending = f"; gone: {record.gone}" if record.gone else ""
        yield "bound to", f"{key}{f' {arguments}' if arguments else ''}{ending}"
    elif isinstance(record, ConsumerRecord):
        who = f"{record.process or 'a client'} at {record.client.ip}:{record.client.port}"
        where = f"tcp.stream {record.stream}, channel {record.channel}, tag {record.tag}"
        got = f"{record.deliver.messages:,} delivered"
        ending = (
            ""
            if record.ended is None or record.ended_time is None
            else (f"; ended at {when(record.ended_time)}: {record.ended}")
        )
        yield "consumed by", f"{who} ({where}), {got}{ending}"


def _queue(record: QueueRecord, when: _When) -> Iterator[tuple[str, str]]:
    vhost = "an unknown virtual host" if record.vhost is None else f"virtual host {record.vhost}"
    yield "", f"queue {record.name} in {vhost}"
    state = "there at the end of the capture, as far as was seen"
    if record.gone is not None and record.gone_time is not None:
        state = f"gone by {when(record.gone_time)}: {_GONE[record.gone]}"
    yield "state", state
    if record.how == "declared":
        flags = features(queue_flags(record), record.arguments) or "transient, shared, without arguments"
        yield "declared", f"{flags} (packet {record.frame})"
    else:
        yield "declared", "not seen: its features are unknown"
    yield from (("declared by", process_text(one)) for one in record.declared_by)
    yield from _more("declared by", record.declared_by)
    if record.refusal is not None:
        yield "refused", f"{record.refused:,} declares: {record.refusal}"
    if record.message_count is not None and record.counted_time is not None:
        count = f"{record.message_count:,} messages ready, {record.consumer_count:,} consumers"
        yield "counted", f"{count} at {when(record.counted_time)}"
    yield from (("reply queue of", process_text(one)) for one in record.callers)
    yield from _more("reply queue of", record.callers)
    for one in record.publishers:
        name = one.ip if one.name is None else f"{one.name} at {one.ip}"
        yield "published by", f"{name}: {one.messages:,} messages, {one.bytes:,} bytes, last at {when(one.last_time)}"
    yield from _more("published by", record.publishers)
    out = record.deliver.messages + record.get.messages
    traffic = f"{record.publish.messages:,} published straight to it, {out:,} taken from it"
    if record.redelivered:
        traffic += f", {record.redelivered:,} of them redelivered"
    if record.returned:
        traffic += f", {record.returned:,} given back (312)"
    yield "messages", traffic
    yield "last used", "never" if record.last_time is None else when(record.last_time)


def _more(what: str, processes: Sized) -> Iterator[tuple[str, str]]:
    if len(processes) >= limits.TOPOLOGY_PARTIES:
        yield what, f"(the first {limits.TOPOLOGY_PARTIES} processes; no more are told)"
