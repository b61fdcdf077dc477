"""``-w``: the packets of what was chosen, as a capture of their own."""

from collections.abc import Callable
from typing import Any, Final

import click

from dissector.amqp import AmqpEvent, Message
from dissector.cli.options import open_reading
from dissector.cli.output import Output
from dissector.cli.run import run
from dissector.cli.telling import tell
from dissector.fields import CallRecord
from dissector.rpc.hot import hot_of
from dissector.saving import Selection

_STANDARD_INPUT: Final = "-"


def saving_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add -w and --handshake."""
    for option in (
        click.option(
            "--handshake",
            is_flag=True,
            help="With -w: also the packets that open the connections, so that vhost, user and queues are known.",
        ),
        click.option(
            "-w",
            "saved",
            metavar="FILE",
            help="Write the packets of what is chosen to FILE as pcapng, and nothing else. They are as captured: "
            "secrets are not masked.",
        ),
    ):
        command = option(command)
    return command


def check_saving(files: tuple[str, ...]) -> None:
    """Refuse standard input: the captures are read again. Raises `click.UsageError`."""
    if _STANDARD_INPUT in files:
        raise click.UsageError(
            "-w reads the captures twice; save standard input to a file first", click.get_current_context()
        )


def save(
    files: tuple[str, ...],
    ports: tuple[int, ...],
    saved: str,
    chosen: Callable[[Message], bool],
    *,
    handshake: bool,
    quiet: bool,
) -> int:
    """Write the packets of the chosen messages of captures to the file ``saved``, and give the exit status.

    The captures are read twice: raises `click.UsageError` for standard input.
    """
    check_saving(files)
    reading = open_reading(files, ports)
    selection = Selection(handshake=handshake)
    with Output(saved, files) as out:
        done = run(reading, _Choosing(selection, chosen), quiet=quiet, progress=True)
        packets = selection.save(files, out)
    if not quiet:
        tell(f"{saved}: {packets:,} packets of {selection.messages:,} messages")
    return done


def save_calls(
    files: tuple[str, ...],
    ports: tuple[int, ...],
    saved: str,
    calls: list[CallRecord],
    *,
    handshake: bool,
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

    return save(files, ports, saved, is_leg, handshake=handshake, quiet=quiet)


class _Choosing:
    """Lets a selection choose messages."""

    def __init__(self, selection: Selection, chosen: Callable[[Message], bool]) -> None:
        self._selection = selection
        self._chosen = chosen

    def show(self, events: list[AmqpEvent]) -> None:
        """Choose from the next events."""
        self._selection.learn(events)
        for event in events:
            if isinstance(event, Message) and self._chosen(event):
                self._selection.choose(event)

    def finish(self) -> None:
        """Do nothing: every message was looked at."""
