import base64
import json
import re
import subprocess
from random import Random

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from pika import BasicProperties, spec

from dissector import limits
from dissector.amqp import Message
from dissector.capture import open_capture
from dissector.reading import DEFAULT_PORTS, Reading
from dissector.saving import Selection
from dissector.scrub import Scrubber
from dissector.views.record import event_record, record

from ..amqp.amqp_frames import HEARTBEAT, PROTOCOL_HEADER, body, header, method, publish
from ..capture.build import pcap
from ..lab import truth
from ..net.packets import BROKER_6, CLIENT_6, FIN, SYN, ethernet, ipv4, segment
from ..oslo.wire import envelope

SECRET = "S3cr3t-canary"
RAW = 101


def save(source, to, chosen=lambda _: True, *, scrub=True, handshake=True):
    """Save chosen messages of a capture, scrubbed or not; the scrubber."""
    selection = Selection()
    for batch in Reading([source]).batches():
        for event in batch:
            if isinstance(event, Message) and chosen(event):
                selection.choose(event)
    if handshake:
        selection.add_openings([source], DEFAULT_PORTS)
    scrubber = Scrubber([source], DEFAULT_PORTS, selection.streams, selection.packets()) if scrub else None
    with to.open("wb") as file:
        selection.save([source], file, None if scrubber is None else scrubber.scrub)
    return scrubber


def said(path, *, show_secrets=False, only=None):
    """What a capture says, event by event."""
    return [
        msgspec.json.encode((record if isinstance(event, Message) else event_record)(event, show_secrets=show_secrets))
        for event in Reading([path])
        if only is None or isinstance(event, only)
    ]


def checksums(path):
    command = ["tshark", "-r", path, "-o", "tcp.check_checksum:TRUE", "-T", "fields", "-e", "tcp.checksum.status"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")


def secrets_of(path):
    """The texts that are shown with --show-secrets only, eight characters and longer."""
    found = set()

    def compare(one, other):
        if isinstance(one, dict) and isinstance(other, dict):
            for value, shown in zip(one.values(), other.values(), strict=True):
                compare(value, shown)
        elif isinstance(one, list) and isinstance(other, list):
            for value, shown in zip(one, other, strict=True):
                compare(value, shown)
        elif other == "***" and isinstance(one, str) and len(one) >= 8:
            found.add(one)

    for event in Reading([path]):
        if isinstance(event, Message):
            compare(*(json.loads(msgspec.json.encode(record(event, show_secrets=shown))) for shown in (True, False)))
    return found


def test_a_real_capture_says_the_same(capture_name, tmp_path):
    source = truth.captures()[capture_name]
    raw, scrubbed = tmp_path / "raw.pcapng", tmp_path / "scrubbed.pcapng"
    save(source, raw, scrub=False)
    save(source, scrubbed)
    assert scrubbed.stat().st_size == raw.stat().st_size
    for before, after in zip(said(raw), said(scrubbed), strict=True):
        # A compressed body that holds a secret is no longer one.
        assert after == before or (b'"compression"' in before and b'"text":"***"' in after)
    data = scrubbed.read_bytes()
    assert b"openstack" in data
    for secret in secrets_of(source):
        assert secret.encode() not in data
        assert base64.b64encode(secret.encode()) not in data


@pytest.mark.tshark
@pytest.mark.parametrize("name", ["demo", "ipv6", "any-sll2", "loopback"])
def test_checksums_are_as_right_as_they_were(name, tmp_path):
    source = truth.captures()[name]
    raw, scrubbed = tmp_path / "raw.pcapng", tmp_path / "scrubbed.pcapng"
    save(source, raw, scrub=False)
    assert save(source, scrubbed).changed > 20
    assert checksums(scrubbed) == checksums(raw)


# --- a conversation with a secret in every place --------------------------------------------------------------------

MESSAGE = {
    "method": "set_password",
    "args": {"admin_pass": SECRET, "deep": [{"x": {"token": SECRET}}], "url": f"rabbit://u:{SECRET}@h/v", "n": 1},
    "_context_auth_token": SECRET,
    "_context_request_id": "req-1",
    "_unique_id": "u1",
    "_msg_id": "m1",
    "_reply_q": "reply_1",
}
FAILURE = {
    "failure": json.dumps({"class": "E", "message": f"password={SECRET}", "kwargs": {"psk": SECRET}, "tb": ["x\n"]}),
    "result": None,
    "ending": True,
    "_msg_id": "m1",
    "_unique_id": "u2",
}


def requests():
    """Messages, one after the other."""
    properties = BasicProperties(content_type="application/json", headers={"x-token": SECRET, "n": 5})
    packed = BasicProperties(headers={"compression": "zstd"})
    return [
        *publish(1, envelope(MESSAGE), pieces=3, properties=properties),
        *publish(1, envelope(FAILURE)),
        *publish(1, zstandard.compress(envelope(MESSAGE)), properties=packed),
        *publish(1, b"\xff\0 password " + SECRET.encode()),
        *publish(1, b'{"plain": 1}'),
    ]


def conversation():
    """What the client says: what it is, its secrets, requests, and what is no whole message."""
    sasl = b"\5LOGINS\0\0\0\4user\10PASSWORDS" + len(SECRET).to_bytes(4, "big") + SECRET.encode()
    return [
        PROTOCOL_HEADER,
        method(0, spec.Connection.StartOk({"product": "x", "password": SECRET}, "AMQPLAIN", sasl.decode(), "en_US")),
        method(0, spec.Connection.Open("/")),
        method(1, spec.Channel.Open()),
        HEARTBEAT,
        method(0, spec.Connection.UpdateSecret(SECRET, "expired")),
        *requests(),
        method(1, spec.Basic.Publish(exchange="x", routing_key="k")),
        header(1, 500),
        body(1, SECRET.encode()),
        *publish(1, b'{"plain": 2}'),
        b"\1\0\1\0\0\0\x0d" + SECRET.encode() + b"\xce",
        method(1, spec.Basic.Publish(exchange="x", routing_key="last")),
        header(1, 500),
        body(1, f"not the end: {SECRET}".encode()),
    ]


def packets_of(stream, size, *, start=1000, first=1000, wrap=lambda packet: packet, **ends):
    packets = [segment(True, start - 1, flags=SYN, **ends)] if start == first else []
    for at in range(0, len(stream), size):
        packets.append(segment(True, first + at, stream[at : at + size], **ends))
    packets.append(segment(True, first + len(stream), flags=FIN, **ends))
    return [wrap(packet) for packet in packets]


def write(path, packets, link_type=RAW):
    path.write_bytes(pcap([(10**18 + i * 10**6, packet) for i, packet in enumerate(packets)], link_type=link_type))
    return path


def collapsed(line):
    return re.sub(rb"\*+", b"*", line)


def check(source, scrubbed, **saving):
    """Scrub everything; nothing secret is left, and masked it says the same but for what went as a whole."""
    save(source, scrubbed, **saving)
    data = scrubbed.read_bytes()
    for spelled in (SECRET, SECRET[:7], SECRET[-7:]):
        assert spelled.encode() not in data
    save(source, scrubbed.with_suffix(".raw"), scrub=False, **saving)
    before, after = said(scrubbed.with_suffix(".raw"), only=Message), said(scrubbed, only=Message)
    assert len(before) == len(after)
    for one, other in zip(before, after, strict=True):
        assert collapsed(one) == collapsed(other) or b'"compression":"zstd"' in one
    shown = b"".join(said(scrubbed, show_secrets=True, only=Message))
    assert SECRET.encode() not in shown
    assert (b'"set_password"' in shown) is (b'"token":"*************"' in shown)


@pytest.mark.parametrize("size", [1, 7, 100, 1400, 60_000])
def test_secrets_in_every_place_at_every_border(tmp_path, size):
    source = write(tmp_path / "a.pcap", packets_of(b"".join(conversation()), size))
    check(source, tmp_path / "b.pcapng")
    if size > 1000:  # else the packets that open the connection are not all there
        events = list(Reading([tmp_path / "b.pcapng"]))
        assert {event.connection.user for event in events if isinstance(event, Message)} == {"user"}


@pytest.mark.parametrize("kind", ["ipv6", "vlan", "tunnel"])
def test_around_the_segments(tmp_path, kind):
    stream = b"".join(conversation())
    if kind == "ipv6":
        packets, link_type = packets_of(stream, 333, client=CLIENT_6, broker=BROKER_6), RAW
    elif kind == "vlan":
        packets, link_type = packets_of(stream, 333, wrap=lambda one: ethernet(one, tags=[0x88A8, 0x8100])), 1
    else:
        packets, link_type = packets_of(stream, 333, wrap=lambda one: ipv4("1.1.1.1", "2.2.2.2", one, protocol=4)), RAW
    check(write(tmp_path / "a.pcap", packets, link_type), tmp_path / "b.pcapng")


def test_padding_goes(tmp_path):
    packets = packets_of(b"".join(conversation()), 50, wrap=lambda one: ethernet(one) + SECRET.encode())
    check(write(tmp_path / "a.pcap", packets, 1), tmp_path / "b.pcapng")


@given(st.integers(0), st.integers(20, 400), st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_repeated_reordered_overlapping(tmp_path_factory, seed, size, first):
    """Segments with other borders that repeat some bytes, in any order nearby; sequence numbers may wrap."""
    random = Random(seed)
    folder = tmp_path_factory.mktemp("scrub")
    stream = b"".join(requests() * 2)
    spans, at = [], 0
    while at < len(stream):
        end = min(len(stream), at + random.randint(1, size))
        spans.append((max(0, at - random.choice([0, 0, 0, size // 2, size])), end))
        at = end
    for index in range(1, len(spans)):
        if random.random() < 0.2:
            spans[index - 1], spans[index] = spans[index], spans[index - 1]
        if random.random() < 0.1:
            spans.append(spans[index])
    packets = [segment(True, first + begin, stream[begin:end]) for begin, end in spans]
    source = write(folder / "a.pcap", packets)
    check(source, folder / "b.pcapng", handshake=False)
    assert len(said(folder / "b.pcapng", only=Message)) == len(said(source, only=Message)) >= 9


def test_the_result_does_not_depend_on_batches(tmp_path, monkeypatch):
    stream = b"".join(conversation())
    packets = packets_of(stream, 90)
    packets[5], packets[9] = packets[9], packets[5]
    source = write(tmp_path / "a.pcap", packets)
    save(source, tmp_path / "one.pcapng")
    for size in (1, 500, 4000):
        monkeypatch.setattr("dissector.capture.merge.BATCH_BYTES", size)
        monkeypatch.setattr("dissector.capture.merge.MERGE_READ_BYTES", 1)
        save(source, tmp_path / "some.pcapng")
        assert (tmp_path / "some.pcapng").read_bytes() == (tmp_path / "one.pcapng").read_bytes()


def test_other_messages_in_the_same_packet_are_scrubbed_too(tmp_path):
    source = write(tmp_path / "a.pcap", packets_of(b"".join(conversation()), 60_000))
    save(source, tmp_path / "b.pcapng", lambda message: message.body == b'{"plain": 1}', handshake=False)
    data = (tmp_path / "b.pcapng").read_bytes()
    assert b"set_password" in data
    assert SECRET.encode() not in data


def test_fragments_go_as_a_whole(tmp_path):
    def fragmented(packet):
        payload = packet[20:]
        return [
            ipv4("10.0.0.1", "10.0.0.2", payload[:800], fragment=0x2000),
            ipv4("10.0.0.1", "10.0.0.2", payload[800:], fragment=100),
        ]

    syn, data, fin = packets_of(b"".join(conversation()), 60_000)
    source = write(tmp_path / "a.pcap", [syn, *fragmented(data), fin])
    assert len(said(source, only=Message)) > 4
    save(source, tmp_path / "b.pcapng")
    data = (tmp_path / "b.pcapng").read_bytes()
    assert SECRET.encode() not in data
    assert b"set_password" not in data


def test_what_is_too_much_goes_as_a_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "SCRUBBED_RANGES", 20)
    source = write(tmp_path / "a.pcap", packets_of(b"".join(conversation()), 200))
    assert save(source, tmp_path / "b.pcapng").is_full
    assert SECRET.encode() not in (tmp_path / "b.pcapng").read_bytes()


def test_what_is_held_for_too_long_goes_as_a_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "SCRUBBED_BATCHES", 0)
    source = write(tmp_path / "a.pcap", packets_of(b"".join(conversation()), 200)[1:])
    save(source, tmp_path / "b.pcapng")
    assert SECRET.encode() not in (tmp_path / "b.pcapng").read_bytes()


def test_what_comes_after_the_last_end_of_the_other_direction(tmp_path):
    """A FIN that was none: behind a hole after it the rest of a message lies, which comes out after both ends."""
    broker = ("10.0.0.0", 5672)
    whole = b"".join(publish(2, envelope(MESSAGE))[:2])
    cut_off = b"".join(publish(1, b"x" * 1000))
    end = 1000 + len(whole) + len(cut_off) - 900
    packets = [
        segment(True, 999, flags=SYN, broker=broker),
        segment(True, 1000, whole + cut_off[:-900], broker=broker),
        segment(False, 2000, HEARTBEAT, broker=broker),
        segment(True, end, flags=FIN, broker=broker),
        segment(True, end + 50, cut_off[-850:] + publish(2, envelope(MESSAGE))[2], broker=broker),
    ]
    source = write(tmp_path / "a.pcap", packets)
    assert len(said(source, only=Message)) == 1
    check(source, tmp_path / "b.pcapng", handshake=False)


# --- checksums -------------------------------------------------------------------------------------------------------


def full_sum(packet):
    """The sum over pseudo header and segment of an IPv4 packet without options: 0xFFFF where the checksum is right."""
    segment_bytes = packet[20:]
    words = packet[12:20] + b"\0\6" + len(segment_bytes).to_bytes(2, "big") + segment_bytes + b"\0" * (len(packet) % 2)
    total = sum(int.from_bytes(words[i : i + 2], "big") for i in range(0, len(words), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def with_checksum(packet, offset=0):
    right = ~full_sum(packet) & 0xFFFF
    return packet[:36] + ((right + offset) % 0xFFFF).to_bytes(2, "big") + packet[38:]


def packets_in(path):
    with open_capture([path]) as capture:
        return [batch.packet(i) for batch in capture for i in range(len(batch))]


@pytest.mark.parametrize("size", [1, 13, 250, 251, 3000])
def test_a_right_checksum_stays_right_and_a_wrong_one_wrong(tmp_path, size):
    packets = packets_of(b"".join(conversation()), size)
    source = write(tmp_path / "a.pcap", [with_checksum(packet, i % 2) for i, packet in enumerate(packets)])
    save(source, tmp_path / "b.pcapng")
    written = packets_in(tmp_path / "b.pcapng")
    known = {packet[24:28]: i % 2 for i, packet in enumerate(packets)}
    assert len(written) > 1
    for packet in written:
        assert (full_sum(packet) == 0xFFFF) is (known[packet[24:28]] == 0)


def test_a_checksum_left_to_the_network_card_stays(tmp_path):
    def partial(packet):
        bare = packet[:36] + b"\0\0" + packet[38:]
        pseudo = bare[12:20] + b"\0\6" + (len(bare) - 20).to_bytes(2, "big")
        total = sum(int.from_bytes(pseudo[i : i + 2], "big") for i in range(0, len(pseudo), 2))
        total = (total & 0xFFFF) + (total >> 16)
        return packet[:36] + total.to_bytes(2, "big") + packet[38:]

    packets = [partial(packet) for packet in packets_of(b"".join(conversation()), 300)]
    save(write(tmp_path / "a.pcap", packets), tmp_path / "b.pcapng")
    written = packets_in(tmp_path / "b.pcapng")
    assert [packet[36:38] for packet in written] == [packet[36:38] for packet in packets[: len(written)]]
    assert written != packets[: len(written)]
