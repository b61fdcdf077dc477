"""The last seconds of a reading: rates, slow methods, open calls, failures, agents gone quiet. What ``top`` shows.

The window is made of slices. The oldest goes as a whole when it is past, so the window is a slice shorter at most than
it is said to be; rates are over the time that it does cover.
"""

from collections import deque
from collections.abc import Callable
from heapq import nsmallest
from typing import Final

import msgspec

from dissector import limits
from dissector.amqp import AmqpEvent, Event, Message
from dissector.fields import CallRecord
from dissector.oslo import HotMessage
from dissector.rpc.agents import Agents
from dissector.rpc.call import FAILED, NO_REQUEST, PENDING, TIMED_OUT, UNDELIVERED, Call, failure_chars
from dissector.rpc.calls import Calls
from dissector.rpc.records import AgentRecord
from dissector.rpc.statistics import Statistics, StatisticsRecord

SLICES: Final = 12
"""Parts that a window goes in: of a minute, five seconds each."""
TROUBLES: Final = (FAILED, TIMED_OUT, UNDELIVERED)

_SHORTEST_S: Final = 0.001
"""Over less time no rate is told."""


class Waiting(msgspec.Struct, frozen=True):
    """A call that has no reply yet."""

    age_s: float
    """Since its publish; where that was not seen, since its delivery."""
    timeout_s: float | None
    is_late: bool
    """Whether its client has given up."""
    method: str | None
    namespace: str | None
    topic: str | None
    server: str | None
    client: str | None
    """``program:pid``, or the address."""
    is_delivered: bool
    """Whether a server was seen to take it."""


class Trouble(msgspec.Struct, frozen=True):
    """A request that did not end well."""

    time_ns: int
    """When that was known."""
    status: str
    cause: str | None
    method: str | None
    namespace: str | None
    topic: str | None
    server: str | None
    client: str | None
    reason: str | None
    """Class and message of the failure, no longer than `limits.NAME_CHARS` characters each."""


class Snapshot(msgspec.Struct, frozen=True):
    """What a window holds at a moment; requests are those that ended in it, and that the filter lets through."""

    now_ns: int
    """0 before there was any event."""
    messages_per_s: float | None
    bytes_per_s: float | None
    """Of their bodies."""
    requests_per_s: float | None
    requests: int
    failed: int
    timed_out: int
    undelivered: int
    groups: tuple[StatisticsRecord, ...]
    open: int
    """Calls that have no reply yet."""
    late: int
    """Those of them whose client has given up."""
    waiting: tuple[Waiting, ...]
    """Those of them that are open longest, `limits.WINDOW_WAITING` at most."""
    agents: int
    quiet: tuple[AgentRecord, ...]
    """Agents whose report is overdue, those first that were silent longest."""
    gaps: int
    """Holes in streams, of the window."""
    troubles: tuple[Trouble, ...]
    """The latest first, `limits.WINDOW_TROUBLES` at most."""


class _Slice:
    """What is counted in a part of the window."""

    __slots__ = ("begin_ns", "bytes", "gaps", "messages", "requests", "statistics", "statuses")

    def __init__(self, begin_ns: int, by: str) -> None:
        self.begin_ns = begin_ns
        self.messages = self.bytes = self.gaps = 0
        self.forget_calls(by)

    def forget_calls(self, by: str) -> None:
        self.requests = 0
        self.statistics = Statistics(by, most=limits.WINDOW_GROUPS)
        self.statuses = dict.fromkeys(TROUBLES, 0)


class Window:
    """Takes every event of a reading, in its order; gives a `Snapshot` at any time.

    Requests are grouped ``by`` one of `dissector.rpc.statistics.GROUPS`. ``matches`` tells which of them count.
    """

    def __init__(self, seconds: float, by: str = "method", matches: Callable[[CallRecord], bool] | None = None) -> None:
        self.by = by
        self.calls = Calls(late_ns=limits.HOLE_NS)
        """Follows the requests; its counts tell what it could not."""
        self.now_ns = 0
        """Time of the latest event or snapshot, nanoseconds since the epoch."""
        self._matches = matches
        self._agents = Agents()
        self._length_ns = max(round(seconds * 1e9), SLICES)
        self._slice_ns = self._length_ns // SLICES
        self._slices: deque[_Slice] = deque()
        self._past: Statistics | None = None
        """Of all slices but the last, put together; None where that is to be done."""
        self._since_ns = self._calls_since_ns = 0
        """From when on messages and requests are counted, if the window is not full."""
        self._recent: deque[tuple[int, CallRecord]] = deque()
        """The last requests, for when others are chosen."""
        self._recent_chars = 0
        self._troubles: deque[Trouble] = deque(maxlen=limits.WINDOW_TROUBLES)

    def feed(self, event: AmqpEvent, hot: HotMessage | None) -> None:
        """Take the next event; ``hot`` is the hot decode of a message, None for all else."""
        self._advance(event.time_ns)
        now = self._slices[-1]
        if isinstance(event, Message):
            now.messages += 1
            now.bytes += len(event.body)
        elif isinstance(event, Event) and event.name == "gap":
            now.gaps += 1
        self._agents.feed(event, hot)
        for call in self.calls.feed(event, hot):
            self._keep(call)
            self._count(now, self.now_ns, call)

    def choose(self, by: str, matches: Callable[[CallRecord], bool] | None) -> None:
        """Group by something else, or let other requests count: those of the window, too, as far as they are kept."""
        self.by, self._matches = by, matches
        self._past = None
        self._troubles.clear()
        for each in self._slices:
            each.forget_calls(by)
        if not self._slices:
            return
        left_ns = self._recent[0][0] if len(self._recent) >= limits.WINDOW_CALLS else 0
        self._calls_since_ns = max(self._calls_since_ns, left_ns)
        slices = iter(self._slices)
        at = next(slices)
        for time_ns, call in self._recent:
            while time_ns >= at.begin_ns + self._slice_ns and at is not self._slices[-1]:
                at = next(slices)
            self._count(at, time_ns, call)

    def snapshot(self, now_ns: int | None = None) -> Snapshot:
        """Give what there is at a time: that up to which events were given, where they come live; else (None) the last
        event's.
        """
        if now_ns is not None and self._slices:
            self._advance(max(now_ns, self.now_ns))
            for call in self.calls.pass_time(now_ns):
                self._keep(call)
                self._count(self._slices[-1], self.now_ns, call)
        slices = self._slices
        begin_ns = slices[0].begin_ns if slices else 0
        span_s = (self.now_ns - max(begin_ns, self._since_ns)) / 1e9
        calls_s = (self.now_ns - max(begin_ns, self._calls_since_ns)) / 1e9
        groups = self._statistics().finish(calls_s if calls_s >= _SHORTEST_S else None)
        failed, timed_out, undelivered = (sum(each.statuses[status] for each in slices) for status in TROUBLES)
        requests = sum(each.requests for each in slices)
        waiting, is_open, late = self._open_calls()
        quiet = sorted(self._agents.late(self.now_ns), key=lambda agent: -agent.silent_s)
        return Snapshot(
            now_ns=self.now_ns,
            messages_per_s=_rate(sum(each.messages for each in slices), span_s),
            bytes_per_s=_rate(sum(each.bytes for each in slices), span_s),
            requests_per_s=_rate(requests, calls_s),
            requests=requests,
            failed=failed,
            timed_out=timed_out,
            undelivered=undelivered,
            groups=tuple(groups),
            open=is_open,
            late=late,
            waiting=tuple(waiting),
            agents=len(self._agents),
            quiet=tuple(quiet),
            gaps=sum(each.gaps for each in slices),
            troubles=tuple(each for each in reversed(self._troubles) if each.time_ns >= begin_ns),
        )

    # -- time ------------------------------------------------------------------------------------------

    def _advance(self, time_ns: int) -> None:
        """Move the window on. What is a little older counts as of now; after a long step back it begins anew."""
        slices = self._slices
        if time_ns < self.now_ns - self._length_ns:
            slices.clear()
            self._recent.clear()
            self._troubles.clear()
            self._recent_chars = 0
            self.now_ns = 0
        if not slices:
            self._since_ns = self._calls_since_ns = time_ns
            slices.append(_Slice(time_ns, self.by))
            self._past = None
        if time_ns <= self.now_ns:
            return
        self.now_ns = time_ns
        since_ns = time_ns - slices[-1].begin_ns
        if since_ns < self._slice_ns:
            return
        slices.append(_Slice(time_ns - since_ns % self._slice_ns, self.by))
        self._past = None
        first_ns = slices[-1].begin_ns - (SLICES - 1) * self._slice_ns
        while slices[0].begin_ns < first_ns:
            slices.popleft()
        while self._recent and self._recent[0][0] < first_ns:
            self._forget()

    # -- requests --------------------------------------------------------------------------------------

    def _keep(self, call: CallRecord) -> None:
        self._recent.append((self.now_ns, call))
        self._recent_chars += failure_chars(call.rpc.failure)
        while len(self._recent) > limits.WINDOW_CALLS or self._recent_chars > limits.FAILURE_CHARS:
            self._forget()

    def _forget(self) -> None:
        _, call = self._recent.popleft()
        self._recent_chars -= failure_chars(call.rpc.failure)

    def _count(self, at: _Slice, time_ns: int, call: CallRecord) -> None:
        if self._matches is not None and not self._matches(call):
            return
        rpc = call.rpc
        at.statistics.feed(rpc)
        at.requests += 1
        if rpc.status not in TROUBLES:
            return
        at.statuses[rpc.status] += 1
        reason = None
        if rpc.failure is not None:
            parts = (rpc.failure.class_, rpc.failure.message)
            reason = ": ".join(part[: limits.NAME_CHARS] for part in parts if part)
        self._troubles.append(
            Trouble(
                time_ns,
                rpc.status,
                rpc.cause,
                rpc.method,
                rpc.namespace,
                rpc.topic,
                rpc.server,
                rpc.client.name or rpc.client.ip,
                reason,
            )
        )

    def _statistics(self) -> Statistics:
        """Put those of all slices together; those that are past, once."""
        if self._past is None:
            self._past = Statistics(self.by, most=limits.WINDOW_GROUPS)
            for each in list(self._slices)[:-1]:
                self._past.merge(each.statistics)
        whole = Statistics(self.by, most=limits.WINDOW_GROUPS)
        whole.merge(self._past)
        if self._slices:
            whole.merge(self._slices[-1].statistics)
        return whole

    def _open_calls(self) -> tuple[list[Waiting], int, int]:
        """Give those that are open longest; how many are open, and how many of these are late."""
        found: list[tuple[int, Call]] = []
        late = 0
        for call in self.calls.open:
            if call.kind != "call" or call.is_answered or call.hot is NO_REQUEST:
                continue
            if self._matches is not None and not self._matches(call.record(PENDING, None)):
                continue
            found.append((_begin_ns(call), call))
            late += _is_late(call, self.now_ns)
        longest = nsmallest(limits.WINDOW_WAITING, found, key=lambda one: one[0])
        return [_waiting(call, self.now_ns) for _, call in longest], len(found), late


def _begin_ns(call: Call) -> int:
    leg = call.publish or call.first_deliver
    return call.begin_ns if leg is None else leg.time_ns


def _is_late(call: Call, now_ns: int) -> bool:
    deadline_ns = call.deadline_ns
    return deadline_ns is not None and now_ns > deadline_ns


def _waiting(call: Call, now_ns: int) -> Waiting:
    name = ip = None
    if call.publish is not None:
        ip, name = call.publish.process
    return Waiting(
        max(now_ns - _begin_ns(call), 0) / 1e9,
        call.hot.timeout_s,
        _is_late(call, now_ns),
        call.hot.method,
        call.hot.namespace,
        call.topic,
        call.server,
        name or ip,
        bool(call.delivers),
    )


def _rate(count: int, seconds: float) -> float | None:
    return count / seconds if seconds >= _SHORTEST_S else None
