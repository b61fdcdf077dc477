"""The firehose view against what the well-known script prints of the broker's own firehose."""

import contextlib
import io
import json
import zlib
from collections import Counter

import pytest

from dissector.amqp import AmqpConnection
from dissector.amqp._methods import BasicDeliver, BasicPublish, BasicReturn
from dissector.views.firehose import FirehoseView

from ..lab import truth
from ..wiring import TCP, events, published


class Method:
    def __init__(self, routing_key):
        self.routing_key = routing_key


def script(method, headers, body):
    """The script's callback, to the letter."""
    d = json.loads(body)
    print("[x] {}:{}:{}".format(method.routing_key, headers["node"], headers["routing_keys"]))
    print(" oslo.version: ", d["oslo.version"])
    print(" message: ", d["oslo.message"])
    print("")


def printed(record):
    headers = {"node": record.headers.node, "routing_keys": record.headers.routing_keys}
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        script(Method(record.routing_key), headers, record.body)
    return output.getvalue()


def show(*shown, show_secrets=True):
    view = FirehoseView(show_secrets=show_secrets)
    blocks = [view.feed(event).decode() for event in shown]
    assert view.finish() == b""
    return [block for block in blocks if block]


def test_every_capture_against_the_script(capture_name):
    expected, dead = Counter(), 0
    for record in truth.load(capture_name):
        try:
            expected[printed(record)] += 1
        except (ValueError, TypeError, KeyError):  # the script dies of a body without envelope
            dead += 1
    shown = Counter(show(*events(truth.captures()[capture_name])))
    assert not expected - shown
    beyond = shown - expected
    assert beyond.total() == dead
    compressed = sum("compression" in (r.headers.properties.get("headers") or {}) for r in truth.load(capture_name))
    assert sum(" oslo.version: " in block for block in beyond.elements()) <= compressed


def test_secrets_are_masked_and_the_terminal_is_safe(capture_name):
    text = "".join(show(*events(truth.captures()[capture_name]), show_secrets=False))
    assert "gAAAAA" not in text
    assert all(line.isprintable() for line in text.split("\n"))


def test_masking_keeps_the_shape_of_the_message():
    message = json.dumps({"method": "x", "args": {"password": "pw!", "b": 1, "a": [1]}})
    event = published(json.dumps({"oslo.version": "2.0", "oslo.message": message}).encode())
    (masked,) = show(event, show_secrets=False)
    assert masked == (
        f"[x] publish.neutron:?:['q-plugin']\n oslo.version:  2.0\n message:  {message.replace('pw!', '***')}\n\n"
    )
    assert show(event) == [masked.replace("***", "pw!")]


def test_what_the_capture_does_not_tell():
    method = BasicDeliver("1", 1, False, "neutron", "q-plugin")
    unknown = published(leg="deliver", method=method)
    known = published(
        leg="deliver",
        method=method,
        queue="q",
        connection=AmqpConnection(TCP, server_properties={"cluster_name": "rabbit@dev20"}),
    )
    assert [block.splitlines()[0] for block in show(unknown, known)] == [
        "[x] deliver.?:?:['q-plugin']",
        "[x] deliver.q:rabbit@dev20:['q-plugin']",
    ]


def test_returns_and_the_firehose_itself_are_left_out():
    returned = published(leg="return", method=BasicReturn(312, "NO_ROUTE", "", "gone"))
    trace = published(leg="deliver", method=BasicDeliver("1", 1, False, "amq.rabbitmq.trace", "publish.nova"))
    assert show(returned, trace) == []


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (b'{"event_type": "x", "password": "pw!"}', ' message:  {"event_type": "x", "password": "***"}'),
        (b"[1, 2]", " message:  [1, 2]"),
        (b"two\nlines", " message:  two\\nlines"),
        (b"\xff\x00", " message:  \\xff\\x00"),
        (b"", " message:  "),
    ],
)
def test_a_body_without_envelope(body, line):
    assert show(published(body), show_secrets=False) == [f"[x] publish.neutron:?:['q-plugin']\n{line}\n\n"]


def test_a_compressed_body_is_opened():
    body = json.dumps({"oslo.version": "2.0", "oslo.message": '{"password": "pw!"}'}).encode()
    headers = {"compression": "application/x-gzip"}
    for show_secrets, shown in ((True, "pw!"), (False, "***")):
        (block,) = show(published(zlib.compress(body), headers=headers), show_secrets=show_secrets)
        assert f' message:  {{"password": "{shown}"}}\n' in block
    damaged = published(b"x\x9c", headers=headers)
    assert [show(damaged)[0].split("\n")[1], show(damaged, show_secrets=False)[0].split("\n")[1]] == [
        " message:  x\\x9c",
        " message:  ***",
    ]


def test_an_envelope_that_holds_no_text_is_printed_as_python_prints_it():
    event = published(b'{"oslo.version": 2, "oslo.message": {"a": [null, true]}}')
    assert show(event)[0].split("\n")[1:3] == [" oslo.version:  2", " message:  {'a': [None, True]}"]


def test_nothing_on_the_wire_commands_a_terminal():
    body = json.dumps({"oslo.version": "2\n", "oslo.message": "\x1b[2J\u202e\ud800"}).encode()
    method = BasicPublish(0, "e\nx", "k\x1b\u202e", False, False)
    (block,) = show(published(body, method=method))
    assert block == (
        "[x] publish.e\\nx:?:['k\\x1b\\u202e']\n oslo.version:  2\\n\n message:  \\x1b[2J\\u202e\ufffd\n\n"
    )
