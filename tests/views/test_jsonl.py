import json

import pytest

from dissector.amqp import Event
from dissector.net import Malformed
from dissector.views.jsonl import JsonlView, json_line

from ..lab import truth
from ..wiring import TCP, events, published


def test_a_line_a_message(capture_name):
    view = JsonlView()
    lines = b"".join(view.feed(event) for event in events(truth.captures()[capture_name])).splitlines()
    assert not view.finish()
    records = [json.loads(line) for line in lines]
    assert len(records) >= len(truth.load(capture_name))
    assert {record["type"] for record in records} == {"message"}


def test_events_only_where_asked_for():
    gap = Event(published().connection, True, 5, 0, 0, "gap", detail="12 bytes are missing")
    broken = Malformed("amqp", TCP, True, 5, 0, None, "no AMQP frame")
    assert JsonlView().feed(gap) == JsonlView().feed(broken) == b""
    names = [json.loads(JsonlView(events=True).feed(event))["event"]["name"] for event in (gap, broken)]
    assert names == ["gap", "malformed"]


@pytest.mark.parametrize("text", ["\x1b[31m", "\x7f", "\x9b", "\u202e", "\u2028", "\U000e0001", "日本", "a\nb", '"\\'])
def test_nothing_in_a_line_commands_a_terminal(text):
    body = json.dumps({"text": text}).encode()
    line = JsonlView().feed(published(body)).decode()
    assert line[:-1].isprintable()
    assert line.endswith("\n")
    assert json.loads(line)["body"]["json"] == {"text": text}


def test_what_is_printable_stays_readable():
    assert json_line('{"a":"日本 ü"}'.encode()) == '{"a":"日本 ü"}\n'.encode()
