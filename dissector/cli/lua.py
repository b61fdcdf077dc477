"""``osloshark lua``: the plugin for Wireshark."""

from collections.abc import Iterable

import click

from dissector.cli import completing
from dissector.cli.output import Output, OutputClosed
from dissector.cli.telling import tell
from dissector.errors import UsageError
from dissector.interop import lua
from dissector.interop.install import Change, install, uninstall

EPILOG = """\b
Examples:
  osloshark lua --install             for Wireshark and tshark of this user
  osloshark lua --install --profile   with a profile: columns and colours
  osloshark lua -o osloshark.lua      then: tshark -X lua_script:osloshark.lua -r rabbit.pcap
"""


@click.command("lua", epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-o",
    "output",
    metavar="FILE",
    shell_complete=completing.files,
    help="Write the plugin to FILE; - is standard output, the default.",
)
@click.option("--install", "wants_install", is_flag=True, help="Put it into the user's Wireshark plugin folder.")
@click.option("--uninstall", "wants_uninstall", is_flag=True, help="Take it away from there.")
@click.option("--profile", is_flag=True, help="With these: the profile 'osloshark' too, with columns and colours.")
def command(output: str | None, *, wants_install: bool, wants_uninstall: bool, profile: bool) -> int:
    """Give the plugin for Wireshark 4.0 and later: the same decode inside Wireshark and tshark.

    Every packet that completes a message gets a tree with the fields oslo.* and rpc.*, which filters know by these
    names, too.
    """
    if wants_install and wants_uninstall:
        raise UsageError("--install and --uninstall contradict each other")
    if wants_install or wants_uninstall:
        if output is not None:
            raise UsageError("-o names where to write the plugin; --install and --uninstall ask Wireshark for that")
        if wants_install:
            return _tell(install(with_profile=profile), "nothing is installed")
        return _tell(uninstall(with_profile=profile), "there is nothing to remove")
    if profile:
        raise UsageError("--profile goes with --install or --uninstall")
    try:
        with Output(output) as opened:
            opened.write(lua.bundle().encode())
    except OutputClosed:
        pass
    return 0


def _tell(changes: Iterable[Change], nothing: str) -> int:
    told = False
    for change in changes:
        tell(f"{change.what} {change.path}{change.remark}")
        told = True
    if not told:
        tell(nothing)
    return 0
