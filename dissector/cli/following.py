"""From the events of a run to the calls that a filter lets through: what calls, stats and -w have in common."""

from collections.abc import Iterator

from dissector.amqp import AmqpEvent
from dissector.cli.filtering import CallFilter
from dissector.fields import CallRecord
from dissector.rpc import CallCounts, Calls
from dissector.rpc.hot import hot_of


class Following:
    """Follows calls. Feed it the events of each batch."""

    def __init__(self, calls: Calls, matches: CallFilter, *, show_secrets: bool = False) -> None:
        self._calls = calls
        self._matches = matches
        self._show_secrets = show_secrets

    @property
    def counts(self) -> CallCounts:
        """What the calls do not tell."""
        return self._calls.counts

    def feed(self, events: list[AmqpEvent]) -> list[CallRecord]:
        """Take the next events; give the calls whose verdict is known with them and that match."""
        calls: list[CallRecord] = []
        for event in events:
            hot = hot_of(event, self._show_secrets)
            self._matches.learn(event, hot)
            calls += self._calls.feed(event, hot)
        return [call for call in calls if self._matches(call)]

    def finish(self) -> Iterator[CallRecord]:
        """Give the calls that are left and match."""
        return filter(self._matches, self._calls.finish())
