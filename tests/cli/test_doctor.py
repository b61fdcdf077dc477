"""What the doctor finds: on this machine, and on such as lack things, made of folders and scripts."""

import contextlib
import json
import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from dissector import __version__
from dissector.cli import asking, checks
from dissector.interop import lua

from .command import COMMAND
from .test_read import on_terminal


def doctor(*words, path=None, home=None, **environment):
    changed = {
        key: str(value) for key, value in {"PATH": path, "HOME": home, **environment}.items() if value is not None
    }
    surroundings = {name: value for name, value in os.environ.items() if name != "XDG_CONFIG_HOME"} | changed
    return subprocess.run(
        [COMMAND, "doctor", *words],
        env=surroundings,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )


def found(*words, **surroundings):
    done = doctor("-T", "jsonl", *words, **surroundings)
    assert done.stderr == ""
    listed = [json.loads(line) for line in done.stdout.splitlines()]
    return {(check["group"], check["name"]): check for check in listed}, done.returncode


def commands():
    """The processes of this machine, and what they were called with."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            yield int(process.name), (process / "cmdline").read_bytes()


def program(folder: Path, name: str, script: str) -> Path:
    """Put a program there that says what a script does."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def only_ours(monkeypatch):
    """No child is found but in a folder of the test's; it is given the folder."""

    def use(folder):
        from dissector.capture.live import child  # noqa: PLC0415

        monkeypatch.setattr(child, "PATH", str(folder))
        return {check.name: check for check in checks.capture()}

    return use


def test_the_core_is_well():
    seen, status = found("core")
    assert status == 0
    assert {name for group, name in seen} >= {"python", "numpy", "google-re2", "decode"}
    assert {check["state"] for check in seen.values()} == {"ok"}


def test_it_is_told_in_lines():
    done = doctor("core")
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"osloshark {__version__}, Python 3.")
    assert any(line.startswith("  ok        decode") for line in lines)
    assert lines[-1] == "All of it works."
    assert done.stderr == ""


def test_a_package_that_is_too_old_missing_or_broken(monkeypatch, tmp_path):
    (tmp_path / "brokenpackage.py").write_text("raise RuntimeError('of no use')")
    (tmp_path / "brokenpackage-1.0.dist-info").mkdir()
    (tmp_path / "brokenpackage-1.0.dist-info" / "METADATA").write_text("Name: brokenpackage\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert checks._package("core", "click", "99.1", "r").state == "outdated"
    assert checks._package("core", "no-such-package", "", "r").state == "missing"
    broken = checks._package("core", "brokenpackage", "", "r")
    assert (broken.state, broken.detail) == ("broken", "cannot be imported: RuntimeError: of no use")


def test_a_core_that_does_not_work_is_status_1(tmp_path):
    (tmp_path / "re2.py").write_text("raise ImportError('libre2 is missing')")
    seen, status = found("core", PYTHONPATH=tmp_path)
    assert status == 1
    assert seen["core", "google-re2"]["state"] == "broken"
    assert seen["core", "google-re2"]["remedy"].startswith("pip install")
    assert doctor(PYTHONPATH=tmp_path).returncode == 1


def test_what_was_not_asked_for_may_lack(tmp_path):
    seen, status = found(path=tmp_path, home=tmp_path)
    assert seen["wireshark", "tshark"]["state"] == "missing"
    assert status == 0
    assert found("wireshark", path=tmp_path)[1] == 1


def test_an_extra_alone_may_be_asked_for():
    seen, status = found("live")
    assert list(seen) == [("extras", "live")]
    assert status == (0 if seen["extras", "live"]["state"] == "ok" else 1)


def test_another_thing_is_refused():
    done = doctor("heart")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_a_program_that_answers_nothing_is_not_waited_for(tmp_path):
    script = f"trap '' TERM INT HUP\nsh -c 'sleep 300; :' {tmp_path}/hanging-child &\nwhile :; do sleep 1; done"
    hanging = program(tmp_path, "hanging", script)
    begin = time.monotonic()
    answer = asking.ask(str(hanging), timeout_s=0.3)
    assert answer.status is None
    assert time.monotonic() - begin < 5
    assert [pid for pid, words in commands() if str(hanging).encode() in words] == [], (
        "it is gone, and so are its children"
    )


def test_a_program_that_never_stops_talking_is_not_listened_to(tmp_path):
    talking = program(tmp_path, "talking", "exec yes")
    answer = asking.ask(str(talking))
    assert answer.status is None
    assert len(answer.text) < 1 << 18


def test_what_cannot_be_started_answers_nothing(tmp_path):
    assert asking.ask(str(tmp_path / "none")) == asking.Answer(None, "No such file or directory")
    assert asking.ask("a\0b").status is None


@pytest.mark.parametrize(
    ("says", "state", "told"),
    [
        ("echo 'TShark (Wireshark) 3.6.2 (Git)'; echo 'with Lua 5.2.4'", "outdated", "4.0 or later"),
        ("echo 'TShark (Wireshark) 4.2.0 (Git)'; echo 'without Lua'", "broken", "without Lua"),
        ("echo 'cannot open shared object' >&2; exit 127", "broken", "cannot open shared object"),
        ("printf '\\033[31mevil\\n'; exit 1", "broken", "evil"),
        ("sleep 60", "broken", "does not answer"),
    ],
)
def test_a_tshark_of_no_use(tmp_path, monkeypatch, says, state, told):
    program(tmp_path, "tshark", says)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(checks, "TIMEOUT_S", 0.5)
    monkeypatch.setattr(checks, "ask", lambda *words: asking.ask(*words, timeout_s=0.5))
    *_, check = checks.wireshark()
    assert (check.state, check.remedy is not None) == (state, True)
    assert told in check.detail


def test_what_a_program_says_does_not_command_the_terminal(tmp_path):
    program(tmp_path, "tshark", "printf '\\033[31mevil\\n'; exit 1")
    done = doctor("wireshark", path=f"{tmp_path}:/usr/bin:/bin")
    assert "\\x1b[31mevil" in done.stdout
    assert "\x1b" not in done.stdout


def test_the_plugin_missing_current_old_and_foreign(tmp_path):
    version = "echo 'TShark 4.0.17'; echo 'with Lua 5.2'"
    program(tmp_path, "tshark", f"case $1 in --version) {version};; *) echo 'Personal Lua Plugins:\t{tmp_path}';; esac")
    path = f"{tmp_path}:/usr/bin:/bin"
    plugin = tmp_path / "osloshark.lua"

    def state():
        seen, status = found("wireshark", path=path)
        return seen["wireshark", "plugin"]["state"], seen["wireshark", "plugin"]["remedy"], status

    assert state() == ("missing", "osloshark lua --install", 1)
    plugin.write_text(lua.bundle())
    assert state() == ("ok", None, 0)
    plugin.write_text("-- osloshark 0.0.1: older\n")
    assert state() == ("outdated", "osloshark lua --install", 1)
    plugin.write_text("-- mine\n")
    assert state() == ("broken", "move it away first", 1)


def test_nothing_to_capture_with(only_ours, tmp_path, monkeypatch):
    monkeypatch.setattr(checks, "find_spec", lambda name: None)
    seen = only_ours(tmp_path)
    assert [seen[name].state for name in ("dumpcap", "tcpdump", "socket", "right")] == ["missing"] * 4
    assert seen["right"].remedy == "sudo apt-get install wireshark-common"
    assert "pip install 'osloshark[live]'" in seen["socket"].detail


def test_a_right_that_lacks(only_ours, tmp_path, monkeypatch):
    monkeypatch.setattr(checks, "_own_socket", lambda: checks.Check("capture", "socket", "denied", "not permitted"))
    program(tmp_path, "dumpcap", "echo 'dumpcap: no (socket: Operation not permitted).' >&2; exit 1")
    program(tmp_path, "tcpdump", "exit 0")
    seen = only_ours(tmp_path)
    assert seen["dumpcap"].state == "denied"
    assert "Operation not permitted" in seen["dumpcap"].detail
    assert seen["dumpcap"].remedy == f"sudo setcap cap_net_raw,cap_net_admin+eip {tmp_path}/dumpcap"
    # dumpcap is what osloshark would use, and there it ends.
    assert seen["right"].state == "denied"
    assert not seen["right"].is_ok


def test_with_the_right_interfaces_are_tried(only_ours, tmp_path):
    program(tmp_path, "dumpcap", 'case "$1" in --version) echo "Dumpcap 4.0.17";; esac\n[ "$3" != lo ]')
    seen = only_ours(tmp_path)
    assert seen["right"].is_ok
    assert seen["dumpcap"].detail.startswith("4.0.17")
    assert seen["lo"].state == "denied"


@pytest.mark.netns
def test_who_has_lost_the_right_to_capture_is_told_what_helps():
    """With a real dumpcap or tcpdump, and a root that may open no packet socket."""
    lost = ["setpriv", "--no-new-privs", "--bounding-set=-net_raw,-net_admin", "--inh-caps=-net_raw,-net_admin"]
    done = subprocess.run([*lost, COMMAND, "doctor", "-T", "jsonl", "capture"], capture_output=True, check=False)
    assert done.stderr == b""
    seen = {check["name"]: check for check in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 1
    assert (seen["right"]["state"], seen["right"]["remedy"]) == ("denied", "start it with sudo")
    (refused,) = (check for check in seen.values() if check["name"] in ("dumpcap", "tcpdump") and check["remedy"])
    assert "not permitted" in refused["detail"]
    assert "setcap" in refused["remedy"] or "usermod" in refused["remedy"]


def test_on_a_terminal_it_is_coloured_and_fits():
    shown = on_terminal("doctor", "core", "terminal", environment={"TERM": "xterm-256color"})
    assert "\x1b[32mok" in shown
    lines = re.sub(r"\x1b\[\d+m", "", shown).splitlines()
    assert max(map(len, lines)) <= 100
    assert any("xterm-256color, 100 columns, 40 lines" in line for line in lines)
    assert "\x1b" not in on_terminal("doctor", "terminal", environment={"NO_COLOR": "1", "TERM": "xterm-256color"})


def test_a_terminal_that_cannot_show_it():
    shown = on_terminal("doctor", "terminal", columns=60, environment={"TERM": "xterm", "LC_ALL": "C.UTF-8"})
    assert "needs 80 columns" in shown
    assert "Not all works: terminal; 1 remedy above (→)." in shown
    assert "export TERM" in on_terminal("doctor", "terminal", environment={"TERM": "dumb"})
