"""``dissector.explain``: one message taken apart, each part with its bytes."""

from collections.abc import Collection

from dissector.amqp import Message
from dissector.api.run import Captures, open_reading
from dissector.api.via import Via
from dissector.errors import UsageError
from dissector.explain.message import explain as explain_event
from dissector.explain.recent import RecentPackets, Watched
from dissector.explain.tree import Explained
from dissector.fields import MessageRecord
from dissector.reading import DEFAULT_PORTS
from dissector.views.record import record


def explain(
    captures: Captures,
    message: MessageRecord,
    *,
    ports: Collection[int] = DEFAULT_PORTS,
    show_secrets: bool = False,
) -> Explained:
    """Take a message apart: headers, AMQP frames, JSON within JSON, each part with its place in the bytes.

    ``message`` is one that `dissector.read` gave of these ``captures``; they are read again up to it, as they
    were captured: what TLS hides is not found. Secrets are masked in the tree and overwritten in the bytes unless
    ``show_secrets``. Raises `dissector.UsageError` where there is no such message in them.

    >>> import dissector
    >>> message = next(dissector.read("pcaps/demo.pcap"))
    >>> explained = dissector.explain("pcaps/demo.pcap", message)
    >>> for depth, part in explained.walk():
    ...     if part.name in ("method", "exchange", "routing_key", "oslo.message", "_context_auth_token"):
    ...         print(depth, part.name, part.value)
    1 method basic.publish
    2 exchange neutron
    2 routing_key q-reports-plugin
    1 oslo.message JSON
    2 method report_state
    2 _context_auth_token ***
    """
    recent = RecentPackets()
    reading = open_reading(captures, ports, Via())
    reading.capture = Watched(reading.capture, recent.see)
    try:
        for event in reading:
            if isinstance(event, Message) and event.number == message.frame.number and _is(event, message):
                return explain_event(event, recent.of(event.numbers), show_secrets=show_secrets)
    finally:
        reading.close()
    raise UsageError(
        f"packet {message.frame.number}: no such message in these captures; give those that it was read from"
    )


def _is(event: Message, message: MessageRecord) -> bool:
    return any(record(event, show_secrets=shown) == message for shown in (False, True))
