"""``osloshark live``: the messages on interfaces, as they come."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from dissector.cli import completing
from dissector.cli.interface import interface_of, live_options
from dissector.cli.main import EXIT_DAMAGED
from dissector.cli.options import CONTEXT, TIMES, common_options
from dissector.cli.read import message_options, show
from dissector.cli.telling import tell
from dissector.errors import UsageError

if TYPE_CHECKING:
    from dissector.capture.live import Account
    from dissector.cli.savefile import SaveFile

EPILOG = f"""\b
It looks into packets without any right but to read them: started as root, it
opens the interface and its files, then becomes another user for good (--user)
and keeps no capability.
\b
With dumpcap a message may take 0.25 s to be shown, else some milliseconds. On
a busy machine it gives way to others, such as the broker (--nice); what it
has no time for is dropped, counted and told.
\b
Files (-w) are rotated as tcpdump does: with -C the second ends in 1; with -W,
too, they end in 0, 1 … and the first comes again after the last; with -G the
time goes into the name, as rabbit-%H%M.pcapng, and -W is how many there may be
before the capture ends. They belong to that other user, who has to be able to
make files in their folder where they are rotated. On SIGHUP the files of -o
and -w are opened anew, as logrotate wants it (not on a terminal).
\b
Formats (-T), -E and filters (-Y): see 'osloshark read --help'.
\b
Without root (Debian, Ubuntu):
  sudo dpkg-reconfigure wireshark-common   lets a group use dumpcap; answer yes
  sudo usermod -aG wireshark $USER         be in it, from the next login on
  osloshark doctor capture                 whether it works
\b
Times (-t):
{TIMES}\b
Examples:
  sudo osloshark live eth0
  sudo osloshark live -Y 'oslo.failure || event' --events any
  sudo osloshark live -T jsonl -o /var/log/osloshark.jsonl eth0 eth1
  sudo osloshark live --user $USER -w rabbit.pcapng -C 100 -W 10 eth0
  sudo osloshark live -f 'host 10.0.0.5' --duration 60 eth0
  sudo osloshark calls -i eth0                 calls, as they end
\b
Exit status: 0 when it ended as asked, by Ctrl-C, SIGTERM, --duration, -c or
-W; 1 when the capture broke off, or something could not be written.
"""


def _savefile_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("-W", "files", metavar="N", type=click.IntRange(min=1), help="With -C or -G: at most N files."),
        click.option(
            "-G", "seconds", metavar="SECONDS", type=click.IntRange(min=1), help="With -w: a new file after so long."
        ),
        click.option(
            "-C",
            "megabytes",
            metavar="MB",
            type=click.IntRange(min=1),
            help="With -w: a new file when one is larger than so many million bytes.",
        ),
        click.option(
            "-w",
            "path",
            metavar="FILE",
            shell_complete=completing.files,
            help="Write all packets to FILE as well, as pcapng; secrets included, for its owner alone (0600). One that "
            "is there is replaced.",
        ),
    ):
        command = option(command)
    return command


@click.command("live", epilog=EPILOG, context_settings=CONTEXT)
@common_options
@live_options
@_savefile_options
@message_options
def command(*, path: str | None, megabytes: int | None, seconds: int | None, files: int | None, **shown: Any) -> int:  # noqa: ANN401 - see `read.show`
    """Show the messages on interfaces, as they come; any is all interfaces. Ctrl-C ends it.

    Of connections that are open already, vhost, user and queues are known only as far as --learn tells.
    """
    context = click.get_current_context()
    if path is None and (megabytes or seconds or files):
        raise click.UsageError("-C, -G and -W go with -w; name the file to write with -w FILE", context)
    if files and not (megabytes or seconds):
        raise click.UsageError("-W goes with -C or -G: say when a file is to end", context)
    if path is not None and path in ("", "-"):
        raise UsageError("-w - : packets go to a file; for a pipe use dumpcap or tcpdump, and 'osloshark read -'")
    saved: list[SaveFile] = []

    def make_save(names: list[str], whom: "Account | None") -> "SaveFile":
        from dissector.cli.savefile import Rotation, SaveFile  # noqa: PLC0415 - rarely needed

        assert path is not None
        rotation = Rotation(megabytes, seconds, files)
        saved.append(SaveFile(path, names, rotation, whom=whom, tell=tell))
        return saved[0]

    if path is not None:
        interface_of(context).make_save = make_save
    status = show((), **shown)
    if saved and saved[0].unwritten:
        tell(f"{path}: {saved[0].unwritten:,} packets are not in it: it could not be written")
        return status or EXIT_DAMAGED
    return status
