"""``-w``: the packets of what was chosen, as a capture of their own."""

from collections.abc import Callable
from typing import Any, Final

import click
from click.core import ParameterSource

from dissector.amqp import AmqpEvent, Message
from dissector.cli import completing
from dissector.cli.options import open_reading
from dissector.cli.output import Output
from dissector.cli.run import Stop, run
from dissector.cli.telling import tell
from dissector.cli.via import refuse_via
from dissector.fields import CallRecord
from dissector.parallel import EVENTS
from dissector.reading import DEFAULT_PORTS
from dissector.rpc.hot import hot_of
from dissector.saving import Selection
from dissector.scrub import Scrubber

_STANDARD_INPUT: Final = "-"
_SHOWING: Final = ("output", "format_", "fields", "settings", "times", "color", "wide", "verbose", "events", "sort")
"""Parameters that say how something is shown."""


def saving_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add -w, --handshake and --scrub."""
    for option in (
        click.option(
            "--scrub",
            is_flag=True,
            callback=_with_saving,
            help="With -w: overwrite the secrets in the packets with as many *. What cannot be decoded, and a "
            "compressed body that holds a secret, goes as a whole.",
        ),
        click.option(
            "--handshake",
            is_flag=True,
            callback=_with_saving,
            help="With -w: also the packets that open the connections, so that vhost, user and queues are known.",
        ),
        click.option(
            "-w",
            "saved",
            metavar="FILE",
            shell_complete=completing.files,
            is_eager=True,
            help="Write the packets of what is chosen to FILE as pcapng, and nothing else. They are raw, as captured, "
            "secrets included: --scrub takes these out. FILE is made as with -o.",
        ),
    ):
        command = option(command)
    return command


def _with_saving(context: click.Context, option: click.Parameter, value: bool) -> bool:
    if value and context.params.get("saved") is None:
        raise click.UsageError(f"{option.opts[0]} goes with -w; name the capture to write with -w FILE", context)
    return value


def check_saving(files: tuple[str, ...]) -> None:
    """Refuse standard input, for the captures are read again, and options that say how something is shown.

    Raises `click.UsageError`.
    """
    context = click.get_current_context()
    refuse_via("-w writes packets as captured, TLS and all; leave --via tshark out, or -w")
    if _STANDARD_INPUT in files:
        raise click.UsageError("-w reads the captures twice; save standard input to a file first", context)
    for option in context.command.params:
        name = option.name or ""
        if name in _SHOWING and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            text = (
                f"{option.opts[0]} does not go with -w, which writes packets and shows nothing; leave one of them out"
            )
            raise click.UsageError(text, context)


def save(
    files: tuple[str, ...],
    ports: tuple[int, ...],
    saved: str,
    chosen: Callable[[Message], bool],
    *,
    handshake: bool,
    scrub: bool,
    quiet: bool,
    count: int | None = None,
) -> int:
    """Write the packets of the chosen messages of captures, the first ``count`` of them or all, to the file ``saved``;
    give the exit status.

    Raises `click.UsageError` as `check_saving` does.
    """
    check_saving(files)
    reading = open_reading(files, ports)
    selection = Selection()
    with Output(saved, files) as out:
        done = run(reading, _Choosing(selection, chosen, count), EVENTS, quiet=quiet, progress=True)
        if handshake:
            selection.add_openings(files, ports or DEFAULT_PORTS)
        if not scrub:
            packets, changed = selection.save(files, out), ""
        else:
            scrubber = Scrubber(files, ports or DEFAULT_PORTS, selection.streams, selection.packets())
            packets = selection.save(files, out, scrubber.scrub)
            changed = f"; {scrubber.changed:,} scrubbed"
            if scrubber.is_full:
                tell(f"{saved}: too many packets to be scrubbed one by one: the last are overwritten as a whole")
    if not quiet:
        tell(f"{saved}: {packets:,} packets of {selection.messages:,} messages{changed}")
    return done


def save_calls(
    files: tuple[str, ...],
    ports: tuple[int, ...],
    saved: str,
    calls: list[CallRecord],
    *,
    handshake: bool,
    scrub: bool,
    quiet: bool,
) -> int:
    """Write the packets of all legs of calls, their heartbeats included, as `save` does."""
    unique_ids = {call.rpc.unique_id for call in calls} - {None}
    msg_ids = {call.rpc.msg_id for call in calls} - {None}

    def is_leg(message: Message) -> bool:
        hot = hot_of(message)
        if hot is None:
            return False
        is_answer = hot.kind in ("reply", "heartbeat")
        return hot.msg_id in msg_ids if is_answer or hot.unique_id is None else hot.unique_id in unique_ids

    return save(files, ports, saved, is_leg, handshake=handshake, scrub=scrub, quiet=quiet)


class _Choosing:
    """Lets a selection choose messages."""

    def __init__(self, selection: Selection, chosen: Callable[[Message], bool], count: int | None) -> None:
        self._selection = selection
        self._chosen = chosen
        self._count = count

    def show(self, events: list[AmqpEvent]) -> None:
        """Choose from the next events; raises `Stop` after the last message asked for."""
        for event in events:
            if isinstance(event, Message) and self._chosen(event):
                self._selection.choose(event)
                if self._selection.messages == self._count:
                    raise Stop

    def finish(self) -> None:
        """Do nothing: every message was looked at."""
