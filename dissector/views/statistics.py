"""Statistics shown: a table for people, JSON lines, CSV."""

from typing import Any, Final

import msgspec

from dissector.rpc.statistics import Quantiles, StatisticsRecord
from dissector.views.csvtext import csv_line
from dissector.views.escape import columns, cut, escape
from dissector.views.grid import aligned
from dissector.views.jsonl import json_line

_HEADS: Final = tuple(
    "count,rate/s,errors,timeouts,p50,p95,p99,max,wait p95,serv p95,again,bytes".split(",")  # noqa: SIM905
)
_KEY_WIDTH: Final = 60


def statistics_table(records: list[StatisticsRecord]) -> bytes:
    """Write a line a group: counts, then latencies in milliseconds, of which the queue wait and the service."""
    by = records[0].by if records else "method"
    rows = [(by, *_HEADS), *(_row(record) for record in records)]
    widths = [max(columns(row[column]) for row in rows) for column in range(len(_HEADS) + 1)]
    is_number = [False, *(True for _ in _HEADS)]
    return "".join(aligned(row, widths, is_number) + "\n" for row in rows).encode()


def statistics_jsonl(records: list[StatisticsRecord]) -> bytes:
    """Write a JSON object a group."""
    return b"".join(json_line(msgspec.json.encode(record)) for record in records)


def statistics_csv(records: list[StatisticsRecord]) -> bytes:
    """Write a row a group; its columns are the paths of the record."""
    names = [path for path, _ in _flat(_EMPTY)]
    return csv_line(names) + b"".join(csv_line([value for _, value in _flat(record)]) for record in records)


_NONE: Final = Quantiles(None, None, None, None)
_EMPTY: Final = StatisticsRecord("", "", 0, None, 0, 0, _NONE, _NONE, _NONE, 0, 0, 0, 0)


def _flat(record: StatisticsRecord) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if isinstance(value, Quantiles):
            found += [(f"{name}.{part}", getattr(value, part)) for part in value.__struct_fields__]
        else:
            found.append((name, value))
    return found


def _row(record: StatisticsRecord) -> tuple[str, ...]:
    latency = record.latency
    return (
        cut(escape(record.key), _KEY_WIDTH),
        f"{record.count:,}",
        "-" if record.rate is None else f"{record.rate:.2f}",
        f"{record.errors:,}",
        f"{record.timeouts:,}",
        *(_ms(value) for value in (latency.p50_s, latency.p95_s, latency.p99_s, latency.max_s)),
        _ms(record.queue_wait.p95_s),
        _ms(record.service.p95_s),
        f"{record.redeliveries + record.duplicates:,}",
        f"{record.request_bytes + record.reply_bytes:,}",
    )


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.2f} ms"
