import gc
import warnings

import pytest

import dissector

from ..lab import truth

DEMO = truth.captures()["demo"]


def test_gives_typed_messages():
    messages = list(dissector.read(DEMO))
    assert len(messages) == sum(1 for _ in truth.load("demo")) + sum(m.amqp.leg == "return" for m in messages)
    assert {m.oslo.kind for m in messages} >= {"call", "cast", "fanout", "reply", "notification"}
    assert all(isinstance(m, dissector.MessageRecord) for m in messages)
    numbers = [m.frame.number for m in messages]
    assert numbers == sorted(numbers)


def test_secrets_are_masked_unless_asked_for():
    masked = [m.oslo.context for m in dissector.read(DEMO) if m.oslo.context]
    shown = [m.oslo.context for m in dissector.read(DEMO, show_secrets=True) if m.oslo.context]
    tokens = {context["auth_token"] for context in shown} - {None}
    assert tokens
    assert {context["auth_token"] for context in masked} - {None} == {"***"}


def test_several_captures_are_one_run():
    paths = [truth.captures()["ipv6"], DEMO]
    apart = sum(len(list(dissector.read(path))) for path in paths)
    together = list(dissector.read(paths))
    assert len(together) == apart
    assert max(m.frame.number for m in together) > 1500


def test_ports_choose_what_is_read():
    assert list(dissector.read(DEMO, ports=[5673])) == []


EXPRESSIONS = ['oslo.kind == "reply" && amqp.leg == "deliver"', 'oslo.args.host contains "compute"', "!oslo.method"]


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_filter_chooses_what_the_same_predicate_chooses(expression, jobs):
    matches = dissector.filter(expression)
    expected = [message for message in dissector.read(DEMO) if matches(message)]
    assert 0 < len(expected) < 82
    assert list(dissector.read(DEMO, filter=expression, jobs=jobs)) == expected
    assert list(dissector.read(DEMO, filter=matches, jobs=jobs)) == expected


def test_a_filter_does_not_find_out_what_is_masked():
    (token, *_) = {m.oslo.context["auth_token"] for m in dissector.read(DEMO, show_secrets=True) if m.oslo.context}
    expression = f'oslo.context.auth_token == "{token}"'
    assert list(dissector.read(DEMO, filter=expression)) == []
    assert list(dissector.read(DEMO, filter=expression, show_secrets=True))


def test_what_cannot_be_done_is_told_at_once(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("hello\n")
    with pytest.raises(dissector.UsageError, match=r"notes\.txt: not a pcap"):
        dissector.read(path)
    with pytest.raises(dissector.UsageError, match=r"messages have no rpc\.\* fields"):
        dissector.read(DEMO, filter="rpc.status")
    with pytest.raises(dissector.UsageError, match="no field"):
        dissector.read(DEMO, filter="nonsense == 1")


def test_it_says_how_complete_it_was_at_any_time():
    run = dissector.read(DEMO)
    assert run.completeness.packets == 0
    assert sum(1 for _ in run) == 82
    assert run.completeness.summary() == "1,007 packets, 21 AMQP connections, 82 messages; complete"
    assert run.kind is dissector.MessageRecord


@pytest.mark.parametrize("taken", [0, 1])
def test_what_is_not_read_to_its_end_is_closed(taken):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = dissector.read(DEMO)
        for _ in range(taken):
            next(run)
        with run:
            pass
        assert list(run) == []
        run.close()
        dissector.read(DEMO)  # and what nobody looks at
        gc.collect()
