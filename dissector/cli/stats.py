"""``osloshark stats``: how many requests, how large, how slow, and where the time goes."""

from typing import Final

import click

from dissector.api.counting import Counted
from dissector.api.filtering import CallFilter
from dissector.api.following import AskedDecoding, Following
from dissector.cli.counts import tell_counts
from dissector.cli.filtering import filter_option
from dissector.cli.following import FOLLOWING_JOBS, following_jobs
from dissector.cli.interface import open_output
from dissector.cli.options import CONTEXT, capture_options, jobs_option, open_reading
from dissector.cli.run import run
from dissector.rpc import Calls
from dissector.rpc.statistics import GROUPS, Statistics
from dissector.views.statistics import statistics_csv, statistics_jsonl, statistics_table

_FORMATS: Final = {"table": statistics_table, "jsonl": statistics_jsonl, "csv": statistics_csv}

EPILOG = """\b
Columns: latency is from the request's publish to the reply's deliver; of it,
wait is from publish to deliver (the queue), serv from deliver to the reply's
publish (the server). Quantiles are within 1 % of the true value, max is exact.
again counts what was delivered again or published again.
By queue and by server, a fanout counts once for each that took it.
\b
Examples:
  osloshark stats rabbit.pcap                  which methods are slow
  osloshark stats --by client rabbit.pcap      who floods the bus
  osloshark stats --by server rabbit.pcap      which server is slow
  osloshark stats -T jsonl rabbit.pcap | jq 'select(.latency.p99_s > 1)'
"""


@click.command("stats", epilog=EPILOG, context_settings=CONTEXT)
@capture_options
@filter_option
@jobs_option(FOLLOWING_JOBS)
@click.option(
    "--by",
    metavar="GROUP",
    default="method",
    show_default=True,
    type=click.Choice(GROUPS),
    help="Group by method, exchange, topic, queue, client or server.",
)
@click.option(
    "-T",
    "format_",
    metavar="FORMAT",
    default="table",
    show_default=True,
    type=click.Choice(list(_FORMATS)),
    help="table, jsonl or csv.",
)
def command(
    files: tuple[str, ...],
    *,
    by: str,
    format_: str,
    output: str | None,
    ports: tuple[int, ...],
    show_secrets: bool,
    quiet: bool,
    expression: str | None,
    jobs: int | None,
) -> int:
    """Show statistics of requests: count, rate, errors, timeouts, latency, of it queue wait and service."""
    matches = CallFilter(expression, show_secrets=show_secrets)
    following = Following(Calls(), matches)
    reading = open_reading(files, ports, following_jobs(matches, jobs))
    with open_output(output, files, reading, grows=False) as out:
        sink = Counted(reading, Statistics(by), following)
        done = run(reading, sink, AskedDecoding(matches), quiet=quiet, progress=not out.is_terminal)
        out.write(_FORMATS[format_](sink.records()))
    if not quiet:
        tell_counts(following.counts)
    return done
