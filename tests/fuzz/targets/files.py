"""Whole capture files, from the bytes to what is shown."""

import json
import os
from random import Random

from dissector.amqp import Message
from dissector.errors import UsageError
from dissector.reading import Reading
from dissector.views.jsonl import JsonlView
from dissector.views.text import TextView
from dissector.views.verbose import VerboseView

from ..target import Mutate, Target
from . import captures
from .frames import some_frames

_FILE = os.memfd_create("capture")
_PATH = f"/proc/self/fd/{_FILE}"


def run(data: bytes) -> None:
    os.ftruncate(_FILE, 0)
    os.pwrite(_FILE, data, 0)
    try:
        reading = Reading([_PATH])
    except UsageError:
        return
    messages = 0
    line = TextView(lambda: reading.first_time_ns, events=True)
    verbose = VerboseView(TextView(lambda: reading.first_time_ns, width=100), lambda: reading.first_time_ns)
    jsonl = JsonlView(events=True)
    for event in reading:
        assert 1 <= event.number <= reading.capture.packets
        text = line.feed(event).decode()
        assert text[-1] == "\n"
        assert text[:-1].isprintable()
        record = jsonl.feed(event)
        assert record.decode()[:-1].isprintable()
        fields = json.loads(record)
        if isinstance(event, Message):
            messages += 1
            assert fields["type"] == "message"
            if messages < 3:
                assert all(part.isprintable() for part in verbose.feed(event).decode().split("\n"))
    told = reading.completeness
    assert told.amqp.messages == messages
    assert told.packets == told.streams.packets == reading.capture.packets
    assert told.summary().isprintable()
    reading.close()


def mutate(data: bytes, max_size: int, dice: Random, change: Mutate) -> bytes:
    if dice.random() < 0.7 or data[:4] != b"\xd4\xc3\xb2\xa1":
        return captures.mutate(data, max_size, dice, change)
    # Frames in the place of what a packet carries, which then is as long as before: its stream goes on.
    records = captures.records(data, "<", 16)
    if not records:
        return captures.mutate(data, max_size, dice, change)
    at = dice.randrange(len(records))
    record = records[at]
    begin = record.find(b"\xce", 16 + 40) + 1 if dice.random() < 0.5 else dice.randrange(16 + 40, len(record) + 60)
    if begin <= 0 or begin >= len(record):
        return captures.mutate(data, max_size, dice, change)
    frames = some_frames(dice)
    records[at] = (record[:begin] + frames + record[begin + len(frames) :])[: len(record)]
    return data[:24] + b"".join(records)


TARGET = Target(
    run,
    max_len=1400,
    mutate=mutate,
    words=(
        b"\x01\x00\x01\x00\x00",
        b"\xce\x02\x00\x01",
        b"\xce\x03\x00\x01",
        b"\x16\x28",
        b"\x1b[2J",
        b"\xe2\x80\xae",
        b"password",
    ),
    limits={"HOLE_PACKETS": 4},
)
