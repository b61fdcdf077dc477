"""Runs a capture through the house, a room after the other, and marks where one ends and the next begins.

It is run under callgrind (`tests.bench.instructions`), which looks for calls of the C function `MARKER`.
"""

import gc
import os
import sys
from collections.abc import Callable, Iterator
from typing import Final

import msgspec
import numpy as np

from dissector.amqp import AmqpEvent, Dissection
from dissector.capture import PacketBatch, open_capture
from dissector.net import StreamEvent, Streams
from dissector.rpc import Calls
from dissector.rpc.hot import hot_of
from dissector.views.jsonl import JsonlView

MARKER: Final = "getppid"
"""A function of the C library that nothing else here calls."""
STAGES: Final = ("yardstick", "capture", "net", "amqp", "oslo", "rpc", "views")
"""What is measured, in this order."""


def mark() -> None:
    """End what is measured."""
    os.getppid()


def yardstick() -> int:
    """Do what never changes, some of it by Python itself, by numpy and by msgspec: what newer ones of these cost."""
    total = 0
    numbers = np.arange(20_000)
    for _ in range(8):
        total += int(np.cumsum(numbers[np.argsort(numbers % 97, kind="stable")])[-1])
    text = msgspec.json.encode({f"key{at}": [at, str(at), None] for at in range(500)})
    for _ in range(8):
        total += len(msgspec.json.decode(text))
    seen: dict[tuple[int, str], int] = {}
    for at in range(12_000):
        key = at % 1000, "name"
        seen[key] = seen.get(key, 0) + len(text[at % 100 : at % 100 + 7])
    return total + len(seen)


def run(path: str, between: Callable[[], None]) -> int:
    """Take a capture through all rooms; give how many octets came out at the end."""
    yardstick()
    between()
    with open_capture([path]) as capture:
        batches: list[PacketBatch] = list(capture)
    between()
    streams = Streams()
    pieces: list[tuple[list[StreamEvent], int | None]] = []
    for batch in batches:
        pieces.append((list(streams.feed(batch)), streams.oldest_held))
    pieces.append((list(streams.finish()), streams.oldest_held))
    between()
    dissection = Dissection()
    events: list[AmqpEvent] = []
    for some, oldest_held in pieces:
        events += dissection.feed(some, oldest_held)
    between()
    hot = [hot_of(event) for event in events]
    between()
    calls = Calls()
    for event, decoded in zip(events, hot, strict=True):
        calls.feed(event, decoded)
    list(calls.finish())
    between()
    view = JsonlView()
    octets = sum(len(view.feed(event)) for event in events)
    between()
    return octets


def main(small: str, path: str) -> Iterator[str]:
    """Warm up with a small capture, then let ``path`` be measured."""
    run(small, lambda: None)
    # When the collector runs depends on what else is alive, by which the counts would jump.
    gc.collect()
    gc.disable()
    mark()
    yield str(run(path, mark))


if __name__ == "__main__":
    print(*main(*sys.argv[1:]))
