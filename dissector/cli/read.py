"""``osloshark read``: the messages of captures."""

import os
import shutil
from typing import Final

import click

from dissector.amqp import AmqpEvent, Message
from dissector.cli.output import Output
from dissector.cli.run import Stop, run
from dissector.reading import DEFAULT_PORTS, Reading
from dissector.views.firehose import FirehoseView
from dissector.views.jsonl import JsonlView
from dissector.views.text import TextView
from dissector.views.times import TIME_FORMATS
from dissector.views.tracing import TraceView
from dissector.views.verbose import VerboseView
from dissector.views.view import View

_ENOUGH_COLUMNS: Final = 120
EPILOG = (
    """\b
Formats (-T):
  text        a line a message (the default)
  jsonl       a JSON object a line, one a message
  firehose    what the well-known trace_on script prints
  trace-json  what RabbitMQ's rabbitmq_tracing plugin logs as JSON
  trace-text  what it logs as text
\b
Times (-t):
"""
    + "".join(f"  {name:<11} {meaning}\n" for name, meaning in TIME_FORMATS.items())
    + """\b
Examples:
  osloshark read rabbit.pcap
  osloshark read -V -c 1 rabbit.pcap
  osloshark read rabbit.pcap0 rabbit.pcap1 rabbit.pcap2
  osloshark read -T jsonl rabbit.pcap.gz | jq -r .oslo.method | sort | uniq -c
  osloshark read --port 5672 --port 5673 -T trace-json -o log rabbit.pcap
  ssh broker tcpdump -i any -U -w - port 5672 | osloshark read -
"""
)
"""Examples and formats, below the options."""


@click.command("read", epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("files", metavar="FILE...", nargs=-1)
@click.option(
    "-T",
    "format_",
    metavar="FORMAT",
    default="text",
    help="Output format, see below.",
    type=click.Choice(["text", "jsonl", "firehose", "trace-json", "trace-text"]),
)
@click.option("-V", "verbose", is_flag=True, help="Show each message whole, a field a line (with -T text).")
@click.option(
    "-t",
    "times",
    metavar="TIME",
    default="r",
    help="How -T text writes times, see below.",
    type=click.Choice(list(TIME_FORMATS)),
)
@click.option("-c", "count", metavar="N", type=click.IntRange(min=1), help="Stop after N messages.")
@click.option("-o", "output", metavar="FILE", help="Write to FILE instead of standard output.")
@click.option(
    "--port",
    "ports",
    metavar="PORT",
    multiple=True,
    type=click.IntRange(1, 65535),
    help="The broker's TCP port; may be given several times.  [default: 5672]",
)
@click.option(
    "--events", is_flag=True, help="Show declares, binds, acks, closes, gaps and the like, too (with text and jsonl)."
)
@click.option("--show-secrets", is_flag=True, help="Do not mask passwords, tokens and the like as ***.")
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Colour -T text; auto: on a terminal, unless NO_COLOR is set.",
)
@click.option("--wide", is_flag=True, help="On a terminal, neither cut lines nor shorten ids.")
@click.option("-q", "--quiet", is_flag=True, help="No closing line about completeness.")
def command(
    files: tuple[str, ...],
    *,
    format_: str,
    verbose: bool,
    times: str,
    count: int | None,
    output: str | None,
    ports: tuple[int, ...],
    events: bool,
    show_secrets: bool,
    color: str,
    wide: bool,
    quiet: bool,
) -> int:
    """Show the messages of captures: pcap or pcapng, plain, gzip or zstd; - is standard input.

    Several files are read as one, in the order of their packets' times, so that connections go on from one
    file of a rotation to the next.
    """
    if not files:
        raise click.UsageError("no capture given; name a file, or - for standard input", click.get_current_context())
    if verbose and format_ != "text":
        raise click.UsageError(f"-V goes with -T text, not with -T {format_}", click.get_current_context())
    reading = Reading(files, ports=ports or DEFAULT_PORTS)
    with Output(output, files) as out:
        view: View
        if format_ == "jsonl":
            view = JsonlView(show_secrets=show_secrets, events=events)
        elif format_ == "firehose":
            view = FirehoseView(show_secrets=show_secrets)
        elif format_ == "trace-json":
            view = TraceView("json", show_secrets=show_secrets)
        elif format_ == "trace-text":
            view = TraceView("text", show_secrets=show_secrets)
        else:
            view = line = TextView(
                lambda: reading.first_time_ns,
                times=times,
                color=color == "always" or (color == "auto" and out.is_terminal and not os.environ.get("NO_COLOR")),
                width=_line_width() if out.is_terminal and not wide else None,
                show_secrets=show_secrets,
                events=events,
            )
            if verbose:
                view = VerboseView(line, lambda: reading.first_time_ns, show_secrets=show_secrets)
        return run(reading, _Shown(view, out, count), quiet=quiet, progress=not out.is_terminal)


def _line_width() -> int:
    """Give the columns for a line: whole rows of the terminal, and enough of them to say something."""
    columns = shutil.get_terminal_size().columns
    return columns * -(-_ENOUGH_COLUMNS // columns)


class _Shown:
    """Writes what a view makes of events, up to so many messages."""

    def __init__(self, view: View, output: Output, count: int | None) -> None:
        self._view = view
        self._output = output
        self._left = count

    def show(self, events: list[AmqpEvent]) -> None:
        """Write the next events; raises `Stop` after the last message asked for."""
        if self._left is not None:
            events = _up_to_message(events, self._left)
            self._left -= sum(isinstance(event, Message) for event in events)
            if not self._left:
                self._write(events)
                raise Stop
        self._write(events)

    def finish(self) -> None:
        """Write what the view held back."""
        data = self._view.finish()
        if data:
            self._output.write(data)

    def _write(self, events: list[AmqpEvent]) -> None:
        data = b"".join([self._view.feed(event) for event in events])
        if data:
            self._output.write(data)


def _up_to_message(events: list[AmqpEvent], number: int) -> list[AmqpEvent]:
    """Give the events up to the message of that number, counted from 1; all where there are not so many."""
    at = [index for index, event in enumerate(events) if isinstance(event, Message)][number - 1 : number]
    return events[: at[0] + 1] if at else events
