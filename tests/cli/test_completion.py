"""What shells complete, asked as they ask it, and in the shells themselves."""

import os
import socket
import subprocess

import click
import pytest

from dissector.cli import completing
from dissector.cli.main import group
from dissector.fields import FIELDS

from ..lab import truth
from .command import COMMAND, osloshark
from .terminal import Terminal

FOLDER = os.path.dirname(COMMAND)  # noqa: PTH120 - a text
DEMO = str(truth.captures()["demo"])


def completed(*words: str) -> list[str]:
    """Ask as bash does, for the last of some words: what it may become."""
    asked = {"_OSLOSHARK_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run([COMMAND], env={**os.environ, **asked}, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return [line for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("osloshark", "comp"), ["plain,completion"]),
        (("osloshark", "read", "--show"), ["plain,--show-secrets"]),
        (("osloshark", "stats", "-T", "c"), ["plain,csv"]),
        (("osloshark", "read", "-e", "oslo.req"), ["plain,oslo.request_id"]),
        (("osloshark", "calls", "-e", "rpc.lat"), ["plain,rpc.latency_s"]),
        (("osloshark", "calls", "-e", "oslo"), []),
        (("osloshark", "read", "-Y", "amqp.excha"), ["plain,amqp.exchange"]),
        (("osloshark", "calls", "-i", "l"), ["plain,lo"]),
        (("osloshark", "live", "an"), ["plain,any"]),
        (("osloshark", "calls", "--status", "failed,t"), ["plain,failed,timed_out"]),
        (("osloshark", "topology", "--only", "q"), ["plain,queues"]),
        (("osloshark", "read", "pcaps/d"), ["file,pcaps/d"]),
        (("osloshark", "read", "-o", "x"), ["file,x"]),
        (("osloshark", "completion", "z"), ["plain,zsh"]),
    ],
)
def test_what_a_word_may_become(words, expected):
    assert completed(*words) == expected


def test_in_a_filter_the_last_word_becomes_a_field():
    context = click.Context(group)
    option = click.Option(["-Y"])
    found = completing.filters(context, option, "!oslo.failure && (oslo.me")
    assert {item.value for item in found} == {"!oslo.failure && (oslo.message_id", "!oslo.failure && (oslo.method"}
    assert completing.filters(context, option, 'oslo.method == "') == []
    assert {item.value for item in completing.filters(context, option, "")} > set(FIELDS)


def test_interfaces_are_those_of_the_machine():
    found = completing.interfaces(click.Context(group), click.Option(["-i"]), "")
    assert [item.value for item in found] == ["any", *(name for _, name in socket.if_nameindex())]


def test_all_that_takes_a_file_a_field_or_an_interface_is_completed():
    """By what help calls the value; the filter of ``-f`` is tcpdump's."""
    how = {"FILE": completing.files, "FIELD": completing.fields, "IFACE": completing.interfaces}
    context = click.Context(group)
    seen = set()
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        for param in command.params:
            called = (param.metavar or "").strip("[].")
            wanted = completing.filters if "-Y" in param.opts else how.get(called)
            if wanted is not None:
                assert param._custom_shell_complete is wanted, f"osloshark {name} {param.opts}"
                seen.add(wanted)
    assert seen == {*how.values(), completing.filters}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_click_s_own(shell):
    done = osloshark("completion", shell)
    assert done.returncode == 0
    assert done.stderr == b""
    asked = {**os.environ, "_OSLOSHARK_COMPLETE": f"{shell}_source"}
    assert done.stdout == subprocess.run([COMMAND], env=asked, capture_output=True, check=True).stdout


def test_another_shell_is_refused_in_a_line():
    done = osloshark("completion", "tcsh")
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1


@pytest.mark.shells
def test_fish_completes():
    asked = f'fish_add_path -P {FOLDER}; osloshark completion fish | source; complete -C "osloshark read -e oslo.req"'
    done = subprocess.run(["fish", "--no-config", "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.partition("\t")[0] == "oslo.request_id"
    assert "equest" in done.stdout.partition("\t")[2], "with its meaning"


@pytest.mark.shells
@pytest.mark.tmux
@pytest.mark.parametrize("shell", ["bash --norc --noprofile -i", "zsh -f -i"])
def test_bash_and_zsh_complete(shell, tmp_path):
    name = shell.partition(" ")[0]
    (tmp_path / "rabbit.pcap").symlink_to(DEMO)
    terminal = Terminal(
        tmp_path, "env", f"PATH={FOLDER}:{os.environ['PATH']}", "PS1=> ", *shell.split(), size=(100, 40)
    )
    try:
        terminal.type(f"cd {tmp_path}; ")
        if name == "zsh":
            terminal.type("autoload -Uz compinit; compinit -D -u; ")
        terminal.type(f'eval "$(osloshark completion {name})"; echo re""ady')
        terminal.press("Enter")
        terminal.wait_for("\nready")
        terminal.type("osloshark rea")
        terminal.press("Tab")
        terminal.wait_for("osloshark read")
        terminal.type(" -e oslo.req")
        terminal.press("Tab")
        terminal.wait_for("oslo.request_id")
        terminal.type(" -T table -c 1 -q rab")
        terminal.press("Tab")
        terminal.wait_for("rabbit.pcap")
        terminal.press("Enter")
        terminal.wait_for("\nreq-")
    finally:
        terminal.close()
