"""What is done with each event, and in which process."""

from typing import Any, Final, Protocol, TypeVar

from dissector.amqp import AmqpEvent

R_co = TypeVar("R_co", covariant=True)


class Task(Protocol[R_co]):
    """Makes a result of each event: ``join(event, work(send(event)))``."""

    def send(self, event: AmqpEvent) -> Any:  # noqa: ANN401 - anything that pickle takes
        """Give what `work` needs of an event; None where there is no work on it. Of equal ones one may be worked on."""
        ...

    def work(self, sent: Any) -> Any:  # noqa: ANN401 - what `send` gave; anything that pickle takes
        """Do the work on an event: a worker does, if there are any. It must depend on nothing but what was sent."""
        ...

    def join(self, event: AmqpEvent, made: Any) -> R_co:  # noqa: ANN401 - what `work` made
        """Make the result of an event and of the work on it, None where there was none."""
        ...


class _Events:
    """No work."""

    def send(self, _event: AmqpEvent) -> None:
        return None

    def work(self, _sent: None) -> None:
        return None

    def join(self, event: AmqpEvent, _made: None) -> AmqpEvent:
        return event


EVENTS: Final[Task[AmqpEvent]] = _Events()
"""Makes nothing of events: they are the results."""
