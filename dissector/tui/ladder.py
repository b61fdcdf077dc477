"""One call as a ladder: client, broker and server as columns, its legs as arrows, what it waited for between them."""

import difflib
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from dissector.amqp import Message
from dissector.fields import OsloFields, RpcFields
from dissector.oslo import envelope_of, mask_json
from dissector.rpc.lastbodies import compression_of
from dissector.tui.index import MessageIndex
from dissector.tui.listing import Line
from dissector.tui.rows import Clock, method_name, milliseconds
from dissector.views.calls import BAD_STATUSES
from dissector.views.escape import columns, cut, escape
from dissector.views.record import decode_body, record

_MARGIN: Final = 12
_NARROWEST: Final = 60
_CLIENT, _BROKER, _SERVER = 0, 1, 2
_BOLD: Final = "bold"
_BAD: Final = "red"
_QUIET: Final = "cyan"


def ladder_lines(rpc: RpcFields, clock: Clock, width: int) -> list[Line]:
    """Draw a call. Its times are those of its record."""
    width = max(width, _NARROWEST)
    room = width - _MARGIN
    places = [_MARGIN + room // 6, _MARGIN + room // 2, _MARGIN + room - room // 6 - 1]
    client = rpc.client.name or rpc.client.ip or "(client not seen)"
    servers = [server.name or server.ip or "?" for server in rpc.servers] or ["(server not seen)"]
    server = servers[0] + (f" +{len(servers) - 1}" if len(servers) > 1 else "")
    queue = next((one.queue for one in rpc.servers if one.queue), None)
    goal = queue or f"{rpc.exchange or ''}/{rpc.topic or ''}"
    lines = [
        (_centred([client, "broker", server], places, width), _BOLD),
        (_centred(["", goal, ""], places, width), ""),
    ]
    previous: float | None = None
    for time, begin, end, text, waited in _legs(rpc):
        if waited is not None:
            place, said = waited
            lines.append((_gap(places, place, said, width), _QUIET))
        before = None if previous is None else round(previous * 1e6) * 1000
        drawn = _arrow(places, begin, end, text, width)
        written = clock.write(round(time * 1e6) * 1000, before)
        lines.append((f"{written:>{_MARGIN - 1}} {drawn[_MARGIN:]}", _BAD if _is_bad(rpc, text) else ""))
        previous = time
    verdict = rpc.status if rpc.cause is None else f"{rpc.status}: {rpc.cause}"
    spans = [
        f"{name} {milliseconds(span)}"
        for name, span in (
            ("in all", rpc.latency_s),
            ("queued", rpc.queue_wait_s),
            ("service", rpc.service_s),
            ("return", rpc.return_s),
        )
        if span is not None
    ]
    lines.append(("", ""))
    title = f"{rpc.kind} {method_name(rpc)}  {verdict}"
    lines.append((escape(title), _BAD if rpc.status in BAD_STATUSES else _BOLD))
    if spans:
        lines.append((f"  {'  '.join(spans)}", ""))
    for name in ("version", "msg_id", "unique_id", "request_id", "reply_q", "timeout_s"):
        if (value := getattr(rpc, name)) is not None:
            lines.append((f"  {name}: {escape(str(value))}", ""))
    return lines


def _is_bad(rpc: RpcFields, text: str) -> bool:
    return rpc.failure is not None and text.startswith("reply")


def _legs(rpc: RpcFields) -> list[tuple[float, int, int, str, tuple[int, str] | None]]:
    """Give what was seen of a call, in order of time: time, from, to, text, what was waited for before it."""
    found: list[tuple[float, int, int, str, tuple[int, str] | None]] = []

    def add(time: float | None, begin: int, end: int, text: str, waited: tuple[int, str] | None = None) -> None:
        if time is not None:
            found.append((time, begin, end, text, waited))

    def span(place: int, name: str, seconds: float | None) -> tuple[int, str] | None:
        return None if seconds is None else (place, f"{name} {milliseconds(seconds)}")

    answer = "reply" if rpc.failure is None else f"reply: {rpc.failure.class_ or 'failed'}"
    add(rpc.publish_time, _CLIENT, _BROKER, f"{rpc.kind} {method_name(rpc)}")
    add(rpc.confirm_time, _BROKER, _CLIENT, "confirm")
    add(rpc.deliver_time, _BROKER, _SERVER, "deliver", span(_BROKER, "queued", rpc.queue_wait_s))
    add(rpc.ack_time, _SERVER, _BROKER, "ack")
    add(rpc.reply_publish_time, _SERVER, _BROKER, answer, span(_SERVER, "service", rpc.service_s))
    add(rpc.reply_deliver_time, _BROKER, _CLIENT, answer, span(_BROKER, "return", rpc.return_s))
    return sorted(found, key=lambda leg: leg[0])


def _rails(places: list[int], width: int) -> list[str]:
    cells = [" "] * width
    for place in places:
        cells[place] = "│"
    return cells


def _arrow(places: list[int], begin: int, end: int, text: str, width: int) -> str:
    cells = _rails(places, width)
    first, last = sorted((places[begin], places[end]))
    cells[first + 1 : last] = "─" * (last - first - 1)
    if end > begin:
        cells[last - 1] = "▶"
    else:
        cells[first + 1] = "◀"
    label = f" {cut(escape(text), last - first - 7)} "
    at = first + (last - first - columns(label)) // 2 + 1
    return "".join(cells[:at]) + label + "".join(cells[at + columns(label) :])


def _gap(places: list[int], place: int, text: str, width: int) -> str:
    cells = _rails(places, width)
    cells[places[place]] = "┆"
    label = f" {text}"
    at = places[place] + 1 if places[place] + 1 + len(label) < width else places[place] - len(label) - 1
    return ("".join(cells[:at]) + label + "".join(cells[at + len(label) :])).rstrip()


def _centred(names: list[str], places: list[int], width: int) -> str:
    share = (width - _MARGIN) // 3 - 1
    line = ""
    for name, place in zip(names, places, strict=True):
        text = cut(escape(name), share)
        line += " " * max(place - columns(text) // 2 - columns(line), 1 if line else 0) + text
    return line


# -- what it carried ------------------------------------------------------------------------------------------------


def messages_of(
    rpc: RpcFields, index: MessageIndex, legs: Iterable[str] = ("publish", "deliver", "reply_publish", "reply_deliver")
) -> list[tuple[str, Message]]:
    """Find the messages of a call's legs, each with the name of its leg; those that cannot be read are left out."""
    found = []
    for leg in legs:
        number = getattr(rpc.frames, leg)
        if number is None:
            continue
        for row in index.rows_of(number):
            message = index.message(row)
            oslo = None if message is None else decode_body(message, show_secrets=False).oslo
            if message is not None and oslo is not None and _is_of(oslo, rpc, is_reply=leg.startswith("reply")):
                found.append((leg, message))
                break
    return found


def _is_of(oslo: OsloFields, rpc: RpcFields, *, is_reply: bool) -> bool:
    if is_reply:
        return oslo.kind == "reply" and oslo.msg_id == rpc.msg_id
    return oslo.kind not in ("reply", "heartbeat") and (rpc.unique_id is None or oslo.unique_id == rpc.unique_id)


def contents_lines(legs: Iterable[tuple[str, Message]], *, show_secrets: bool) -> list[Line]:
    """Write what the legs of a call carried: arguments or payload, result or failure."""
    lines: list[Line] = []
    seen: set[str] = set()
    for leg, message in legs:
        side = "reply" if leg.startswith("reply") else "request"
        oslo = decode_body(message, show_secrets=show_secrets).oslo
        if side in seen or oslo is None:
            continue
        seen.add(side)
        if side == "request":
            lines += _value("payload" if oslo.kind == "notification" else "args", _said(oslo))
            lines += _value("context", oslo.context)
        elif oslo.failure is not None:
            lines += [("", ""), (escape(f"failure: {oslo.failure.class_}: {oslo.failure.message}"), _BAD)]
            lines += [(f"  {escape(line)}", "") for line in (oslo.failure.traceback or "").splitlines()]
        else:
            lines += _value("result", oslo.result)
    return lines


def raw_lines(legs: Iterable[tuple[str, Message]], *, show_secrets: bool) -> list[Line]:
    """Write the bodies of the legs as they were on the wire, secrets masked; the same one once."""
    lines: list[Line] = []
    bodies: dict[bytes, str] = {}
    for leg, message in legs:
        if message.body in bodies:
            lines += [(f"{leg}, packet {message.number}: as {bodies[message.body]}", _BOLD), ("", "")]
            continue
        bodies[message.body] = leg
        lines.append((f"{leg}, packet {message.number}, {len(message.body):,} bytes", _BOLD))
        shown = message.body if show_secrets else mask_json(message.body, compression_of(message))
        if shown is None:
            text = escape(msgspec.json.encode(record(message, show_secrets=show_secrets).body).decode())
            lines += [(text, ""), ("", "")]
            continue
        lines += [(line, "") for line in _pretty(shown)]
        if (envelope := envelope_of(shown)) is not None:
            lines += [("oslo.message says:", _BOLD), *((line, "") for line in _pretty(envelope[1].encode()))]
        lines.append(("", ""))
    return lines


def difference_lines(first: OsloFields, second: OsloFields) -> list[Line]:
    """Compare what two calls were asked with."""
    before, after = (_json_lines(_said(oslo)) for oslo in (first, second))
    lines: list[Line] = []
    for line in difflib.unified_diff(before, after, "the call marked with d", "this call", n=1000, lineterm=""):
        style = "green" if line.startswith("+") else "red" if line.startswith("-") else ""
        lines.append((escape(line), style))
    return lines or [("Both were called with the same.", _BOLD), *((escape(line), "") for line in before)]


def _said(oslo: OsloFields) -> Any:  # noqa: ANN401 - any JSON value
    return oslo.payload if oslo.kind == "notification" else oslo.args


def _value(name: str, value: Any) -> list[Line]:  # noqa: ANN401 - any JSON value
    if value is None:
        return []
    return [("", ""), (f"{name}:", _BOLD), *((f"  {escape(line)}", "") for line in _json_lines(value))]


def _json_lines(value: Any) -> list[str]:  # noqa: ANN401 - any JSON value
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode().split("\n")


def _pretty(body: bytes) -> list[str]:
    try:
        text = msgspec.json.format(body, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = body.decode("utf-8", "backslashreplace")
    return [escape(line) for line in text.split("\n")]
