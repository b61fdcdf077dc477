import re
from collections.abc import Iterator

import pytest

from ..lab import truth
from .command import COMMAND, osloshark
from .terminal import Terminal
from .test_read import on_terminal

VERDICTS = truth.captures()["verdicts"]


def shown(*options: object) -> list[str]:
    done = osloshark("top", "-q", *options, VERDICTS)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode().split("\n\n\n")[0].splitlines()


def count_of(lines: list[str], name: str) -> str:
    return next(line.split()[2] for line in lines if line.split()[:1] == [name])


def test_the_end_of_a_capture():
    lines = shown()
    assert lines[0].startswith("osloshark top: verdicts.pcap  20")
    assert lines[0].endswith("  last 60 s  end of capture")
    assert "Failed 5  Timed out 3" in lines[1]
    assert count_of(lines, "get_diagnostics") == "5"
    assert any("failed      get_diagnostics" in line and "InstanceNotFound" in line for line in lines)


def test_a_shorter_window_holds_less():
    assert "echo " in "\n".join(shown())
    assert "Requests 0.0/s  Failed 0" in shown("--window", 4)[1]


def test_a_filter_and_another_group():
    lines = shown("-Y", 'rpc.status == "failed"', "--by", "topic")
    assert "Filter: rpc.status" in lines[2]
    assert count_of(lines, "compute") == "5"
    assert count_of(shown("-Y", 'oslo.method == "echo" && oslo.context'), "echo") == "24"


@pytest.mark.parametrize("count", [None, 1, 3])
def test_snapshots_by_the_clock_of_the_capture(count):
    done = osloshark("top", "-q", "--interval", 1, *(["-n", count] if count else []), VERDICTS)
    assert done.returncode == 0
    times = re.findall(r"^osloshark top: verdicts.pcap  \S+ (\S+)  ", done.stdout.decode(), re.MULTILINE)
    assert times == sorted(times)
    assert len(times) == count if count else 5 < len(times) <= 20
    assert done.stdout.decode().count("end of capture") == (count is None)


def test_output_to_a_file(tmp_path):
    path = tmp_path / "top.txt"
    done = osloshark("top", "-q", "-o", path, VERDICTS)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert path.read_bytes() == osloshark("top", "-q", VERDICTS).stdout


def test_what_is_missing_is_told():
    done = osloshark("top", VERDICTS)
    assert done.stderr == b"osloshark: 1,008 packets, 18 AMQP connections, 192 messages; complete\n"


def test_an_empty_capture(tmp_path):
    path = tmp_path / "none.pcap"
    path.write_bytes(VERDICTS.read_bytes()[:24])
    done = osloshark("top", path)
    assert done.returncode == 0
    assert b"no packets yet" in done.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "no capture given"),
        (["-Y", "rpc.x ==", VERDICTS], "the filter ends where a value is expected"),
        (["-Y", "no.such == 1", VERDICTS], "no field no.such"),
        (["--by", "colour", VERDICTS], "'method', 'exchange'"),
        (["--window", 0, VERDICTS], "--window"),
        (["--interval", 0, VERDICTS], "--interval"),
        (["-n", 0, VERDICTS], "-n"),
        (["-i", "eth0", VERDICTS], "not both"),
        (["-i", "no-such-interface"], "no-such-interface"),
        (["no-such-file"], "no-such-file: No such file or directory"),
        (["--learn", "x", VERDICTS], "--learn goes with -i"),
    ],
)
def test_wrong_options(words, told):
    done = osloshark("top", *words)
    assert (done.returncode, done.stdout) == (2, b"")
    assert told in done.stderr.decode()


def test_on_a_dumb_terminal_it_is_text():
    assert (
        on_terminal("top", "-q", VERDICTS, environment={"TERM": "dumb"}).encode()
        == osloshark("top", "-q", VERDICTS).stdout
    )


@pytest.fixture
def terminal(tmp_path) -> Iterator[Terminal]:
    running = Terminal(tmp_path, "env", "TERM=screen-256color", COMMAND, "top", VERDICTS)
    try:
        running.wait_for("end of capture")
        yield running
    finally:
        running.close()


@pytest.mark.tmux
def test_keys(terminal):
    assert "req/s▼" in terminal.lines()[3]
    terminal.press("Right", "Right")
    terminal.wait_for("failed▼")
    terminal.press("r")
    terminal.wait_for("failed▲")
    terminal.press("b")
    terminal.wait_for("exchange ")
    terminal.press("?")
    terminal.wait_for("any key: back")
    terminal.press("x", "p")
    terminal.wait_for("PAUSED")
    terminal.resize(78, 12)
    lines = terminal.wait_for("last 60 s")
    assert len(lines) == 12
    terminal.press("q")
    lines = terminal.wait_for("ended with 0")
    assert lines[0].startswith("osloshark: 1,008 packets"), "nothing else is left on the screen"


@pytest.mark.tmux
def test_a_filter_is_typed(terminal):
    terminal.press("/")
    terminal.type("rpc.status == ")
    lines = terminal.wait_for("^ the filter ends where a value is expected")
    assert lines[-1].startswith("/rpc.status ==")
    terminal.press("Enter")
    terminal.type('"failed"')
    terminal.press("Enter")
    lines = terminal.wait_for('Filter: rpc.status == "failed"')
    assert [line.split()[0] for line in lines[5:6]] == ["get_diagnostics"]
    assert "Open 0" in lines[2]
    terminal.press("Escape")
    terminal.wait_for("get_host_uptime")
    terminal.press("C-c")
    terminal.wait_for("ended with 0")


@pytest.mark.tmux
def test_a_pipe_that_brings_nothing_more(tmp_path):
    """What came is shown, and keys are those of the terminal."""
    script = '(cat "$1"; exec sleep 60) | "$0" top -'
    running = Terminal(tmp_path, "env", "TERM=screen-256color", "sh", "-c", script, COMMAND, VERDICTS)
    try:
        running.wait_for("echo ")
        running.press("?")
        running.wait_for("any key: back")
        running.press("q", "p")
        running.wait_for("PAUSED")
        running.press("q")
        running.wait_for("(stopped as asked)")
    finally:
        running.close()
