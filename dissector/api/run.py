"""What a run over captures gives in Python: an iterator or a list, either of which says how complete it was."""

import weakref
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from os import PathLike
from types import TracebackType
from typing import Generic, Self, TypeVar

from dissector.api.via import Via
from dissector.capture import open_capture
from dissector.reading import Completeness, PacketSource, Reading

R = TypeVar("R")

Captures = str | PathLike[str] | Sequence[str | PathLike[str]] | PacketSource
"""A path or several, which are read as one, in the order of their packets' times; ``"-"`` is standard input. Or what
gives packets in another way."""


def open_reading(captures: Captures, ports: Collection[int] | None, via: Via, jobs: int | None = 1) -> Reading:
    """Open captures; raises `dissector.UsageError` where they cannot be read."""
    ports = via.ports(ports)
    via.prepare(grows=False)
    try:
        paths = [captures] if isinstance(captures, str | PathLike) else captures
        source, streams = via.through(open_capture(paths) if isinstance(paths, Sequence) else paths, ports)
    except BaseException:
        via.close()
        raise
    return Reading(source, ports=ports, jobs=jobs, streams=streams)


class Run(Iterator[R], Generic[R]):
    """Records of a run, given as they are read: an iterator, to be iterated over once, and a context manager.

    What is open is closed at its end, by `close`, or at the end of a ``with``. `completeness` says what was read so far
    and what is missing; it is right at any time.

    >>> import dissector
    >>> with dissector.read("pcaps/demo.pcap") as run:
    ...     first = next(run)
    >>> first.oslo.method, first.amqp.exchange
    ('report_state', 'neutron')

    >>> run = dissector.read("pcaps/demo.pcap")
    >>> sum(1 for message in run)
    82
    >>> run.completeness.summary(), run.completeness.missing()
    ('1,007 packets, 21 AMQP connections, 82 messages; complete', [])
    """

    def __init__(
        self,
        kind: type[R],
        reading: Reading,
        batches: Generator[list[R]],
        counts: Callable[[], dict[str, int]] = dict,
    ) -> None:
        """Make it of what comes of the batches of a reading, and of what gives `counts`."""
        self.kind = kind
        """What the records are."""
        self._reading = reading
        self._counts = counts
        self._batches = batches
        self._records = (record for batch in batches for record in batch)
        # As it is forgotten, or as the program ends, while threads still run.
        weakref.finalize(self, reading.close)

    @property
    def completeness(self) -> Completeness:
        """How complete the run is, as far as records were given."""
        return self._reading.completeness

    @property
    def counts(self) -> dict[str, int]:
        """What the records do not tell: how many messages were seen twice, or left out, by name; no zeros."""
        return self._counts()

    def __iter__(self) -> Self:
        """Give itself."""
        return self

    def __next__(self) -> R:
        """Give the next record."""
        try:
            return next(self._records)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End it: there are no more records. May be called again."""
        self._records.close()
        self._batches.close()
        self._reading.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class Report(list[R]):
    """The records of a whole run: a list, and how complete what was read is.

    >>> import dissector
    >>> report = dissector.stats("pcaps/demo.pcap")
    >>> report[0].key, report[0].count
    ('report_state', 6)
    >>> report.completeness.is_damaged
    False
    """

    def __init__(
        self, kind: type[R], records: Iterable[R], completeness: Completeness, counts: dict[str, int] | None = None
    ) -> None:
        """Make it of records and of how complete the run was, once it was over."""
        super().__init__(records)
        self.kind = kind
        """What the records are."""
        self.completeness = completeness
        """What was read, and what is missing."""
        self.counts = {name: count for name, count in (counts or {}).items() if count}
        """What the records do not tell: how many were left out, as there were too many, by name; no zeros."""
