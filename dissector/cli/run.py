"""What commands that read captures share: going through the events with progress, interrupts and a closing line."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, Protocol, TypeVar

from dissector.cli.main import EXIT_DAMAGED, EXIT_INTERRUPTED
from dissector.cli.output import OutputClosed
from dissector.cli.telling import tell
from dissector.parallel import Task
from dissector.reading import Reading

R = TypeVar("R")

_PROGRESS_AFTER_S: Final = 1.0


class Stop(Exception):
    """Enough was shown; raised by `Sink.show`."""


class Sink(Protocol[R]):
    """Where the results of a run go."""

    def show(self, results: list[R]) -> None:
        """Take what was made of the events of a batch of packets."""

    def finish(self) -> None:
        """Learn that no more come."""


def run(reading: Reading, sink: Sink[R], task: Task[R], *, quiet: bool, progress: bool) -> int:
    """Hand what ``task`` makes of the events of a reading to ``sink``, batch by batch, and give the exit status.

    On standard error: a progress bar where it is a terminal and ``progress``, a line about each connection that is
    no AMQP 0-9-1, and unless ``quiet`` a closing line about completeness. The first Ctrl-C ends the reading, and
    what was read is shown; the second ends everything. To end a live capture like this, or with SIGTERM, is no
    interruption.
    """
    said: set[int] = set()
    ending = ""
    status = 0
    try:
        with _interrupts(reading) as interrupted, _progress(reading, shown=progress) as advance:
            try:
                for results in reading.results(task):
                    sink.show(results)
                    _tell_foreign(reading, said)
                    advance()
                    if interrupted():
                        break
            except KeyboardInterrupt:
                if interrupted() > 1:
                    raise
            except Stop:
                ending = "stopped as asked"
            if interrupted():
                ending, status = "interrupted", EXIT_INTERRUPTED
                sink.show(reading.finish())
        sink.finish()
    except OutputClosed:
        return 0
    finally:
        reading.close()
    completeness = reading.completeness
    for notice in () if reading.capture.is_live else completeness.notices:  # a live capture tells at once
        tell(notice)
    if not quiet:
        text = completeness.summary(is_whole=not ending)
        if not completeness.streams.connections and not ending:
            text += "; nothing on the broker's port: is it another (--port), or is it TLS on 5671 (--via tshark)?"
        tell(f"{text} ({ending})" if ending else text)
    if not status and (completeness.is_damaged or completeness.streams.unsupported):
        status = EXIT_DAMAGED
    return status


def _remedy(reading: Reading, protocol: str) -> str:
    """Say what helps where a connection speaks TLS."""
    if not protocol.startswith("TLS"):
        return ""
    if protocol != "TLS":
        return "; nobody can decrypt it: capture it from its beginning, before the service connects"
    if reading.decrypts:
        return "; its keys are not in the key log (--keylog), nor in the capture"
    return (
        "; with its keys it can be: --via tshark --keylog FILE (docs/tls.md); or set ssl = false in the service's "
        "[oslo_messaging_rabbit]"
    )


def _tell_foreign(reading: Reading, said: set[int]) -> None:
    for event in reading.foreign:
        if event.connection.tcp.stream not in said:
            said.add(event.connection.tcp.stream)
            remedy = _remedy(reading, event.detail or "")
            tell(
                f"{event.connection.tcp} (tcp.stream {event.connection.tcp.stream}) speaks {event.detail}, "
                f"not AMQP 0-9-1: nothing of it is decoded{remedy}"
            )


@contextmanager
def _interrupts(reading: Reading) -> Iterator[Callable[[], int]]:
    """Let SIGINT end the reading between two batches, or while it waits for packets, never inside the decoder.

    A live capture it tells to end, as SIGTERM does: that takes no more than a moment, and is waited for. Gives how
    often it was asked for after that.
    """
    count = 0
    enough = 1 if reading.capture.is_live else 0

    def note(_signal: int, _frame: FrameType | None) -> None:
        nonlocal count
        count += 1
        if count <= enough:
            reading.capture.stop()
        elif reading.is_waiting or count > 1:
            raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM) if enough else (signal.SIGINT,)
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield lambda: max(count - enough, 0)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _progress(reading: Reading, *, shown: bool) -> Iterator[Callable[[], None]]:
    """Show a bar once the work has taken a second and its size is known."""
    total = reading.capture.bytes_total
    if not shown or not sys.stderr.isatty() or total is None:
        yield lambda: None
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import, rarely needed
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn  # noqa: PLC0415

    columns = (BarColumn(), DownloadColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    task = progress.add_task("reading", total=total)
    begin = time.monotonic()
    started = False

    def advance() -> None:
        nonlocal started
        if not started and time.monotonic() - begin >= _PROGRESS_AFTER_S:
            progress.start()
            started = True
        progress.update(task, completed=reading.capture.bytes_read)

    try:
        yield advance
    finally:
        if started:
            progress.stop()
