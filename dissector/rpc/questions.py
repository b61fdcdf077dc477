"""What clients asked of the broker and have no answer to yet, one queue a channel.

The broker answers a channel's requests in their order (clause 4.7), and closes the channel at the first that it
refuses. So what was asked before an answered request was granted, even where its own answer was not seen.
"""

from collections import deque
from typing import Final

from dissector import limits
from dissector.amqp import Event
from dissector.amqp import _methods as m

Granted = tuple[Event, Event | None]
"""A request, and its answer where that was seen."""

ASKED: Final = frozenset(
    (
        *("exchange.declare", "exchange.delete", "exchange.bind", "exchange.unbind"),
        *("queue.declare", "queue.delete", "queue.bind", "queue.unbind", "basic.consume"),
    )
)
ANSWERS: Final = frozenset(name + "-ok" for name in ASKED)


class Questions:
    """Pairs requests with their answers."""

    def __init__(self) -> None:
        self._asked: dict[int, dict[int, deque[Event]]] = {}
        """By connection and channel; only what is not empty."""

    def ask(self, event: Event) -> list[Granted]:
        """Take a request; give it back where it asks for no answer, or one that has waited for too many others."""
        if getattr(event.method, "nowait", False):
            return [(event, None)]
        asked = self._asked.setdefault(event.connection.tcp.stream, {}).setdefault(event.channel, deque())
        asked.append(event)
        return [(asked.popleft(), None)] if len(asked) > limits.TOPOLOGY_QUESTIONS else []

    def answer(self, event: Event) -> list[Granted]:
        """Take an answer; give what was granted: nothing where its request was not seen."""
        asked = self._asked.get(event.connection.tcp.stream, {}).get(event.channel, deque())
        at = next((index for index, question in enumerate(asked) if _fits(question, event)), None)
        if at is None:
            return []
        granted: list[Granted] = [(asked.popleft(), None) for _ in range(at)]
        granted.append((asked.popleft(), event))
        if not asked:
            self._pop(event.connection.tcp.stream, event.channel)
        return granted

    def refused(self, event: Event) -> tuple[list[Granted], Event | None]:
        """Take the broker's channel.close; give what was granted before, and the request that it refuses."""
        assert isinstance(event.method, m.ChannelClose)
        asked = list(self._pop(event.connection.tcp.stream, event.channel))
        key = event.method.class_id << 16 | event.method.method_id
        for index, question in enumerate(asked):
            if question.method is not None and key == question.method.KEY:
                return [(before, None) for before in asked[:index]], question
        return [], None

    def unanswered(self, stream: int, channel: int | None = None) -> list[Granted]:
        """Give what was not answered on a channel or a connection, and forget it: nobody refused it."""
        asked = [self._pop(stream, channel)] if channel is not None else list(self._asked.pop(stream, {}).values())
        return [(question, None) for questions in asked for question in questions]

    def forget(self, stream: int) -> None:
        """Forget what was asked on a connection that the broker closes."""
        self._asked.pop(stream, None)

    def finish(self) -> list[Granted]:
        """Give all that was not answered."""
        return [granted for stream in list(self._asked) for granted in self.unanswered(stream)]

    def _pop(self, stream: int, channel: int) -> deque[Event]:
        channels = self._asked.get(stream, {})
        asked = channels.pop(channel, deque())
        if not channels:
            self._asked.pop(stream, None)
        return asked


def _fits(question: Event, answer: Event) -> bool:
    """Tell whether it may be the answer to that question: names that both give must be the same."""
    if question.name + "-ok" != answer.name:
        return False
    asked, answered = question.method, answer.method
    if isinstance(asked, m.QueueDeclare) and isinstance(answered, m.QueueDeclareOk):
        return asked.queue in ("", answered.queue)
    if isinstance(asked, m.BasicConsume) and isinstance(answered, m.BasicConsumeOk):
        return asked.consumer_tag in ("", answered.consumer_tag)
    return True
