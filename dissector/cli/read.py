"""``osloshark read``: the messages of captures."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import click

from dissector import limits
from dissector.api.filtering import EventFilter, refuse_call_fields
from dissector.cli import completing
from dissector.cli.filtering import filter_option
from dissector.cli.interface import open_output
from dissector.cli.options import (
    CONTEXT,
    TIMES,
    capture_options,
    is_colored,
    jobs_option,
    line_options,
    line_width,
    open_reading,
)
from dissector.cli.run import run
from dissector.cli.saving import save, saving_options
from dissector.cli.showing import Describing, Showing, Tracing
from dissector.cli.telling import tell
from dissector.cli.via import refuse_via
from dissector.parallel import EVENTS
from dissector.reading import Reading
from dissector.views.firehose import FirehoseView
from dissector.views.jsonl import JsonlView
from dissector.views.table import TableView, table_options
from dissector.views.text import TextView
from dissector.views.tracing import TraceView
from dissector.views.verbose import VerboseView
from dissector.views.view import PartedView

TABLES: Final = ("table", "fields")
TRACES: Final = ("trace-json", "trace-text")
_FORMATS: Final = ("text", "jsonl", *TABLES, "firehose", *TRACES)

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


def message_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what commands have that show messages: -t, --color, --wide, -Y, -T, -V, --bytes, -c, -e, -E, --events."""
    for option in (
        click.option(
            "--events",
            is_flag=True,
            help="Show declares, binds, acks, closes, gaps and the like, too (with text, jsonl and table).",
        ),
        click.option("-E", "settings", metavar="NAME=VALUE", multiple=True, help="How -T table is written, see below."),
        click.option(
            "-e",
            "fields",
            metavar="FIELD",
            multiple=True,
            shell_complete=completing.fields,
            help="A column of -T table; given once for each.",
        ),
        click.option(
            "-c", "count", metavar="N", type=click.IntRange(min=1), help="Stop after N messages (that match)."
        ),
        click.option(
            "--bytes",
            "with_bytes",
            is_flag=True,
            help="With -V: everything that is in the message, with the place of each part, and the bytes.",
        ),
        click.option("-V", "verbose", is_flag=True, help="Show each message whole, a field a line (with -T text)."),
        click.option(
            "-T",
            "format_",
            metavar="FORMAT",
            default="text",
            help="Output format, see below.",
            type=click.Choice(_FORMATS),
        ),
        filter_option,
        line_options,
    ):
        command = option(command)
    return command


@click.command("read", epilog=EPILOG, context_settings=CONTEXT)
@capture_options
@saving_options
@jobs_option(f"the processors, up to {limits.JOBS}; 1 below {limits.JOBS_BYTES >> 20} MiB, for pipes, with -T trace-*")
@message_options
def command(files: tuple[str, ...], **given: Any) -> int:  # noqa: ANN401 - see `show`
    """Show the messages of captures: pcap or pcapng, plain, gzip or zstd; - is standard input.

    Several files are read as one, in the order of their packets' times, so that connections go on from one
    file of a rotation to the next.
    """
    return show(files, **given)


def show(
    files: tuple[str, ...],
    *,
    format_: str,
    verbose: bool,
    with_bytes: bool,
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
    saved: str | None = None,
    handshake: bool = False,
    scrub: bool = False,
    jobs: int | None = 1,
) -> int:
    """Show messages of captures, or where there are none of the interface that the options name; give the status."""
    is_table = format_ in TABLES
    if with_bytes:
        refuse_via("--bytes shows packets as captured, TLS and all; leave --via tshark out, or --bytes")
        if not verbose:
            raise click.UsageError("--bytes goes with -V", click.get_current_context())
    _check_options(format_, verbose=verbose, events=events, fields=fields, settings=settings)
    chosen = EventFilter(expression, show_secrets=show_secrets)
    if saved is not None:
        return save(files, ports, saved, chosen, handshake=handshake, scrub=scrub, quiet=quiet, count=count)
    table = TableView(fields, table_options(settings), show_secrets=show_secrets, events=events) if is_table else None
    # What these write of a publish waits for deliveries on other connections.
    is_trace = format_ in TRACES
    reading = open_reading(files, ports, 1 if is_trace or with_bytes else jobs)
    with open_output(output, files, reading, grows=True) as out:
        view: PartedView
        if is_trace:
            trace = TraceView("json" if format_ == TRACES[0] else "text", show_secrets=show_secrets)
            status = run(reading, Tracing(trace, out, count, chosen), EVENTS, quiet=quiet, progress=not out.is_terminal)
            if trace.hurried and not quiet:
                tell(
                    f"publishes whose queues may not all be told, as too many waited for their deliveries: "
                    f"{trace.hurried:,}"
                )
            return status
        if table is not None:
            view = table
        elif format_ == "jsonl":
            view = JsonlView(show_secrets=show_secrets, events=events)
        elif format_ == "firehose":
            view = FirehoseView(show_secrets=show_secrets)
        else:
            view = line = TextView(
                lambda: reading.first_time_ns,
                times=times,
                color=is_colored(color, out),
                width=line_width(out, wide=wide),
                show_secrets=show_secrets,
                events=events,
            )
            if with_bytes:
                view = _bytes_view(line, reading, show_secrets=show_secrets)
            elif verbose:
                view = VerboseView(line, lambda: reading.first_time_ns, show_secrets=show_secrets)
        task = Describing(view, chosen, events=events)
        return run(reading, Showing(view, out, count), task, quiet=quiet, progress=not out.is_terminal)


def _bytes_view(line: TextView, reading: Reading, *, show_secrets: bool) -> PartedView:
    from dissector.explain.recent import RecentPackets, Watched  # noqa: PLC0415 - slow to import, rarely needed
    from dissector.views.explained import BytesView  # noqa: PLC0415

    recent = RecentPackets()
    reading.capture = Watched(reading.capture, recent.see)
    return BytesView(line, recent.of, show_secrets=show_secrets)


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
