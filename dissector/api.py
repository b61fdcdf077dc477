"""The Python interface: what ``import dissector`` gives."""

from collections.abc import Collection, Iterator, Sequence
from os import PathLike

from dissector.amqp import Message
from dissector.fields import MessageRecord
from dissector.reading import DEFAULT_PORTS, Reading
from dissector.views.record import record


def read(
    captures: str | PathLike[str] | Sequence[str | PathLike[str]],
    *,
    ports: Collection[int] = DEFAULT_PORTS,
    show_secrets: bool = False,
) -> Iterator[MessageRecord]:
    """Give the messages of captures, in the order of the packets that completed them.

    ``captures`` is a path or several, each pcap or pcapng, plain or compressed with gzip or zstd; ``"-"`` is
    standard input. Several are read as one, in the order of their packets' times. ``ports`` are the broker's TCP
    ports. Secrets are masked as ``***`` unless ``show_secrets``.

    Each message is a `dissector.fields.MessageRecord`: its attributes have the names of the fields, and what is not
    known is None. Nothing that is in a capture raises; a capture that cannot be read at all raises
    `dissector.UsageError`. Files are read as the messages are asked for, in memory that does not grow with them.

    >>> import dissector
    >>> replies = [m for m in dissector.read("pcaps/demo.pcap") if m.oslo and m.oslo.kind == "reply"]
    >>> {reply.oslo.failure.class_ for reply in replies if reply.oslo.failure}
    {'PortBindingFailed'}
    """
    paths = [captures] if isinstance(captures, str | PathLike) else captures
    return _records(Reading(paths, ports=ports), show_secrets=show_secrets)


def _records(reading: Reading, *, show_secrets: bool) -> Iterator[MessageRecord]:
    try:
        for event in reading:
            if isinstance(event, Message):
                yield record(event, show_secrets=show_secrets)
    finally:
        reading.close()
