"""``osloshark tui``: the terminal UI."""

import sys
from importlib.util import find_spec
from typing import Final

import click

from dissector.cli.filtering import filter_option
from dissector.cli.main import EXIT_DAMAGED
from dissector.cli.options import CONTEXT, capture_options, open_reading
from dissector.cli.telling import tell
from dissector.errors import UsageError

EPILOG: Final = """\b
Examples:
  osloshark tui rabbit.pcap
  osloshark tui -Y 'oslo.failure' rabbit.pcap
  osloshark tui rabbit.pcap0 rabbit.pcap1.gz
  sudo osloshark tui -i eth0
\b
Keys: ? shows them. / is the display filter, 1 to 5 are the tabs, Enter opens,
f follows a request over all services, q ends.
"""


@click.command("tui", epilog=EPILOG, context_settings=CONTEXT)
@capture_options
@filter_option
def command(
    files: tuple[str, ...],
    *,
    expression: str | None,
    output: str | None,
    ports: tuple[int, ...],
    show_secrets: bool,
    quiet: bool,
) -> int:
    """Look at messages and calls on the terminal: lists, each message taken apart, ladders.

    Colours are those of the terminal; NO_COLOR is honoured.
    """
    context = click.get_current_context()
    if output is not None:
        raise click.UsageError("-o does not go with tui, which writes to the terminal; w in it saves packets", context)
    if find_spec("textual") is None:
        raise UsageError("the terminal UI needs textual; install it with: pip install 'osloshark[tui]'")
    if not sys.stdout.isatty():
        raise UsageError("standard output is no terminal; for a pipe use 'osloshark read'")
    from dissector.tui.app import OslosharkApp  # noqa: PLC0415 - slow to import, and there may be no textual
    from dissector.tui.search import compile_for  # noqa: PLC0415
    from dissector.tui.session import Session  # noqa: PLC0415

    if expression is not None:
        compile_for(expression, calls=False)
    session = Session(open_reading(files, ports), files, show_secrets=show_secrets)
    app = OslosharkApp(session, expression=expression)
    app.run()
    if session.error is not None:
        raise session.error
    if not quiet:
        completeness = session.reading.completeness
        tell(completeness.summary(is_whole=not session.is_stopped))
    return EXIT_DAMAGED if session.reading.completeness.is_damaged else app.return_code or 0


next(option for option in command.params if option.name == "output").hidden = True  # type: ignore[attr-defined]
