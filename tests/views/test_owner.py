import pytest

from dissector import limits
from dissector.rpc.topology import Topology
from dissector.views.owner import owner_records, owner_text

from ..rpc.happenings import Story, connection, declare, declared, publish


@pytest.mark.parametrize(("processes", "is_told"), [(2, False), (5, True)])
def test_that_no_more_processes_are_told_is_said(monkeypatch, processes, is_told):
    monkeypatch.setattr(limits, "TOPOLOGY_PARTIES", 3)
    topology = Topology()
    story = Story(topology)
    for stream in range(processes):
        client = connection(stream, name=f"agent:{stream}:x")
        story.asked(client, declare("q"), declared("q"))
        story.message(client, publish("", "q"))
    (queue,) = topology.queues("q")
    text = owner_text(owner_records(queue, topology.records()), str).decode()
    for what in ("declared by", "published by"):
        lines = [line for line in text.splitlines() if line.strip().startswith(what)]
        assert len(lines) == min(processes, 3) + is_told
        assert ("(the first 3 processes; no more are told)" in lines[-1]) is is_told
