"""``osloshark calls``: each request with all its legs, its reply, and the verdict."""

from collections.abc import Callable
from typing import Final

import click

from dissector import limits
from dissector.api.filtering import CallFilter
from dissector.api.following import AskedDecoding, AskedRow, Following
from dissector.cli import completing
from dissector.cli.counts import tell_counts
from dissector.cli.filtering import filter_option
from dissector.cli.following import FOLLOWING_JOBS, following_jobs
from dissector.cli.interface import open_output
from dissector.cli.main import EXIT_INTERRUPTED
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
from dissector.cli.output import Output
from dissector.cli.run import run
from dissector.cli.saving import check_saving, save_calls, saving_options
from dissector.cli.telling import tell
from dissector.errors import UsageError
from dissector.fields import CallRecord, RpcFields
from dissector.rpc import Calls
from dissector.rpc.call import FAILED, OK, PENDING, SENT, TIMED_OUT, UNDELIVERED, failure_chars
from dissector.views.calls import CallCsv, CallJson, CallLines, CallTable, CallView
from dissector.views.table import Table, table_options

_STATUSES: Final = (OK, FAILED, TIMED_OUT, SENT, UNDELIVERED, PENDING)
_SORTS: Final[dict[str, Callable[[RpcFields], float]]] = {
    "latency": lambda rpc: -_or_least(rpc.latency_s),
    "queue_wait": lambda rpc: -_or_least(rpc.queue_wait_s),
    "bytes": lambda rpc: -float((rpc.request_bytes or 0) + (rpc.reply_bytes or 0)),
    "time": lambda rpc: _or_least(rpc.publish_time or rpc.deliver_time or rpc.reply_deliver_time),
}
_STREAM_LATE_NS: Final = limits.HOLE_NS
"""How long a call that timed out waits where calls are shown as they come: for a late reply, or for a hole that may
hide one to be found."""

EPILOG = f"""\b
Status:
  ok           answered in time
  failed       the reply holds a failure
  timed_out    no final reply within the timeout
  sent         a cast, fanout or notification that was delivered
  undelivered  one that was not
  pending      the capture ends first, or does not show enough to tell
\b
Causes of what is not ok:
  not_delivered, no_reply, late_reply, reply_unroutable,
  capture_gap (packets are missing that could hold the answer)
\b
Times (-t):
{TIMES}\b
Examples:
  osloshark calls rabbit.pcap
  osloshark calls --status failed,timed_out rabbit.pcap
  osloshark calls --sort latency --slower 0.5 rabbit.pcap | head
  osloshark calls -T jsonl rabbit.pcap | jq .rpc.latency_s
  osloshark calls -T csv -o calls.csv rabbit.pcap
  osloshark calls -Y 'rpc.method == "report_state" && rpc.queue_wait_s > 1' rabbit.pcap
  osloshark calls --status failed -w failed.pcapng --handshake rabbit.pcap
"""


def _or_least(value: float | None) -> float:
    return float("-inf") if value is None else value


def _statuses(_context: click.Context, _option: click.Parameter, value: str | None) -> frozenset[str] | None:
    if value is None:
        return None
    names = frozenset(value.split(","))
    if unknown := names.difference(_STATUSES):
        raise click.BadParameter(f"{', '.join(sorted(unknown))}: choose from {', '.join(_STATUSES)}")
    return names


@click.command("calls", epilog=EPILOG, context_settings=CONTEXT)
@capture_options
@line_options
@filter_option
@saving_options
@jobs_option(FOLLOWING_JOBS)
@click.option(
    "-T",
    "format_",
    metavar="FORMAT",
    default="table",
    show_default=True,
    type=click.Choice(["table", "jsonl", "csv"]),
    help="table (a line a call), jsonl or csv.",
)
@click.option(
    "-e",
    "fields",
    metavar="FIELD",
    multiple=True,
    shell_complete=completing.fields,
    help="A column of -T table, an rpc.* field; see read -e.",
)
@click.option("-E", "settings", metavar="NAME=VALUE", multiple=True, help="How these columns are written; see read -E.")
@click.option(
    "--status",
    metavar="STATUS,…",
    callback=_statuses,
    shell_complete=completing.list_of(*_STATUSES),
    help="Only calls of these statuses, see below.",
)
@click.option(
    "--sort",
    metavar="KEY",
    type=click.Choice(list(_SORTS)),
    help="Show them at the end, sorted by latency, queue_wait, bytes (largest first) or time.",
)
@click.option("--slower", metavar="SECONDS", type=click.FloatRange(min=0), help="Only calls that took longer.")
def command(
    files: tuple[str, ...],
    *,
    format_: str,
    fields: tuple[str, ...],
    settings: tuple[str, ...],
    status: frozenset[str] | None,
    sort: str | None,
    slower: float | None,
    output: str | None,
    ports: tuple[int, ...],
    show_secrets: bool,
    times: str,
    color: str,
    wide: bool,
    quiet: bool,
    expression: str | None,
    saved: str | None,
    handshake: bool,
    scrub: bool,
    jobs: int | None,
) -> int:
    """Show each request with all its legs and its reply: a call a line, and how it ended.

    A call crosses up to four connections: the client's publish, the deliver to a server, the server's reply, the
    deliver of that. Queue wait, service time and return wait are told apart.
    """
    if (fields or settings) and format_ != "table":
        raise click.UsageError("-e and -E go with -T table", click.get_current_context())
    if others := [field for field in fields if not field.startswith("rpc.")]:
        raise UsageError(f"-e {others[0]}: calls have the fields rpc.*; 'osloshark fields rpc.' lists them")
    table = Table(fields, table_options(settings))
    matches = CallFilter(expression, show_secrets=show_secrets)

    def chosen(call: CallRecord) -> bool:
        rpc = call.rpc
        return (status is None or rpc.status in status) and (slower is None or (rpc.latency_s or 0) > slower)

    if saved is not None:
        check_saving(files)
        following = Following(Calls(), matches)
        kept = _Kept(following, chosen)
        reading = open_reading(files, ports, following_jobs(matches, jobs))
        done = run(reading, kept, AskedDecoding(matches), quiet=True, progress=True)
        if done == EXIT_INTERRUPTED:
            return done
        return save_calls(files, ports, saved, kept.calls, handshake=handshake, scrub=scrub, quiet=quiet)
    reading = open_reading(files, ports, following_jobs(matches, jobs))
    with open_output(output, files, reading, grows=sort is None) as out:
        view: CallView
        if format_ == "jsonl":
            view = CallJson()
        elif format_ == "csv":
            view = CallCsv()
        elif fields:
            view = CallTable(table)
        else:
            view = CallLines(
                lambda: reading.first_time_ns,
                times=times,
                color=is_colored(color, out),
                width=line_width(out, wide=wide),
            )

        is_stream = reading.capture.bytes_total is None and sort is None
        calls = Calls(late_ns=_STREAM_LATE_NS if is_stream else None)
        following = Following(calls, matches)
        task = AskedDecoding(matches, show_secrets=show_secrets)
        clock = (lambda: reading.now_ns) if reading.capture.is_live else None
        sink = _Shown(following, view, out, chosen, sort=_SORTS[sort] if sort else None, clock=clock)
        done = run(reading, sink, task, quiet=quiet, progress=not out.is_terminal)
    if not quiet:
        tell_counts(following.counts)
    return done


class _Kept:
    """Keeps the calls that are chosen."""

    def __init__(self, following: Following, chosen: Callable[[CallRecord], bool]) -> None:
        self.calls: list[CallRecord] = []
        self._following = following
        self._chosen = chosen

    def show(self, results: list[AskedRow]) -> None:
        """Take the next events."""
        self.calls += filter(self._chosen, self._following.feed(results))

    def finish(self) -> None:
        """Learn that no more come."""
        self.calls += filter(self._chosen, self._following.finish())


class _Shown:
    """Writes the calls that are chosen, as their verdicts are known, or sorted at the end."""

    def __init__(
        self,
        following: Following,
        view: CallView,
        output: Output,
        chosen: Callable[[CallRecord], bool],
        *,
        sort: Callable[[RpcFields], float] | None,
        clock: Callable[[], int] | None,
    ) -> None:
        """``clock`` gives the time up to which events were given, where that goes on without any."""
        self._following = following
        self._clock = clock
        self._view = view
        self._output = output
        self._chosen = chosen
        self._sort = sort
        self._kept: list[CallRecord] = []
        self._chars = 0
        """Of their failures."""
        self._left_out = 0
        self._has_head = False

    def show(self, results: list[AskedRow]) -> None:
        """Take the next events."""
        self._take(self._following.feed(results))
        if self._clock is not None:
            self._take(self._following.pass_time(self._clock()))

    def finish(self) -> None:
        """Write what is left."""
        for call in self._following.finish():
            self._take([call])
        if self._sort is not None:
            self._cut(self._sort)
            self._write(self._kept)
        if self._left_out:
            tell(f"{self._left_out:,} calls that would stand further down are left out")

    def _take(self, calls: list[CallRecord]) -> None:
        calls = [call for call in calls if self._chosen(call)]
        if self._sort is not None:
            self._kept += calls
            self._chars += sum(failure_chars(call.rpc.failure) for call in calls)
            if len(self._kept) >= 2 * limits.SORTED_CALLS or self._chars > 2 * limits.FAILURE_CHARS:
                self._cut(self._sort)
        else:
            self._write(calls)

    def _cut(self, sort: Callable[[RpcFields], float]) -> None:
        """Sort what is kept, and keep what stands first."""
        self._kept.sort(key=lambda call: sort(call.rpc))
        while len(self._kept) > limits.SORTED_CALLS or self._chars > limits.FAILURE_CHARS:
            self._chars -= failure_chars(self._kept.pop().rpc.failure)
            self._left_out += 1

    def _write(self, calls: list[CallRecord]) -> None:
        head = b"" if self._has_head else self._view.head()
        self._has_head = True
        data = head + b"".join(map(self._view.feed, calls))
        if data:
            self._output.write(data)
