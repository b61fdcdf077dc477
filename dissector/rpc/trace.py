"""Everything about one id: the messages that carry it, the replies to them, and the calls that they make."""

from collections.abc import Iterable

from dissector import limits
from dissector.amqp import AmqpEvent, Message
from dissector.fields import CallRecord
from dissector.oslo import HotMessage
from dissector.rpc.calls import Calls

MIN_PREFIX: int = 8
"""Characters of an id that are enough to name it."""


class Trace:
    """Collects what belongs to an id: a request id or global request id, a msg_id, unique_id or message_id.

    ``wanted`` is the id or the beginning of it, `MIN_PREFIX` characters at least. Feed it every event of a reading,
    in its order, with the hot decode of messages.
    """

    def __init__(self, wanted: str) -> None:
        self.messages: list[Message] = []
        """What carries the id, and the replies to it, in the order of their packets."""
        self.calls: list[CallRecord] = []
        """The same as calls, in the order of their publishes; complete after `finish`."""
        self.left_out = 0
        """Messages beyond `limits.TRACED_MESSAGES`."""
        self._wanted = wanted
        self._calls = Calls()
        self._unique_ids: set[str | None] = set()
        self._msg_ids: set[str | None] = set()

    def feed(self, event: AmqpEvent, hot: HotMessage | None) -> None:
        """Take the next event."""
        if isinstance(event, Message) and hot is not None and self._belongs(hot):
            if len(self.messages) < limits.TRACED_MESSAGES:
                self._unique_ids.add(hot.unique_id)
                self._msg_ids.add(hot.msg_id)
                self.messages.append(event)
            else:
                self.left_out += 1
        self._take(self._calls.feed(event, hot))

    def finish(self) -> None:
        """Learn that no more events come."""
        self._take(self._calls.finish())
        self.calls.sort(key=lambda call: call.rpc.publish_time or call.rpc.deliver_time or 0.0)

    def _belongs(self, hot: HotMessage) -> bool:
        if hot.msg_id is not None and hot.msg_id in self._msg_ids:
            return True
        ids = (hot.request_id, hot.global_request_id, hot.msg_id, hot.unique_id, hot.message_id)
        wanted = self._wanted
        if len(wanted) < MIN_PREFIX:
            return wanted in ids
        return any(known is not None and known.startswith(wanted) for known in ids)

    def _take(self, calls: Iterable[CallRecord]) -> None:
        for call in calls:
            unique_id, msg_id = call.rpc.unique_id, call.rpc.msg_id
            if (unique_id is not None and unique_id in self._unique_ids) or (
                msg_id is not None and msg_id in self._msg_ids
            ):
                self.calls.append(call)
