"""Calls shown: a line each, JSON lines, CSV."""

from collections.abc import Callable
from typing import Any, Final, Protocol

import click
import msgspec

from dissector.fields import FIELDS, CallRecord, RpcFields
from dissector.filter import record_lookup
from dissector.views.csvtext import csv_line
from dissector.views.escape import cut, escape
from dissector.views.jsonl import json_line
from dissector.views.table import Table
from dissector.views.text import shorten
from dissector.views.times import time_format

BAD_STATUSES: Final = frozenset({"failed", "timed_out", "undelivered"})
"""How a request ended that did not end well."""
_COLORS: Final = {"pending": "yellow"} | dict.fromkeys(BAD_STATUSES, "red")
_COLUMNS: Final = [name for name in FIELDS if name.startswith("rpc.")]
_HEAD: Final = (
    f"{'time':>11} {'latency':>10} {'queued':>10} {'service':>10} {'return':>10} {'kind':<12} {'verdict':<26} what"
)


class CallView(Protocol):
    """Shows calls in one format."""

    def head(self) -> bytes:
        """Give what stands before the first call."""
        ...

    def feed(self, call: CallRecord) -> bytes:
        """Show one call."""
        ...


class CallLines:
    """``-T table``: a line a call, times in milliseconds."""

    def __init__(
        self, first_time_ns: Callable[[], int], *, times: str = "r", color: bool = False, width: int | None = None
    ) -> None:
        """Make the view, with the options of `dissector.views.text.TextView`."""
        self._time = time_format(times, first_time_ns)
        self._color = color
        self._width = width

    def head(self) -> bytes:
        """Name the columns."""
        return (_HEAD + "\n").encode()

    def feed(self, call: CallRecord) -> bytes:
        """Give a call's line."""
        rpc = call.rpc
        begin = next((t for t in (rpc.publish_time, rpc.deliver_time, rpc.reply_deliver_time) if t is not None), None)
        when = "" if begin is None else self._time(round(begin * 1e6) * 1000)
        spans = " ".join(_ms(value) for value in (rpc.latency_s, rpc.queue_wait_s, rpc.service_s, rpc.return_s))
        status = rpc.status if rpc.cause is None else f"{rpc.status}: {rpc.cause}"
        what = _what(rpc)
        if self._width is not None:
            what = shorten(what)
        line = escape(f"{when:>11} {spans} {rpc.kind:<12} {status:<26} {what}")
        if self._width is not None:
            line = cut(line, self._width)
        color = _COLORS.get(rpc.status)
        return ((click.style(line, fg=color) if self._color and color else line) + "\n").encode()


class CallTable:
    """``-T table -e``: a line a call, its columns fields of the registry."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def head(self) -> bytes:
        """Name the columns, where that is asked for."""
        return self._table.head

    def feed(self, call: CallRecord) -> bytes:
        """Give a call's line."""
        return self._table.row(record_lookup(call))


class CallJson:
    """``-T jsonl``: the record of each call."""

    def __init__(self) -> None:
        self._encode = msgspec.json.Encoder().encode

    def head(self) -> bytes:
        """Give nothing: every line is a call."""
        return b""

    def feed(self, call: CallRecord) -> bytes:
        """Give a call's record."""
        return json_line(self._encode(call))


class CallCsv:
    """``-T csv``: a row a call, its columns the ``rpc.*`` fields of the registry."""

    def head(self) -> bytes:
        """Name the columns."""
        return csv_line(_COLUMNS)

    def feed(self, call: CallRecord) -> bytes:
        """Give a call's row; of several servers the values stand together, with commas between."""
        plain = msgspec.to_builtins(call)
        return csv_line([_at(plain, name.split(".")) for name in _COLUMNS])


def _at(value: Any, path: list[str]) -> Any:  # noqa: ANN401 - any JSON value
    for index, key in enumerate(path):
        if value is None:
            return None
        if isinstance(value, list | tuple):
            found = [_at(item, path[index:]) for item in value]
            return ",".join(str(item) for item in found if item is not None)
        value = value[key]
    return value


def _ms(seconds: float | None) -> str:
    return f"{'-' if seconds is None else f'{seconds * 1000:.2f} ms':>10}"


def _what(rpc: RpcFields) -> str:
    client = rpc.client.name or rpc.client.ip or "?"
    servers = ", ".join(server.name or server.ip or "?" for server in rpc.servers[:3])
    more = f" and {len(rpc.servers) - 3} more" if len(rpc.servers) > 3 else ""
    goal = servers + more if servers else f"({rpc.exchange or ''}/{rpc.topic or ''})"
    name = f"{rpc.namespace}.{rpc.method}" if rpc.namespace else rpc.method or "(request not seen)"
    notes = [
        f"v{rpc.version}" if rpc.version else "",
        f"timeout={rpc.timeout_s:g}s" if rpc.timeout_s is not None else "",
        f"{rpc.heartbeats} heartbeats" if rpc.heartbeats else "",
        "redelivered" if rpc.redelivered else "",
        f"{rpc.duplicates} duplicates" if rpc.duplicates else "",
        f"{rpc.failure.class_}: {rpc.failure.message}" if rpc.failure is not None else "",
        f"msg_id={rpc.msg_id}" if rpc.msg_id else "",
        rpc.request_id or "",
    ]
    return "  ".join([f"{client} → {goal}", name, *filter(None, notes)])
