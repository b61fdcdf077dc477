"""Frames as pika marshals them, in streams and conversations, and the real streams of a capture."""

from functools import cache
from itertools import accumulate, pairwise
from pathlib import Path

import msgspec
import pika.frame
from pika import BasicProperties, spec

from dissector.amqp import Dissection
from dissector.amqp.constants import FRAME_END, FRAME_HEADER_BYTES
from dissector.amqp.frames import FOREIGN, LOST, FrameReader
from dissector.capture import open_capture
from dissector.net import Connection, Endpoint, StreamData, StreamEnd, StreamGap, Streams

TCP = Connection(0, Endpoint("10.0.0.1", 40000), Endpoint("10.0.0.2", 5672))
PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
HEARTBEAT = pika.frame.Heartbeat().marshal()


def method(channel, fields):
    return pika.frame.Method(channel, fields).marshal()


def header(channel, body_size, properties=None):
    return pika.frame.Header(channel, body_size, properties or BasicProperties()).marshal()


def body(channel, octets):
    return pika.frame.Body(channel, octets).marshal()


def content(channel, fields, octets=b"", *, pieces=1, properties=None):
    """The frames of a message, each by itself."""
    size = -(-len(octets) // pieces) or 1
    bodies = [body(channel, octets[at : at + size]) for at in range(0, len(octets), size)]
    return [method(channel, fields), header(channel, len(octets), properties), *bodies]


def publish(channel=1, octets=b"", *, exchange="x", routing_key="k", pieces=1, properties=None):
    fields = spec.Basic.Publish(exchange=exchange, routing_key=routing_key)
    return content(channel, fields, octets, pieces=pieces, properties=properties)


def deliver(channel=1, octets=b"", *, tag="t", delivery_tag=1, pieces=1):
    fields = spec.Basic.Deliver(consumer_tag=tag, delivery_tag=delivery_tag, exchange="x", routing_key="k")
    return content(channel, fields, octets, pieces=pieces)


def data_of(octets, number=1, *, at_start=False, from_client=True, tcp=TCP):
    return StreamData(tcp, from_client, at_start, octets, [len(octets)], [number], [number], [number * 1000])


def pieces_of(octets, cuts):
    places = sorted({0, len(octets), *(cut % (len(octets) + 1) for cut in cuts)})
    return [octets[begin:end] for begin, end in pairwise(places)]


def batch_of(pieces):
    """The packets of a stream from its start, a piece each, all in one batch."""
    numbers = list(range(1, len(pieces) + 1))
    ends, times = list(accumulate(map(len, pieces))), [number * 1000 for number in numbers]
    return StreamData(TCP, True, True, b"".join(pieces), ends, numbers, numbers, times)


def frames_of(pieces, *, at_start=True, gap_after=None, gap_size=None, in_one_batch=False):
    """Read pieces, one packet each, to the end: (frames as (kind, channel, payload), notes, the reader).

    ``gap_after``: bytes are missing after so many pieces, ``gap_size`` or an unknown number.
    """
    reader = FrameReader()
    frames, notes = [], []

    def take(run, found):
        for kind, channel, begin, end in found:
            if kind in (LOST, FOREIGN):
                notes.append(run.notes[channel])
            else:
                frames.append((kind, channel, run.data[begin:end]))

    if in_one_batch:
        take(*reader.feed(batch_of(pieces)))
        pieces = []
    for number, piece in enumerate(pieces, 1):
        if gap_after == number - 1:
            take(*reader.gap(gap_size)[:2])
        if piece:
            take(*reader.feed(data_of(piece, number, at_start=at_start and number == 1 and gap_after != 0)))
    take(*reader.gap(None)[:2])
    return frames, notes, reader


def cut_frames(octets):
    """Cut a stream of whole frames by their sizes alone: (begin, end) of each."""
    found, at = [], 0
    while at < len(octets):
        end = at + FRAME_HEADER_BYTES + int.from_bytes(octets[at + 3 : at + 7], "big") + 1
        assert octets[end - 1] == FRAME_END
        found.append((at, end))
        at = end
    return found


@cache
def real_streams():
    """Each direction of the AMQP connections in the demo capture, by (stream, from_client)."""
    streams = Streams()
    found = {}
    with open_capture([str(Path(__file__).parents[2] / "pcaps" / "demo.pcap")]) as capture:
        for event in [event for batch in capture for event in streams.feed(batch)]:
            if isinstance(event, StreamData):
                key = event.connection.stream, event.from_client
                found[key] = found.get(key, b"") + event.data
    return dict(sorted(found.items()))


class Wire:
    """A conversation: every call is one packet; gives what it completes."""

    def __init__(self, *, tcp=TCP, at_start=True):
        self.dissection = Dissection()
        self.number = 0
        self._tcp = tcp
        self._at_start = {True: at_start, False: at_start}

    def client(self, *octets):
        return self._send(True, b"".join(octets))

    def broker(self, *octets):
        return self._send(False, b"".join(octets))

    def _send(self, from_client, octets):
        self.number += 1
        at_start, self._at_start[from_client] = self._at_start[from_client], False
        data = data_of(octets, self.number, at_start=at_start, from_client=from_client, tcp=self._tcp)
        return self.dissection.feed([data])

    def gap(self, from_client, size=10):
        self.number += 1
        return self.dissection.feed([StreamGap(self._tcp, from_client, size, self.number, self.number * 1000)])

    def end(self, from_client, reason="fin"):
        self.number += 1
        return self.dissection.feed([StreamEnd(self._tcp, from_client, reason, self.number, self.number * 1000)])


def text_of(events):
    """Everything that events hold, as one text."""
    return "\n".join(repr(event) + msgspec.json.encode(event, enc_hook=repr).decode() for event in events)
