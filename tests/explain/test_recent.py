from dissector import limits
from dissector.capture import open_capture
from dissector.explain.recent import RecentPackets, Watched
from dissector.reading import Reading

from ..lab import truth
from .captured import packets_in


def test_packets_are_given_by_their_numbers():
    path = truth.captures()["demo"]
    recent = RecentPackets()
    with open_capture([path]) as capture:
        for batch in capture:
            recent.see(batch)
    packets = packets_in(path)
    assert recent.of((1, 5, 80)) == [packets[number] for number in (1, 5, 80)]
    assert recent.of((0, len(packets) + 1)) == []


def test_the_oldest_are_forgotten(monkeypatch):
    monkeypatch.setattr(limits, "EXPLAINED_PACKETS_BYTES", 100_000)
    paths = [truth.captures()["demo"], truth.captures()["verdicts"]]
    recent, numbers = RecentPackets(), []
    with open_capture(paths) as capture:
        for batch in capture:
            recent.see(batch)
            numbers.append(batch.first_number)
    assert len(numbers) > 1
    assert recent.of((1,)) == []
    assert [packet.number for packet in recent.of((numbers[-1],))] == [numbers[-1]]


def test_a_watched_source_is_as_the_source_is():
    path = truth.captures()["demo"]
    seen = []
    reading = Reading([path])
    source = reading.capture
    reading.capture = watched = Watched(source, seen.append)
    events = list(reading)
    other = Reading([path])
    assert len(events) == len(list(other))
    other.close()
    assert sum(map(len, seen)) == watched.packets == source.packets
    names = ("truncated_packets", "bytes_read", "bytes_total", "kernel_drops", "own_drops", "is_live", "is_ending")
    assert [getattr(watched, name) for name in names] == [getattr(source, name) for name in names]
    assert (watched.notices, watched.stop()) == ([], False)
    reading.close()
