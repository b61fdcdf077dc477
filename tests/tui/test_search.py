import time

import pytest

from dissector import UsageError, limits
from dissector.filter import compile_filter
from dissector.tui.filterbar import candidates
from dissector.tui.index import Names
from dissector.tui.rows import Clock, MessageRows
from dissector.tui.search import compile_for, search_messages
from dissector.views.lookup import lookup_of

from ..lab import truth
from .reading import messages_in, read

QUICK = [
    "oslo",
    "oslo.failure",
    'oslo.method == "report_state"',
    'oslo.kind in {"call", "reply"} && !(amqp.leg == "deliver")',
    "ip.src == 10.99.0.1 && tcp.dstport > 1000",
    "ip.addr == 10.99.0.21",
    'amqp.exchange == "neutron" || amqp.routing_key contains "reply_"',
    "amqp.body_size >= 1000 && frame.number < 500",
    'amqp.vhost == "/" && amqp.user == "openstack" && amqp.queue',
    "tcp.stream == 9 && amqp.channel == 1",
    "frame.time_epoch > 0",
]
SLOW = ["oslo.args.host", "amqp.redelivered", 'oslo.request_id matches "^req-3"', "amqp.properties.delivery_mode == 2"]


def rows(search):
    deadline = time.monotonic() + 30
    while not search.is_current and time.monotonic() < deadline:
        time.sleep(0.002)
    search.stop()
    return list(search.rows)


@pytest.mark.parametrize("text", QUICK + SLOW)
def test_the_same_matches_as_message_by_message(text):
    for name in ("demo", "verdicts"):
        path = truth.captures()[name]
        with read(path) as session:
            compiled = compile_for(text, calls=False)
            assert session.index.quick(compiled.fields) == (text in QUICK)
            expected = [at for at, message in enumerate(messages_in(path)) if compiled.matches(lookup_of(message))]
            assert rows(search_messages(session.index, compiled, show_secrets=False)) == expected


def test_with_too_many_names_each_message_is_looked_into(monkeypatch):
    monkeypatch.setattr(limits, "INDEXED_NAMES", 5)
    with read(truth.captures()["demo"]) as session:
        compiled = compile_filter('oslo.method == "report_state"')
        assert session.index.names.is_full
        assert not session.index.quick(compiled.fields)
        assert len(rows(search_messages(session.index, compiled, show_secrets=False))) == 12
    names = Names()
    assert [names.number(text) for text in (None, "a", "b", "a")] == [0, 1, 2, 1]


def test_messages_and_calls_have_fields_of_their_own():
    compile_for("rpc.status", calls=True)
    for text, calls in (("rpc.status", False), ("oslo.method", True), ("oslo.method ==", False)):
        with pytest.raises(UsageError):
            compile_for(text, calls=calls)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("oslo.meth", "oslo.method"),
        ("!(oslo.fail", "oslo.failure.class"),
        ("ip.src == 10.0.0.1 && amqp.excha", "amqp.exchange"),
        ('oslo.method == "oslo.meth', None),
        ("", None),
        ("zzz", None),
    ],
)
def test_fields_are_completed(text, first):
    assert next(iter(candidates(text, calls=False)), None) == first
    assert not any(name.startswith("rpc.") for name in candidates(text, calls=False))
    assert candidates("rpc.sta", calls=True) == ["rpc.status"]


def test_lines_are_remembered_up_to_a_limit(monkeypatch):
    monkeypatch.setattr(limits, "SHOWN_LINES", 10)
    with read(truth.captures()["demo"]) as session:
        shown = MessageRows(session.index, Clock(lambda: 0), None, show_secrets=False)
        lines = [shown.line(position, 100) for position in range(len(shown))]
        assert len(shown._known) == 10
        assert [shown.line(position, 100) for position in range(len(shown))] == lines
        session.store.close()
        assert "no longer there" in shown.line(0, 100)[0]
