"""What a fast path gives is what the plain one beside it gives, on every capture and on damaged ones."""

from random import Random

import pytest

from dissector import limits
from dissector.amqp import Message, contents
from dissector.net.join import Join
from dissector.oslo import masking
from dissector.rpc.hot import hot_of
from dissector.rpc.lastbodies import LastBodies
from dissector.views import record
from dissector.views.jsonl import JsonlView

from .damage.kinds import damaged
from .damage.talk import read
from .lab import truth
from .net.packets import Packet, batches, single
from .test_batches import dissect, packets_of

MOST = 2500
"""Packets of a capture that are looked at."""
HARMS = ("loss of 5 %", "reordered by up to 64", "snap length 262", "RST in the middle", "start inside a packet")


def by_frames(monkeypatch):
    monkeypatch.setattr(contents, "straight", lambda *_: None)
    monkeypatch.setattr(contents, "straight_ack", lambda *_: None)


def by_segments(monkeypatch):
    monkeypatch.setattr(Join, "_join", lambda *_: False)


def forgetful(monkeypatch):
    monkeypatch.setattr(LastBodies, "decode_body", lambda self, body: self._decode(*body))
    monkeypatch.setattr(limits, "TEXT_CACHE_CHARS", -1)
    monkeypatch.setattr(limits, "KEY_CACHE_CHARS", -1)
    masking._plain_texts.clear()
    masking._verdicts.clear()
    monkeypatch.setattr(limits, "PROPERTIES_MEMO_BYTES", -1)
    record._shown_properties.clear()


def assert_same_events(packets, cuts, plain, monkeypatch):
    fast = dissect(batches(packets, cuts))
    plain(monkeypatch)
    assert dissect(single(packets)) == fast
    assert dissect(batches(packets, cuts)) == fast
    return fast[0]


@pytest.mark.parametrize("plain", [by_frames, by_segments])
def test_events(capture_name, plain, monkeypatch):
    packets = packets_of(truth.captures()[capture_name])[:MOST]
    dice = Random(capture_name)
    cuts = sorted(dice.randrange(len(packets)) for _ in range(5))
    events = assert_same_events(packets, cuts, plain, monkeypatch)
    assert any(isinstance(event, Message) for event in events)


@pytest.mark.parametrize("plain", [by_frames, by_segments])
@pytest.mark.parametrize("harm", HARMS)
def test_events_of_damaged_captures(harm, plain, monkeypatch):
    harmed = damaged(read(truth.captures()["demo"]), harm, "fast").packets
    packets = [Packet(packet.data, packet.time_ns, packet.original, packet.link_type) for packet in harmed]
    dice = Random(harm)
    assert_same_events(packets, sorted(dice.randrange(len(packets)) for _ in range(9)), plain, monkeypatch)


def shown(events, *, show_secrets):
    view = JsonlView(show_secrets=show_secrets, events=True)
    return [(view.feed(event), hot_of(event, show_secrets)) for event in events]


@pytest.mark.parametrize("show_secrets", [False, True])
def test_bodies(capture_name, show_secrets, monkeypatch):
    events, *_ = dissect(single(packets_of(truth.captures()[capture_name])[:MOST]))
    first = shown(events, show_secrets=show_secrets)
    again = shown(events, show_secrets=show_secrets)
    forgetful(monkeypatch)
    assert first == again == shown(events, show_secrets=show_secrets)
