"""A capture that begins in the middle of connections: what is shown when, and what ``--learn`` brings back."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dissector.amqp import Message
from dissector.capture import PacketBatch, Quiet, open_capture
from dissector.reading import Reading

from ..capture.build import pcap
from ..cli.command import osloshark
from ..lab import truth
from .wire import SEEN

DEMO = truth.captures()["demo"]
KNOWN = ("vhost", "user", "queue", "connection_name", "node")


def split(path, at: int) -> tuple[bytes, bytes]:
    """A capture's first packets, and the others."""
    with open_capture([path]) as capture:
        packets = [(int(batch.time_ns[index]), batch.packet(index)) for batch in capture for index in range(len(batch))]
    return pcap(packets[:at]), pcap(packets[at:])


def messages(shown: bytes) -> list[dict]:
    return [json.loads(line) for line in shown.splitlines()]


@pytest.fixture(scope="module")
def halves():
    """The demo in two: connections are open at the cut, their consumers there. Nobody may read them, too."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield make_halves(folder)


def make_halves(folder: Path) -> tuple[Path, Path, list[dict]]:
    whole = messages(osloshark("read", "-T", "jsonl", DEMO).stdout)
    at = whole[20]["frame"]["number"]
    first, second = folder / "first.pcap", folder / "second.pcap"
    for path, data in zip((first, second), split(DEMO, at), strict=True):
        path.write_bytes(data)
    expected = [message for message in whole if min(message["frame"]["numbers"]) > at]
    return first, second, expected


@pytest.fixture(scope="module")
def topology(halves):
    path = halves[0].with_name("topology.jsonl")
    path.write_bytes(osloshark("topology", "-T", "jsonl", halves[0]).stdout)
    return path


@pytest.mark.netns
@pytest.mark.tshark
@pytest.mark.xdist_group("wire")
@pytest.mark.parametrize("source", ["nothing", "capture", "topology"])
def test_what_was_known_before_is_known_again(source, halves, topology, wire, tmp_path):
    first, second, expected = halves
    words = {"nothing": [], "capture": ["--learn", first], "topology": ["--learn", topology]}[source]
    with wire.live(tmp_path, "live", "-T", "jsonl", *words, SEEN) as live:
        wire.send(second)
        live.wait_for_packets()
        assert live.end() == 0, live.errors
    seen = messages(live.output)
    assert [one["oslo"] for one in seen] == [one["oslo"] for one in expected]
    told = [tuple(one["amqp"][name] for name in KNOWN) for one in seen]
    if source != "nothing":
        assert told == [tuple(one["amqp"][name] for name in KNOWN) for one in expected]
    else:
        assert told != [tuple(one["amqp"][name] for name in KNOWN) for one in expected]
        assert (None,) * len(KNOWN) in told


@pytest.mark.netns
@pytest.mark.tshark
@pytest.mark.xdist_group("wire")
def test_what_is_neither_capture_nor_topology(wire, tmp_path, halves):
    path = halves[0].with_name("other.jsonl")
    for data, said in (
        (b'{"a": 1}\n', "line 1 is not what 'osloshark topology -T jsonl' writes"),
        (b"x", "not a pcap"),
    ):
        path.write_bytes(data)
        with wire.live(tmp_path, "live", "--learn", path, SEEN) as live:
            assert live.wait() == 2
            assert said in live.errors


class Source:
    """Packets as a test gives them."""

    def __init__(self, given: list[PacketBatch | Quiet]) -> None:
        self.given = given
        self.packets = self.truncated_packets = self.bytes_read = self.own_drops = 0
        self.bytes_total = self.kernel_drops = None
        self.is_live, self.is_ending = True, False
        self.notices: list[str] = []

    def __iter__(self) -> Iterator[PacketBatch | Quiet]:
        return iter(self.given)

    def stop(self) -> bool:
        return True

    def close(self) -> None:
        pass


def test_a_message_in_the_middle_of_a_silent_connection_waits_for_no_other_packet(halves):
    """A tenth of a second on the capture's clock is enough, with nothing else to be seen on any connection."""
    with open_capture([halves[1]]) as capture:
        whole = list(capture)
    for batch in whole:
        ends = [index for index in range(len(batch)) if batch.captured[index] > 700]
    (batch,) = whole
    one = ends[0]
    only = PacketBatch(
        batch.buffer,
        *(column[one : one + 1] for column in (batch.start, batch.captured, batch.original)),
        batch.time_ns[one : one + 1],
        batch.link_type[one : one + 1],
        1,
    )
    now = int(only.time_ns[0])
    quiet = [Quiet(now + step * 50_000_000) for step in range(1, 4)]
    given = list(Reading(Source([only, *quiet])).batches())
    counts = [sum(isinstance(event, Message) for event in events) for events in given]
    assert counts[0] == 0, "what precedes it may still come"
    assert sum(counts[:4]) >= 1
    assert sum(counts) == sum(counts[:4])


def test_time_that_steps_back_or_far_ahead_does_no_harm(halves):
    with open_capture([halves[1]]) as capture:
        whole = list(capture)
    expected = [event for events in Reading(Source(whole)).batches() for event in events]
    quiet = [Quiet(0), Quiet(1 << 61), Quiet(-5), Quiet(int(whole[-1].time_ns[-1]))]
    found = [event for events in Reading(Source([*quiet, *whole, *quiet])).batches() for event in events]
    assert [type(event) for event in found] == [type(event) for event in expected]


@pytest.mark.netns
@pytest.mark.tshark
@pytest.mark.xdist_group("wire")
def test_on_a_silent_bus_a_call_without_reply_is_told(wire, tmp_path):
    """Nothing comes after it, and nothing has to."""
    verdicts = truth.captures()["verdicts"]
    shown = messages(osloshark("read", "-T", "jsonl", "-Y", "oslo.timeout_s == 1", verdicts).stdout)
    until = shown[0]["frame"]["number"]
    first = tmp_path / "first.pcap"
    first.write_bytes(split(verdicts, until)[0])
    change = "from dissector.cli import main\nfrom dissector.cli import calls\ncalls._STREAM_LATE_NS = 0"
    with wire.changed(tmp_path, change, "calls", "-T", "jsonl", "-i", SEEN) as live:
        wire.send(first)
        live.wait_for('"timed_out"', where="output")
        assert live.end() == 0, live.errors
        late = [one["rpc"] for one in messages(live.output) if one["rpc"]["status"] == "timed_out"]
        assert [one["msg_id"] for one in late] == [shown[0]["oslo"]["msg_id"]]
