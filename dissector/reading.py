"""One run over captures, from packets to AMQP events, and how complete it was."""

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from os import PathLike
from typing import Any, Protocol, TypeVar

import msgspec

from dissector import limits
from dissector.amqp import AmqpCounts, AmqpEvent, Dissection, Event, Message
from dissector.amqp.constants import PORT
from dissector.amqp.known import KnownConnections
from dissector.capture import PacketBatch, Quiet, link_type_name, open_capture
from dissector.net import StreamCounts, StreamEvent, Streams
from dissector.parallel import EVENTS, Alone, Crew, Done, Task

R = TypeVar("R")

DEFAULT_PORTS = (PORT,)
"""The broker's TCP ports, unless others are given (IANA: amqp)."""


class Completeness(msgspec.Struct, frozen=True):
    """What a run has read and what it has not.

    >>> import dissector
    >>> completeness = dissector.stats("pcaps/demo.pcap").completeness
    >>> completeness.packets, completeness.amqp.messages, completeness.streams.connections
    (1007, 82, 21)
    >>> completeness.missing()
    []
    """

    streams: StreamCounts
    amqp: AmqpCounts
    packets: int
    """Packets read."""
    truncated_packets: int
    """Packets of which the capture holds less than was on the wire."""
    kernel_drops: int | None
    """Packets that the capturing system lost, where the capture says."""
    is_damaged: bool
    """Whether a capture file was cut off or broken, or a live capture broke off: what came after may be missing."""
    own_drops: int = 0
    """Packets of a live capture that came faster than they could be taken in."""
    is_live: bool = False
    """Whether it is a live capture."""
    notices: tuple[str, ...] = ()
    """What was wrong with the captures, one line each."""

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
            ("a capture that broke off" if self.is_live else "a damaged capture file", self.is_damaged),
            (_count(self.kernel_drops or 0, "packet") + " dropped by the capturing system", self.kernel_drops),
            (_count(self.own_drops, "packet") + " dropped as they came too fast", self.own_drops),
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


class PacketSource(Protocol):
    """What packets come from: `dissector.capture.Capture`, or `dissector.capture.live.LiveCapture`, which say more."""

    @property
    def packets(self) -> int:
        """Packets given so far."""

    @property
    def truncated_packets(self) -> int:
        """Those of them of which there is less than was on the wire."""

    @property
    def bytes_read(self) -> int:
        """Bytes read so far."""

    @property
    def bytes_total(self) -> int | None:
        """Bytes of all; None where nobody knows."""

    @property
    def kernel_drops(self) -> int | None:
        """Packets that the capturing system lost; None where nothing tells."""

    @property
    def own_drops(self) -> int:
        """Packets that came too fast."""

    @property
    def is_live(self) -> bool:
        """Whether it is a live capture."""

    @property
    def notices(self) -> list[str]:
        """What was wrong so far, one line each."""

    def __iter__(self) -> Iterator[PacketBatch | Quiet]:
        """Give the packets."""

    @property
    def is_ending(self) -> bool:
        """Whether a live capture was asked to end."""

    def stop(self) -> bool:
        """End a live capture soon, all of it read; False where it is none. A signal handler may call it."""

    def close(self) -> None:
        """Close everything."""


class Reading:
    """Reads captures as one run. Iterate over it once; the attributes are right at any time."""

    def __init__(
        self,
        captures: Sequence[str | PathLike[str]] | PacketSource,
        *,
        ports: Collection[int] = DEFAULT_PORTS,
        known: KnownConnections | None = None,
        jobs: int | None = 1,
        streams: Streams | None = None,
    ) -> None:
        """Open captures by their paths, or take over what is open already; ``known`` is as for `Dissection`.

        ``streams`` reads the byte streams out of what the captures give, where these are not packets alone.

        ``jobs`` are the processes that work on messages (`dissector.parallel`): with 1 it is this one alone, with more
        so many others, with None as many as are worth it (`worthwhile_jobs`). Raises `dissector.UsageError` where
        a capture cannot be read (see `open_capture`).
        """
        self.capture: PacketSource = open_capture(captures) if isinstance(captures, Sequence) else captures
        self.first_time_ns = 0
        """When the first packet was captured, nanoseconds since the epoch; 0 before it is read."""
        self.now_ns = 0
        """Up to when the events were given, nanoseconds since the epoch: the time of the last packet that was read, or
        what a live capture told where none came; 0 before that."""
        self.is_waiting = False
        """Whether packets are being waited for: then an interrupt leaves nothing half done."""
        self.decrypts = streams is not None
        """Whether TLS is decrypted where there are keys."""
        self._streams = streams or Streams(ports, is_live=self.capture.bytes_total is None)
        self._dissection = Dissection(known)
        self._jobs = worthwhile_jobs(self.capture) if jobs is None else jobs
        self._hands: Alone[Any, _Mark] | Crew[Any, _Mark] | None = None
        self.completeness = self._so_far()
        """How complete the run is, as far as events were given."""
        self.foreign: list[Event] = []
        """The events among those last given that tell of what is no AMQP 0-9-1."""

    def __iter__(self) -> Iterator[AmqpEvent]:
        """Give the events in the order of their packets."""
        for events in self.batches():
            yield from events

    def batches(self) -> Iterator[list[AmqpEvent]]:
        """Give the events as they come, those of one batch of packets at a time; empty ones too."""
        return self.results(EVENTS)

    def results(self, task: Task[R]) -> Iterator[list[R]]:
        """Give what a task makes of the events, those of one batch of packets at a time; empty ones too.

        Raises `dissector.errors.WorkerError` where there are several processes and one of them is gone.
        """
        hands = self._hands = self._begin(task)
        # Where packets come as they are captured, nobody shall wait for the next ones to see these.
        ahead = 0 if self.capture.bytes_total is None else limits.BATCHES_AHEAD
        batches = iter(self.capture)
        while True:
            self.is_waiting = True
            batch = next(batches, None)
            self.is_waiting = False
            if batch is None:
                break
            if isinstance(batch, Quiet):
                self.now_ns = batch.time_ns
                events = self._dissect(self._streams.pass_time(batch.time_ns), batch.time_ns)
                yield from self._feed(hands, events, ahead)
                continue
            if len(batch):
                self.first_time_ns = self.first_time_ns or int(batch.time_ns[0])
                self.now_ns = int(batch.time_ns[-1])
            yield from self._feed(hands, self._dissect(self._streams.feed(batch)), ahead)
        yield from self._ending()

    def finish(self) -> list[Any]:
        """Give what was held back for packets that do not come, as `results` does; for who stops early.

        Empty when called again.
        """
        return [result for results in self._ending() for result in results]

    def _begin(self, task: Task[R]) -> "Alone[R, _Mark] | Crew[R, _Mark]":
        return Crew(self._jobs, task) if self._jobs > 1 else Alone(task)

    def _feed(
        self, hands: "Alone[R, _Mark] | Crew[R, _Mark]", events: list[AmqpEvent], ahead: int
    ) -> Iterator[list[R]]:
        """Hand events on; give the results that there are."""
        foreign = [event for event in events if isinstance(event, Event) and event.name == "foreign"]
        for done in hands.feed(events, (self._so_far(), foreign), ahead=ahead):
            yield self._given(done)

    def _ending(self) -> Iterator[list[Any]]:
        hands = self._hands
        if hands is None:
            return
        for done in hands.drain():
            yield self._given(done)
        yield from self._feed(hands, self._dissect(self._streams.finish()), 0)

    def _given(self, done: Done[R, "_Mark"]) -> list[R]:
        self.completeness, self.foreign = done.mark
        return done.results

    def _dissect(self, stream_events: Iterable[StreamEvent], now_ns: int = 0) -> list[AmqpEvent]:
        events = self._dissection.feed(stream_events, self._streams.oldest_held, now_ns)
        for event in events if self._streams.has_fragments else ():
            if isinstance(event, Message):
                event.numbers = self._streams.with_fragments(event.numbers)
        return events

    def close(self) -> None:
        """Close the captures, and end what other processes there are."""
        if self._hands is not None:
            self._hands.close()
        self.capture.close()

    def _so_far(self) -> Completeness:
        """Say how complete what was read is."""
        counts = self._streams.counts
        ip = msgspec.structs.replace(counts.ip)
        return Completeness(
            msgspec.structs.replace(counts, ip=ip, unsupported=dict(counts.unsupported)),
            msgspec.structs.replace(self._dissection.counts),
            self.capture.packets,
            self.capture.truncated_packets,
            self.capture.kernel_drops,
            bool(self.capture.notices),
            self.capture.own_drops,
            self.capture.is_live,
            tuple(self.capture.notices),
        )


_Mark = tuple[Completeness, list[Event]]
"""What is known with a batch: how complete the run is, and what tells of no AMQP 0-9-1."""


def worthwhile_jobs(capture: PacketSource) -> int:
    """Give how many processes are worth it: one for small captures, and where packets come as they are captured."""
    if capture.is_live or (capture.bytes_total or 0) < limits.JOBS_BYTES:
        return 1
    return min(len(os.sched_getaffinity(0)), limits.JOBS)
