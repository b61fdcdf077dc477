"""``-i``: what commands that read captures take from a live interface, and how that is opened."""

import codecs
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from dissector.amqp.known import Ends, Known
from dissector.cli import completing
from dissector.cli.output import Output
from dissector.cli.telling import tell
from dissector.cli.via import via_of
from dissector.errors import UsageError
from dissector.reading import Reading

if TYPE_CHECKING:  # imported when an interface is opened: what reads files shall not wait for it
    from dissector.capture.live import Account, LiveCapture
    from dissector.capture.live.capture import Save

_META: Final = "dissector.interface"
_NICE: Final = 10
"""A broker on the same host goes first; a tenth of a busy processor is left, and all of an idle one."""
_METHODS: Final = ("auto", "child", "scapy")
_CODECS: Final = ("unicode_escape", "utf-16-be", "latin-1")
"""What views write odd characters with. Python imports a codec's module when it is first asked for."""


class Interface(msgspec.Struct):
    """What the options say."""

    names: tuple[str, ...] = ()
    method: str | None = None
    more: str | None = None
    user: str | None = None
    duration_s: float | None = None
    nice: int | None = None
    known: str | None = None
    make_save: "Callable[[list[str], Account | None], Save] | None" = None
    """Makes what ``-w`` writes to, of the names of the interfaces and who we become."""
    whom: "Account | None" = None
    """Who we become, once that is looked up."""
    capture: "LiveCapture | None" = None
    """What captures, once it is opened."""


def interface_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add -i and what goes with it. The command's function does not get them: `open_reading` does."""
    return _more_options(
        click.option(
            "-i",
            "names",
            metavar="IFACE",
            shell_complete=completing.interfaces,
            multiple=True,
            expose_value=False,
            callback=_note,
            help="Read the interface IFACE, live, instead of files; any is all. May be given several times; for what "
            "goes with it see 'osloshark live --help'.",
        )(command),
        hidden=True,
    )


def live_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what goes with -i, for the command that takes interfaces as its arguments."""
    interfaces = click.argument(
        "names",
        metavar="IFACE...",
        nargs=-1,
        required=True,
        expose_value=False,
        callback=_note,
        shell_complete=completing.interfaces,
    )
    return _more_options(interfaces(command), hidden=False)


def _more_options(command: Callable[..., Any], *, hidden: bool) -> Callable[..., Any]:
    for option in (
        click.option(
            "--learn",
            "known",
            metavar="FILE",
            shell_complete=completing.files,
            expose_value=False,
            hidden=hidden,
            callback=_note,
            help="Know the queues, vhosts and users of connections that are open already: from a capture in which they "
            "were opened, or from what 'osloshark topology -T jsonl' made of one.",
        ),
        click.option(
            "--duration",
            "duration_s",
            metavar="SECONDS",
            type=click.FloatRange(min=0, min_open=True),
            expose_value=False,
            hidden=hidden,
            callback=_note,
            help="End after so long.",
        ),
        click.option(
            "--nice",
            metavar="N",
            type=click.IntRange(0, 19),
            expose_value=False,
            hidden=hidden,
            callback=_note,
            help=f"By how much to give way to other programs where the processors are busy, the broker, say; 0: not at "
            f"all.  [default: {_NICE}]",
        ),
        click.option(
            "--user",
            metavar="NAME",
            expose_value=False,
            hidden=hidden,
            callback=_note,
            help="Who to become where started as root, once the interface is open.  [default: who called sudo, else "
            "nobody]",
        ),
        click.option(
            "-f",
            "more",
            metavar="FILTER",
            expose_value=False,
            hidden=hidden,
            callback=_note,
            help="Capture only what matches this, too (man pcap-filter); with 'or …', also what matches that.",
        ),
        click.option(
            "--capture",
            "method",
            type=click.Choice(_METHODS),
            expose_value=False,
            hidden=hidden,
            callback=_note,
            help="How to capture: scapy is a socket of our own, child is dumpcap, else tcpdump.  [default: auto, a "
            "socket if we are root and scapy is installed, else a child]",
        ),
    ):
        command = option(command)
    return command


def _note(context: click.Context, option: click.Parameter, value: Any) -> None:  # noqa: ANN401 - any option's
    if isinstance(value, float) and not isfinite(value):
        raise click.BadParameter("no number of seconds", context, option)
    setattr(interface_of(context), option.name or "", value)


def interface_of(context: click.Context | None = None) -> Interface:
    """Give what the options of the current command say."""
    meta = (context or click.get_current_context()).meta
    found: Interface = meta.setdefault(_META, Interface())
    return found


def open_live(files: tuple[str, ...], ports: tuple[int, ...]) -> Reading | None:
    """Open the interfaces that were asked for; None where files are to be read.

    Raises `UsageError` where they cannot be captured, `click.UsageError` for options that do not go together.
    """
    context = click.get_current_context()
    wanted = interface_of(context)
    if not wanted.names:
        for option in context.command.params:
            name = option.name or ""
            if name in _NAMES and getattr(wanted, name) is not None:
                raise click.UsageError(f"{option.opts[0]} goes with -i", context)
        return None
    if files:
        raise click.UsageError("-i IFACE or FILE: not both; give one of them", context)
    if context.params.get("saved") is not None:
        raise click.UsageError("-w reads captures twice; on an interface use 'osloshark live -w FILE'", context)
    # Some of it would be imported when it is first needed, and may not be readable for who we become.
    import hashlib  # noqa: F401, PLC0415

    import brotli  # type: ignore[import-untyped]  # noqa: F401, PLC0415
    import zstandard  # noqa: F401, PLC0415

    from dissector.capture.live import LiveCapture, account  # noqa: PLC0415 - see above
    from dissector.cli.learning import check, learned  # noqa: PLC0415
    from dissector.cli.signals import watch_hangups  # noqa: PLC0415

    for name in _CODECS:
        codecs.lookup(name)

    known: dict[Ends, Known] = {}
    path = wanted.known
    if path is not None:
        check(path)

    via = via_of(context)
    via.prepare(grows=True)
    wanted.whom = whom = account(wanted.user)
    watch_hangups()

    def begin() -> None:
        if not context.params.get("quiet"):
            names = ", ".join(capture.names)
            buffer = f"{capture.buffer_bytes >> 20} MiB of kernel buffer each"
            becoming = f", as {whom.name}" if whom is not None else ""
            tell(f"{names}: capturing with {capture.program}, {buffer}{becoming}; Ctrl-C ends it")
        if path is not None:
            known.update(learned(path, ports))

    capture = LiveCapture(
        wanted.names,
        ports,
        method=wanted.method or _METHODS[0],
        more=wanted.more,
        whom=whom,
        duration_s=wanted.duration_s,
        nice=_NICE if wanted.nice is None else wanted.nice,
        begin=begin,
        tell=tell,
    )
    wanted.capture = capture
    if wanted.make_save is not None:
        try:
            capture.save = wanted.make_save(capture.names, whom)
        except BaseException:
            capture.close()
            raise
    source, streams = via.through(capture, ports, tell)
    return Reading(source, ports=ports, known=known, streams=streams)


_NAMES: Final = ("method", "more", "user", "duration_s", "nice", "known")


def open_output(path: str | None, files: tuple[str, ...], reading: Reading, *, grows: bool) -> Output:
    """Open where output goes: on an interface, one that ``grows`` is appended to; else as `Output` does.

    Raises `UsageError` where that cannot be, or could not be put in place in the end.
    """
    if not reading.capture.is_live:
        return Output(path, files)
    from dissector.capture.live import can_create_in  # noqa: PLC0415 - see above
    from dissector.cli.livelog import LiveLog  # noqa: PLC0415

    whom = interface_of().whom
    if grows:
        return LiveLog(path, whom, lambda: reading.capture.is_ending)
    if path is not None and whom is not None and Path(path).is_file() and not can_create_in(Path(path).parent, whom):
        raise UsageError(
            f"{path}: {whom.name}, who osloshark becomes, cannot replace it; write to a new file, or name another "
            f"user with --user"
        )
    return Output(path, files)
