"""The screen of ``top``, and the same as plain text: lines of pieces with their styles, nothing in them unescaped."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from dissector.rpc.records import AgentRecord
from dissector.rpc.statistics import StatisticsRecord
from dissector.rpc.window import Snapshot, Trouble, Waiting
from dissector.views.escape import columns, cut, escape, pad
from dissector.views.times import time_format

Line = list[tuple[str, str]]
"""Texts with their styles, as rich names them; a style may be empty."""

_BAD: Final = "bold red"
_WARN: Final = "yellow"
_HEAD: Final = "reverse"
_TITLE: Final = "bold"
_KEY_LEAST: Final = 24
"""Columns that the name of a group gets before a column of numbers does."""
_PLAIN_ROWS: Final = 30
"""Rows of a section where there is no screen that bounds them,"""
_PLAIN_KEY: Final = 64
"""and columns of a group's name: one that is longer would push the numbers of all others away."""
_HEAD_SHARE: Final = 3
"""One line in so many, of a small screen, tells of the whole; the others are left for the table."""

KEYS: Final = (
    ("← →  < >", "sort by the next column"),
    ("r", "sort the other way round"),
    ("b", "group by the next: method, exchange, topic, queue, client, server"),
    ("/", "filter requests, in the language of 'osloshark fields rpc'; Esc leaves it"),
    ("↑ ↓", "scroll; also PgUp, PgDn, Home"),
    ("p, Space", "pause; counting goes on"),
    ("?, h", "these keys"),
    ("q", "quit"),
)

_DESCRIBED: Final = (
    "failed        the reply holds a failure, or it was not delivered",
    "timeout       no reply within the timeout",
    "p50 p95 max   latency, from the request's publish to the reply's deliver",
    "wait p95      of it, in the queue, where there is room",
    "Late          calls without a reply whose client has given up",
    "quiet         agents whose report is overdue by 1.75 intervals",
    "",
    'A filter, such as rpc.client.name contains "nova", chooses requests; messages,',
    "agents, gaps and drops are always those of all. What it asks of fields of",
    "messages (oslo.*, amqp.*) is known of requests that come from now on.",
)


class State(msgspec.Struct):
    """What is shown, and how."""

    source: str
    window_s: float
    by: str = "method"
    sort: int = 1
    """Index into `COLUMNS`."""
    is_reversed: bool = False
    scroll: int = 0
    filter: str = ""
    typed: str | None = None
    """A filter that is being typed."""
    error: str | None = None
    """What is wrong with it,"""
    error_at: int = 0
    """and at which character."""
    is_paused: bool = False
    is_help: bool = False
    is_live: bool = False
    is_ended: bool = False
    note: str | None = None
    kernel_drops: int | None = None
    own_drops: int = 0


class Column(msgspec.Struct, frozen=True):
    """A column of the table of groups."""

    head: str
    width: int
    rank: int
    """Where there is no room, those of the highest rank are left out."""
    value: Callable[[StatisticsRecord], float | None]
    write: Callable[[float | None], str]
    warns: str = ""
    """Style of what is not 0."""


def _count(value: float | None) -> str:
    return f"{int(value or 0):,}"


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"


def _seconds(value: float | None) -> str:
    if value is None:
        return "-"
    if value < 1:
        return f"{value * 1000:.1f} ms"
    return f"{value:.2f} s" if value < 100 else f"{value:,.0f} s"


COLUMNS: Final = (
    Column("", _KEY_LEAST, 0, lambda record: None, lambda value: ""),
    Column("req/s", 8, 0, lambda record: record.rate, _rate),
    Column("count", 8, 2, lambda record: record.count, _count),
    Column("failed", 7, 0, lambda record: record.errors, _count, _BAD),
    Column("timeout", 8, 0, lambda record: record.timeouts, _count, _BAD),
    Column("p50", 8, 1, lambda record: record.latency.p50_s, _seconds),
    Column("p95", 8, 0, lambda record: record.latency.p95_s, _seconds),
    Column("max", 8, 0, lambda record: record.latency.max_s, _seconds),
    Column("wait p95", 9, 3, lambda record: record.queue_wait.p95_s, _seconds),
)
"""The first is the group's name."""


def screen(snapshot: Snapshot, state: State, width: int, height: int) -> list[Line]:
    """Give the lines of a screen: as many as it has, none longer than it is wide."""
    lines = _head(snapshot, state, width)[: max(height // _HEAD_SHARE, 2)]
    foot = _foot(state)
    if state.is_help:
        lines += [[], *([(f" {keys:<10} ", _TITLE), (what, "")] for keys, what in KEYS), []]
        lines += [[(f" {line}", "")] for line in _DESCRIBED]
        lines = lines[: height - 1]
    else:
        lines += _sections(snapshot, state, width, max(height - len(lines) - len(foot), 0))
    lines = lines[: max(height - len(foot), 0)]
    lines += [[]] * (height - len(foot) - len(lines))
    return [_cut(line, width) for line in (*lines, *foot)][:height]


def text(snapshot: Snapshot, state: State) -> bytes:
    """Give a snapshot as plain text, an empty line at its end."""
    lines = [*_head(snapshot, state, None), *_sections(snapshot, state, None, None), []]
    return "".join("".join(piece for piece, _ in line).rstrip() + "\n" for line in lines).encode()


def _head(snapshot: Snapshot, state: State, width: int | None) -> list[Line]:
    kernel, own = state.kernel_drops, state.own_drops
    when = _clock(snapshot.now_ns) if snapshot.now_ns else "no packets yet"
    first = [
        (f"osloshark top: {escape(state.source)}", _TITLE),
        (when, ""),
        (f"last {state.window_s:g} s", ""),
        *([("end of capture", _TITLE)] if state.is_ended else []),
        *([("PAUSED", _BAD)] if state.is_paused else []),
    ]
    parts = [
        (f"Messages {_rate(snapshot.messages_per_s)}/s", ""),
        (_bytes(snapshot.bytes_per_s), ""),
        (f"Requests {_rate(snapshot.requests_per_s)}/s", ""),
        (f"Failed {snapshot.failed:,}", _BAD if snapshot.failed else ""),
        (f"Timed out {snapshot.timed_out:,}", _BAD if snapshot.timed_out else ""),
        (f"Undelivered {snapshot.undelivered:,}", _BAD if snapshot.undelivered else ""),
        (f"Open {snapshot.open:,}", ""),
        (f"Late {snapshot.late:,}", _BAD if snapshot.late else ""),
        (f"Agents {snapshot.agents:,}", ""),
        (f"quiet {len(snapshot.quiet):,}", _BAD if snapshot.quiet else ""),
        (f"Gaps {snapshot.gaps:,}", _WARN if snapshot.gaps else ""),
        (f"Kernel drops {'?' if kernel is None else f'{kernel:,}'}", _WARN if kernel else ""),
        *([(f"Own drops {own:,}", _WARN if own else "")] if state.is_live else []),
    ]
    lines = [*_flow(first, width), *_flow(parts, width)]
    if state.filter:
        lines.append(
            [("Filter: ", _TITLE), (escape(state.filter), ""), ("" if width is None else "  (Esc: none)", "dim")]
        )
    return lines


def _foot(state: State) -> list[Line]:
    lines: list[Line] = []
    if state.typed is not None:
        typed = escape(state.typed)
        if state.error is not None:
            at = columns(escape(state.typed[: state.error_at]))
            lines.append([(" " * (at + 1) + "^ ", _BAD), (escape(state.error), _BAD)])
        lines.append([("/", _TITLE), (typed, ""), (" ", _HEAD), ("  Enter: filter  Esc: leave it", "dim")])
        return lines
    if state.note is not None:
        lines.append([(escape(state.note), _WARN)])
    if state.is_help:
        return [*lines, [("any key: back", _HEAD)]]
    keys = "q quit  ←→ sort  r reverse  b group by  / filter  p pause  ↑↓ scroll  ? keys"
    return [*lines, [(keys, _HEAD)]]


# -- sections ------------------------------------------------------------------------------------------


def _sections(snapshot: Snapshot, state: State, width: int | None, room: int | None) -> list[Line]:
    """Give the table of groups, and below it what there is of calls without reply, quiet agents and troubles."""
    groups = _sorted(snapshot.groups, state)
    # Some rows of the last page stay in sight, however far it is scrolled.
    groups = groups[min(state.scroll, max(len(groups) - 1, 0)) :]
    below = [
        ("Calls without reply, longest open first", [_waiting(each) for each in snapshot.waiting], snapshot.open),
        ("Quiet agents, longest silent first", [_agent(each) for each in snapshot.quiet], len(snapshot.quiet)),
        ("Failures, latest first", [_trouble(each) for each in snapshot.troubles], len(snapshot.troubles)),
    ]
    below = [section for section in below if section[1]]
    wanted = [len(groups) + 1, *(len(rows) + 2 for _, rows, _ in below)]
    given = [min(each, _PLAIN_ROWS + 2) for each in wanted] if room is None else _shared(wanted, room)
    lines = _table(groups[: max(given[0] - 1, 0)], state, width)[: given[0]]
    for (title, rows, count), lines_given in zip(below, given[1:], strict=True):
        shown = rows[: max(lines_given - 2, 0)]
        if shown:
            more = f" ({len(shown)} of {count:,})" if len(shown) < count else ""
            lines += [[], [(title + more, _TITLE)], *shown]
    return lines


def _shared(wanted: Sequence[int], room: int) -> list[int]:
    """Share the lines out: the table gets two where the others get one, until all have what they want."""
    given = [0] * len(wanted)
    while room > 0 and any(has < wants for has, wants in zip(given, wanted, strict=True)):
        for at, wants in enumerate(wanted):
            more = min(wants - given[at], room, 1 if at else 2)
            given[at] += more
            room -= more
    return given


def _sorted(groups: Iterable[StatisticsRecord], state: State) -> list[StatisticsRecord]:
    by_name = sorted(groups, key=lambda record: record.key, reverse=state.is_reversed and not state.sort)
    if not state.sort:
        return by_name
    value = COLUMNS[state.sort].value
    sign = 1 if state.is_reversed else -1

    def place(record: StatisticsRecord) -> tuple[bool, float]:
        found = value(record)
        return found is None, sign * (found or 0)

    return sorted(by_name, key=place)


def _table(groups: Sequence[StatisticsRecord], state: State, width: int | None) -> list[Line]:
    chosen = list(range(1, len(COLUMNS)))
    if width is not None:
        while len(chosen) > 1 and sum(COLUMNS[at].width + 1 for at in chosen) + _KEY_LEAST > width:
            chosen.remove(max((at for at in chosen if at != state.sort), key=lambda at: (COLUMNS[at].rank, at)))
    keys = [escape(record.key) for record in groups]
    key_width = min(max([_KEY_LEAST, *map(columns, keys)]), _PLAIN_KEY)
    if width is not None:
        key_width = max(width - sum(COLUMNS[at].width + 1 for at in chosen), 1)
    mark = "▲" if state.is_reversed is bool(state.sort) else "▼"
    heads = [(state.by if not at else COLUMNS[at].head) + (mark if at == state.sort else "") for at in (0, *chosen)]
    head = pad(heads[0], key_width)
    head += "".join(" " + pad(name, COLUMNS[at].width, right=True) for name, at in zip(heads[1:], chosen, strict=True))
    lines: list[Line] = [[(head, _HEAD)]]
    for key, record in zip(keys, groups, strict=True):
        line = [(pad(cut(key, key_width), key_width), "")]
        for at in chosen:
            column = COLUMNS[at]
            value = column.value(record)
            line.append((" " + pad(column.write(value), column.width, right=True), column.warns if value else ""))
        lines.append(line)
    return lines


def _waiting(call: Waiting) -> Line:
    timeout = "" if call.timeout_s is None else f" of {call.timeout_s:g} s"
    where = "at its server" if call.is_delivered else "in the queue"
    return [
        (f"{_seconds(call.age_s):>8}{timeout:<10}", _BAD if call.is_late else ""),
        (" LATE " if call.is_late else "      ", _BAD),
        (f"{_method(call.namespace, call.method)}  {_way(call)}  {where}", ""),
    ]


def _agent(agent: AgentRecord) -> Line:
    every = "" if agent.interval_s is None else f", else every {agent.interval_s:.1f} s"
    name = escape(agent.agent_type or agent.binary or "?")
    return [
        (f"{_seconds(agent.silent_s):>8}", _BAD),
        (f"  {name}  {escape(agent.host or '?')}", ""),
        (f"  silent{every}", ""),
    ]


def _trouble(trouble: Trouble) -> Line:
    why = trouble.reason or trouble.cause
    return [
        (f"{_clock(trouble.time_ns)[11:]} ", ""),
        (f"{trouble.status:<11} ", _BAD),
        (f"{_method(trouble.namespace, trouble.method)}  {_way(trouble)}", ""),
        (f"  {escape(why)}" if why else "", ""),
    ]


def _method(namespace: str | None, method: str | None) -> str:
    return escape(f"{namespace}.{method or '?'}" if namespace else method or "?")


def _way(request: Waiting | Trouble) -> str:
    server = f".{request.server}" if request.server else ""
    return escape(f"{request.client or '?'} → {request.topic or '?'}{server}")


# -- pieces --------------------------------------------------------------------------------------------


def _clock(time_ns: int) -> str:
    return time_format("ad", lambda: 0)(time_ns)[:19]


def _bytes(value: float | None) -> str:
    if value is None:
        return "- B/s"
    for unit in ("B/s", "kB/s"):
        if value < 1000:
            return f"{value:.0f} {unit}"
        value /= 1000
    return f"{value:,.1f} MB/s"


def _flow(parts: Iterable[tuple[str, str]], width: int | None) -> list[Line]:
    """Put parts one after another, in as many lines as they take."""
    lines: list[Line] = [[]]
    taken = 0
    for text_, style in parts:
        size = columns(text_)
        if lines[-1] and width is not None and taken + 2 + size > width:
            lines.append([])
            taken = 0
        elif lines[-1]:
            lines[-1].append(("  ", ""))
            taken += 2
        lines[-1].append((text_, style))
        taken += size
    return lines


def _cut(line: Line, width: int) -> Line:
    """Cut what does not fit."""
    cut_: Line = []
    for piece, style in line:
        size = columns(piece)
        if size > width:
            cut_.append((cut(piece, width) if width else "", style))
            break
        cut_.append((piece, style))
        width -= size
    return cut_
