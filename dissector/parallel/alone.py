"""The work of a run without workers: all in this process."""

from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec

from dissector.amqp import AmqpEvent
from dissector.parallel.task import Task

R = TypeVar("R")
M = TypeVar("M")


class Done(msgspec.Struct, Generic[R, M]):
    """What came of a batch."""

    mark: M
    """What was given with it."""
    results: list[R]


class Alone(Generic[R, M]):
    """Does what a `dissector.parallel.crew.Crew` does."""

    def __init__(self, task: Task[R]) -> None:
        self._task = task

    def feed(self, events: list[AmqpEvent], mark: M, *, ahead: int) -> Iterator[Done[R, M]]:
        """Take the events of a batch; give what comes of it."""
        send, work, join = self._task.send, self._task.work, self._task.join
        yield Done(mark, [join(event, None if (sent := send(event)) is None else work(sent)) for event in events])

    def drain(self) -> Iterator[Done[R, M]]:
        """Give nothing: no batch is on its way."""
        return iter(())

    def close(self) -> None:
        """Do nothing."""
