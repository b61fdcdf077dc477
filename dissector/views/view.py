"""What every view is: AMQP events in, bytes to be written out."""

from typing import Any, Protocol

from dissector.amqp import AmqpEvent


class View(Protocol):
    """Shows events in one format. What it gives is UTF-8 and whole lines, in the order of the events."""

    def feed(self, event: AmqpEvent) -> bytes:
        """Show one event; nothing where the format has no place for it, or where it is held back for what follows."""
        ...

    def finish(self) -> bytes:
        """Give what was held back."""
        ...


class PartedView(Protocol):
    """A view whose work on one event may be done in another process: all that does not depend on other events.

    ``feed(event)`` is ``write(describe(event))``.
    """

    def describe(self, event: AmqpEvent) -> Any:  # noqa: ANN401 - anything that pickle takes
        """Give what is to be shown of an event."""
        ...

    def write(self, described: Any) -> bytes:  # noqa: ANN401 - what `describe` gave
        """Show it."""
        ...

    def finish(self) -> bytes:
        """Give what was held back."""
        ...
