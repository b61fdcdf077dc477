"""``osloshark read``: the messages of captures."""

from collections.abc import Sequence
from typing import Final

import click

from dissector.amqp import AmqpEvent, Event, Message
from dissector.cli.filtering import EventFilter, filter_option, refuse_call_fields
from dissector.cli.options import CONTEXT, TIMES, capture_options, is_colored, line_options, line_width, open_reading
from dissector.cli.output import Output
from dissector.cli.run import Stop, run
from dissector.cli.saving import save, saving_options
from dissector.views.firehose import FirehoseView
from dissector.views.jsonl import JsonlView
from dissector.views.table import TableView, table_options
from dissector.views.text import TextView
from dissector.views.tracing import TraceView
from dissector.views.verbose import VerboseView
from dissector.views.view import View

TABLES: Final = ("table", "fields")
_FORMATS: Final = ("text", "jsonl", "table", "fields", "firehose", "trace-json", "trace-text")

EPILOG = f"""\b
Formats (-T):
  text        a line a message (the default)
  jsonl       a JSON object a line, one a message
  table       columns of the fields that -e names; tshark's name for it,
              fields, is taken too
  firehose    what the well-known trace_on script prints
  trace-json  what RabbitMQ's rabbitmq_tracing plugin logs as JSON
  trace-text  what it logs as text
\b
Filters (-Y), in Wireshark's language; 'osloshark fields' lists the fields:
  oslo.method == "report_state" && !oslo.failure
  oslo.kind in {{"call", "cast"}} and amqp.body_size >= 1000
  oslo.args.host contains "dev2" or ip.src == 10.0.0.0/8
  oslo.method matches "^(get|sync)_"    regular expression, any case
\b
Settings of -T table (-E), as tshark has them:
  separator=CHARACTER   between columns: /t a tab (the default), /s a space
  aggregator=CHARACTER  between several values of a field: a comma
  quote=d|s|n           around columns: double, single, none (the default)
  occurrence=a|f|l      of several values all (the default), first, last
  header=y|n            whether the first line names the columns
\b
Times (-t):
{TIMES}\b
Examples:
  osloshark read rabbit.pcap
  osloshark read -V -c 1 rabbit.pcap
  osloshark read -Y 'oslo.failure.class == "Timeout"' rabbit.pcap
  osloshark read rabbit.pcap0 rabbit.pcap1 rabbit.pcap2
  osloshark read -T jsonl rabbit.pcap.gz | jq -r .oslo.method | sort | uniq -c
  osloshark read -T table -e frame.number -e oslo.method rabbit.pcap
  osloshark read --port 5672 --port 5673 -T trace-json -o log rabbit.pcap
  ssh broker tcpdump -i any -U -w - port 5672 | osloshark read -
"""
"""Examples and formats, below the options."""


@click.command("read", epilog=EPILOG, context_settings=CONTEXT)
@capture_options
@line_options
@filter_option
@saving_options
@click.option(
    "-T",
    "format_",
    metavar="FORMAT",
    default="text",
    help="Output format, see below.",
    type=click.Choice(_FORMATS),
)
@click.option("-V", "verbose", is_flag=True, help="Show each message whole, a field a line (with -T text).")
@click.option("-c", "count", metavar="N", type=click.IntRange(min=1), help="Stop after N messages (that match).")
@click.option("-e", "fields", metavar="FIELD", multiple=True, help="A column of -T table; given once for each.")
@click.option("-E", "settings", metavar="NAME=VALUE", multiple=True, help="How -T table is written, see below.")
@click.option(
    "--events",
    is_flag=True,
    help="Show declares, binds, acks, closes, gaps and the like, too (with text, jsonl and table).",
)
def command(
    files: tuple[str, ...],
    *,
    format_: str,
    verbose: bool,
    times: str,
    count: int | None,
    expression: str | None,
    fields: tuple[str, ...],
    settings: tuple[str, ...],
    output: str | None,
    ports: tuple[int, ...],
    events: bool,
    show_secrets: bool,
    color: str,
    wide: bool,
    quiet: bool,
    saved: str | None,
    handshake: bool,
    scrub: bool,
) -> int:
    """Show the messages of captures: pcap or pcapng, plain, gzip or zstd; - is standard input.

    Several files are read as one, in the order of their packets' times, so that connections go on from one
    file of a rotation to the next.
    """
    is_table = format_ in TABLES
    _check_options(format_, verbose=verbose, events=events, fields=fields, settings=settings)
    chosen = EventFilter(expression, show_secrets=show_secrets)
    if saved is not None:
        return save(files, ports, saved, chosen, handshake=handshake, scrub=scrub, quiet=quiet)
    table = TableView(fields, table_options(settings), show_secrets=show_secrets, events=events) if is_table else None
    reading = open_reading(files, ports)
    with Output(output, files) as out:
        view: View
        if table is not None:
            view = table
        elif format_ == "jsonl":
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
                color=is_colored(color, out),
                width=line_width(out, wide=wide),
                show_secrets=show_secrets,
                events=events,
            )
            if verbose:
                view = VerboseView(line, lambda: reading.first_time_ns, show_secrets=show_secrets)
        sink = _Shown(view, out, count, chosen, events=events)
        return run(reading, sink, quiet=quiet, progress=not out.is_terminal)


def _check_options(
    format_: str, *, verbose: bool, events: bool, fields: Sequence[str], settings: Sequence[str]
) -> None:
    """Refuse options that do not go together."""
    context = click.get_current_context()
    if verbose and format_ != "text":
        raise click.UsageError(f"-V goes with -T text, not with -T {format_}", context)
    is_table = format_ in TABLES
    if is_table and not fields:
        raise click.UsageError(f"-T {format_} needs a column; name one with -e", context)
    if events and format_ not in ("text", "jsonl", *TABLES):
        raise click.UsageError(f"--events goes with -T text, jsonl and table, not with -T {format_}", context)
    refuse_call_fields(fields)
    if (fields or settings) and not is_table:
        raise click.UsageError("-e and -E go with -T table", context)


class _Shown:
    """Writes what a view makes of the events that match, up to so many messages."""

    def __init__(self, view: View, output: Output, count: int | None, chosen: EventFilter, *, events: bool) -> None:
        self._view = view
        self._events = events
        self._output = output
        self._left = count
        self._chosen = chosen
        self._trace = view if isinstance(view, TraceView) else None

    def show(self, events: list[AmqpEvent]) -> None:
        """Write the next events; raises `Stop` after the last message asked for."""
        data = []
        for event in events:
            if self._left == 0:
                # What is shown waits for deliveries.
                data.append(self._trace.learn(event) if self._trace is not None else b"")
                continue
            if isinstance(event, Event) and not self._events:
                data.append(self._view.feed(event))  # it tells the time; whether it matches is all the same
                continue
            if not self._chosen(event):
                if self._trace is not None:
                    data.append(self._trace.learn(event))
                continue
            data.append(self._view.feed(event))
            if self._left is not None and isinstance(event, Message):
                self._left -= 1
        self._write(data)
        if self._left == 0 and (self._trace is None or not self._trace.is_waiting):
            raise Stop

    def finish(self) -> None:
        """Write what the view held back."""
        self._write([self._view.finish()])

    def _write(self, data: list[bytes]) -> None:
        joined = b"".join(data)
        if joined:
            self._output.write(joined)
