"""``-V``: the whole message, indented, a field a line."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from dissector.amqp import AmqpEvent, Message
from dissector.views.escape import escape
from dissector.views.record import record
from dissector.views.text import Described, TextView
from dissector.views.times import time_format

_INDENT: Final = "    "


class VerboseView:
    """Writes each message as its text line and, below it, every field that is known, by its registry name."""

    def __init__(self, line: TextView, first_time_ns: Callable[[], int], *, show_secrets: bool = False) -> None:
        """Make the view; ``line`` writes the heads."""
        self._line = line
        self._date = time_format("ud", first_time_ns)
        self._show_secrets = show_secrets

    def feed(self, event: AmqpEvent) -> bytes:
        """Give an event's line, and a message's fields."""
        return self.write(self.describe(event))

    def write(self, described: tuple[Described | None, bytes]) -> bytes:
        """Give what was described."""
        return self._line.write(described[0]) + described[1]

    def describe(self, event: AmqpEvent) -> tuple[Described | None, bytes]:
        """Give what is in an event's line, and the lines of a message's fields."""
        head = self._line.describe(event)
        if not isinstance(event, Message):
            return head, b""
        fields = msgspec.to_builtins(record(event, show_secrets=self._show_secrets), builtin_types=(bytes,))
        fields["frame"]["time"] = self._date(event.time_ns) + " UTC"
        lines = [
            line
            for section in ("frame", "ip", "tcp", "amqp", "oslo", "body")
            if fields.get(section)
            for line in (section, *_lines(fields[section], 1))
        ]
        return head, ("".join(line + "\n" for line in lines) + "\n").encode()

    def finish(self) -> bytes:
        """Give nothing: no message is held back."""
        return self._line.finish()


def _lines(value: Any, depth: int) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    """Write a JSON object or array, what is null left out."""
    items = value.items() if isinstance(value, dict) else ((f"[{index}]", item) for index, item in enumerate(value))
    indent = _INDENT * depth
    for key, item in items:
        if item is None:
            continue
        if isinstance(item, dict | list | tuple) and item:
            if not isinstance(item, dict) and not any(isinstance(part, dict | list) for part in item):
                yield f"{indent}{escape(str(key))}: {escape(', '.join(map(_scalar, item)))}"
                continue
            yield f"{indent}{escape(str(key))}:"
            yield from _lines(item, depth + 1)
        elif isinstance(item, str) and "\n" in item.rstrip("\n"):
            yield f"{indent}{escape(str(key))}:"
            yield from (f"{indent}{_INDENT}{escape(line)}" for line in item.rstrip("\n").split("\n"))
        else:
            yield f"{indent}{escape(str(key))}: {escape(_scalar(item))}"


def _scalar(value: Any) -> str:  # noqa: ANN401 - any JSON scalar
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
