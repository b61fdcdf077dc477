"""``osloshark tui``: the terminal UI."""

import os
import sys
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import click

from dissector.capture.files import STANDARD_INPUT
from dissector.cli.filtering import filter_option
from dissector.cli.interface import interface_of
from dissector.cli.main import EXIT_DAMAGED
from dissector.cli.options import CONTEXT, capture_options, open_reading
from dissector.cli.telling import tell
from dissector.cli.via import refuse_via
from dissector.errors import MissingExtraError, UsageError
from dissector.filter import compile_filter

EPILOG: Final = """\b
Examples:
  osloshark tui rabbit.pcap
  osloshark tui -Y 'oslo.failure' rabbit.pcap
  osloshark tui rabbit.pcap0 rabbit.pcap1.gz
  sudo osloshark tui -i eth0
  osloshark tui --web rabbit.pcap          then open what it prints in a browser
\b
Keys: ? shows them. / is the display filter, 1 to 5 are the tabs, Enter opens,
f follows a request over all services, q ends.
"""


_SWITCH_S: Final = 0.0005
"""How long one thread may keep Python from another: what reads shall not let a key wait. With the usual 5 ms keys were
measured to be answered a third later while a capture is read."""
_LATE: Final = (
    "concurrent.futures.thread",
    "rich._emoji_codes",
    "rich.ansi",
    "rich.traceback",
    "textual.drivers.linux_driver",
    "textual.layouts.factory",
    "textual.pilot",
    "textual.scrollbar",
)
"""What textual and others import when they first need it."""
_SERVED: Final = "TEXTUAL_DRIVER"
"""What textual-serve has in the environment of the processes that it starts."""


@click.command("tui", epilog=EPILOG, context_settings=CONTEXT)
@capture_options
@filter_option
@click.option(
    "--web",
    is_flag=True,
    help="Show it in a browser on this machine: prints an address with a token, which alone gives the right to look.",
)
@click.option(
    "--listen",
    metavar="[ADDRESS:]PORT",
    help="Where --web listens; loopback addresses only.  [default: 127.0.0.1 and a free port]",
)
def command(
    files: tuple[str, ...],
    *,
    expression: str | None,
    web: bool,
    listen: str | None,
    output: str | None,
    ports: tuple[int, ...],
    show_secrets: bool,
    quiet: bool,
) -> int:
    """Look at messages and calls on the terminal: lists, each message taken apart, ladders.

    Colours are those of the terminal; NO_COLOR is honoured.
    """
    context = click.get_current_context()
    refuse_via("tui looks into packets as captured, TLS and all; use 'osloshark read --via tshark'")
    if output is not None:
        raise click.UsageError("-o does not go with tui, which writes to the terminal; w in it saves packets", context)
    if web and find_spec("textual_serve") is None:
        raise MissingExtraError("the terminal UI in a browser", "web")
    if find_spec("textual") is None:
        raise MissingExtraError("the terminal UI", "tui")
    if listen is not None and not web:
        raise click.UsageError("--listen goes with --web", context)
    is_served = _SERVED in os.environ
    if not is_served and not web and not sys.stdout.isatty():
        raise UsageError("standard output is no terminal; for a pipe use 'osloshark read'")
    from dissector.tui.app import OslosharkApp  # noqa: PLC0415 - slow to import, and there may be no textual
    from dissector.tui.search import compile_for  # noqa: PLC0415
    from dissector.tui.session import Session  # noqa: PLC0415

    if expression is not None:
        compile_for(expression, calls=False)
    if web and not is_served:
        _serve(files, ports, listen)
        return 0
    if not is_served:
        _take_keys()
    sys.setswitchinterval(_SWITCH_S)
    session = Session(open_reading(files, ports), files, show_secrets=show_secrets)
    app = OslosharkApp(session, expression=expression)
    if (live := interface_of(context).capture) is not None:
        _load_all()
        live.give_up_rights()  # before there are threads
    app.run()
    if session.error is not None:
        raise session.error
    if not quiet:
        completeness = session.reading.completeness
        tell(completeness.summary(is_whole=not session.is_stopped))
    return EXIT_DAMAGED if session.reading.completeness.is_damaged else app.return_code or 0


def _load_all() -> None:
    """Load what would be when it is first needed, and may not be readable for who we become."""
    from rich.cells import cell_len  # noqa: PLC0415

    for name in _LATE:
        with suppress(ModuleNotFoundError):  # as in a release of theirs that does without
            import_module(name)
    cell_len("東")
    compile_filter('oslo.method matches "x"')


def _take_keys() -> None:
    """Let keys come from the terminal where standard input is something else, a capture say."""
    if sys.__stdin__ is not None and sys.__stdin__.isatty():
        return
    try:
        sys.__stdin__ = open("/dev/tty")  # type: ignore[misc]  # noqa: SIM115, PTH123 - where textual looks; for good
    except OSError as error:
        raise UsageError("there is no terminal that keys could come from; use 'osloshark read'") from error


def _serve(files: tuple[str, ...], ports: tuple[int, ...], listen: str | None) -> None:
    """Serve this very command until Ctrl-C; every window of a browser runs it for itself."""
    if interface_of().names:
        if os.geteuid() == 0:
            raise UsageError(
                "--web as root would have root serve the browser; capture with 'sudo osloshark live -w FILE IFACE', "
                "and show FILE; or join the group that may run dumpcap"
            )
    else:
        if pipes := [name for name in files if name == STANDARD_INPUT or (Path(name).exists() and not _is_file(name))]:
            raise UsageError(f"{pipes[0]}: no file; every window of the browser reads it for itself")
        open_reading(files, ports).close()
    from dissector.tui.web import WebServer, listening  # noqa: PLC0415 - slow to import, and there may be none

    # -P: what lies where it is started is not imported.
    program = [sys.executable, "-P", "-c", "from dissector.cli import main; main()"]
    server = WebServer([*program, "tui", "--quiet", *sys.argv[2:]], listening(listen), title="osloshark")
    tell(f"open {server.url} in a browser on this machine; Ctrl-C ends it")
    server.run()


def _is_file(name: str) -> bool:
    return Path(name).is_file() or Path(name).is_dir()  # of a folder the reading says that it is one


for _option in command.params:
    if isinstance(_option, click.Option) and _option.name in ("output", "program", "keylog"):
        _option.hidden = True  # what comes with the others, and is refused above
