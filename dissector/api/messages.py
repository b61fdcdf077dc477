"""``dissector.read``: the messages of captures."""

from collections.abc import Collection, Generator
from os import PathLike

from dissector.amqp import AmqpEvent, Message
from dissector.api.filtering import EventFilter, Expression
from dissector.api.run import Captures, Run, open_reading
from dissector.api.via import Via
from dissector.fields import MessageRecord
from dissector.reading import Reading
from dissector.views.record import record


def read(
    captures: Captures,
    *,
    filter: Expression = None,
    ports: Collection[int] | None = None,
    via: str | None = None,
    keylog: str | PathLike[str] | None = None,
    show_secrets: bool = False,
    jobs: int | None = 1,
) -> Run[MessageRecord]:
    """Give the messages of captures, in the order of the packets that completed them.

    ``captures`` is a path or several, each pcap or pcapng, plain or compressed with gzip or zstd; ``"-"`` is
    standard input. Several are read as one, in the order of their packets' times. ``filter`` is a display filter, as
    text or as `dissector.filter` makes it. ``ports`` are the broker's TCP ports, 5672 unless others are given. Secrets
    are masked as ``***`` unless ``show_secrets``. With ``jobs`` messages are decoded in so many other processes, with
    None in as many as are worth it; they are forked, so no thread should be in the middle of anything, and they end
    with the iterator. Raises `dissector.WorkerError` where one of them is killed.

    ``via="tshark"`` has tshark take packets apart: it decrypts TLS with the keys in the capture, or in ``keylog``, the
    path of what ``SSLKEYLOGFILE`` had written, and knows more tunnels. It takes five times as long; port 5671 is read
    as well, unless ``ports`` are given.

    Each message is a `dissector.MessageRecord`: its attributes have the names of the fields, and what is not known is
    None. Nothing that is in a capture raises; a capture that cannot be read at all, or a filter without a meaning,
    raises `dissector.UsageError`. Files are read as the messages are asked for, in memory that does not grow with them.

    >>> import dissector
    >>> replies = [m for m in dissector.read("pcaps/demo.pcap") if m.oslo and m.oslo.kind == "reply"]
    >>> {reply.oslo.failure.class_ for reply in replies if reply.oslo.failure}
    {'PortBindingFailed'}
    >>> [message.amqp.leg for message in dissector.read("pcaps/demo.pcap", filter="oslo.failure")]
    ['publish', 'deliver']
    >>> for message in dissector.read("tls.pcap", via="tshark", keylog="keys.log"):  # doctest: +SKIP
    ...     print(message.oslo.method)
    """
    recording = Recording(EventFilter(filter, show_secrets=show_secrets), show_secrets=show_secrets)
    reading = open_reading(captures, ports, Via(via, keylog), jobs)
    return Run(MessageRecord, reading, messages(reading, recording))


def messages(reading: Reading, recording: "Recording") -> Generator[list[MessageRecord]]:
    """Give the messages of a reading, those of one batch of packets at a time; closes the reading at the end."""
    try:
        for results in reading.results(recording):
            yield [made for made in results if made is not None]
    finally:
        reading.close()


class Recording:
    """Makes the records of the messages that are chosen: a `dissector.parallel.Task`."""

    def __init__(self, chosen: EventFilter, *, show_secrets: bool) -> None:
        self._chosen = chosen
        self._show_secrets = show_secrets

    def send(self, event: AmqpEvent) -> Message | None:
        """Give messages alone."""
        return event if isinstance(event, Message) else None

    def work(self, sent: Message) -> MessageRecord | None:
        """Make a message's record, if it is chosen."""
        return record(sent, show_secrets=self._show_secrets) if self._chosen(sent) else None

    def join(self, _event: AmqpEvent, made: MessageRecord | None) -> MessageRecord | None:
        """Give what was made."""
        return made
