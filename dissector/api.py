"""The Python interface: what ``import dissector`` gives."""

from collections.abc import Collection, Iterator, Sequence
from os import PathLike

from dissector.amqp import AmqpEvent, Message
from dissector.fields import MessageRecord
from dissector.reading import DEFAULT_PORTS, Reading
from dissector.views.record import record


def read(
    captures: str | PathLike[str] | Sequence[str | PathLike[str]],
    *,
    ports: Collection[int] = DEFAULT_PORTS,
    show_secrets: bool = False,
    jobs: int | None = 1,
) -> Iterator[MessageRecord]:
    """Give the messages of captures, in the order of the packets that completed them.

    ``captures`` is a path or several, each pcap or pcapng, plain or compressed with gzip or zstd; ``"-"`` is
    standard input. Several are read as one, in the order of their packets' times. ``ports`` are the broker's TCP
    ports. Secrets are masked as ``***`` unless ``show_secrets``. With ``jobs`` messages are decoded in so many other
    processes, with None in as many as are worth it; they are forked, so no thread should be in the middle of anything,
    and they end with the iterator. Raises `dissector.errors.WorkerError` where one of them is killed.

    Each message is a `dissector.fields.MessageRecord`: its attributes have the names of the fields, and what is not
    known is None. Nothing that is in a capture raises; a capture that cannot be read at all raises
    `dissector.UsageError`. Files are read as the messages are asked for, in memory that does not grow with them.

    >>> import dissector
    >>> replies = [m for m in dissector.read("pcaps/demo.pcap") if m.oslo and m.oslo.kind == "reply"]
    >>> {reply.oslo.failure.class_ for reply in replies if reply.oslo.failure}
    {'PortBindingFailed'}
    """
    paths = [captures] if isinstance(captures, str | PathLike) else captures
    return _records(Reading(paths, ports=ports, jobs=jobs), _Recording(show_secrets=show_secrets))


def _records(reading: Reading, recording: "_Recording") -> Iterator[MessageRecord]:
    try:
        for results in reading.results(recording):
            yield from filter(None, results)
    finally:
        reading.close()


class _Recording:
    """Makes the records of messages: a `dissector.parallel.Task`."""

    def __init__(self, *, show_secrets: bool) -> None:
        self._show_secrets = show_secrets

    def send(self, event: AmqpEvent) -> Message | None:
        return event if isinstance(event, Message) else None

    def work(self, sent: Message) -> MessageRecord:
        return record(sent, show_secrets=self._show_secrets)

    def join(self, _event: AmqpEvent, made: MessageRecord | None) -> MessageRecord | None:
        return made
