"""The real program on a real terminal."""

import os
import shlex
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from ..cli.command import COMMAND
from ..lab import truth

pytestmark = pytest.mark.tmux
DEMO = truth.captures()["demo"]


@contextmanager
def terminal(folder, *arguments, columns=80, rows=24, before="", **environment):
    """Start osloshark in a terminal of its own; give what sends keys, and what waits for a text on screen.

    ``before`` stands before the command.
    """
    tmux = ["tmux", "-S", str(folder / "socket"), "-f", "/dev/null"]
    variables = [word for name, value in environment.items() for word in ("-e", f"{name}={value}")]
    size = ["-x", str(columns), "-y", str(rows)]
    command = f"{before}{shlex.join([COMMAND, 'tui', *map(str, arguments)])}; echo status $?; exec sleep 100"
    subprocess.run([*tmux, "new-session", "-d", *size, *variables, command], check=True)

    def keys(*names):
        for name in names:
            subprocess.run([*tmux, "send-keys", name], check=True)

    def shown(text, *options):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            screen = subprocess.run([*tmux, "capture-pane", "-p", *options], capture_output=True, text=True, check=True)
            if text in screen.stdout:
                return screen.stdout
            time.sleep(0.05)
        raise AssertionError(f"{text!r} is not on screen:\n{screen.stdout}")

    try:
        yield keys, shown
    finally:
        subprocess.run([*tmux, "kill-server"], check=False, capture_output=True)


def test_messages_calls_and_the_end(tmp_path):
    with terminal(tmp_path, DEMO) as (keys, shown):
        screen = shown("all read · 82 messages")
        assert len(screen.splitlines()) == 24
        assert all(len(line) <= 80 for line in screen.splitlines())
        assert "oslo.version: 2.0" in screen
        assert "7b 22 6f 73 6c 6f 2e 76  {" in screen
        keys("2")
        shown("25 calls")
        keys("Enter")
        ladder = shown("queued")
        assert "│── call" in ladder
        assert "reply" in ladder
        keys("Escape")
        shown("25 calls")
        keys("q")
        shown("osloshark: 1,007 packets, 21 AMQP connections, 82 messages; complete")
        shown("status 0")


def test_what_is_typed_ahead_or_pasted_goes_into_the_filter(tmp_path):
    with terminal(tmp_path, DEMO) as (keys, shown):
        shown("all read · 82 messages")
        keys('/oslo.method contains "q/"')  # each of f, o, q, t would do something in the list
        shown('oslo.method contains "q/"')
        keys("Enter")
        shown("0 of 82 messages")
        keys("q")
        shown("status 0")


def test_a_capture_comes_through_a_pipe_while_keys_come_from_the_terminal(tmp_path):
    os.mkfifo(tmp_path / "more")
    data = DEMO.read_bytes()
    (tmp_path / "begin").write_bytes(data[:100_000])
    files = shlex.join([str(tmp_path / "begin"), str(tmp_path / "more")])
    with terminal(tmp_path, "-", before=f"cat {files} | ") as (keys, shown):
        shown("packet 389: publish")
        assert "reading" in shown("messages")
        keys("j")
        shown("packet 391: deliver")
        (tmp_path / "more").write_bytes(data[100_000:])
        shown("all read · 82 messages")
        assert "packet 391: deliver" in shown("? keys")
        keys("q")
        shown("status 0")


def test_colours_are_those_of_the_terminal_and_none_where_that_is_asked_for(tmp_path):
    (tmp_path / "plain").mkdir()
    with terminal(tmp_path, DEMO) as (_, shown):
        assert "\x1b[36m" in shown("all read", "-e")
    with terminal(tmp_path / "plain", DEMO, NO_COLOR="1") as (_, shown):
        screen = shown("all read", "-e")
        assert not any(f"\x1b[{code}m" in screen for code in (*range(31, 38), *range(91, 98)))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no-such.pcap"], "no-such.pcap: No such file or directory"),
        ([], "no capture given"),
        (["-Y", "rpc.status", str(DEMO)], "messages have no rpc.* fields"),
        (["-Y", "oslo.method ==", str(DEMO)], "a value is expected"),
        (["-o", "x", str(DEMO)], "-o does not go with tui"),
    ],
)
def test_mistakes_are_told_in_a_line(tmp_path, arguments, said):
    with terminal(tmp_path, *arguments, columns=160) as (_, shown):
        assert said in shown("osloshark: ")
        shown("status 2")


def test_a_pipe_is_no_terminal():
    done = subprocess.run([COMMAND, "tui", DEMO], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "osloshark: standard output is no terminal; for a pipe use 'osloshark read'\n"


def test_without_textual_the_remedy_is_told(tmp_path):
    (tmp_path / "hide.py").write_text(
        "import sys, importlib.util\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *more: None if name == 'textual' else find(name, *more)\n"
        "sys.modules['textual'] = None\n"
        "from dissector.cli import main\n"
        "main()\n"
    )
    command = [sys.executable, str(tmp_path / "hide.py"), "tui", str(DEMO)]
    root = str(truth.PCAPS.parent)
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, "PYTHONPATH": root}
    )
    assert done.returncode == 2
    assert done.stderr == "osloshark: the terminal UI needs the \"tui\" extra: pip install 'osloshark[tui]'\n"
