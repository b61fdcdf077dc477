"""``osloshark agents``: which agents report that they live, and who calls whom."""

import shutil
from collections.abc import Callable

import click

from dissector.amqp import AmqpEvent
from dissector.api.filtering import EventFilter
from dissector.cli.filtering import filter_option
from dissector.cli.interface import open_output
from dissector.cli.options import CONTEXT, TIMES, capture_options, is_colored, line_options, open_reading
from dissector.cli.output import Output
from dissector.cli.run import run
from dissector.cli.telling import tell
from dissector.parallel import EVENTS
from dissector.rpc.agents import Agents
from dissector.rpc.hot import hot_of
from dissector.rpc.matrix import Matrix
from dissector.rpc.records import AgentRecord, CallerRecord
from dissector.views.agents import agents_csv, agents_jsonl, agents_table, matrix_table
from dissector.views.grid import GridStyle
from dissector.views.times import time_format

EPILOG = f"""\b
An agent is what sends neutron's report_state, saves a nova service, or sends
cinder's, manila's, designate's or trove's reports. Its interval is the median
time between them; a report is missing after 1.75 intervals. LATE: the next
one was due, by that measure, before the capture ended.
\b
Formats (-T):
  table  the agents, then who calls whom (the default)
  jsonl  a JSON object a line, one for each row of them
  csv    the agents; with --matrix, who calls whom
\b
Times (-t):
{TIMES}\b
Examples:
  osloshark agents rabbit.pcap
  osloshark agents --matrix rabbit.pcap        which programs flood the bus
  osloshark agents -T csv -o agents.csv rabbit.pcap
  osloshark agents -T jsonl rabbit.pcap | jq 'select(.late)'
"""


@click.command("agents", epilog=EPILOG, context_settings=CONTEXT)
@capture_options
@click.option(
    "-T",
    "format_",
    metavar="FORMAT",
    default="table",
    show_default=True,
    type=click.Choice(["table", "jsonl", "csv"]),
    help="table, jsonl or csv.",
)
@click.option("--agents", "only_agents", is_flag=True, help="Only the agents.")
@click.option("--matrix", "only_matrix", is_flag=True, help="Only who calls whom: program, method, topic.")
@filter_option
@line_options
def command(
    files: tuple[str, ...],
    *,
    format_: str,
    only_agents: bool,
    only_matrix: bool,
    expression: str | None,
    times: str,
    color: str,
    wide: bool,
    output: str | None,
    ports: tuple[int, ...],
    show_secrets: bool,
    quiet: bool,
) -> int:
    """Show agents and services that report their state, and who calls which method of whom."""
    if only_agents and only_matrix:
        raise click.UsageError("--agents or --matrix: not both", click.get_current_context())
    chosen = EventFilter(expression, show_secrets=show_secrets)
    reading = open_reading(files, ports)
    time = time_format(times, lambda: reading.first_time_ns)
    has_agents, has_matrix = not only_matrix, not only_agents and (format_ != "csv" or only_matrix)
    with open_output(output, files, reading, grows=False) as out:
        columns = None if wide or not out.is_terminal else shutil.get_terminal_size().columns
        style = GridStyle(columns, is_colored(color, out))

        def write(agents: Agents, matrix: Matrix) -> bytes:
            lived = list(agents.records()) if has_agents else []
            called = list(matrix.records()) if has_matrix else []
            if format_ == "jsonl":
                return agents_jsonl([*lived, *called])
            if format_ == "csv":
                return agents_csv(called, CallerRecord) if only_matrix else agents_csv(lived, AgentRecord)
            first = agents_table(lived, time, style) if has_agents else b""
            return first + (matrix_table(called, style) if has_matrix else b"")

        sink = _Seen(chosen, out, write)
        status = run(reading, sink, EVENTS, quiet=quiet, progress=not out.is_terminal)
    if not quiet:
        for what, number in {**sink.agents.left_out, **sink.matrix.left_out}.items():
            tell(f"{number:,} {what} are left out: there were too many")
    return status


class _Seen:
    """Looks for agents and callers in what was read, and writes them at the end."""

    def __init__(self, chosen: EventFilter, output: Output, write: Callable[[Agents, Matrix], bytes]) -> None:
        self.agents, self.matrix = Agents(), Matrix()
        self._chosen = chosen
        self._output = output
        self._write = write

    def show(self, results: list[AmqpEvent]) -> None:
        """Take the next events."""
        for event in results:
            if self._chosen(event):
                hot = hot_of(event)
                self.agents.feed(event, hot)
                self.matrix.feed(event, hot)

    def finish(self) -> None:
        """Write all of it."""
        self.agents.finish()
        self.matrix.finish()
        self._output.write(self._write(self.agents, self.matrix))
