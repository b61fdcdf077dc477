"""``osloshark top`` on a real interface, on a real terminal."""

import pytest

from ..cli.command import COMMAND
from ..cli.terminal import Terminal
from ..lab import truth
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
