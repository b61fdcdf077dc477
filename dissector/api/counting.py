"""From the events of a run to statistics of the calls that a filter lets through."""

from collections.abc import Iterable

from dissector.api.following import AskedRow, Following
from dissector.fields import CallRecord
from dissector.reading import Reading
from dissector.rpc.statistics import Statistics, StatisticsRecord


class Counted:
    """Counts the calls of a reading. Feed it what `AskedDecoding` makes of the events of each batch."""

    def __init__(self, reading: Reading, statistics: Statistics, following: Following) -> None:
        self._statistics = statistics
        self._reading = reading
        self._following = following
        self._last_ns = 0

    def show(self, results: list[AskedRow]) -> None:
        """Take the next events."""
        self._take(self._following.feed(results))
        if results:
            self._last_ns = max(self._last_ns, results[-1][0].time_ns)

    def finish(self) -> None:
        """Count what is left."""
        self._take(self._following.finish())

    def records(self) -> list[StatisticsRecord]:
        """Give the groups; rates are over the time from the capture's first packet on."""
        span_ns = self._last_ns - self._reading.first_time_ns
        return self._statistics.finish(span_ns / 1e9 if span_ns > 0 else None)

    def _take(self, calls: Iterable[CallRecord]) -> None:
        for call in calls:
            self._statistics.feed(call.rpc)
