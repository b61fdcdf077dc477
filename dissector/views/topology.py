"""Topology shown: a table for each sort of thing, JSON lines."""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from dissector.rpc.records import (
    BindingRecord,
    ChannelRecord,
    CloseRecord,
    ConnectionRecord,
    ConsumerRecord,
    EndRecord,
    ExchangeRecord,
    ProcessRecord,
    QueueRecord,
    TopologyRecord,
    TrafficRecord,
)
from dissector.views.grid import Column, GridStyle, Row, grid
from dissector.views.jsonl import json_line
from dissector.views.times import TimeFormat

_BAD: Final = "red"
_GONE: Final = "bright_black"
_NORMAL: Final = frozenset((0, 200))
"""Reply codes of a normal end."""

SECTIONS: Final[dict[str, type[TopologyRecord]]] = {
    "connections": ConnectionRecord,
    "channels": ChannelRecord,
    "exchanges": ExchangeRecord,
    "queues": QueueRecord,
    "bindings": BindingRecord,
    "consumers": ConsumerRecord,
}
"""What ``--only`` takes, and the records of each."""


def topology_jsonl(records: Iterable[TopologyRecord]) -> bytes:
    """Write a JSON object for each record."""
    return b"".join(json_line(msgspec.json.encode(record)) for record in records)


def topology_tables(
    records: Iterable[TopologyRecord], sections: Iterable[str], time: TimeFormat, style: GridStyle
) -> bytes:
    """Write a table for each section; the virtual host is a column where there are several."""
    found: dict[str, list[Any]] = {name: [] for name in sections}
    names = {record: name for name, record in SECTIONS.items()}
    vhosts = set()
    for record in records:
        vhosts.add(record.vhost)
        name = names[type(record)]
        if name in found:
            found[name].append(record)
    parts = []
    for name, those in found.items():
        columns, row = _TABLES[name]
        heads = [Column("vhost", 1 if len(vhosts) > 1 else 9), *columns]
        rows = [Row([_vhost(one.vhost) if len(vhosts) > 1 else "", *row(one, time)], _style(one)) for one in those]
        parts.append(grid(f"{name.capitalize()} ({len(those):,})" if those else name.capitalize(), heads, rows, style))
    return b"".join(parts)


# -- a row each ----------------------------------------------------------------------------------------------------

_CONNECTIONS: Final = (
    Column("#", is_number=True),
    Column("client"),
    Column("address", 3),
    Column("state"),
    Column("why", 1, most=36),
    Column("user", 6),
    Column("published", 2, is_number=True),
    Column("delivered", 2, is_number=True),
    Column("bytes", 3, is_number=True),
    Column("opened", 4, is_number=True),
    Column("closed", 4, is_number=True),
    Column("channels", 6, is_number=True),
    Column("declares", 6, is_number=True),
    Column("heartbeat", 5, is_number=True),
    Column("silence", 5, is_number=True),
    Column("blocked", 1, is_number=True),
    Column("library", 7),
    Column("gaps", 1, is_number=True),
)


def _connection(record: ConnectionRecord, time: TimeFormat) -> list[str]:
    traffic = record.traffic
    legs = (traffic.publish, traffic.deliver, traffic.get, traffic.return_)
    silences = [silence for silence in (record.silence_client_s, record.silence_broker_s) if silence is not None]
    return [
        str(record.stream),
        record.process or record.name or record.client.ip,
        _end(record.client),
        record.state,
        _why(record.close) or (record.end or "" if record.state == "dropped" else ""),
        record.user or "",
        _count(traffic.publish.messages),
        _count(traffic.deliver.messages + traffic.get.messages),
        _count(sum(leg.bytes for leg in legs)),
        _when(record.opened_time, time),
        _when(record.closed_time, time),
        _count(record.channels),
        _count(record.declares),
        _agreed(record.heartbeat_s),
        f"{max(silences):.1f} s" if silences else "",
        f"{record.blocked_s:.1f} s" if record.blocked else "",
        " ".join(filter(None, (record.product, record.version))),
        _count(record.gaps),
    ]


_CHANNELS: Final = (
    Column("#", is_number=True),
    Column("client"),
    Column("channel", is_number=True),
    Column("state"),
    Column("why", 1, most=36),
    Column("mode", 2),
    Column("prefetch", 2, is_number=True),
    Column("unacked", 1, is_number=True),
    Column("unconfirmed", 3, is_number=True),
    Column("consumers", 3, is_number=True),
    Column("published", 2, is_number=True),
    Column("delivered", 2, is_number=True),
    Column("redelivered", 4, is_number=True),
)


def _channel(record: ChannelRecord, _time: TimeFormat) -> list[str]:
    traffic = record.traffic
    mode = "confirms" if record.confirms else "transactions" if record.transactional else ""
    return [
        str(record.stream),
        record.process or "",
        str(record.number),
        record.state,
        _why(record.close),
        mode if record.confirms is not None else mode or "?",
        "" if record.prefetch_count is None else str(record.prefetch_count),
        _known(record.unacked),
        _count(record.unconfirmed or 0),
        _count(record.consumers),
        _count(traffic.publish.messages),
        _count(traffic.deliver.messages + traffic.get.messages),
        _count(record.redelivered),
    ]


_EXCHANGES: Final = (
    Column("name"),
    Column("known"),
    Column("type", 1),
    Column("features", 2, most=36),
    Column("published", 1, is_number=True),
    Column("msg/s", 3, is_number=True),
    Column("bytes", 3, is_number=True),
    Column("delivered", 1, is_number=True),
    Column("returned", 1, is_number=True),
    Column("declares", 4, is_number=True),
    Column("last used", 3, is_number=True),
    Column("gone", 1),
)


def _exchange(record: ExchangeRecord, time: TimeFormat) -> list[str]:
    flags = (("durable", record.durable), ("auto-delete", record.auto_delete), ("internal", record.internal))
    return [
        exchange_name(record.name),
        record.how,
        "?" if record.kind is None else record.kind,
        features(flags, record.arguments),
        _count(record.publish.messages),
        _rate(record.publish),
        _count(record.publish.bytes),
        _count(record.deliver.messages),
        _count(record.returned),
        _declares(record.declares, record.refused),
        _when(record.last_time, time),
        _gone(record.gone, record.gone_time, time),
    ]


_QUEUES: Final = (
    Column("name"),
    Column("known"),
    Column("features", 2, most=36),
    Column("ready", 2, is_number=True),
    Column("consumers", 1),
    Column("pub direct", 2, is_number=True),
    Column("delivered", 1, is_number=True),
    Column("msg/s", 3, is_number=True),
    Column("bytes", 4, is_number=True),
    Column("redelivered", 1, is_number=True),
    Column("returned", 1, is_number=True),
    Column("declares", 5, is_number=True),
    Column("last used", 4, is_number=True),
    Column("gone", 1),
)


def _queue(record: QueueRecord, time: TimeFormat) -> list[str]:
    rates = [rate for rate in (record.deliver.messages_per_s, record.get.messages_per_s) if rate]
    return [
        record.name,
        record.how,
        features(queue_flags(record), record.arguments),
        "?" if record.message_count is None else _count(record.message_count) or "0",
        several(record.consumers),
        _count(record.publish.messages),
        _count(record.deliver.messages + record.get.messages),
        f"{sum(rates):.2f}" if rates else "",
        _count(record.deliver.bytes + record.get.bytes),
        _count(record.redelivered),
        _count(record.returned),
        _declares(record.declares, record.refused),
        _when(record.last_time, time),
        _gone(record.gone, record.gone_time, time),
    ]


_BINDINGS: Final = (
    Column("from exchange"),
    Column("to"),
    Column("name"),
    Column("routing key"),
    Column("arguments", 1, most=36),
    Column("bound", 2, is_number=True),
    Column("gone", 1),
)


def _binding(record: BindingRecord, time: TimeFormat) -> list[str]:
    return [
        record.source,
        record.destination_kind,
        record.destination,
        record.routing_key,
        features((), record.arguments),
        _when(record.time, time),
        record.gone or "",
    ]


_CONSUMERS: Final = (
    Column("#", is_number=True),
    Column("client"),
    Column("address", 3),
    Column("queue"),
    Column("tag", 2),
    Column("known", 3),
    Column("features", 2, most=36),
    Column("delivered", 1, is_number=True),
    Column("msg/s", 4, is_number=True),
    Column("redelivered", 1, is_number=True),
    Column("last", 4, is_number=True),
    Column("ended", 1),
)


def _consumer(record: ConsumerRecord, time: TimeFormat) -> list[str]:
    return [
        str(record.stream),
        record.process or record.client.ip,
        _end(record.client),
        "?" if record.queue is None else record.queue,
        record.tag,
        record.how,
        features((("no-ack", record.no_ack), ("exclusive", record.exclusive)), record.arguments),
        _count(record.deliver.messages),
        _rate(record.deliver),
        _count(record.redelivered),
        _when(record.last_time, time),
        record.ended or "",
    ]


_Row = Callable[[Any, TimeFormat], list[str]]
_TABLES: Final[dict[str, tuple[tuple[Column, ...], _Row]]] = {
    "connections": (_CONNECTIONS, _connection),
    "channels": (_CHANNELS, _channel),
    "exchanges": (_EXCHANGES, _exchange),
    "queues": (_QUEUES, _queue),
    "bindings": (_BINDINGS, _binding),
    "consumers": (_CONSUMERS, _consumer),
}


def _style(record: TopologyRecord) -> str | None:
    if isinstance(record, ConnectionRecord | ChannelRecord):
        is_bad = record.close is not None and record.close.code not in _NORMAL and record.close.by == "broker"
        return _BAD if is_bad or record.state == "dropped" else None if record.state == "open" else _GONE
    if isinstance(record, ConsumerRecord):
        return None if record.active else _GONE
    return _BAD if record.gone in ("no_route", "not_found") else _GONE if record.gone else None


# -- cells ---------------------------------------------------------------------------------------------------------


def exchange_name(name: str) -> str:
    """Name an exchange; the default exchange has no name of its own."""
    return name or "(default)"


def queue_flags(record: QueueRecord) -> tuple[tuple[str, bool | None], ...]:
    """Name the yes-and-no attributes of a queue."""
    return ("durable", record.durable), ("exclusive", record.exclusive), ("auto-delete", record.auto_delete)


def features(flags: Iterable[tuple[str, bool | None]], arguments: dict[str, Any] | None) -> str:
    """Name what is set, and the arguments; ``?`` where it is not known what is set."""
    flags = list(flags)
    if flags and all(value is None for _, value in flags):
        return "?"
    told = [name for name, value in flags if value]
    told += [
        f"{key}={value if isinstance(value, str) else msgspec.json.encode(value).decode()}"
        for key, value in (arguments or {}).items()
    ]
    return " ".join(told)


def process_text(record: ProcessRecord) -> str:
    """Name a process."""
    return record.ip if record.name is None else f"{record.name} at {record.ip}"


def several(processes: tuple[ProcessRecord, ...]) -> str:
    """Name a process, and say how many more there are."""
    names = [process.name or process.ip for process in processes]
    return names[0] + (f" +{len(names) - 1}" if len(names) > 1 else "") if names else ""


def _vhost(vhost: str | None) -> str:
    return "?" if vhost is None else vhost


def _end(end: EndRecord) -> str:
    return f"[{end.ip}]:{end.port}" if ":" in end.ip else f"{end.ip}:{end.port}"


def _why(close: CloseRecord | None) -> str:
    if close is None:
        return ""
    return f"{close.by} {close.code} {close.text}".rstrip() if close.code else close.by


def _count(number: int) -> str:
    return f"{number:,}" if number else ""


def _known(number: int | None) -> str:
    return "?" if number is None else _count(number)


def _agreed(seconds: int | None) -> str:
    return "?" if seconds is None else f"{seconds} s" if seconds else "none"


def _rate(traffic: TrafficRecord) -> str:
    return f"{traffic.messages_per_s:.2f}" if traffic.messages_per_s else ""


def _declares(declares: int, refused: int) -> str:
    return f"{declares:,} ({refused:,} refused)" if refused else _count(declares)


def _when(seconds: float | None, time: TimeFormat) -> str:
    return "" if seconds is None else time(round(seconds * 1e6) * 1000)


def _gone(why: str | None, seconds: float | None, time: TimeFormat) -> str:
    return "" if why is None else f"{why} at {_when(seconds, time)}"
