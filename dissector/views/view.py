"""What every view is: AMQP events in, bytes to be written out."""

from typing import Protocol

from dissector.amqp import AmqpEvent


class View(Protocol):
    """Shows events in one format. What it gives is UTF-8 and whole lines, in the order of the events."""

    def feed(self, event: AmqpEvent) -> bytes:
        """Show one event; nothing where the format has no place for it, or where it is held back for what follows."""
        ...

    def finish(self) -> bytes:
        """Give what was held back."""
        ...
