"""``osloshark topology``: what stands in the broker and who is connected to it."""

import shutil
from collections.abc import Callable
from typing import Final

import click

from dissector.amqp import AmqpEvent
from dissector.api.filtering import EventFilter
from dissector.cli import completing
from dissector.cli.filtering import filter_option
from dissector.cli.interface import open_output
from dissector.cli.main import EXIT_NOT_FOUND
from dissector.cli.options import CONTEXT, TIMES, capture_options, is_colored, line_options, open_reading
from dissector.cli.output import Output
from dissector.cli.run import run
from dissector.cli.telling import tell
from dissector.parallel import EVENTS
from dissector.rpc.hot import hot_of
from dissector.rpc.records import QueueRecord
from dissector.rpc.topology import Topology
from dissector.views.dot import DotView
from dissector.views.grid import GridStyle
from dissector.views.owner import owner_records, owner_text
from dissector.views.times import time_format
from dissector.views.topology import SECTIONS, topology_jsonl, topology_tables

_CANDIDATES: Final = 10

EPILOG = f"""\b
Formats (-T):
  table  a table for each of: {", ".join(list(SECTIONS)[:4])},
         {", ".join(list(SECTIONS)[4:])} (the default)
  jsonl  a JSON object a line, one for each of them
  dot    a Graphviz digraph: clients, exchanges, queues, clients
\b
How a thing is known: declared (its declare was seen, and not refused),
inferred (seen in use only), predefined (every virtual host has it). What is
not known is ?, in JSON null. Rates are over the time of the whole capture.
\b
Times (-t):
{TIMES}\b
Examples:
  osloshark topology rabbit.pcap
  osloshark topology --only connections,channels rabbit.pcap
  osloshark topology --queue reply_5c1f rabbit.pcap   whose queue is this
  osloshark topology -T dot rabbit.pcap | dot -Tsvg -o topology.svg
  osloshark topology -T jsonl rabbit.pcap | jq 'select(.type == "queue")'
\b
Exit status with --queue: 1 where no queue, or more than one, has such a name.
"""


def _sections(_ctx: click.Context, _param: click.Parameter, value: str | None) -> list[str]:
    names = list(SECTIONS) if value is None else [name.strip() for name in value.split(",")]
    for name in names:
        if name not in SECTIONS:
            raise click.BadParameter(f"'{name}' is not one of {', '.join(SECTIONS)}")
    return list(dict.fromkeys(names))


@click.command("topology", epilog=EPILOG, context_settings=CONTEXT)
@capture_options
@click.option(
    "-T",
    "format_",
    metavar="FORMAT",
    default="table",
    show_default=True,
    type=click.Choice(["table", "jsonl", "dot"]),
    help="table, jsonl or dot.",
)
@click.option(
    "--only",
    "sections",
    metavar="WHAT,…",
    callback=_sections,
    shell_complete=completing.list_of(*SECTIONS),
    help="Only these tables, see below.",
)
@click.option("--queue", metavar="NAME", help="Only this queue: whose it is. The beginning of its name is enough.")
@filter_option
@line_options
def command(
    files: tuple[str, ...],
    *,
    format_: str,
    sections: list[str],
    queue: str | None,
    expression: str | None,
    times: str,
    color: str,
    wide: bool,
    output: str | None,
    ports: tuple[int, ...],
    show_secrets: bool,
    quiet: bool,
) -> int:
    """Show connections, channels, exchanges, queues, bindings and consumers, as far as the wire tells."""
    context = click.get_current_context()
    if format_ == "dot" and (queue is not None or context.params["sections"] != list(SECTIONS)):
        raise click.UsageError("-T dot draws everything: not with --only or --queue", context)
    chosen = EventFilter(expression, show_secrets=show_secrets)
    reading = open_reading(files, ports)
    time = time_format(times, lambda: reading.first_time_ns)
    with open_output(output, files, reading, grows=False) as out:
        columns = None if wide or not out.is_terminal else shutil.get_terminal_size().columns
        style = GridStyle(columns, is_colored(color, out))

        def write(topology: Topology) -> bytes:
            if format_ == "dot":
                return DotView(topology.records(), topology.flows, topology.duration_s).write()
            if queue is not None:
                found = topology.queues(queue)
                if len({one.name for one in found}) != 1:
                    return b""
                parts = [owner_records(one, topology.records()) for one in found]
                if format_ == "jsonl":
                    return b"".join(map(topology_jsonl, parts))
                return b"\n".join(owner_text(part, time) for part in parts)
            if format_ == "jsonl":
                kinds = tuple(SECTIONS[name] for name in sections)
                return topology_jsonl(record for record in topology.records() if isinstance(record, kinds))
            return topology_tables(topology.records(), sections, time, style)

        sink = _Seen(Topology(show_secrets=show_secrets), chosen, out, write)
        status = run(reading, sink, EVENTS, quiet=quiet, progress=not out.is_terminal)
    _tell(sink.topology, quiet=quiet)
    found = 0 if queue is None else _told(queue, sink.topology.queues(queue))
    return status or found


class _Seen:
    """Shows a topology what was read, and writes what it makes of that."""

    def __init__(
        self, topology: Topology, chosen: EventFilter, output: Output, write: Callable[[Topology], bytes]
    ) -> None:
        self.topology = topology
        self._chosen = chosen
        self._output = output
        self._write = write

    def show(self, results: list[AmqpEvent]) -> None:
        """Take the next events."""
        for event in results:
            if self._chosen(event):
                self.topology.feed(event, hot_of(event))

    def finish(self) -> None:
        """Write all of it."""
        self.topology.finish()
        data = self._write(self.topology)
        if data:
            self._output.write(data)


def _tell(topology: Topology, *, quiet: bool) -> None:
    if not quiet:
        for what, number in topology.left_out.items():
            tell(f"{number:,} {what} are left out: there were too many")


def _told(queue: str, found: list[QueueRecord]) -> int:
    """Say on standard error why there is no answer; give the exit status."""
    names = list(dict.fromkeys(record.name for record in found))
    if len(names) == 1:
        return 0
    if not names:
        tell(f"no queue of the name {queue} was seen")
    else:
        some = ", ".join(names[:_CANDIDATES]) + (" …" if len(names) > _CANDIDATES else "")
        tell(f"{len(names):,} queues have names that begin with {queue}: {some}")
    return EXIT_NOT_FOUND
