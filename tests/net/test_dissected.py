"""Streams out of what tshark says of each packet: what carries a record, what is held, what is lost."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissector import limits
from dissector.capture.tsharkrows import DissectedBatch, Row
from dissector.net import StreamData, StreamEnd, StreamGap
from dissector.net.dissected import DissectedStreams

CLIENT, BROKER = ("10.0.0.1", 40000), ("10.0.0.2", 5671)
SYN, ACK, FIN, RST = 2, 16, 1, 4
HELLO = b"\x16\x03\x01" + bytes(40)


class Talk:
    """Makes the rows of a connection: each packet is one."""

    def __init__(self, stream: int = 0) -> None:
        self.rows: list[Row] = []
        self._stream = stream
        self._next = {True: 100, False: 500}
        self._number = 0

    def send(self, payload=b"", *, client=True, flags=ACK, types=(), sizes=(), decrypted=(), lost=False, **changed):
        self._number += 1
        source, destination = (CLIENT, BROKER) if client else (BROKER, CLIENT)
        row = Row(
            *(self._number, self._stream, source, destination, flags),
            *(self._next[client], self._next[not client], len(payload), payload),
            *(list(types), list(sizes), list(decrypted), ()),
        )
        for name, value in changed.items():
            setattr(row, name, value)
        self._next[client] += len(payload) + bool(flags & SYN) + bool(flags & FIN)
        if not lost:
            self.rows.append(row)
        return self

    def open(self):
        return self.send(flags=SYN).send(client=False, flags=SYN | ACK)

    def batch(self, begin: int = 0, end: int | None = None) -> DissectedBatch:
        end = self._number if end is None else end
        count = end - begin
        column = np.zeros(count, np.int64)
        rows = [row for row in self.rows if begin < row.number <= end]
        times = np.arange(begin + 1, end + 1) * 1_000_000_000
        return DissectedBatch(b"", column, column, column, times, column.astype(np.uint16), begin + 1, rows)

    def told(self, *cuts: int) -> list:
        streams = DissectedStreams((5671,))
        events: list = []
        places = sorted({0, self._number, *(cut % (self._number + 1) for cut in cuts)})
        for begin, end in pairwise(places):
            events += streams.feed(self.batch(begin, end))
        return events + list(streams.finish())


def data_of(events, *, client=True):
    return [event for event in events if isinstance(event, StreamData) and event.from_client is client]


def test_a_record_in_several_packets_has_them_all():
    talk = Talk().open().send(HELLO)
    talk.send(b"\x17\x03\x03" + bytes(97)).send(bytes(100))
    talk.send(bytes(105), types=[23, 23], sizes=[280, 10], decrypted=[b"x" * 250, b"y" * 2])
    (data,) = data_of(talk.told())
    assert data.data == b"x" * 250 + b"y" * 2
    # The hello is of a record, too, that is told of nowhere here: its bytes go first.
    assert data.completed == [6] * len(data.ends)
    assert (data.ends[-1], sorted(data.numbers) == data.numbers, data.at_start) == (252, True, True)


def test_packets_share_a_record():
    talk = Talk().open().send(HELLO, types=[22], sizes=[len(HELLO) - 5])
    talk.send(bytes(100)).send(bytes(100)).send(
        bytes(100), types=[23, 23], sizes=[275, 15], decrypted=[b"a" * 28, b"b"]
    )
    (data,) = data_of(talk.told())
    assert data.numbers == [4, 5, 6, 6]
    assert data.ends == [10, 20, 28, 29]


@given(st.integers(1, 60), st.lists(st.integers(1, 30), min_size=1, max_size=8))
def test_every_byte_has_a_packet(size, parts):
    talk = Talk().open().send(HELLO, types=[22], sizes=[len(HELLO) - 5])
    for part in parts[:-1]:
        talk.send(bytes(part))
    talk.send(bytes(parts[-1]), types=[23], sizes=[sum(parts) - 5], decrypted=[b"x" * size]) if sum(parts) > 5 else None
    for data in data_of(talk.told()):
        assert data.ends == sorted(set(data.ends))
        assert data.ends[-1] == len(data.data) == size
        assert len(data.ends) == len(data.numbers) == len(data.completed) == len(data.times_ns)
        assert set(data.numbers) <= set(range(4, 4 + len(parts)))


@given(st.lists(st.integers(0, 100), max_size=6))
def test_cuts_do_not_matter(cuts):
    talk = (
        Talk().open().send(HELLO, types=[22], sizes=[len(HELLO) - 5]).send(HELLO, client=False, types=[22], sizes=[38])
    )
    talk.send(bytes(60)).send(bytes(60), types=[23], sizes=[115], decrypted=[b"abc"])
    talk.send(b"\x17\x03\x03" + bytes(10), client=False, types=[23], sizes=[8], decrypted=[b"def"])
    talk.send(flags=FIN | ACK).send(client=False, flags=FIN | ACK)
    assert list(map(repr, talk.told(*cuts))) == list(map(repr, talk.told()))


def test_what_is_no_tls_is_the_segments():
    talk = Talk().open().send(b"AM").send(b"QP\0\0\x09\x01").send(flags=FIN | ACK)
    events = talk.told()
    assert b"".join(data.data for data in data_of(events)) == b"AMQP\0\0\x09\x01"
    assert [(end.from_client, end.reason) for end in events if isinstance(end, StreamEnd)] == [
        (True, "fin"),
        (False, "capture_end"),
    ]


def test_what_looks_like_records_in_plain_bytes_is_not_taken():
    talk = Talk().open().send(b"AMQP\0\0\x09\x01", types=[23], sizes=[3], decrypted=[b"forged"])
    assert [data.data for data in data_of(talk.told())] == [b"AMQP\0\0\x09\x01"]


@pytest.mark.parametrize(("types", "sizes"), [([], [20]), ([23], [20]), ([20], [1, 20])])
def test_what_was_not_decrypted_is_as_it_was(types, sizes):
    sealed = b"\x17\x03\x03\x00\x14" + bytes(20)
    talk = Talk().open().send(HELLO, types=[22], sizes=[len(HELLO) - 5]).send(sealed, types=types, sizes=sizes)
    assert b"".join(data.data for data in data_of(talk.told())) == HELLO + sealed


def test_a_handshake_alone_is_nothing_that_was_not_read():
    talk = Talk().open().send(HELLO, types=[22], sizes=[len(HELLO) - 5]).send(flags=RST | ACK)
    assert not data_of(talk.told())
    assert len(Talk().open().send(b"\x16").told()) == 2


def test_a_long_opening_is_given_up():
    talk = Talk().open().send(HELLO)
    for _ in range(limits.TLS_OPENING_BYTES // 1000 + 1):
        talk.send(bytes(1000))
    assert sum(len(data.data) for data in data_of(talk.told())) == len(HELLO) + 1000 * (len(talk.rows) - 3)


def test_openings_of_all_connections_are_bounded(monkeypatch):
    """The longest silent is given up; who was decrypted, closed or forgotten counts no more."""
    monkeypatch.setattr(limits, "TLS_OPENINGS_BYTES", 3000)
    monkeypatch.setattr(limits, "CONNECTIONS", 6)
    streams = DissectedStreams((5671,))
    told = [list(streams.feed(Talk(stream).open().send(HELLO).batch())) for stream in range(12)]
    assert [len(data_of(events)) for events in told] == [0] * 5 + [1] * 7
    assert [event.connection.stream for events in told for event in data_of(events)] == list(range(7))
    assert streams._openings_bytes == sum(streams._openings.values()) <= 3000
    for stream in range(7, 12):
        talk = Talk(stream).open().send(HELLO)
        talk.send(bytes(25), types=[22, 23], sizes=[len(HELLO) - 5, 20], decrypted=[b"x"])
        talk.rows = talk.rows[-1:]
        assert [data.data for data in data_of(streams.feed(talk.batch()))] == [b"x"]
    assert streams._openings_bytes == len(streams._openings) == 0


def test_an_opening_of_many_small_segments_counts_as_much_as_it_takes():
    talk = Talk().open()
    for octet in HELLO + bytes(200):
        talk.send(bytes([octet]))
    assert data_of(DissectedStreams((5671,)).feed(talk.batch()))


def test_behind_a_hole_nothing_is_believed_until_it_is_decrypted_again():
    talk = Talk().open().send(HELLO, types=[22], sizes=[len(HELLO) - 5])
    talk.send(bytes(25), types=[23], sizes=[20], decrypted=[b"one"])
    talk.send(bytes(25), lost=True)
    for _ in range(30):
        talk.send(bytes(25), client=False, flags=ACK, types=[22], sizes=[20])
    talk.send(bytes(25)).send(flags=FIN | ACK)
    events = [event for event in talk.told() if event.from_client]
    assert [type(event) for event in events] == [StreamData, StreamGap, StreamData, StreamEnd]
    assert (events[0].data, events[1].size, events[2].data) == (b"one", None, bytes(25))


def test_a_record_that_fails_is_a_gap_and_the_next_goes_on():
    talk = Talk().open().send(HELLO, types=[22], sizes=[len(HELLO) - 5])
    for decrypted in ([b"one"], [], [b"two"]):
        talk.send(bytes(25), types=[23], sizes=[20], decrypted=decrypted)
    events = [event for event in talk.told() if event.from_client and not isinstance(event, StreamEnd)]
    assert [getattr(event, "data", None) for event in events] == [b"one", None, None, b"two"]


def test_packets_of_a_record_without_end_are_forgotten(monkeypatch):
    monkeypatch.setattr(limits, "TLS_CARRIERS", 4)
    talk = Talk().open().send(HELLO, types=[22], sizes=[len(HELLO) - 5])
    for _ in range(6):
        talk.send(bytes(10))
    (data,) = data_of(talk.send(bytes(10), types=[23], sizes=[65], decrypted=[b"x" * 40]).told())
    assert (data.data, data.numbers) == (b"x" * 40, [9, 10])


def test_connections_are_bounded(monkeypatch):
    monkeypatch.setattr(limits, "CONNECTIONS", 3)
    streams = DissectedStreams((5671,))
    ends = []
    for stream in range(10):
        talk = Talk(stream).open().send(b"AMQP")
        ends += [event for event in streams.feed(talk.batch()) if isinstance(event, StreamEnd)]
    assert [end.reason for end in ends] == ["evicted"] * 14
    assert streams.counts.evicted == 7
    assert streams.counts.connections == 10


def test_closed_connections_are_forgotten(monkeypatch):
    monkeypatch.setattr(limits, "CLOSED_CONNECTIONS", 3)
    streams = DissectedStreams((5671,))
    for stream in range(10):
        talk = Talk(stream).open().send(flags=RST | ACK)
        streams.feed(talk.batch())
    assert not list(streams.finish())
    assert len(streams._talks) == 0


def test_addresses_of_version_6_and_ports_of_others():
    talk = Talk().send(b"AMQP", source=("fd00::1", 40000), destination=("fd00::2", 5671))
    (data, *_) = data_of(talk.told())
    assert str(data.connection) == "[fd00::1]:40000 -> [fd00::2]:5671"
    assert not Talk().send(b"AMQP", source=("10.0.0.1", 1), destination=("10.0.0.2", 80)).told()


def test_fragments_are_named():
    talk = Talk().send(b"AMQP").send(b"x", fragments=(1, 2))
    streams = DissectedStreams((5671,))
    streams.feed(talk.batch())
    assert streams.with_fragments((2,)) == (1, 2)
    assert streams.with_fragments((1, 7)) == (1, 7)
    assert streams.has_fragments
    assert not DissectedStreams((5671,)).has_fragments
