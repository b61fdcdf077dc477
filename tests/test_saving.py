import subprocess

import pytest

from dissector.amqp import Message
from dissector.reading import Reading
from dissector.saving import Selection

from .lab import truth
from .wiring import events


def save(path, to, chosen, *, handshake=False):
    """Save the chosen messages of a capture; they and the number of packets written."""
    selection = Selection(handshake=handshake)
    kept = []
    for batch in Reading([path]).batches():
        selection.learn(batch)
        for event in batch:
            if isinstance(event, Message) and chosen(event):
                selection.choose(event)
                kept.append(event)
    with to.open("wb") as file:
        return kept, selection.save([path], file)


def said(messages, *names, max_packets=None):
    return sorted(
        (
            (m.leg, m.method, m.body, m.time_ns, *(getattr(m, name) for name in names))
            for m in messages
            if max_packets is None or len(m.numbers) <= max_packets
        ),
        key=lambda row: (row[3], row[2]),
    )


@pytest.mark.parametrize("handshake", [False, True])
def test_the_small_capture_says_the_same(capture_name, handshake, tmp_path):
    small = tmp_path / "small.pcapng"
    source = truth.captures()[capture_name]
    kept, packets = save(source, small, lambda m: m.method.exchange != "nova", handshake=handshake)
    found = [event for event in events(small) if isinstance(event, Message)]
    # Where frames of other channels stand among those of a message, their packets are missing now.
    told = {
        (leg, method, body)
        for leg, method, body, _ in said(kept, max_packets=1 if capture_name == "channels" else None)
    }
    assert {(leg, method, body) for leg, method, body, _ in said(found)} >= told
    if not handshake:
        assert packets == len({number for message in kept for number in message.numbers})


def test_the_opening_tells_vhost_user_and_queues(tmp_path):
    small = tmp_path / "small.pcapng"
    kept, packets = save(truth.captures()["demo"], small, lambda m: m.leg == "deliver", handshake=True)
    found = [event for event in events(small) if isinstance(event, Message) and event.leg == "deliver"]
    names = ("queue", "channel")
    assert said(found, *names) == said(kept, *names)
    assert {(m.connection.vhost, m.connection.user) for m in found} == {("/", "openstack")}
    assert packets < 1007 * 2 // 3, "the acks and closes are left out"


@pytest.mark.tshark
def test_wireshark_shows_the_same_messages(tmp_path):
    small = tmp_path / "small.pcapng"
    kept, _ = save(truth.captures()["demo"], small, lambda m: m.leg == "publish", handshake=True)
    shown = subprocess.run(
        [
            "tshark",
            "-r",
            small,
            "-Y",
            "amqp.method.class == 60 && amqp.method.method == 40",
            "-T",
            "fields",
            "-e",
            "amqp.method.arguments.routing_key",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")[:-1]
    assert shown == [message.method.routing_key for message in kept]


def test_nothing_chosen_is_an_empty_capture(tmp_path):
    small = tmp_path / "small.pcapng"
    assert save(truth.captures()["demo"], small, lambda _: False, handshake=True) == ([], 0)
    assert events(small) == []
