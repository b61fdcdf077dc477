import json
import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissector import UsageError, limits
from dissector.filter import compile_filter
from dissector.tui.filterbar import candidates
from dissector.tui.index import Names
from dissector.tui.possible import Candidates
from dissector.tui.rows import Clock, MessageRows
from dissector.tui.search import compile_for, search_calls, search_messages
from dissector.views.lookup import lookup_of

from .. import outputs
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
    'oslo.version == "1.2" && oslo.timeout_s > 10 && !(oslo.namespace)',
    'oslo.event_type contains "create" || oslo.ending == true || oslo.envelope != "2.0"',
    'oslo.reply_q matches "^reply_f" && !(oslo.priority) && !(oslo.publisher_id == "x")',
]
SLOW = ["oslo.args.host", "amqp.redelivered", 'oslo.request_id matches "^req-3"', "amqp.properties.delivery_mode == 2"]
MSG_ID = "5d8ade4fe2194baaa14f31e64f0d7690"
PARTS = [
    *("oslo.args.agent_state", "amqp.redelivered == true", "frame.number > 600", 'oslo.kind == "call"', "oslo.failure"),
    *(f'oslo.msg_id == "{MSG_ID}"', f'oslo.msg_id != "{MSG_ID}"', f'oslo.msg_id in {{"{MSG_ID}", "b"}}'),
    *('oslo.unique_id === "x"', 'oslo.request_id in {"a", "b"}', "oslo.request_id == oslo.msg_id", "oslo.unique_id"),
]
"""Of expressions: some that columns tell, some that they tell in part, some that they do not tell at all."""


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


@pytest.fixture(scope="module")
def demo():
    with read(truth.captures()["demo"]) as session:
        yield session, messages_in(truth.captures()["demo"])


@given(
    text=st.recursive(
        st.sampled_from(PARTS),
        lambda part: st.one_of(
            part.map("!({})".format),
            st.tuples(part, part).map(lambda two: "({}) && ({})".format(*two)),
            st.tuples(part, part).map(lambda two: "({}) || ({})".format(*two)),
        ),
        max_leaves=5,
    ),
    step=st.integers(1, 100),
    decodes=st.integers(1, 20),
)
@settings(max_examples=60)
def test_what_columns_tell_in_part_gives_the_same_matches(demo, text, step, decodes):
    session, messages = demo
    compiled = compile_for(text, calls=False)
    find = Candidates(session.index, text, lambda row: compiled.matches(lookup_of(messages[row])), decodes)
    found, looked = [], 0
    while looked < len(messages):
        rows, looked = find(looked, min(len(messages), looked + step))
        found += rows
    assert found == [row for row, message in enumerate(messages) if compiled.matches(lookup_of(message))]


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        ('oslo.method == "report_state" && frame.number > 600', 0),
        (f'oslo.msg_id == "{MSG_ID}"', 4),
        (f'amqp.leg == "deliver" && oslo.msg_id in {{"{MSG_ID}"}} && amqp.redelivered == false', 2),
        ("oslo.failure && oslo.failure.message", 2),
        ("oslo.args", 82),
    ],
)
def test_only_what_may_match_is_decoded(demo, text, decoded):
    session, messages = demo
    compiled = compile_for(text, calls=False)
    looked_into = []

    def matches(row):
        looked_into.append(row)
        return compiled.matches(lookup_of(messages[row]))

    Candidates(session.index, text, matches, 1000)(0, len(messages))
    assert len(looked_into) == decoded


CALLS = [
    'rpc.status == "failed"',
    'oslo.method == "report_state" && rpc.latency_s > 0.004',
    'amqp.exchange == "neutron" && !(rpc.kind == "fanout")',
    "oslo.args.host || oslo.payload",
    "frame.number > 600",
    "oslo.failure",
]


@pytest.mark.parametrize("name", ["demo", "verdicts", "neutron-nova"])
def test_calls_match_as_in_the_command(name):
    path = truth.captures()[name]
    with read(path) as session:
        for text in CALLS:
            compiled = compile_for(text, calls=True)
            found = rows(search_calls(session.calls, session.index, compiled, show_secrets=False))
            theirs = outputs.run(["calls", "-q", "-T", "jsonl", "-Y", text, str(path)]).output
            ours = [json.loads(msgspec.json.encode(session.calls[row])) for row in found]
            assert ours == [json.loads(line) for line in theirs.splitlines()], text


def test_with_too_many_names_each_message_is_looked_into(monkeypatch):
    monkeypatch.setattr(limits, "INDEXED_NAMES", 5)
    with read(truth.captures()["demo"]) as session:
        compiled = compile_filter('oslo.method == "report_state"')
        assert session.index.names.is_full
        assert not session.index.quick(compiled.fields)
        assert len(rows(search_messages(session.index, compiled, show_secrets=False))) == 12
    names = Names[str]()
    assert [names.number(text) for text in (None, "a", "b", "a")] == [0, 1, 2, 1]


def test_messages_and_calls_have_fields_of_their_own():
    compile_for('rpc.status == "ok" && oslo.method', calls=True)
    for text, calls in (("rpc.status", False), ("oslo.method ==", True), ("oslo.method ==", False)):
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
    assert "oslo.method" in candidates("oslo.meth", calls=True)


def test_lines_are_remembered_up_to_a_limit(monkeypatch):
    monkeypatch.setattr(limits, "SHOWN_LINES", 10)
    with read(truth.captures()["demo"]) as session:
        shown = MessageRows(session.index, Clock(lambda: 0), None, show_secrets=False)
        lines = [shown.line(position, 100) for position in range(len(shown))]
        assert len(shown._known) == 10
        assert [shown.line(position, 100) for position in range(len(shown))] == lines
        session.store.close()
        assert "no longer there" in shown.line(0, 100)[0]
