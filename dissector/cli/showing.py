"""From the events of a run to what a view writes of those that match, up to so many messages."""

from typing import Any

from dissector.amqp import AmqpEvent, Event, Message
from dissector.api.filtering import EventFilter
from dissector.cli.output import Output
from dissector.cli.run import Stop
from dissector.views.tracing import TraceView
from dissector.views.view import PartedView

Description = tuple[bool, Any]
"""Whether it is of a message; what `PartedView.describe` gives."""


class Describing:
    """Describes the events that match: a `dissector.parallel.Task`. Of others there is nothing to show."""

    def __init__(self, view: PartedView, chosen: EventFilter, *, events: bool) -> None:
        self._view = view
        self._chosen = chosen
        self._events = events

    def send(self, event: AmqpEvent) -> AmqpEvent | None:
        """Give the event, if events like it are shown."""
        return event if self._events or not isinstance(event, Event) else None

    def work(self, sent: AmqpEvent) -> Description | None:
        """Describe it, if it is chosen."""
        return (isinstance(sent, Message), self._view.describe(sent)) if self._chosen(sent) else None

    def join(self, _event: AmqpEvent, made: Description | None) -> Description | None:
        """Give what was made."""
        return made


class Showing:
    """Writes what was described, up to ``count`` messages."""

    def __init__(self, view: PartedView, output: Output, count: int | None) -> None:
        self._view = view
        self._output = output
        self._left = count

    def show(self, results: list[Description | None]) -> None:
        """Write the next events; raises `Stop` after the last message asked for."""
        data = []
        for result in results:
            if result is None:
                continue
            if self._left == 0:
                break
            is_message, described = result
            data.append(self._view.write(described))
            if is_message and self._left is not None:
                self._left -= 1
        _write(self._output, data)
        if self._left == 0:
            raise Stop

    def finish(self) -> None:
        """Write what the view held back."""
        _write(self._output, [self._view.finish()])


class Tracing:
    """Writes what the rabbitmq_tracing plugin logs of the messages that match, up to ``count`` of them."""

    def __init__(self, view: TraceView, output: Output, count: int | None, chosen: EventFilter) -> None:
        self._view = view
        self._output = output
        self._left = count
        self._chosen = chosen

    def show(self, results: list[AmqpEvent]) -> None:
        """Write the next messages; raises `Stop` after the last one asked for and its deliveries."""
        data = []
        for event in results:
            if self._left != 0 and isinstance(event, Message) and self._chosen(event):
                data.append(self._view.feed(event))
                if self._left is not None:
                    self._left -= 1
            else:
                data.append(self._view.learn(event))
        _write(self._output, data)
        if self._left == 0 and not self._view.is_waiting:
            raise Stop

    def finish(self) -> None:
        """Write what the view held back."""
        _write(self._output, [self._view.finish()])


def _write(output: Output, data: list[bytes]) -> None:
    joined = b"".join(data)
    if joined:
        output.write(joined)
