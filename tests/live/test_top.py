"""``osloshark top`` on a real interface, on a real terminal."""

import sys

import pytest

from ..cli.command import COMMAND
from ..cli.terminal import Terminal
from ..lab import truth
from .test_live import WITHOUT_IMPORTS
from .wire import SEEN

pytestmark = [pytest.mark.netns, pytest.mark.xdist_group("wire")]


@pytest.mark.tmux
@pytest.mark.parametrize("method", ["child", "scapy"])
def test_on_a_terminal(method, wire, tmp_path):
    words = wire.command("env", "TERM=screen-256color", COMMAND, "top", "--capture", method, "-i", SEEN)
    terminal = Terminal(tmp_path, *words)
    try:
        terminal.wait_for(f"{SEEN}: capturing with")
        assert terminal.lines()[0] == f"osloshark top: {SEEN}  no packets yet  last 60 s"
        wire.send(truth.captures()["verdicts"])
        lines = terminal.wait_for("LATE get_host_uptime")
        assert lines[3].split()[:2] == ["method", "req/s▼"]
        assert lines[4].startswith("echo ")
        assert any("failed      get_diagnostics" in line for line in lines)
        assert lines[-1].startswith("q quit")
        terminal.press("p")
        terminal.wait_for("PAUSED")
        terminal.press("q")
        lines = terminal.wait_for("ended with 0")
        assert any("18 AMQP connections, 192 messages" in line for line in lines)
    finally:
        terminal.close()


@pytest.mark.tmux
def test_a_filter_is_typed_once_rights_are_gone(wire, tmp_path):
    """Nothing is imported then, for who we become may not be able to."""
    program = tmp_path / "program.py"
    program.write_text(f"import sys\n{WITHOUT_IMPORTS}\nmain()\n")
    words = wire.command("env", "TERM=screen-256color", sys.executable, program, "top", "-i", SEEN)
    terminal = Terminal(tmp_path, *words)
    try:
        terminal.wait_for(f"{SEEN}: capturing with")
        wire.send(truth.captures()["verdicts"])
        terminal.wait_for("get_diagnostics")
        terminal.press("/")
        terminal.type('rpc.method matches "^get_h" && ')
        terminal.wait_for("^ the filter ends where")
        terminal.type('rpc.server contains "東"')
        terminal.press("Enter")
        terminal.wait_for("Filter: rpc.method matches")
        terminal.press("b", "?")
        terminal.wait_for("any key: back")
        terminal.press("x", "q")
        terminal.wait_for("ended with 0")
    finally:
        terminal.close()


def test_as_text(wire, tmp_path):
    """The second of two snapshots holds what came; after it, it ends."""
    with wire.live(tmp_path, "top", "--interval", "2", "-n", "2", "-i", SEEN) as live:
        wire.send(truth.captures()["demo"])
        assert live.wait() == 0, live.errors
        snapshots = live.output.decode().split("osloshark top: ")[1:]
        assert len(snapshots) == 2
        assert "report_state" in snapshots[1]
        assert "Own drops 0" in snapshots[1]


def test_it_ends_with_what_there_is(wire, tmp_path):
    with wire.live(tmp_path, "top", "--interval", "3600", "-i", SEEN) as live:
        wire.send(truth.captures()["demo"])
        live.wait_for_packets()
        assert live.end() == 0, live.errors
        assert live.output.decode().count("osloshark top: ") == 1
        assert "report_state" in live.output.decode()
        assert "82 messages" in live.errors
