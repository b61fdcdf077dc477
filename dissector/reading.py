"""One run over captures, from packets to AMQP events, and how complete it was."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from os import PathLike

import msgspec

from dissector import limits
from dissector.amqp import AmqpCounts, AmqpEvent, Dissection, Message
from dissector.amqp.constants import PORT
from dissector.capture import Capture, link_type_name, open_capture
from dissector.net import StreamCounts, StreamEvent, Streams

DEFAULT_PORTS = (PORT,)
"""The broker's TCP ports, unless others are given (IANA: amqp)."""


class Completeness(msgspec.Struct, frozen=True):
    """What a run has read and what it has not."""

    streams: StreamCounts
    amqp: AmqpCounts
    packets: int
    """Packets read."""
    truncated_packets: int
    """Packets of which the capture holds less than was on the wire."""
    kernel_drops: int | None
    """Packets that the capturing system lost, where the capture says."""
    is_damaged: bool
    """Whether a capture file was cut off or broken: something after that point may be missing."""

    def summary(self, *, is_whole: bool = True) -> str:
        """Say it in one line; ``is_whole`` where the captures were read to their end."""
        counts = [
            _count(self.packets, "packet"),
            _count(self.streams.connections, "AMQP connection"),
            _count(self.amqp.messages, "message"),
        ]
        missing = self.missing()
        if missing:
            return f"{', '.join(counts)}; not complete: {', '.join(missing)}"
        return ", ".join(counts) + ("; complete" if is_whole else "")

    def missing(self) -> list[str]:
        """Say what is missing, one part each; empty where all that the watched connections said was decoded."""
        ip, amqp = self.streams.ip, self.amqp
        parts = [
            ("a damaged capture file", self.is_damaged),
            (_count(self.kernel_drops or 0, "packet") + " dropped by the capturing system", self.kernel_drops),
            (_count(self.truncated_packets, "packet") + " cut by the snap length", self.truncated_packets),
            (_count(ip.fragments, "IP fragment") + " not put together", ip.fragments),
            (_count(ip.contradictions, "datagram") + " whose IP fragments contradict each other", ip.contradictions),
            (_count(ip.too_deep, "packet") + f" in more than {limits.TUNNELS} tunnels", ip.too_deep),
            (_count(ip.malformed, "packet") + " with broken headers", ip.malformed),
            (f"{_count(amqp.gaps, 'gap')} of {_count(amqp.missing_bytes, 'byte')}", amqp.gaps),
            (_count(amqp.skipped_bytes, "byte") + " undecoded", amqp.skipped_bytes),
            (f"{_count(amqp.malformed, 'place')} with what is no whole message", amqp.malformed),
            (_count(self.streams.evicted, "connection") + " too many at once", self.streams.evicted),
            (_count(amqp.untimely, "event") + " out of order, as too many waited", amqp.untimely),
            (_count(amqp.large_properties, "connection") + " with properties too large", amqp.large_properties),
            (_count(amqp.unknown_channels, "frame") + " on too many channels at once", amqp.unknown_channels),
            (_count(amqp.forgotten_consumers, "consumer") + " too many at once", amqp.forgotten_consumers),
            (_count(amqp.forgotten_messages, "message") + " too many unsettled at once", amqp.forgotten_messages),
        ]
        parts += [
            (f"{_count(packets, 'packet')} of link type {link_type_name(kind)}, which osloshark cannot read", packets)
            for kind, packets in self.streams.unsupported.items()
        ]
        return [text for text, is_so in parts if is_so]


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


class Reading:
    """Reads captures as one run. Iterate over it once; the attributes are right at any time."""

    def __init__(self, paths: Sequence[str | PathLike[str]], *, ports: Collection[int] = DEFAULT_PORTS) -> None:
        """Open the captures; raises `dissector.UsageError` where one cannot be read (see `open_capture`)."""
        self.capture: Capture = open_capture(paths)
        self.first_time_ns = 0
        """When the first packet was captured, nanoseconds since the epoch; 0 before it is read."""
        self.is_waiting = False
        """Whether packets are being waited for: then an interrupt leaves nothing half done."""
        self._streams = Streams(ports, is_live=self.capture.bytes_total is None)
        self._dissection = Dissection()

    def __iter__(self) -> Iterator[AmqpEvent]:
        """Give the events in the order of their packets."""
        for events in self.batches():
            yield from events

    def batches(self) -> Iterator[list[AmqpEvent]]:
        """Give the events as they come, those of one batch of packets at a time; empty ones too."""
        batches = iter(self.capture)
        while True:
            self.is_waiting = True
            batch = next(batches, None)
            self.is_waiting = False
            if batch is None:
                break
            if not self.first_time_ns and len(batch):
                self.first_time_ns = int(batch.time_ns[0])
            yield self._dissect(self._streams.feed(batch))
        yield self.finish()

    def finish(self) -> list[AmqpEvent]:
        """Give what was held back for packets that do not come; for who stops early. Empty when called again."""
        return self._dissect(self._streams.finish())

    def _dissect(self, stream_events: Iterable[StreamEvent]) -> list[AmqpEvent]:
        events = self._dissection.feed(stream_events, self._streams.oldest_held)
        for event in events:
            if isinstance(event, Message):
                event.numbers = self._streams.with_fragments(event.numbers)
        return events

    def close(self) -> None:
        """Close the captures."""
        self.capture.close()

    @property
    def completeness(self) -> Completeness:
        """How complete the run is so far."""
        return Completeness(
            self._streams.counts,
            self._dissection.counts,
            self.capture.packets,
            self.capture.truncated_packets,
            self.capture.kernel_drops,
            bool(self.capture.notices),
        )
