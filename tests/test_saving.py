import subprocess

import pytest
from pika import spec

from dissector.amqp import Message
from dissector.reading import DEFAULT_PORTS, Reading
from dissector.saving import Selection

from .amqp.amqp_frames import PROTOCOL_HEADER, deliver, method, publish
from .capture.build import pcap
from .lab import truth
from .net.encapsulation import fragments
from .net.packets import ACK, SYN, segment
from .wiring import events


def save(path, to, chosen, *, handshake=False):
    """Save the chosen messages of a capture; they and the number of packets written."""
    selection = Selection()
    kept = []
    for batch in Reading([path]).batches():
        for event in batch:
            if isinstance(event, Message) and chosen(event):
                selection.choose(event)
                kept.append(event)
    if handshake:
        selection.add_openings([path], DEFAULT_PORTS)
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


def opened():
    """A connection from its beginning to a delivery, as (whether the client sends it, frames)."""
    properties = {"connection_name": "nova-compute:7:x", "padding": "x" * 200}
    return [
        (True, PROTOCOL_HEADER),
        (False, method(0, spec.Connection.Start(0, 9, {"cluster_name": "rabbit@one"}, "PLAIN", "en_US"))),
        (True, method(0, spec.Connection.StartOk(properties, "PLAIN", "\0user\0password", "en_US"))),
        (True, method(0, spec.Connection.Open("/cloud"))),
        (True, method(1, spec.Channel.Open())),
        (True, method(1, spec.Queue.Declare(queue="a.queue.of.some.length"))),
        (True, method(1, spec.Basic.Consume(queue="a.queue.of.some.length", consumer_tag="t"))),
        (True, b"".join(publish(1, b"y" * 300))),
        (False, b"".join(deliver(1, b"x" * 300))),
    ]


def packets_of(conversation, size):
    """Segments of ``size`` bytes at most; a SYN first."""
    packets = [segment(True, 99, flags=SYN), segment(False, 99, ack=100, flags=SYN | ACK)]
    sequence = {True: 100, False: 100}
    for from_client, octets in conversation:
        for at in range(0, len(octets), size):
            piece = octets[at : at + size]
            packets.append(segment(from_client, sequence[from_client], piece, ack=sequence[not from_client]))
            sequence[from_client] += len(piece)
    return packets


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("kind", ["whole", "segments", "tiny", "fragments"])
def test_the_opening_is_in_many_packets(tmp_path, kind, order):
    size = {"segments": 40, "tiny": 3}.get(kind, 9000)
    packets = packets_of(opened(), size)
    if kind == "fragments":
        packets = [piece for number, packet in enumerate(packets) for piece in fragments(packet, 48, number)]
    # Captured out of order, but for the SYN and what it is answered with.
    begin = len(packets) - len(packets_of(opened()[2:], size)) + 2
    packets[begin : begin + 4] = packets[begin : begin + 4][::order]
    path, small = tmp_path / "large.pcap", tmp_path / "small.pcapng"
    path.write_bytes(pcap([(10**18 + i * 10**6, packet) for i, packet in enumerate(packets)], link_type=101))
    kept, count = save(path, small, lambda message: message.leg == "deliver", handshake=True)
    assert count < len(packets)
    found = [event for event in events(small) if isinstance(event, Message) and event.leg == "deliver"]
    assert said(found, "queue", "channel") == said(kept, "queue", "channel")
    (message,) = found
    assert message.queue == "a.queue.of.some.length"
    connection = message.connection
    assert (connection.vhost, connection.user, connection.process) == ("/cloud", "user", "nova-compute:7")
    assert connection.node == "rabbit@one"


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
