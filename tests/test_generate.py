"""The generated stream is what it says: real conversations, whole where nothing is lost, each id said once."""

import re
from collections import Counter
from pathlib import Path

import pytest

from dissector.amqp import Message
from dissector.capture import open_capture
from dissector.net import Malformed
from dissector.reading import Reading

from .damage import bodies, stream
from .damage.talk import read
from .damage.templates import Said
from .generate import Plan, Written, generate, octets
from .lab import truth

UNIQUE = re.compile(rb'_unique_id\\?": \\?"([0-9a-f]{32})')


def write(path: Path, plan: Plan) -> Written:
    written = Written()
    path.write_bytes(b"".join(generate(plan, written)))
    return written


def test_whole_where_nothing_is_lost(tmp_path):
    path = tmp_path / "stream.pcap"
    written = write(path, Plan(8_000_000, 90, 0, 7))
    assert path.stat().st_size == written.octets >= 8_000_000
    reading = Reading([path])
    seen: Counter = Counter()
    parties = set()
    last_ns = 0
    for event in reading:
        assert not isinstance(event, Malformed)
        assert event.time_ns >= last_ns
        last_ns = event.time_ns
        if isinstance(event, Message):
            parties.add(event.connection.tcp.client)
            # A message that came back was published under the same id; a fanout is delivered more than once.
            if event.leg == "publish" and (unique := UNIQUE.search(event.body)):
                seen[unique[1]] += 1
            assert event.leg != "deliver" or event.queue is not None
    assert reading.completeness.missing() == []
    assert reading.completeness.packets == written.packets
    assert reading.completeness.streams.connections == written.connections >= 90
    assert len(seen) > 1000
    assert set(seen.values()) == {1}
    assert len(parties) > 80


def test_all_connections_are_open_by_the_middle(tmp_path):
    path = tmp_path / "stream.pcap"
    written = write(path, Plan(8_000_000, 200, 0.01, 7))
    assert 0.005 < written.lost / written.packets < 0.02
    half = tmp_path / "half.pcap"
    half.write_bytes(path.read_bytes()[: written.octets // 2])
    reading = Reading([half])
    ends = sum(
        not isinstance(e, Message | Malformed) and e.name == "end" and e.detail != "capture_end" for e in reading
    )
    assert ends == 0
    assert reading.completeness.streams.connections == written.connections


def test_the_same_for_the_same_seed():
    plan = Plan(2_000_000, 60, 0.1, 3)
    first, again, other = (b"".join(generate(some, Written())) for some in (plan, plan, plan._replace(seed=4)))
    assert first == again
    assert first != other


@pytest.mark.parametrize("body", [None, 3000, 20_000])
@pytest.mark.parametrize("mtu", [1500, 9000])
def test_bodies_and_packets_as_large_as_asked(tmp_path, body, mtu):
    path = tmp_path / "stream.pcap"
    written = write(path, Plan(8_000_000, 45, 0, 7, ("neutron-nova",), Said(body, mtu)))
    reading = Reading([path])
    published: dict[bytes, bytes] = {}
    sizes = []
    for event in reading:
        if not isinstance(event, Message):
            assert not isinstance(event, Malformed) or "the capture ends" in event.reason
            continue
        sizes.append(len(event.body))
        if event.leg == "publish" and (unique := UNIQUE.search(event.body)):
            assert published.setdefault(unique[1], event.body) is event.body
        elif unique := UNIQUE.search(event.body):
            assert published[unique[1]] == event.body  # the broker leaves bodies alone
    assert reading.completeness.streams.connections <= written.connections
    assert reading.completeness.amqp.gaps == 0
    assert len(published) > 90
    if body:
        assert 0.9 < sum(sizes) / len(sizes) / body < 1.1
    with open_capture([str(path)]) as capture:
        largest = max(int(batch.original.max()) for batch in capture)
    assert largest <= mtu + 14
    assert body != 20_000 or largest == mtu + 14


def test_small_bodies_keep_what_joins_calls():
    talk = read(truth.captures()["demo"])
    small = bodies.sized(talk, 200, None)
    for old, new in zip(talk.halves, small.halves, strict=True):
        assert len(new.stream) <= len(old.stream)
        for name in (b"_unique_id", b"_msg_id", b"_reply_q"):
            assert new.stream.count(name) == old.stream.count(name)


@pytest.mark.parametrize("each", [1, 3])
def test_connections_that_were_open_before(tmp_path, each):
    path = tmp_path / "stream.pcap"
    written = write(path, Plan(4_000_000, 40, 0, 7, ("demo",), Said(most=10, open_each=each)))
    assert written.connections == 40
    reading = Reading([path])
    opened, told = set(), set()
    for event in reading:
        assert not isinstance(event, Malformed) or "the capture ends" in event.reason
        told.add(event.connection.tcp.client)
        if not isinstance(event, Message | Malformed) and event.name == "connection.open":
            opened.add(event.connection.tcp.client)
    assert len(told) == 40
    assert len(opened) == (0 if each == 1 else 24)


@pytest.mark.parametrize(("text", "size"), [("5G", 5 * 10**9), ("200M", 2 * 10**8), ("1.5k", 1500), ("7", 7)])
def test_sizes(text, size):
    assert octets(text) == size


def test_a_command_at_its_end():
    done = stream.run(["stats", "-"], ["--size", "3M", "--connections", "40"])
    assert done.faults(1 << 30) == []
    assert done.faults(1 << 20)
    assert done._replace(status=3, told=[]).faults(1 << 30) == ["status 3", "no line that says how complete it was"]
    assert len(done._replace(written=Written(), output_bytes=0).faults(1 << 30)) == 4
