"""Agents and services that report that they live: who, how often, and who has fallen silent."""

from array import array
from collections import OrderedDict
from collections.abc import Iterator
from statistics import median
from typing import Final

import msgspec

from dissector import limits
from dissector.amqp import AmqpEvent, Message
from dissector.bounded import remember
from dissector.fields import seconds
from dissector.oslo import HotMessage
from dissector.rpc.bounded import Table
from dissector.rpc.heartbeats import REPORTS, Beat, read_beat
from dissector.rpc.records import AgentRecord
from dissector.rpc.sight import Process, process_of
from dissector.rpc.traffic import Span

LATE: Final = 1.75
"""A report is missing after so many intervals: agents send them late under load, and a timer's jitter is small."""

_SHORTEST_NS: Final = 1_000_000_000
"""An interval below this is a burst, at a start say: no agent reports every second."""
_ENOUGH_GAPS: Final = 3
"""Times between reports from which on the median is one: of two, any may be the odd one."""


class _Agent(msgspec.Struct):
    beat: Beat
    method: str
    vhost: str | None
    exchange: str
    first_ns: int
    last_ns: int
    process: Process | None = None
    beats: int = 0
    starts: int = 0
    gaps_ns: "array[int]" = msgspec.field(default_factory=lambda: array("q"))
    """Times between reports, the latest of them."""
    missed: int = 0
    """Reports missing in gaps that are forgotten."""

    def seen(self, beat: Beat, time_ns: int) -> None:
        """Count a report."""
        if self.beats and time_ns > self.last_ns:
            self.gaps_ns.append(time_ns - self.last_ns)
            if len(self.gaps_ns) > limits.AGENT_INTERVALS:
                self.missed += _missing(self.gaps_ns[0], median(self.gaps_ns))
                del self.gaps_ns[0]
        self.beats += 1
        self.starts += beat.is_start
        self.last_ns = max(self.last_ns, time_ns)

    def is_late(self, now_ns: int) -> bool | None:
        """Tell whether the next report has been due for long; None where nobody can tell."""
        if len(self.gaps_ns) < _ENOUGH_GAPS:
            return None
        interval_ns = median(self.gaps_ns)
        return now_ns - self.last_ns > LATE * interval_ns if interval_ns >= _SHORTEST_NS else None

    def record(self, end_ns: int) -> AgentRecord:
        """Give its record, as of the end of the capture."""
        beat, silent_ns = self.beat, end_ns - self.last_ns
        interval_ns = median(self.gaps_ns) if self.gaps_ns else None
        missed, late = None, self.is_late(end_ns)
        if late is not None and interval_ns is not None:
            missed = self.missed + sum(_missing(gap_ns, interval_ns) for gap_ns in self.gaps_ns)
        ip, name = self.process or (None, None)
        return AgentRecord(
            agent_type=beat.agent_type,
            host=beat.host,
            binary=beat.binary,
            topic=beat.topic,
            method=self.method,
            vhost=self.vhost,
            exchange=self.exchange,
            ip=ip,
            process=name,
            beats=self.beats,
            starts=self.starts,
            first_time=seconds(self.first_ns),
            last_time=seconds(self.last_ns),
            interval_s=None if interval_ns is None else round(interval_ns / 1e9, 6),
            missed=missed,
            late=late,
            silent_s=round(silent_ns / 1e9, 6),
        )


class Agents:
    """Takes all events; afterwards gives the records of agents."""

    def __init__(self) -> None:
        self._span = Span()
        self._agents: Table[tuple[str | None, str, Beat], _Agent] = Table(limits.AGENTS)
        self._reports: OrderedDict[str, _Agent | None] = OrderedDict()
        """Ids of the latest reports, and whose they are; None is what is no report after all."""

    def feed(self, event: AmqpEvent, hot: HotMessage | None) -> None:
        """Learn from an event; ``hot`` is the hot decode of a message, None for all else."""
        self._span.add(event.time_ns)
        if isinstance(event, Message) and hot is not None and hot.method in REPORTS and event.leg != "return":
            self._report(event, hot.method, hot.unique_id)

    def finish(self) -> None:
        """Learn that no more come."""

    def records(self) -> Iterator[AgentRecord]:
        """Give the agents, in the order in which they were first seen."""
        return (agent.record(self._span.last_ns) for agent in self._agents)

    def late(self, now_ns: int) -> Iterator[AgentRecord]:
        """Give those whose next report has been due for long at a time, as of then."""
        return (agent.record(now_ns) for agent in self._agents if agent.is_late(now_ns))

    def __len__(self) -> int:
        return len(self._agents)

    @property
    def left_out(self) -> dict[str, int]:
        """How many had to be left out, as there were too many."""
        return {"agents": self._agents.left_out} if self._agents.left_out else {}

    def _report(self, message: Message, method: str, unique_id: str | None) -> None:
        if unique_id is not None and unique_id in self._reports:
            # Its delivery, or the same at another point. The publish tells who sent it.
            agent = self._reports[unique_id]
            if agent is not None and message.leg == "publish":
                agent.process = process_of(message.connection)
            return
        beat = read_beat(message, method)
        agent = None if beat is None else self._agent(message, method, beat)
        if beat is not None and agent is not None:
            agent.seen(beat, message.time_ns)
            if message.leg == "publish":
                agent.process = process_of(message.connection)
        if unique_id is not None:
            remember(self._reports, unique_id, agent, limits.AGENT_REPORTS)

    def _agent(self, message: Message, method: str, beat: Beat) -> _Agent:
        vhost = message.connection.vhost
        key = (vhost, method, msgspec.structs.replace(beat, is_start=False))
        agent = self._agents.get(key)
        if agent is None:
            agent = _Agent(beat, method, vhost, message.method.exchange, message.time_ns, message.time_ns)
            self._agents.add(key, agent)
        return agent


def _missing(gap_ns: int, interval_ns: float) -> int:
    """Count the reports that are missing in a gap between two."""
    return max(round(gap_ns / interval_ns) - 1, 0) if gap_ns > LATE * interval_ns else 0
