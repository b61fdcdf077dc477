"""Verdicts of parts of captures: what they say, the whole says too."""

from collections import defaultdict

import pytest

from dissector.fields import RpcFields
from dissector.reading import Reading

from ..lab import truth
from .cuts import ETHERNET, addresses, broker, calls, contradictions, packets, whole


def of_lab() -> list[RpcFields]:
    return list({id(rpc): rpc for rpc in whole("verdicts").values()}.values())


# -- without the reply's packets -----------------------------------------------------------------------------


def without(name: str, numbers: set[int]) -> list[RpcFields]:
    return calls(packet for number, packet in enumerate(packets(name), 1) if number not in numbers)


def test_a_reply_that_the_capture_lost_is_a_gap_and_no_accusation():
    """Drop both legs of the answers of calls with a short timeout: their server is not accused."""
    late = [rpc for rpc in of_lab() if rpc.cause == "late_reply"]
    lost = {number for rpc in late for number in (rpc.frames.reply_publish, rpc.frames.reply_deliver)}
    found = {rpc.msg_id: rpc for rpc in without("verdicts", lost)}
    told = [(found[rpc.msg_id].status, found[rpc.msg_id].cause) for rpc in late]
    # One packet of the server carries what follows the hole.
    assert told == [("timed_out", "capture_gap")] * 3


def numbers_of(name: str) -> dict[int, tuple[int, ...]]:
    """All packets of a message, by the one that completed it."""
    return {event.number: getattr(event, "numbers", ()) for event in Reading([truth.captures()[name]])}


@pytest.mark.parametrize("legs", [("reply_publish", "reply_deliver"), ("reply_deliver",), ("deliver",), ("publish",)])
@pytest.mark.parametrize("name", ["verdicts", "demo", "neutron-nova"])
def test_packets_lost_anywhere_accuse_nobody(name, legs):
    carriers = numbers_of(name)
    answered = [rpc for rpc in {id(rpc): rpc for rpc in whole(name).values()}.values() if rpc.status == "ok"]
    for rpc in answered[::4]:
        numbers = [getattr(rpc.frames, leg) for leg in legs]
        lost = {carrier for number in numbers for carrier in carriers[number]}
        wrong = [told for told in contradictions(name, without(name, lost)) if told[3] != "capture_gap"]
        assert wrong == []


# -- parts of captures ---------------------------------------------------------------------------------------


def hosts(name: str) -> list[str]:
    return sorted({address for _, packet in packets(name) for address in addresses(packet)} - {broker(name)})


@pytest.mark.parametrize("late_ns", [None, 10_000_000_000])
@pytest.mark.parametrize("name", ETHERNET)
def test_one_side_of_a_capture_gives_no_false_verdict(name, late_ns):
    seen = 0
    for host in hosts(name):
        for side in (None, 0, 1):
            kept = [
                packet
                for packet in packets(name)
                if (host in addresses(packet[1]) if side is None else addresses(packet[1])[side] == host)
            ]
            found = calls(kept, late_ns=late_ns)
            seen += len(found)
            assert contradictions(name, found) == [], (host, side)
    assert seen


@pytest.mark.parametrize("name", ETHERNET)
def test_one_direction_of_a_capture_gives_no_false_verdict(name):
    for side in (0, 1):
        found = calls(packet for packet in packets(name) if addresses(packet[1])[side] == broker(name))
        assert contradictions(name, found) == []
        statuses = {rpc.msg_id: rpc.status for rpc in found if rpc.status in ("ok", "failed")}
        known = {rpc.msg_id: rpc.status for rpc in whole(name).values() if rpc.status in ("ok", "failed")}
        assert statuses.items() <= known.items()


def test_one_side_of_a_capture_still_says_what_it_can():
    """Of calls between two hosts, each host's own capture knows how they ended."""
    ends = defaultdict(set)
    for host in ("10.99.0.11", "10.99.0.31"):
        for rpc in calls(packet for packet in packets("verdicts") if host in addresses(packet[1])):
            if rpc.kind == "call":
                ends[rpc.msg_id].add((host, rpc.status))
    full = {rpc.msg_id: rpc.status for rpc in of_lab() if rpc.kind == "call"}
    for msg_id, status in full.items():
        # Whoever never got it knows nothing of it; all others agree.
        if status in ("ok", "failed"):
            assert ends[msg_id] == {("10.99.0.11", status), ("10.99.0.31", status)}
        else:
            assert {told for _, told in ends[msg_id]} <= {status, "pending"}
            assert status in {told for _, told in ends[msg_id]}


STEP = 500


@pytest.mark.parametrize("late_ns", [None, 10_000_000_000])
@pytest.mark.parametrize("name", ETHERNET)
def test_a_capture_cut_anywhere_gives_no_wrong_verdict(name, late_ns):
    whole_capture = packets(name)
    for at in {*range(STEP, len(whole_capture), STEP), *range(97, len(whole_capture), 331)}:
        first = calls(whole_capture[:at], late_ns=late_ns)
        # What ends before a late reply has no reply: the cause may be another, the status not.
        assert contradictions(name, first, causes=False) == [], at
        assert contradictions(name, calls(whole_capture[at:], late_ns=late_ns)) == [], at
