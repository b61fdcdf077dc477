"""``osloshark trace``: everything about one id, as a ladder over the processes."""

import click
import msgspec

from dissector.amqp import AmqpEvent
from dissector.api.filtering import CallFilter
from dissector.cli.filtering import filter_option
from dissector.cli.interface import open_output
from dissector.cli.main import EXIT_NOT_FOUND
from dissector.cli.options import (
    CONTEXT,
    TIMES,
    capture_options,
    is_colored,
    line_options,
    line_width,
    open_reading,
)
from dissector.cli.run import run
from dissector.cli.telling import tell
from dissector.parallel import EVENTS
from dissector.rpc.hot import hot_of
from dissector.rpc.trace import MIN_PREFIX, Trace
from dissector.views.jsonl import JsonlView, json_line
from dissector.views.ladder import Ladder

EPILOG = f"""\b
ID is a request id (req-…) or global request id, a msg_id, a unique_id or a
notification's message_id, or the beginning of one: {MIN_PREFIX} characters or more.
The exit status is 1 where the captures hold nothing of it.
\b
Times (-t):
{TIMES}\b
Examples:
  osloshark trace req-0f786915-1a86-4d5f-b4df-f9e06eab21d1 rabbit.pcap
  osloshark trace 73a8fe4c rabbit.pcap          who called whom, and what failed
  osloshark trace -T jsonl req-0f786915 rabbit.pcap | jq .rpc.status
"""


@click.command("trace", epilog=EPILOG, context_settings=CONTEXT)
@click.argument("wanted", metavar="ID")
@capture_options
@line_options
@filter_option
@click.option(
    "-T",
    "format_",
    metavar="FORMAT",
    default="text",
    show_default=True,
    type=click.Choice(["text", "jsonl"]),
    help="text (the ladder) or jsonl (its messages and calls).",
)
def command(
    wanted: str,
    files: tuple[str, ...],
    *,
    format_: str,
    output: str | None,
    ports: tuple[int, ...],
    show_secrets: bool,
    times: str,
    color: str,
    wide: bool,
    quiet: bool,
    expression: str | None,
) -> int:
    """Show everything about one id: the chain of calls over the services, with arguments, results and failures."""
    chosen = CallFilter(expression, show_secrets=show_secrets)
    reading = open_reading(files, ports)
    trace = Trace(wanted)
    with open_output(output, files, reading, grows=False) as out:
        done = run(reading, _Traced(trace, chosen, show_secrets=show_secrets), EVENTS, quiet=quiet, progress=True)
        if not trace.messages:
            hint = f"; a part of an id needs {MIN_PREFIX} characters" if len(wanted) < MIN_PREFIX else ""
            tell(f"{wanted}: nothing of it is in the captures{hint}")
            return done or EXIT_NOT_FOUND
        calls = [call for call in trace.calls if chosen(call)]
        if format_ == "jsonl":
            view = JsonlView(show_secrets=show_secrets)
            out.write(b"".join(view.feed(message) for message in trace.messages))
            out.write(b"".join(json_line(msgspec.json.encode(call)) for call in calls))
        else:
            ladder = Ladder(
                lambda: reading.first_time_ns,
                times=times,
                color=is_colored(color, out),
                width=line_width(out, wide=wide),
                show_secrets=show_secrets,
            )
            out.write(ladder.draw(calls, trace.messages))
    if trace.left_out:
        tell(f"{trace.left_out:,} more messages of it are left out")
    return done


class _Traced:
    """Hands the events of a reading to a trace."""

    def __init__(self, trace: Trace, chosen: CallFilter, *, show_secrets: bool) -> None:
        self._chosen = chosen
        self._trace = trace
        self._show_secrets = show_secrets

    def show(self, results: list[AmqpEvent]) -> None:
        """Take the next events."""
        for event in results:
            hot = hot_of(event, self._show_secrets)
            self._chosen.learn(self._chosen.ask(event, hot))
            self._trace.feed(event, hot)

    def finish(self) -> None:
        """Learn that no more come."""
        self._trace.finish()
