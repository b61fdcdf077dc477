"""No secret comes out: a capture with a canary in every place where one can stand, through every output there is."""

import pickle
from pathlib import Path

import pytest

from dissector import read
from dissector.amqp import Message
from dissector.oslo import decode
from dissector.reading import Reading
from dissector.rpc.lastbodies import compression_of
from dissector.views.jsonl import JsonlView

from . import canary, outputs

CALL = "73a8fe4c00000000000000000000beef"
NEVER = ("sasl", "damaged zlib")
"""Not shown even on demand: what authenticates; and what only looks like the string after it is decompressed."""


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    path = tmp_path_factory.mktemp("canary") / "canary.pcap"
    return path, canary.build(path)


@pytest.fixture(scope="module")
def sample(capture, tmp_path_factory):
    filters = ["oslo || event || body", "oslo.args contains", 'oslo.args.types.token == "x"', "rpc.status"]
    return outputs.Sample([capture[0]], tmp_path_factory.mktemp("out"), CALL, "args", filters)


def test_there_are_many(capture):
    assert len(capture[1].places) == len(set(capture[1].places)) > 250


def test_they_are_found_however_they_are_written(capture):
    _, put = capture
    name = "sasl PLAIN"
    text = f"Kan{put.places.index(name):03d}zQv7RxB"
    octets = f"ab{text}c".encode()
    for written in (octets, octets.hex().encode(), octets.hex().upper().encode(), text.encode("utf-16"), b"zQv7RxB"):
        assert put.found(b"x" + written + b"x")
    for size in range(4):
        assert put.found(canary.base64.b64encode(b"." * size + octets)) == {name}
    assert put.found(canary.zlib.compress(octets)) == {name}
    assert not put.found(b"nothing at all")


@pytest.mark.parametrize("command", outputs.commands())
def test_no_output_of_any_command_holds_one(capture, sample, command):
    _, put = capture
    statuses = set()
    for words in outputs.command_lines(sample, command):
        done = outputs.run(words, sample.folder / "output")
        statuses.add(done.status)
        assert not put.found(done.output), f"osloshark {' '.join(words)}"
        assert not put.found(done.errors), f"standard error of osloshark {' '.join(words)}"
    assert statuses <= {0, 1, 2}, "no error of osloshark itself"


def test_with_show_secrets_all_come_out(capture):
    path, put = capture
    words = [["-T", "jsonl", "--events"], ["-T", "trace-json"], ["-T", "firehose"]]
    shown = set.union(*(put.found(outputs.run(["read", *one, "--show-secrets", str(path)]).output) for one in words))
    hidden = set(put.places) - shown
    assert {place for place in hidden if not place.startswith(NEVER)} == set()
    assert {place for place in shown if place.startswith("sasl")} == set()


@pytest.mark.parametrize(
    "words",
    [["calls", "-T", "jsonl"], ["calls"], ["trace", CALL], ["trace", "-T", "jsonl", CALL], ["topology", "-T", "jsonl"],
     ["topology"], ["read"], ["read", "-V"], ["read", "-T", "trace-text"],
     ["read", "-T", "table", "-e", "oslo.args", "-e", "amqp.properties.headers"]],
    ids=" ".join,
)  # fmt: skip
def test_each_command_shows_some_on_demand(words, capture):
    path, put = capture
    assert put.found(outputs.run([*words, "--wide", "--show-secrets", str(path)]).output)


@pytest.mark.parametrize(
    ("field", "place"),
    [
        ("oslo.args.spellings.password", "args: key password"),
        ("oslo.context.auth_token", "context auth_token"),
        ("amqp.properties.headers", "headers"),
        ("amqp.properties.correlation_id", "property correlation_id"),
        ("amqp.reply_text", "return text"),
        ("oslo.failure.message", "failure message"),
        ("oslo.method", "method"),
        ("body.text", "no UTF-8"),
    ],
)
def test_a_filter_does_not_find_out(field, place, capture):
    path, put = capture
    text = f"Kan{put.places.index(place):03d}"
    for words in (["read", "-c", "1"], ["calls", "-T", "jsonl"], ["read", "-T", "jsonl"]):
        found = [
            outputs.run([*words, *more, "-q", "-Y", f'{field} contains "{text}"', str(path)]).output
            for more in ([], ["--show-secrets"])
        ]
        assert text.encode() not in found[0]
        if words[0] == "read":
            assert found[0] == b""
            assert found[1] or place == "no UTF-8", "the same filter does find it where secrets are shown"


def test_records_in_python_hold_none(capture):
    path, put = capture
    for record in read(path):
        assert not put.found(repr(record).encode())
        assert not put.found(pickle.dumps(record))
    assert any(put.found(repr(record).encode()) for record in read(path, show_secrets=True))


def test_packets_are_saved_as_they_are(capture, tmp_path):
    path, put = capture
    done = outputs.run(["read", "-w", str(tmp_path / "saved.pcapng"), str(path)])
    assert not put.found(done.output + done.errors)
    assert put.found((tmp_path / "saved.pcapng").read_bytes())


@pytest.mark.parametrize("debug", ["", "1"])
def test_a_crash_tells_where_and_not_what(capture, debug, monkeypatch):
    path, put = capture

    def fail(_self, event):
        secret = event.body if isinstance(event, Message) else b""
        try:
            int(secret)
        except ValueError as error:
            raise RuntimeError(f"could not show {secret!r}") from error

    monkeypatch.setattr(JsonlView, "describe", fail)
    monkeypatch.setenv("OSLOSHARK_DEBUG", debug)
    done = outputs.run(["read", "-T", "jsonl", "-Y", "oslo.failure", str(path)])
    lines = done.errors.decode().splitlines()
    assert done.status == 70
    assert lines[0].startswith("osloshark: internal error: RuntimeError at test_canary.py:")
    assert not put.found(done.output + done.errors)
    if debug:
        assert "in fail: raise RuntimeError(" in done.errors.decode()
        assert "ValueError" in lines
    else:
        assert len(lines) == 1


def test_cut_off_anywhere_a_body_tells_nothing(capture):
    """A body of which the end is missing, in the middle of a secret too."""
    path, put = capture
    bodies = [event for event in Reading([path]) if isinstance(event, Message) and event.leg == "publish"]
    names = ("args: key password", "args: URL", "failure message", "payload: keyring", "other JSON", "pickle")
    tails = [f"Kan{put.places.index(name):03d}zQv7RxB".encode() for name in names]
    cuts = 0
    for message in bodies:
        for tail in tails:
            at = message.body.find(tail)
            for end in range(at + 6, at + len(tail) + 3) if at >= 0 else ():
                decoded = decode(message.body[:end], exchange="x", compression=compression_of(message))
                assert not put.found(repr(decoded).encode())
                cuts += 1
    assert cuts > 50


def test_the_corpus_is_one_capture_without_damage(capture):
    with_errors = outputs.run(["read", str(capture[0])]).errors.decode()
    assert "AMQP connections" in with_errors
    assert Path(capture[0]).stat().st_size > 50_000
