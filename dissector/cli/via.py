"""``--via tshark``: captures and interfaces read through tshark, which decrypts TLS with the keys it is given."""

from collections.abc import Callable
from typing import Any, Final

import click

from dissector.api.via import PROGRAMS, Via
from dissector.cli import completing

_META: Final = "dissector.via"


def via_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --via and --keylog. The command's function does not get them: `open_reading` does."""
    for option in (
        click.option(
            "--keylog",
            metavar="FILE",
            expose_value=False,
            callback=_note,
            shell_complete=completing.files,
            help="With --via tshark: the keys of TLS connections, as SSLKEYLOGFILE has them; docs/tls.md tells how "
            "services write them.",
        ),
        click.option(
            "--via",
            "program",
            type=click.Choice(PROGRAMS),
            expose_value=False,
            callback=_note,
            help="Let tshark (4.0 or later) take packets apart: it decrypts TLS with the keys in --keylog or in the "
            "capture itself, and knows more tunnels. It takes five times as long. Port 5671 is read as well, unless "
            "--port is given.",
        ),
    ):
        command = option(command)
    return command


def _note(context: click.Context, option: click.Parameter, value: Any) -> None:  # noqa: ANN401 - any option's
    setattr(via_of(context), option.name or "", value)


def via_of(context: click.Context | None = None) -> Via:
    """Give what the options of the current command say."""
    found: Via = (context or click.get_current_context()).meta.setdefault(_META, Via())
    return found


def refuse_via(why: str) -> None:
    """Raise `click.UsageError` where --via was given: ``why`` tells what does not go with it."""
    if via_of().program is not None:
        raise click.UsageError(why, click.get_current_context())
