"""A profile for Wireshark: columns and colours for RPC."""

import hashlib
from typing import Final

NAME: Final = "osloshark"
"""The profile's name, and that of its folder."""

_COLUMNS: Final = (
    ("No.", "%m"),
    ("Time", "%t"),
    ("Source", "%s"),
    ("Destination", "%d"),
    ("Protocol", "%p"),
    ("Kind", "%Cus:oslo.kind:0:R"),
    ("Method", "%Cus:rpc.method:0:R"),
    ("Topic", "%Cus:rpc.topic:0:R"),
    ("Latency (s)", "%Cus:rpc.latency_s:0:R"),
    ("Status", "%Cus:rpc.status:0:R"),
    ("Info", "%i"),
)
"""Titles and formats, as in Wireshark's ``gui.column.format``."""

_COLORS: Final = (
    ("RPC failed", 'rpc.status == "failed" || oslo.failure.class', (65535, 52428, 52428), (20971, 0, 0)),
    ("RPC without an answer", 'rpc.status == "timed_out" || rpc.cause', (65535, 57054, 44461), (20971, 10485, 0)),
    ("RPC reply", 'oslo.kind == "reply" || oslo.kind == "heartbeat"', (58981, 63479, 58981), (4626, 10023, 11822)),
    ("RPC notification", 'oslo.kind == "notification"', (61166, 59110, 65535), (4626, 10023, 11822)),
    ("RPC request", "oslo.kind", (58981, 61166, 65535), (4626, 10023, 11822)),
)
"""Names, display filters, background and foreground (red, green, blue: 16 bits each); the first that matches counts."""


def _columns() -> str:
    return ",\n\t".join(f'"{title}", "{form}"' for title, form in _COLUMNS)


def _color(parts: tuple[int, int, int]) -> str:
    return ",".join(map(str, parts))


_HEAD: Final = "# Written by osloshark, sha256 of the rest: "


def _signed(text: str) -> str:
    return f"{_HEAD}{hashlib.sha256(text.encode()).hexdigest()}\n{text}"


def is_as_written(text: str) -> bool:
    """Tell whether a file of a profile is as some version of osloshark wrote it: Wireshark writes its own head."""
    head, _, rest = text.partition("\n")
    return _signed(rest) == f"{head}\n{rest}"


FILES: Final = {
    "preferences": _signed(f"gui.column.format: \n\t{_columns()}\n"),
    "colorfilters": _signed(
        "".join(f"@{name}@{rule}@[{_color(back)}][{_color(fore)}]\n" for name, rule, back, fore in _COLORS)
    ),
}
"""The profile's files by name."""
