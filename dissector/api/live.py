"""``dissector.live``: the messages on interfaces, as they come."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from os import PathLike
from types import TracebackType
from typing import Final, Self

from dissector.api.filtering import EventFilter, Expression
from dissector.api.messages import Recording, messages
from dissector.api.run import Run
from dissector.api.via import Via
from dissector.capture.live import LiveCapture, account
from dissector.errors import UsageError
from dissector.fields import MessageRecord
from dissector.reading import Reading

_METHODS: Final = ("auto", "child", "scapy")
_log = logging.getLogger("dissector")


class Live(Run[MessageRecord]):
    """The messages on interfaces: an iterator, an asynchronous one, and a context manager of either kind.

    Iterate over it once, in one of the two ways. Memory is bounded: where messages are not taken as fast as they come,
    packets are dropped and counted (`completeness`).

    >>> import asyncio, dissector
    >>> async def failures(*interfaces):
    ...     async with dissector.live(*interfaces, filter="oslo.failure") as messages:
    ...         async for message in messages:
    ...             print(message.oslo.failure.class_)
    >>> asyncio.run(failures("eth0"))  # doctest: +SKIP
    PortBindingFailed
    """

    def __init__(self, reading: Reading, recording: Recording) -> None:
        """Make it of what captures already."""
        self._capture = reading.capture
        self._executor = ThreadPoolExecutor(1, "dissector")
        self._closing: Future[None] | None = None
        super().__init__(MessageRecord, reading, messages(reading, recording))

    def stop(self) -> None:
        """End soon: what was captured so far is still given. A signal handler, or any thread, may call it."""
        self._capture.stop()

    async def __aiter__(self) -> AsyncIterator[MessageRecord]:
        """Give the messages. A thread of its own decodes them, at most one batch of packets ahead of those given."""
        if self._closing is not None:
            return
        loop = asyncio.get_running_loop()
        ahead = loop.run_in_executor(self._executor, self._next_batch)
        try:
            while (batch := await ahead) is not None:
                ahead = loop.run_in_executor(self._executor, self._next_batch)
                for message in batch:
                    yield message
        finally:
            ahead.cancel()
            self._close_soon()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await asyncio.wrap_future(self._close_soon())

    def _next_batch(self) -> list[MessageRecord] | None:
        """Wait for messages; None where no more come."""
        return next((batch for batch in self._batches if batch), None)

    def _close_soon(self) -> "Future[None]":
        """End it, and close what is open in the thread that uses it, once that has got to know."""
        self.stop()
        if self._closing is None:
            self._closing = self._executor.submit(self.close)
            self._executor.shutdown(wait=False)
        return self._closing


def live(
    *interfaces: str,
    filter: Expression = None,
    ports: Collection[int] | None = None,
    via: str | None = None,
    keylog: str | PathLike[str] | None = None,
    show_secrets: bool = False,
    capture_filter: str | None = None,
    method: str = "auto",
    duration_s: float | None = None,
    user: str | None = None,
) -> Live:
    """Give the messages on interfaces as they come; ``"any"`` is all interfaces.

    They end after ``duration_s`` seconds, or when `Live.stop` is called. Only packets that match ``capture_filter``
    (man pcap-filter) are captured, besides those of the broker's ``ports``. ``method`` is ``child`` (dumpcap, else
    tcpdump), ``scapy`` (a packet socket of our own), or ``auto``: a socket for root where scapy is installed, else a
    child. A ``keylog`` is read as it grows: it may be empty yet. All else is as for `dissector.read`.

    The right to capture is needed, as dumpcap has it. Give it to dumpcap rather than to all of a program: a process of
    root stays root, unless ``user`` names who it becomes, for good, before the first packet is looked into. What there
    is to say on the way is logged (``logging``, "dissector"). Raises `dissector.UsageError` where an interface cannot
    be captured.

    >>> import dissector
    >>> with dissector.live("eth0", duration_s=60) as messages:  # doctest: +SKIP
    ...     for message in messages:
    ...         print(message.oslo.method if message.oslo else message.amqp.routing_key)
    report_state
    """
    if not interfaces:
        raise UsageError("no interface given; name one, or 'any'")
    if method not in _METHODS:
        raise UsageError(f"method={method!r}: choose from {', '.join(_METHODS)}")
    recording = Recording(EventFilter(filter, show_secrets=show_secrets), show_secrets=show_secrets)
    through = Via(via, keylog)
    ports = through.ports(ports)
    through.prepare(grows=True)
    try:
        capture = LiveCapture(
            interfaces,
            ports,
            method=method,
            more=capture_filter,
            whom=None if user is None else account(user),
            gives_up=user is not None,
            duration_s=duration_s,
            tell=_log.warning,
        )
    except BaseException:
        through.close()
        raise
    source, streams = through.through(capture, ports, _log.warning)
    return Live(Reading(source, ports=ports, streams=streams), recording)
