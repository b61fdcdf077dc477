"""``osloshark tui`` on a real interface, on a real terminal."""

import sys

import pytest

from ..cli.terminal import Terminal
from ..lab import truth
from .test_live import WITHOUT_IMPORTS
from .wire import SEEN, status_of

pytestmark = [pytest.mark.netns, pytest.mark.tmux, pytest.mark.xdist_group("wire")]


def test_no_thread_keeps_a_right_and_nothing_is_imported_then(wire, tmp_path):
    """As root it stays without capabilities, which belong to threads; where it becomes another, it can read less."""
    program = tmp_path / "program.py"
    note = f"import os; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))"
    program.write_text(f"import sys\n{WITHOUT_IMPORTS}\n{note}\nmain()\n")
    environ = ["env", "TERM=screen-256color", "OPENBLAS_NUM_THREADS=1"]  # the last as the command itself says
    words = wire.command(*environ, sys.executable, program, "tui", "--user", "root", "-i", SEEN)
    terminal = Terminal(tmp_path, *words)
    try:
        terminal.wait_for("live · 0 dropped")
        for status in status_of(int((tmp_path / "pid").read_text())):
            assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
            assert status["NoNewPrivs"] == "1"
        wire.send(truth.captures()["verdicts"])
        terminal.wait_for("192 messages")
        terminal.press("/")
        terminal.wait_for("display filter, as")
        terminal.type('oslo.method matches "^get_h" || amqp.exchange contains "東"')
        terminal.press("Enter")
        terminal.wait_for("of 192 messages")
        terminal.press("2", "3", "4", "5")
        terminal.wait_for("Who calls whom")
        terminal.press("q")
        terminal.wait_for("ended with 0")
    finally:
        terminal.close()
