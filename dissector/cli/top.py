"""``osloshark top``: what happens now: rates, slow methods, calls without a reply, failures, agents gone quiet."""

import os
import time
from typing import TYPE_CHECKING, Final

import click

from dissector.amqp import AmqpEvent
from dissector.api.filtering import CallFilter
from dissector.cli.counts import tell_counts
from dissector.cli.filtering import filter_option
from dissector.cli.interface import interface_of, open_output
from dissector.cli.options import CONTEXT, capture_options, is_colored, open_reading
from dissector.cli.output import Output
from dissector.cli.run import Stop, run
from dissector.parallel import EVENTS
from dissector.reading import Reading
from dissector.rpc.hot import hot_of
from dissector.rpc.statistics import GROUPS
from dissector.rpc.window import Snapshot, Window
from dissector.views.top import KEYS, State, text

if TYPE_CHECKING:
    from dissector.cli.topscreen import Screen

_SCREEN_S: Final = 1.0
_PLAIN_S: Final = 5.0
"""Seconds from one to the next, unless the user says."""
_AT_ONCE: Final = 2_000
"""Events that are counted before the keys are looked at again: some 0.1 s."""

EPILOG = f"""\b
Keys:
{"".join(f"  {keys:<10} {what}{chr(10)}" for keys, what in KEYS)}\b
What is counted:
  requests that ended in the last seconds (--window); failed are those whose
  reply holds a failure and those not delivered. Late are calls without a reply
  whose client has given up. An agent is quiet when its next report is overdue
  by three quarters of its interval.
\b
A capture is replayed as fast as it goes, by its own clock, and then the end is
shown. Where standard output is no terminal, plain text is written: of an
interface every --interval seconds, of a capture at its end, and with
--interval also after every so many seconds of it.
\b
Examples:
  sudo osloshark top -i eth0
  sudo osloshark top -i eth0 -Y 'rpc.client.name contains "nova"'
  sudo osloshark top -i eth0 -n 1 --interval 60 > minute.txt
  osloshark top rabbit.pcap
"""


@click.command("top", epilog=EPILOG, context_settings=CONTEXT)
@capture_options
@filter_option
@click.option(
    "--by",
    metavar="GROUP",
    default="method",
    show_default=True,
    type=click.Choice(GROUPS),
    help="Group by method, exchange, topic, queue, client or server.",
)
@click.option(
    "--window",
    "window_s",
    metavar="SECONDS",
    default=60.0,
    type=click.FloatRange(1, 86_400),
    help="Count what happened in the last SECONDS.  [default: 60]",
)
@click.option(
    "--interval",
    "interval_s",
    metavar="SECONDS",
    type=click.FloatRange(0.1, 86_400),
    help="Time from one to the next.  [default: 1 on a terminal, else 5]",
)
@click.option("-n", "count", metavar="N", type=click.IntRange(min=1), help="End after N times.")
def command(
    files: tuple[str, ...],
    *,
    expression: str | None,
    by: str,
    window_s: float,
    interval_s: float | None,
    count: int | None,
    output: str | None,
    ports: tuple[int, ...],
    show_secrets: bool,
    quiet: bool,
) -> int:
    """Show what happens now: rates, slow methods, open and late calls, failures, quiet agents, drops."""
    matches = CallFilter(expression, show_secrets=show_secrets)
    reading = open_reading(files, ports)
    source = ", ".join(interface_of().names or [os.path.basename(name) for name in files])  # noqa: PTH119 - may be "-"
    state = State(source, window_s, by, filter=expression or "", is_live=reading.capture.is_live)
    counting = _Counting(reading, state, matches, show_secrets=show_secrets)
    with open_output(output, files, reading, grows=True) as out:
        if out.is_terminal and os.environ.get("TERM") not in (None, "", "dumb"):
            from dissector.cli.topscreen import screen_for, ticking  # noqa: PLC0415 - slow to import

            with screen_for(
                state,
                interval_s=interval_s or _SCREEN_S,
                color=is_colored("auto", out),
                take=counting.snapshot,
                choose=counting.choose,
            ) as shown:
                sink = _OnScreen(counting, shown, count)
                with ticking(sink.tick):
                    status = run(reading, sink, EVENTS, quiet=quiet, progress=False)
        else:
            status = run(reading, _Plain(counting, out, interval_s, count), EVENTS, quiet=quiet, progress=False)
    if not quiet:
        tell_counts(counting.window.calls.counts)
    return status


class _Counting:
    """Counts what was read."""

    def __init__(self, reading: Reading, state: State, matches: CallFilter, *, show_secrets: bool) -> None:
        self.is_live = reading.capture.is_live
        self.state = state
        self.window = Window(state.window_s, state.by, matches)
        self._reading = reading
        self._matches = matches
        self._expression = state.filter
        self._show_secrets = show_secrets

    def feed(self, event: AmqpEvent) -> None:
        """Take the next event."""
        hot = hot_of(event, self._show_secrets)
        if self._matches.asks:
            self._matches.learn(self._matches.ask(event, hot))
        self.window.feed(event, hot)

    @property
    def is_waiting(self) -> bool:
        """Whether the packets of a file or a pipe are waited for; an interface tells of time itself."""
        return self._reading.is_waiting and not self.is_live

    def choose(self, by: str, expression: str) -> None:
        """Count something else."""
        if expression != self._expression:
            self._expression = expression
            self._matches = CallFilter(expression or None, show_secrets=self._show_secrets)
        self.window.choose(by, self._matches)

    def snapshot(self) -> Snapshot:
        """Give what there is now, and note in the state what goes with it."""
        completeness = self._reading.completeness
        self.state.kernel_drops, self.state.own_drops = completeness.kernel_drops, completeness.own_drops
        return self.window.snapshot(self._reading.now_ns or None if self.is_live else None)


class _Plain:
    """Writes snapshots as text."""

    def __init__(self, counting: _Counting, output: Output, interval_s: float | None, count: int | None) -> None:
        self._counting = counting
        self._output = output
        self._count = count
        self._written = 0
        self._interval_s = interval_s or _PLAIN_S
        self._at = time.monotonic() + self._interval_s
        self._interval_ns = None if interval_s is None else round(interval_s * 1e9)
        self._at_ns = 0

    def show(self, results: list[AmqpEvent]) -> None:
        """Take the next events."""
        counting = self._counting
        if counting.is_live or self._interval_ns is None:
            for event in results:
                counting.feed(event)
            if counting.is_live and time.monotonic() >= self._at:
                self._at = time.monotonic() + self._interval_s
                self._write()
                self._stop_if_enough()
            return
        for event in results:
            if event.time_ns >= self._at_ns:
                if self._at_ns:
                    self._write()
                    self._stop_if_enough()
                self._at_ns = event.time_ns + self._interval_ns
            counting.feed(event)

    def finish(self) -> None:
        """Write the last one."""
        self._counting.state.is_ended = not self._counting.is_live
        if self._count is None or self._written < self._count:
            self._write()

    def _stop_if_enough(self) -> None:
        if self._written == self._count:
            raise Stop

    def _write(self) -> None:
        self._output.write(text(self._counting.snapshot(), self._counting.state))
        self._written += 1


class _OnScreen:
    """Shows what is counted on the screen."""

    def __init__(self, counting: _Counting, shown: "Screen", count: int | None) -> None:
        self._counting = counting
        self._shown = shown
        self._count = count
        self._is_idle = True
        """Whether nothing is half done: neither counted nor drawn."""

    def show(self, results: list[AmqpEvent]) -> None:
        """Take the next events."""
        self._is_idle = False
        for at in range(0, len(results), _AT_ONCE):
            for event in results[at : at + _AT_ONCE]:
                self._counting.feed(event)
            self._tend()
        if not results:
            self._tend()
        self._is_idle = True

    def tick(self) -> None:
        """Learn, from a signal handler, that time has passed."""
        if self._is_idle and self._counting.is_waiting:
            self._is_idle = False
            self._tend()
            self._is_idle = True

    def finish(self) -> None:
        """Show the end of a capture until somebody quits."""
        self._is_idle = False
        if not self._counting.is_live and not self._shown.has_quit and self._count is None:
            self._shown.stay()

    def _tend(self) -> None:
        self._shown.tend()
        if self._shown.has_quit or self._shown.taken == self._count:
            raise Stop
