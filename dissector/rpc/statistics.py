"""Statistics of requests: how many, how large, how slow, and whether in the queue or at the server.

Quantiles come from DDSketches (Masson, Rim, Lee: "DDSketch", VLDB 2019): each is within 1 % of the true value, in
memory that does not grow with the requests, and two of them can be added up.
"""

from collections.abc import Iterator
from math import ceil, inf
from typing import Annotated, Final

import msgspec
from ddsketch import DDSketch
from msgspec import Meta

from dissector import limits
from dissector.fields import RpcFields
from dissector.rpc.call import FAILED, TIMED_OUT, UNDELIVERED

RELATIVE_ERROR: Final = 0.01
"""How far a quantile may be from the true value, as a part of it."""

OTHER: Final = "(other)"
"""The key under which everything is counted once there are too many keys."""
UNKNOWN: Final = "(unknown)"

GROUPS: Final = ("method", "exchange", "topic", "queue", "client", "server")
"""What requests can be grouped by. By queue and by server a request counts once for each that took it."""


class Quantiles(msgspec.Struct, frozen=True):
    """A distribution, in seconds; None where there is no value."""

    p50_s: Annotated[float | None, Meta(description="Half are at most so long", extra={"unit": "s"})]
    p95_s: Annotated[float | None, Meta(description="95 of 100 are at most so long", extra={"unit": "s"})]
    p99_s: Annotated[float | None, Meta(description="99 of 100 are at most so long", extra={"unit": "s"})]
    max_s: Annotated[float | None, Meta(description="The longest, exactly", extra={"unit": "s"})]


class StatisticsRecord(msgspec.Struct, frozen=True, tag_field="type", tag="statistics"):
    """One group of requests, as ``stats -T jsonl`` writes it.

    >>> import dissector
    >>> group = dissector.stats("pcaps/demo.pcap", by="exchange")[0]
    >>> group.key, group.count, group.errors
    ('neutron', 12, 0)
    """

    by: Annotated[str, Meta(description="What is grouped by")]
    key: Annotated[str, Meta(description="The group; (other) once there are too many, (unknown) where not seen")]
    count: Annotated[int, Meta(description="Requests")]
    rate: Annotated[float | None, Meta(description="Requests a second of the capture", extra={"unit": "1/s"})]
    errors: Annotated[int, Meta(description="Calls that failed, messages that were not delivered")]
    timeouts: Annotated[int, Meta(description="Calls that timed out")]
    latency: Annotated[Quantiles, Meta(description="From publish to the reply's deliver")]
    queue_wait: Annotated[Quantiles, Meta(description="Of it, from publish to deliver: the queue")]
    service: Annotated[Quantiles, Meta(description="Of it, from deliver to the reply's publish: the server")]
    request_bytes: Annotated[int, Meta(description="Bodies of requests", extra={"unit": "bytes"})]
    reply_bytes: Annotated[int, Meta(description="Bodies of replies", extra={"unit": "bytes"})]
    redeliveries: Annotated[int, Meta(description="Requests that were delivered again")]
    duplicates: Annotated[int, Meta(description="Further publishes of the same request")]


class _Times:
    """One distribution."""

    __slots__ = ("max", "min", "sketch")

    def __init__(self) -> None:
        self.sketch: DDSketch | None = None
        self.min = inf
        self.max = -inf

    def add(self, value: float | None) -> None:
        if value is not None:
            if self.sketch is None:
                self.sketch = DDSketch(RELATIVE_ERROR)
            self.sketch.add(value)
            self.min, self.max = min(self.min, value), max(self.max, value)

    def merge(self, other: "_Times") -> None:
        if other.sketch is not None:
            if self.sketch is None:
                self.sketch = DDSketch(RELATIVE_ERROR)
            self.sketch.merge(other.sketch)
            self.min, self.max = min(self.min, other.min), max(self.max, other.max)

    def quantiles(self) -> Quantiles:
        if self.sketch is None:
            return Quantiles(None, None, None, None)
        sketch = self.sketch
        return Quantiles(self._at(sketch, 0.5), self._at(sketch, 0.95), self._at(sketch, 0.99), self.max)

    def _at(self, sketch: DDSketch, part: float) -> float:
        """Give the value of the nearest rank: the smallest one that so large a part is at most."""
        index, last = ceil(part * sketch.count - 1e-9) - 1, sketch.count - 1
        # The sketch takes a rank as a part of the last one, and rounds it down: half a rank more is this one.
        found = sketch.get_quantile_value(min((index + 0.5) / last, 1.0) if last else 1.0)
        return round(min(max(found or 0.0, self.min), self.max), 9)


class _Group:
    """What is counted of one key."""

    __slots__ = (
        "count",
        "duplicates",
        "errors",
        "latency",
        "queue_wait",
        "redeliveries",
        "reply_bytes",
        "request_bytes",
        "service",
        "timeouts",
    )

    def __init__(self) -> None:
        self.count = self.errors = self.timeouts = self.redeliveries = self.duplicates = 0
        self.request_bytes = self.reply_bytes = 0
        self.latency, self.queue_wait, self.service = _Times(), _Times(), _Times()

    def add(self, rpc: RpcFields) -> None:
        self.count += 1
        self.errors += rpc.status in (FAILED, UNDELIVERED)
        self.timeouts += rpc.status == TIMED_OUT
        self.redeliveries += rpc.redelivered
        self.duplicates += rpc.duplicates
        self.request_bytes += rpc.request_bytes or 0
        self.reply_bytes += rpc.reply_bytes or 0
        self.latency.add(rpc.latency_s)
        self.queue_wait.add(rpc.queue_wait_s)
        self.service.add(rpc.service_s)

    def merge(self, other: "_Group") -> None:
        for name in ("count", "errors", "timeouts", "redeliveries", "duplicates", "request_bytes", "reply_bytes"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.latency.merge(other.latency)
        self.queue_wait.merge(other.queue_wait)
        self.service.merge(other.service)


class Statistics:
    """Counts requests in groups. Feed it `RpcFields`; add another one to it with `merge`."""

    def __init__(self, by: str = "method", *, most: int | None = None) -> None:
        """Make it for one of `GROUPS`; ``most`` are told apart, `limits.STATISTICS_KEYS` unless that is given."""
        self.by = by
        self._most = limits.STATISTICS_KEYS if most is None else most
        self._groups: dict[str, _Group] = {}

    def feed(self, rpc: RpcFields) -> None:
        """Count a request."""
        for key in _keys(rpc, self.by):
            self._group(key).add(rpc)

    def merge(self, other: "Statistics") -> None:
        """Add up with what another one counted by the same."""
        for key, group in other._groups.items():
            self._group(key).merge(group)

    def finish(self, seconds: float | None) -> list[StatisticsRecord]:
        """Give a record for each group, the largest first; ``seconds`` is how long the capture took."""
        rows = sorted(self._groups.items(), key=lambda item: (-item[1].count, item[0]))
        return [
            StatisticsRecord(
                self.by,
                key,
                group.count,
                round(group.count / seconds, 6) if seconds else None,
                group.errors,
                group.timeouts,
                group.latency.quantiles(),
                group.queue_wait.quantiles(),
                group.service.quantiles(),
                group.request_bytes,
                group.reply_bytes,
                group.redeliveries,
                group.duplicates,
            )
            for key, group in rows
        ]

    def _group(self, key: str) -> _Group:
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) >= self._most:
                return self._groups.setdefault(OTHER, _Group())
            group = self._groups[key] = _Group()
        return group


def _keys(rpc: RpcFields, by: str) -> Iterator[str]:
    if by == "method":
        name = rpc.method or UNKNOWN
        yield f"{rpc.namespace}.{name}" if rpc.namespace else name
    elif by == "exchange":
        yield UNKNOWN if rpc.exchange is None else rpc.exchange
    elif by == "topic":
        yield rpc.topic or UNKNOWN
    elif by == "client":
        yield rpc.client.name or rpc.client.ip or UNKNOWN
    else:
        found = {(s.queue if by == "queue" else s.name or s.ip) or UNKNOWN for s in rpc.servers}
        yield from sorted(found) or [UNKNOWN]
