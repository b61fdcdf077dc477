"""Calls, statistics, topology, agents and traces are those of the commands."""

import msgspec
import pytest

import dissector
from dissector import limits
from dissector.rpc.records import TopologyRecord

from ..lab import truth
from ..outputs import run

CAPTURES = truth.captures()
VERDICTS = CAPTURES["verdicts"]


def printed(*words: object, kind: object) -> list:
    return [msgspec.json.decode(line, type=kind) for line in run(list(map(str, words))).output.splitlines()]


@pytest.mark.parametrize("expression", [None, 'rpc.status == "timed_out"', 'oslo.args.instance && rpc.kind == "call"'])
def test_calls(expression):
    words = [] if expression is None else ["-Y", expression]
    expected = printed("calls", "-T", "jsonl", *words, VERDICTS, kind=dissector.CallRecord)
    assert expected
    run = dissector.calls(VERDICTS, filter=expression)
    assert list(run) == expected
    assert run.completeness.missing() == []
    if expression is not None and "oslo" not in expression:
        matches = dissector.filter(expression)
        assert [call for call in dissector.calls(VERDICTS) if matches(call)] == expected


def test_calls_by_several_processes():
    assert list(dissector.calls(VERDICTS, jobs=2)) == list(dissector.calls(VERDICTS))


def test_what_records_do_not_tell_is_counted(monkeypatch):
    assert dissector.stats(VERDICTS).counts == {}
    monkeypatch.setattr(limits, "OPEN_CALLS", 2)
    calls = dissector.calls(VERDICTS)
    assert list(calls)
    assert calls.counts["evicted"] > 0
    assert dissector.stats(VERDICTS).counts == calls.counts
    monkeypatch.setattr(limits, "AGENTS", 1)
    assert dissector.agents(CAPTURES["demo"]).counts == {"agents": 3}


@pytest.mark.parametrize("by", ["method", "server"])
def test_stats(by):
    expected = printed("stats", "-T", "jsonl", "--by", by, VERDICTS, kind=dissector.StatisticsRecord)
    assert dissector.stats(VERDICTS, by=by) == expected


def test_stats_of_some():
    chosen = dissector.stats(VERDICTS, filter='rpc.status == "failed"')
    assert [(group.key, group.errors, group.count) for group in chosen] == [("get_diagnostics", 5, 5)]
    with pytest.raises(dissector.UsageError, match="by='colour': choose from method, exchange"):
        dissector.stats(VERDICTS, by="colour")


def test_topology():
    kinds = {
        "connections": dissector.ConnectionRecord,
        "channels": dissector.ChannelRecord,
        "exchanges": dissector.ExchangeRecord,
        "queues": dissector.QueueRecord,
        "bindings": dissector.BindingRecord,
        "consumers": dissector.ConsumerRecord,
    }
    found = dissector.topology(CAPTURES["channels"])
    expected = printed("topology", "-T", "jsonl", CAPTURES["channels"], kind=TopologyRecord)
    for name, kind in kinds.items():
        report = getattr(found, name)
        assert report.kind is kind
        assert report == [record for record in expected if isinstance(record, kind)], name
        assert report, name
    assert found.completeness.packets == 1397


def test_agents_and_callers():
    both = dissector.AgentRecord | dissector.CallerRecord
    expected = printed("agents", "-T", "jsonl", CAPTURES["demo"], kind=both)
    assert [*dissector.agents(CAPTURES["demo"]), *dissector.callers(CAPTURES["demo"])] == expected


def test_trace():
    wanted = next(dissector.calls(VERDICTS, filter="rpc.failure")).rpc.request_id
    expected = printed("trace", wanted, "-T", "jsonl", VERDICTS, kind=dissector.MessageRecord | dissector.CallRecord)
    found = dissector.trace(VERDICTS, wanted)
    assert [*found.messages, *found.calls] == expected
    assert found.calls[0].rpc.failure is not None
    assert dissector.trace(VERDICTS, wanted, filter="!rpc.failure").calls == []
    assert dissector.trace(VERDICTS, "req-").messages == []
