"""A ladder: who said what to whom, one column a process, time downwards."""

from collections.abc import Callable
from typing import Any, Final

import click
import msgspec

from dissector.amqp import Message
from dissector.fields import CallRecord, OsloFields, RpcFields
from dissector.views.calls import BAD_STATUSES
from dissector.views.escape import columns, cut, escape, pad
from dissector.views.record import record
from dissector.views.times import TimeFormat, time_format

_TIME_WIDTH: Final = 12
_COLUMN_WIDTH: Final = 22
_NAME_WIDTH: Final = 20
_UNKNOWN: Final = "(not seen)"


class _Arrow(msgspec.Struct):
    """One message from process to process."""

    time: float
    begin: str
    ends: tuple[str, ...]
    text: str
    is_bad: bool


class Ladder:
    """Draws the calls of a trace, then what each carried: arguments or payload, result, failure with its traceback."""

    def __init__(
        self,
        first_time_ns: Callable[[], int],
        *,
        times: str = "r",
        color: bool = False,
        width: int | None = None,
        show_secrets: bool = False,
    ) -> None:
        """Make the view, with the options of `dissector.views.text.TextView`."""
        self._time: TimeFormat = time_format(times, first_time_ns)
        self._color = color
        self._width = width
        self._show_secrets = show_secrets

    def draw(self, calls: list[CallRecord], messages: list[Message]) -> bytes:
        """Give the ladder of the calls, and the contents of their messages below it."""
        arrows = sorted((arrow for call in calls for arrow in _arrows(call.rpc)), key=lambda arrow: arrow.time)
        names = dict.fromkeys(name for arrow in arrows for name in (arrow.begin, *arrow.ends))
        places = {name: column for column, name in enumerate(names)}
        lines = [" " * _TIME_WIDTH + "".join(f" {_centred(_cut(name))}" for name in places).rstrip()]
        lines += [self._line(arrow, places) for arrow in arrows]
        contents = self._contents(messages)
        for call in calls:
            lines += ["", *self._call(call.rpc, contents)]
        return ("\n".join(lines) + "\n").encode()

    # -- the ladder ------------------------------------------------------------------------------------

    def _line(self, arrow: _Arrow, places: dict[str, int]) -> str:
        begin = places[arrow.begin]
        ends = [places[name] for name in arrow.ends]
        cells = [" "] * (len(places) * (_COLUMN_WIDTH + 1))
        middles = [column * (_COLUMN_WIDTH + 1) + _COLUMN_WIDTH // 2 + 1 for column in range(len(places))]
        for middle in middles:
            cells[middle] = "│"
        first, last = middles[min(begin, *ends)], middles[max(begin, *ends)]
        cells[first + 1 : last] = "─" * (last - first - 1)
        cells[middles[begin]] = "│"
        for end in ends:
            if end == begin:
                cells[middles[begin] + 1 : middles[begin] + 3] = "↩ "
            elif end > begin:
                cells[middles[end] - 1] = "▶"
            else:
                cells[middles[end] + 1] = "◀"
        drawn = f"{self._time(round(arrow.time * 1e6) * 1000):>{_TIME_WIDTH}}{''.join(cells)}  {escape(arrow.text)}"
        drawn = drawn.rstrip()
        if self._width is not None:
            drawn = cut(drawn, self._width)
        return self._paint(drawn, is_bad=arrow.is_bad)

    def _paint(self, text: str, *, is_bad: bool) -> str:
        return click.style(text, fg="red") if self._color and is_bad else text

    # -- what was said ---------------------------------------------------------------------------------

    def _contents(self, messages: list[Message]) -> dict[str, OsloFields]:
        """Decode each message once, by its unique id; of a call's replies the last by the call's msg_id."""
        found: dict[str, OsloFields] = {}
        for message in messages:
            oslo = record(message, show_secrets=self._show_secrets).oslo
            if oslo is None:
                continue
            if oslo.kind == "reply":
                if oslo.msg_id is not None:
                    found[f"reply {oslo.msg_id}"] = oslo
            elif oslo.unique_id is not None:
                found[f"request {oslo.unique_id}"] = oslo
        return found

    def _call(self, rpc: RpcFields, contents: dict[str, OsloFields]) -> list[str]:
        verdict = rpc.status if rpc.cause is None else f"{rpc.status}: {rpc.cause}"
        lines = [self._paint(f"{rpc.kind} {escape(_name(rpc))}  {verdict}", is_bad=rpc.status in BAD_STATUSES)]
        for name in ("msg_id", "unique_id", "request_id"):
            if (value := getattr(rpc, name)) is not None:
                lines.append(f"    {name}: {escape(value)}")
        request = contents.get(f"request {rpc.unique_id}")
        reply = contents.get(f"reply {rpc.msg_id}")
        if request is not None:
            lines += _value("payload", request.payload) if rpc.kind == "notification" else _value("args", request.args)
        if rpc.failure is not None:
            lines.append(f"    failure: {escape(f'{rpc.failure.class_}: {rpc.failure.message}')}")
            lines += [f"        {escape(line)}" for line in (rpc.failure.traceback or "").splitlines()]
        elif reply is not None:
            lines += _value("result", reply.result)
        return lines


def _arrows(rpc: RpcFields) -> list[_Arrow]:
    client = rpc.client.name or rpc.client.ip or _UNKNOWN
    servers = tuple(dict.fromkeys(server.name or server.ip or _UNKNOWN for server in rpc.servers))
    is_bad = rpc.status in BAD_STATUSES
    found = []
    begin = rpc.publish_time if rpc.publish_time is not None else rpc.deliver_time
    if begin is not None:
        text = f"{rpc.kind} {_name(rpc)}"
        if rpc.queue_wait_s is not None:
            text += f"  queued {_ms(rpc.queue_wait_s)}"
        if not servers:
            text += f"  to {rpc.exchange}/{rpc.topic}: {rpc.cause or rpc.status}"
        found.append(_Arrow(begin, client, servers or (client,), text, is_bad and not servers))
    end = rpc.reply_deliver_time if rpc.reply_deliver_time is not None else rpc.reply_publish_time
    if end is not None:
        verdict = rpc.failure.class_ or rpc.status if rpc.failure is not None else rpc.cause or rpc.status
        spans = [
            f"{name} {_ms(value)}"
            for name, value in (("service", rpc.service_s), ("return", rpc.return_s), ("in all", rpc.latency_s))
            if value is not None
        ]
        server = servers[0] if servers else _UNKNOWN
        # One that came back from the broker, or was not seen to arrive, does not reach the client here either.
        goal = server if rpc.reply_deliver_time is None and rpc.cause is not None else client
        found.append(_Arrow(end, server, (goal,), "  ".join([f"reply {_name(rpc)}: {verdict}", *spans]), is_bad))
    return found


def _name(rpc: RpcFields) -> str:
    name = rpc.method or "(request not seen)"
    return f"{rpc.namespace}.{name}" if rpc.namespace else name


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms"


def _cut(name: str) -> str:
    name = escape(name)
    if columns(name) <= _NAME_WIDTH:
        return name
    program, _, pid = name.rpartition(":")
    room = _NAME_WIDTH - len(pid) - 1
    return f"{cut(program, room)}:{pid}" if program and room > 1 else cut(name, _NAME_WIDTH)


def _centred(name: str) -> str:
    return pad(" " * ((_COLUMN_WIDTH - columns(name)) // 2) + name, _COLUMN_WIDTH)


def _value(name: str, value: Any) -> list[str]:  # noqa: ANN401 - any JSON value
    if value is None:
        return []
    text = msgspec.json.format(msgspec.json.encode(value), indent=4).decode()
    return [f"    {escape(line)}" for line in f"{name}: {text}".split("\n")]
