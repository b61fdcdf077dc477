"""``osloshark``: the commands, what they have in common, and what becomes of errors."""

import gc
import importlib
import os
import sys
import traceback
from pathlib import Path
from typing import Final

import click

from dissector._version import __version__
from dissector.cli.output import OutputClosed, OutputError
from dissector.cli.telling import tell, trace_of
from dissector.errors import UsageError, WorkerError

_COLLECTING: Final = (50_000, 20, 1_000)
"""When Python looks for cycles of objects. What stays of a capture has none, and with the usual thresholds of 700, 10
and 10 the search was measured to take a quarter of the time of 5,000 connections, half of that of a SYN flood."""

_COMMANDS: Final = {
    "agents": "Show which agents report that they live, and who calls whom.",
    "topology": "Show connections, exchanges, queues, bindings, consumers.",
    "calls": "Show each request with all its legs, its reply, and the verdict.",
    "completion": "Print what makes a shell complete the command line.",
    "doctor": "Tell what is there of what osloshark can use, and what helps.",
    "fields": "List the fields that filters and columns take.",
    "live": "Show the messages on an interface, as they come.",
    "lua": "Give the plugin for Wireshark, or install it.",
    "read": "Show the messages of captures.",
    "top": "Watch rates, slow methods, open calls, failures, quiet agents, live.",
    "trace": "Show everything about one request id, msg_id or the like, as a ladder.",
    "tui": "Look at messages and calls on the terminal: lists, trees, ladders.",
    "stats": "Show counts, rates, errors and latencies of requests.",
}
"""Name to one line; each is in the module of its name, and imported when it is called: --help shall be quick."""

EXIT_DAMAGED: Final = 1
EXIT_NOT_FOUND: Final = 1
EXIT_USAGE: Final = 2
EXIT_INTERNAL: Final = 70
"""EX_SOFTWARE of sysexits.h."""
EXIT_INTERRUPTED: Final = 130

EPILOG: Final = """\b
Examples:
  osloshark read rabbit.pcap                       a line a message
  osloshark calls --status timed_out rabbit.pcap   what went wrong
  osloshark stats rabbit.pcap                      which methods are slow
  osloshark trace req-0f786915 rabbit.pcap         one request, all services
  osloshark read -T jsonl rabbit.pcap | jq .oslo   for programs
  ssh broker tcpdump -U -w - port 5672 | osloshark read -
  sudo osloshark live eth0                         as they come
\b
Exit status:
  0    the captures were read to their end
  1    a capture was damaged, or of a link type that cannot be read; output
       could not be written; trace or topology --queue did not find the one
       thing asked for
  2    the command line or a capture file was not usable
  70   an error in osloshark itself
  130  interrupted; what was read until then was shown
"""


class _Group(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = importlib.import_module(f"dissector.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(_COMMANDS.items()))


@click.command(cls=_Group, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="osloshark", message="%(prog)s %(version)s")
def group() -> None:
    """Show the RPC traffic of an OpenStack cloud: AMQP 0-9-1 and oslo.messaging, out of packet captures.

    The broker is never touched. Secrets are masked unless --show-secrets.
    """


def main() -> None:
    """Run the command line and exit."""
    gc.set_threshold(*_COLLECTING)
    try:
        sys.exit(group.main(prog_name="osloshark", standalone_mode=False) or 0)
    except UsageError as error:
        _fail(error.reason, *error.shown)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(EXIT_USAGE)
    except click.ClickException as error:
        usage = f"; see '{error.ctx.command_path} --help'" if isinstance(error, click.UsageError) and error.ctx else ""
        _fail(" ".join(error.format_message().split()).rstrip(".") + usage)
    except OutputClosed:
        sys.exit(0)
    except OutputError as error:
        _fail(str(error), status=EXIT_DAMAGED)
    except WorkerError as error:
        if error.is_ours:
            more = error.trace if os.environ.get("OSLOSHARK_DEBUG") else ()
            _fail(
                f"{error.reason}; please report it with the trace that OSLOSHARK_DEBUG=1 shows",
                *more,
                status=EXIT_INTERNAL,
            )
        _fail(error.reason, status=EXIT_DAMAGED)
    except OSError as error:
        _fail(f"standard output: cannot be written: {error.strerror}", status=EXIT_DAMAGED)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(EXIT_INTERRUPTED)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        _fail(
            f"internal error: {type(error).__name__} at {Path(place.filename).name}:{place.lineno}; "
            "please report it with the trace that OSLOSHARK_DEBUG=1 shows",
            *(trace_of(error) if os.environ.get("OSLOSHARK_DEBUG") else ()),
            status=EXIT_INTERNAL,
        )


def _fail(message: str, *more: str, status: int = EXIT_USAGE) -> None:
    tell(message, *more)
    sys.exit(status)
