import msgspec
import pytest

from dissector.amqp import Message
from dissector.fields import FIELDS
from dissector.filter import compile_filter, record_lookup
from dissector.filter.names import GROUPS
from dissector.views import lookup as lookup_module
from dissector.views.lookup import MessageLookup, lookup_of
from dissector.views.record import event_record, record

from .. import wiring
from ..lab import truth

HOT = [
    'oslo.method == "report_state"',
    'oslo.kind in {"call", "reply"} && oslo.timeout_s > 1 && oslo.msg_id && oslo.reply_q ~ "^reply"',
    'oslo.failure.class == "PortBindingFailed" || oslo.failure.traceback contains "x" || oslo.failure',
    'oslo.event_type || oslo.publisher_id || oslo.priority || oslo.message_id == "x" || oslo.envelope == "2.0"',
    "oslo.ending == true || oslo.unique_id || oslo.request_id || oslo.namespace || oslo.version || oslo && !body",
    'ip.addr == 10.99.0.0/16 && tcp.port == 5672 && frame.number > 0 && amqp.properties.headers.compression == "x"',
    'amqp.connection_name contains "nova" || amqp.properties.expiration == "60000" || amqp.queue || amqp.body_size > 5',
]
FULL = [
    'oslo.args.host == "x"',
    "oslo.context",
    "oslo.result",
    "oslo.payload",
    "body.json.a",
    "body.text",
    "body.reason",
]


def plain(value):
    return None if value is None else msgspec.to_builtins(value)


@pytest.mark.parametrize("show_secrets", [False, True])
def test_every_field_is_that_of_the_record(capture_name, show_secrets):
    for message in wiring.messages(capture_name)[:300]:
        whole = record_lookup(record(message, show_secrets=show_secrets))
        lookup = MessageLookup(message, show_secrets=show_secrets)
        for name in FIELDS:
            assert plain(lookup(name)) == plain(whole(name)), name
        for name in GROUPS:
            assert (lookup(name) is None) == (whole(name) is None), name


def counted(monkeypatch, name):
    calls = []
    real = getattr(lookup_module, name)

    def count(*arguments, **options):
        calls.append(1)
        return real(*arguments, **options)

    monkeypatch.setattr(lookup_module, name, count)
    return calls


@pytest.mark.parametrize("text", HOT)
def test_what_identifies_a_message_needs_no_full_decode(monkeypatch, text):
    messages = wiring.messages("demo")
    full, hot = counted(monkeypatch, "record"), counted(monkeypatch, "hot_of")
    matches = compile_filter(text).matches
    for message in messages:
        matches(MessageLookup(message))
    assert not full
    assert len(hot) == (len(messages) if "oslo" in text else 0)


@pytest.mark.parametrize("text", FULL)
def test_the_rest_is_decoded_once(monkeypatch, text):
    messages = wiring.messages("demo")
    full = counted(monkeypatch, "record")
    matches = compile_filter(f"{text} || {text} || !({text})").matches
    assert all(matches(MessageLookup(message)) for message in messages)
    assert len(full) == len(messages)


def test_a_filter_does_not_find_out_what_is_masked():
    messages = wiring.messages("demo")
    shown = [record(message, show_secrets=True).oslo for message in messages]
    (token, *_) = [oslo.context["auth_token"] for oslo in shown if oslo and oslo.context and oslo.context["auth_token"]]
    for text in (
        f'oslo.context.auth_token == "{token}"',
        f'oslo.context contains "{token}"',
        f'oslo.context.auth_token matches "^{token[:4]}"',
        f'oslo.context.auth_token > "{token[:-1]}"',
    ):
        matches = compile_filter(text).matches
        assert any(matches(MessageLookup(message, show_secrets=True)) for message in messages)
        assert not any(matches(MessageLookup(message)) for message in messages)


def test_secrets_in_headers_are_masked():
    message = wiring.published(headers={"password": "hunter2", "a": 1})
    assert MessageLookup(message)("amqp.properties.headers") == {"password": "***", "a": 1}
    assert MessageLookup(message, show_secrets=True)("amqp.properties.headers")["password"] == "hunter2"


def test_events_have_the_fields_of_their_records():
    events = [event for event in wiring.events(truth.captures()["demo"]) if not isinstance(event, Message)]
    for event in events[:200]:
        whole = record_lookup(event_record(event))
        assert {name: plain(lookup_of(event)(name)) for name in FIELDS} == {name: plain(whole(name)) for name in FIELDS}
    declares = compile_filter('event.name == "queue.declare" && event.arguments.queue ~ "reply_"').matches
    assert any(declares(lookup_of(event)) for event in events)
