"""From the events of a run to the calls that a filter lets through: what calls, stats and -w have in common."""

from collections.abc import Iterator
from typing import Any

from dissector.amqp import AmqpEvent, Message
from dissector.api.filtering import Asked, CallFilter
from dissector.fields import CallRecord
from dissector.oslo import HotMessage
from dissector.rpc import CallCounts, Calls
from dissector.rpc.hot import hot_of, hot_of_body
from dissector.rpc.lastbodies import body_of

AskedRow = tuple[AmqpEvent, HotMessage | None, Asked | None]
"""An event, its hot decode, and what a filter of calls asks of it."""


class AskedDecoding:
    """Decodes what identifies messages, and what a filter of calls asks of them: a `dissector.parallel.Task`."""

    def __init__(self, matches: CallFilter, *, show_secrets: bool = False) -> None:
        self._matches = matches
        self._show_secrets = show_secrets

    def send(self, event: AmqpEvent) -> Any:  # noqa: ANN401 - see `dissector.parallel.Task`
        """Give a message's body; where the filter asks more, the message."""
        if not isinstance(event, Message):
            return None
        return event if self._matches.asks else body_of(event)

    def work(self, sent: Any) -> Any:  # noqa: ANN401 - see `dissector.parallel.Task`
        """Decode it."""
        if not isinstance(sent, Message):
            return hot_of_body(sent, self._show_secrets)
        hot = hot_of(sent, self._show_secrets)
        return hot, self._matches.ask(sent, hot)

    def join(self, event: AmqpEvent, made: Any) -> AskedRow:  # noqa: ANN401 - see `dissector.parallel.Task`
        """Make a row."""
        return (event, *made) if isinstance(made, tuple) else (event, made, None)


class Following:
    """Follows calls. Feed it what `AskedDecoding` makes of the events of each batch."""

    def __init__(self, calls: Calls, matches: CallFilter) -> None:
        self._calls = calls
        self._matches = matches

    @property
    def counts(self) -> CallCounts:
        """What the calls do not tell."""
        return self._calls.counts

    def feed(self, rows: list[AskedRow]) -> list[CallRecord]:
        """Take the next events; give the calls whose verdict is known with them and that match."""
        calls: list[CallRecord] = []
        feed = self._calls.feed
        for event, hot, asked in rows:
            self._matches.learn(asked)
            calls += feed(event, hot)
        return [call for call in calls if self._matches(call)]

    def pass_time(self, now_ns: int) -> list[CallRecord]:
        """Learn up to when the events are given; give the calls that are judged by that and match."""
        return [call for call in self._calls.pass_time(now_ns) if self._matches(call)]

    def finish(self) -> Iterator[CallRecord]:
        """Give the calls that are left and match."""
        return filter(self._matches, self._calls.finish())
