"""Lines of messages, calls and methods, made when they come on screen."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from dissector import limits
from dissector.bounded import remember
from dissector.fields import CallRecord, RpcFields
from dissector.rpc.statistics import StatisticsRecord
from dissector.tui.calls import CallList
from dissector.tui.index import MessageIndex
from dissector.tui.listing import Line
from dissector.views.calls import BAD_STATUSES
from dissector.views.escape import cut, escape, pad
from dissector.views.statistics import statistics_table
from dissector.views.text import TextView, shorten
from dissector.views.times import time_format

TIMES: Final = ("r", "d", "a", "u", "e")
"""Formats of times that are gone through (`dissector.views.times.TIME_FORMATS`)."""
_WIDE: Final = 110
"""Columns from which on there is room for more."""
_MARK: Final = "●"
_STYLES: Final = {
    "call": "cyan",
    "cast": "blue",
    "fanout": "blue",
    "reply": "green",
    "notification": "magenta",
}
_BAD: Final = "red"
_LESS: Final = ("timeout=", "msg_id=", "req-")
"""What is left out where there is little room."""
_GONE: Final = "the packets of this message are no longer there"


class Clock:
    """How times are written, the same in all lists."""

    def __init__(self, first_time_ns: Callable[[], int]) -> None:
        self._first = first_time_ns
        self.name = TIMES[0]

    def next(self) -> None:
        """Take the next format."""
        self.name = TIMES[(TIMES.index(self.name) + 1) % len(TIMES)]

    def write(self, time_ns: int, before_ns: int | None) -> str:
        """Write a time; ``before_ns`` is that of the line before, None where there is none."""
        if self.name == "d":
            return time_format("r", lambda: time_ns if before_ns is None else before_ns)(time_ns)
        return time_format(self.name, self._first)(time_ns)


class MessageRows:
    """Messages: all of them, or those of some rows."""

    def __init__(self, index: MessageIndex, clock: Clock, rows: "Sequence[int] | None", *, show_secrets: bool) -> None:
        self.rows = rows
        self.marked: set[int] = set()
        self._index = index
        self._clock = clock
        self._view = TextView(lambda: 0, width=1 << 16, show_secrets=show_secrets)
        self._known: OrderedDict[int, tuple[str, str, str]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._index) if self.rows is None else len(self.rows)

    def row(self, position: int) -> int:
        """Give the row in the index of a line."""
        return position if self.rows is None else self.rows[position]

    def line(self, position: int, width: int) -> Line:
        """Write a message: packet, time, leg, what it is, from where to where."""
        row = self.row(position)
        leg, way, what = self._described(row)
        before = self._index.time_ns(self.row(position - 1)) if position else None
        mark = _MARK if row in self.marked else " "
        time = self._clock.write(self._index.time_ns(row), before)
        head = f"{mark}{self._index.number(row):>6} {time:>10} {leg:<7} "
        kind = self._index.kind(row) or "-"
        head += f"{kind[:6]:<6} " if width < _WIDE else f"{kind:<12} "
        room = max(width - len(head), 1)
        if width < _WIDE:
            parts = [part for part in what.split("  ") if not part.startswith(_LESS)]
            text = f"{'  '.join(parts)}  {way}"
        else:
            share = room * 3 // 5
            text = f"{pad(cut(what, share), share)} {way}"
        style = _BAD if self._index.is_bad(row) else _STYLES.get(kind, "")
        return head + cut(text, room), style

    def _described(self, row: int) -> tuple[str, str, str]:
        known = self._known.get(row)
        if known is None:
            message = self._index.message(row)
            described = None if message is None else self._view.describe(message)
            if message is None or described is None:
                return "", "", _GONE
            # The text view's line: leg, size, kind, what it is.
            info = described[3][len(f"{message.leg:<7} {len(message.body):>6} ") :]
            known = message.leg, described[2], info[len(f"{'':<12} ") :] if self._index.kind(row) else info
            remember(self._known, row, known, limits.SHOWN_LINES)
        return known

    @staticmethod
    def head(width: int) -> str:
        """Name the columns."""
        kind = f"{'kind':<6} " if width < _WIDE else f"{'kind':<12} "
        return f" {'packet':>6} {'time':>10} {'leg':<7} {kind}what"


class CallRows:
    """Calls: all of them, or those of some rows."""

    def __init__(self, calls: CallList, clock: Clock, rows: "Sequence[int] | None") -> None:
        self.rows = rows
        self._calls = calls
        self._clock = clock

    def __len__(self) -> int:
        return len(self._calls) if self.rows is None else len(self.rows)

    def call(self, position: int) -> CallRecord:
        """Give the call of a line."""
        return self._calls[position if self.rows is None else self.rows[position]]

    def line(self, position: int, width: int) -> Line:
        """Write a call: when, how long, how it ended, what it was, who asked whom."""
        rpc = self.call(position).rpc
        began = begin_ns(rpc)
        before = begin_ns(self.call(position - 1).rpc) if position and self._clock.name == "d" else None
        time = "" if began is None else self._clock.write(began, before)
        spans = (rpc.latency_s, rpc.queue_wait_s, rpc.service_s) if width >= _WIDE else (rpc.latency_s,)
        status = rpc.status if rpc.cause is None else f"{rpc.status}: {rpc.cause}"
        head = f"{time:>10} {' '.join(f'{milliseconds(span):>10}' for span in spans)} {status:<11} "
        client = rpc.client.name or rpc.client.ip or "?"
        servers = ", ".join(server.name or server.ip or "?" for server in rpc.servers[:3])
        more = f" +{len(rpc.servers) - 3}" if len(rpc.servers) > 3 else ""
        goal = servers + more or f"({rpc.exchange or ''}/{rpc.topic or ''})"
        failure = f"  {rpc.failure.class_}: {rpc.failure.message}" if rpc.failure is not None else ""
        text = shorten(escape(f"{rpc.kind} {method_name(rpc)}{failure}  {client} → {goal}"))
        style = _BAD if rpc.status in BAD_STATUSES else "yellow" if rpc.status == "pending" else ""
        return cut(head + text, max(width, 1)), style

    @staticmethod
    def head(width: int) -> str:
        """Name the columns."""
        spans = ("latency", "queued", "service") if width >= _WIDE else ("latency",)
        return f"{'time':>10} {' '.join(f'{span:>10}' for span in spans)} {'verdict':<11} what"


class MethodRows:
    """Methods, with how often and how slow."""

    def __init__(self, records: list[StatisticsRecord]) -> None:
        self.records = records
        self._title, *self._lines = statistics_table(records).decode().splitlines()

    def __len__(self) -> int:
        return len(self.records)

    def line(self, position: int, width: int) -> Line:
        """Write a method's counts and times."""
        record = self.records[position]
        style = _BAD if record.errors or record.timeouts else ""
        if width >= len(self._title):
            return cut(self._lines[position], width), style
        latency = record.latency
        counts = (f"{record.count:,}", f"{record.errors:,}", f"{record.timeouts:,}")
        times = [milliseconds(value) for value in (latency.p50_s, latency.p95_s, latency.max_s)]
        return self._narrow(escape(record.key), [*counts, *times], width), style

    def head(self, width: int) -> str:
        """Name the columns."""
        if width >= len(self._title):
            return self._title
        return self._narrow("method", ["count", "errors", "t/o", "p50", "p95", "max"], width)

    @staticmethod
    def _narrow(name: str, cells: list[str], width: int) -> str:
        numbers = f"{cells[0]:>7} {cells[1]:>6} {cells[2]:>4} " + " ".join(f"{cell:>10}" for cell in cells[3:])
        room = max(width - len(numbers) - 1, 1)
        return cut(f"{pad(cut(name, room), room)} {numbers}", max(width, 1))


def begin_ns(rpc: RpcFields) -> int | None:
    """Tell when a call was first seen, in nanoseconds; None where nothing tells."""
    times = (rpc.publish_time, rpc.deliver_time, rpc.reply_publish_time, rpc.reply_deliver_time)
    return next((round(time * 1e6) * 1000 for time in times if time is not None), None)


def method_name(rpc: RpcFields) -> str:
    """Name what was called."""
    name = rpc.method or "(request not seen)"
    return f"{rpc.namespace}.{name}" if rpc.namespace else name


def milliseconds(seconds: float | None) -> str:
    """Write a time that something took."""
    return "-" if seconds is None else f"{seconds * 1000:.2f} ms"
