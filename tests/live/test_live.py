"""``osloshark live`` on a real interface: what it shows is what ``read`` shows of the same packets."""

import contextlib
import json
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

import pytest

from ..cli.command import COMMAND, osloshark
from ..lab import truth
from .wire import SEEN, SENT, status_of

pytestmark = [pytest.mark.netns, pytest.mark.tshark, pytest.mark.xdist_group("wire")]

DEMO = truth.captures()["demo"]
METHODS = pytest.mark.parametrize("method", ["child", "tcpdump", "scapy"])


def everybodys_folder():
    """A folder that everybody may look into, as those of pytest are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


open_folder = pytest.fixture(everybodys_folder)


@pytest.fixture(scope="module")
def only_tcpdump():
    """A folder of programs without dumpcap, which everybody may look into."""
    for folder in everybodys_folder():
        (folder / "tcpdump").symlink_to(shutil.which("tcpdump", path="/usr/bin:/usr/sbin"))
        yield folder


@pytest.fixture
def way(method, only_tcpdump) -> tuple[list[str], list[str]]:
    """What chooses a way to capture: before the command, and its options."""
    if method == "tcpdump":
        return ["env", f"PATH={only_tcpdump}"], ["--capture", "child"]
    return [], ["--capture", method]


def without_times(lines: bytes) -> list[dict]:
    messages = [json.loads(line) for line in lines.splitlines()]
    for message in messages:
        del message["frame"]["time_epoch"]
    return messages


@METHODS
def test_live_shows_what_read_shows(method, way, wire, tmp_path):
    before, options = way
    with wire.live(tmp_path, "live", *options, "-T", "jsonl", SEEN, before=before) as live:
        assert ("tcpdump" if method == "tcpdump" else "dumpcap" if method == "child" else "scapy") in live.errors
        wire.send(DEMO)
        live.wait_for_packets()
        assert live.end() == 0, live.errors
        assert live.errors.splitlines()[-1] == "osloshark: 1,007 packets, 21 AMQP connections, 82 messages; complete"
        assert without_times(live.output) == without_times(osloshark("read", "-T", "jsonl", DEMO).stdout)


@METHODS
def test_what_came_just_before_the_end_is_shown(method, way, wire, tmp_path):
    before, options = way
    with wire.live(tmp_path, "live", *options, "-T", "jsonl", SEEN, before=before) as live:
        wire.send(DEMO)
        assert live.end() == 0, live.errors
        assert live.errors.splitlines()[-1] == "osloshark: 1,007 packets, 21 AMQP connections, 82 messages; complete"


@METHODS
def test_no_right_is_kept(method, way, wire, tmp_path):
    before, options = way
    with wire.live(tmp_path, "live", *options, SEEN, before=before) as live:
        live.wait_for("as nobody")
        wire.send(DEMO)
        live.wait_for("report_state", where="output")
        for status in status_of(live.pid):
            assert status["Uid"].split() == ["65534"] * 4, status["Name"]
            assert status["Gid"].split() == ["65534"] * 4
            assert status["Groups"] == ""
            assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
            assert status["NoNewPrivs"] == "1"
        if method != "scapy":
            for status in status_of(live.child):
                assert status["Uid"].split() == ["65534"] * 4
                assert int(status["CapEff"], 16) & ~(1 << 13) == 0, "CAP_NET_RAW at most"
        assert live.end() == 0, live.errors


@pytest.mark.parametrize("user", ["daemon", "root"])
def test_another_user(user, wire, tmp_path):
    with wire.live(tmp_path, "live", "--user", user, SEEN) as live:
        live.wait_for(f"as {user}")
        status = status_of(live.pid)[0]
        assert status["Uid"].split()[0] == ("0" if user == "root" else "1")
        assert status["CapEff"] == status["CapPrm"] == "0" * 16
        assert live.end() == 0, live.errors


def test_who_called_sudo(wire, tmp_path):
    with wire.live(tmp_path, "live", SEEN, before=["env", "SUDO_USER=daemon"]) as live:
        live.wait_for("as daemon")
        assert live.end() == 0, live.errors


def as_daemon(*capabilities: str) -> list[str]:
    """What runs a command as a user who has some capabilities, and may read all files: ours, too."""
    names = ",".join(f"+{name}" for name in ("dac_read_search", "dac_override", *capabilities))
    user = ["setpriv", "--reuid", "daemon", "--regid", "daemon", "--clear-groups"]
    return [*user, "--inh-caps", names, "--ambient-caps", names]


@pytest.mark.parametrize("method", ["child", "scapy"])
def test_capabilities_of_a_user_are_given_up(method, wire, tmp_path):
    """As under systemd's AmbientCapabilities: no root, but the right to capture."""
    with wire.live(tmp_path, "live", "--capture", method, SEEN, before=as_daemon("net_raw")) as live:
        wire.send(DEMO)
        live.wait_for("report_state", where="output")
        for status in status_of(live.pid):
            assert status["Uid"].split()[0] == "1"
            assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
        assert live.end() == 0, live.errors


@pytest.mark.parametrize("end", ["SIGINT", "SIGTERM", "duration", "count"])
def test_ways_to_end(end, wire, tmp_path):
    words = {"duration": ["--duration", "2"], "count": ["-c", "3"]}.get(end, [])
    with wire.live(tmp_path, "live", *words, SEEN) as live:
        wire.send(DEMO)
        if end in ("duration", "count"):
            assert live.wait() == 0
        else:
            live.wait_for_packets()
            assert live.end(getattr(signal, end)) == 0
        assert "AMQP connection" in live.errors.splitlines()[-1]
        assert len(live.output.splitlines()) == (3 if end == "count" else 82)


def test_a_hangup_ends_nothing(wire, tmp_path):
    """It opens files anew, and where there are none, it is nothing."""
    with wire.live(tmp_path, "live", SEEN) as live:
        live.send(signal.SIGHUP)
        wire.send(DEMO)
        assert live.end() == 0, live.errors
        assert len(live.output.splitlines()) == 82


def test_nothing_at_all(wire, tmp_path):
    with wire.live(tmp_path, "live", SEEN) as live:
        assert live.end() == 0, live.errors
        assert "nothing on the broker's port" in live.errors


@pytest.mark.parametrize("method", ["child", "scapy"])
@pytest.mark.parametrize("names", [["any"], [SENT, SEEN]], ids=" ".join)
def test_several_interfaces(names, method, wire, tmp_path):
    with wire.live(tmp_path, "live", "--capture", method, "-T", "jsonl", *names) as live:
        wire.send(DEMO)
        live.wait_for_packets()
        assert live.end() == 0, live.errors
        assert "osloshark: 2,014 packets, 21 AMQP connections, 82 messages; complete" in live.errors


@pytest.mark.parametrize("method", ["child", "scapy"])
@pytest.mark.parametrize("tags", [1, 2])
def test_vlan_tags(tags, method, wire, tmp_path):
    """Tagged at both ends of the pair: as the kernel passes on what it took off, and with the tags still in it."""
    tagged = tmp_path / "tagged.pcap"
    tagged.write_bytes(with_tags(DEMO.read_bytes(), tags))
    folders = [tmp_path / name for name in (SENT, SEEN)]
    with contextlib.ExitStack() as stack:
        both = []
        for folder in folders:
            folder.mkdir()
            both.append(stack.enter_context(wire.live(folder, "live", "--capture", method, folder.name)))
        wire.send(tagged)
        both[0].wait_for_packets()
        for live in both:
            assert live.end() == 0, live.errors
            assert "osloshark: 1,007 packets, 21 AMQP connections, 82 messages; complete" in live.errors


def with_tags(pcap: bytes, count: int) -> bytes:
    """A capture whose Ethernet packets are tagged."""
    tag = b"\x88\xa8\x00\x05" * (count - 1) + b"\x81\x00\x00\x07"
    pieces, at = [pcap[:24]], 24
    while at < len(pcap):
        size = int.from_bytes(pcap[at + 8 : at + 12], "little")
        data = pcap[at + 16 : at + 16 + size]
        new = (size + len(tag)).to_bytes(4, "little")
        pieces += [pcap[at : at + 8], new, new, data[:12], tag, data[12:]]
        at += 16 + size
    return b"".join(pieces)


@pytest.mark.parametrize("more", ["host 10.99.0.11", "and host 10.99.0.11"])
def test_the_capture_filter_is_narrowed(more, wire, tmp_path):
    with wire.live(tmp_path, "live", "-f", more, "-T", "jsonl", SEEN) as live:
        wire.send(DEMO)
        live.wait_for_packets()
        assert live.end() == 0, live.errors
    of_host = [line for line in whole() if "10.99.0.11" in json.loads(line)["ip"].values()]
    assert 0 < len(live.output.splitlines()) == len(of_host) < 82


def test_the_capture_filter_is_widened(wire, tmp_path):
    with wire.live(tmp_path, "live", "--port", "1", "-f", "or tcp port 5672", SEEN) as live:
        wire.send(DEMO)
        live.wait_for_packets()
        assert live.end() == 0, live.errors
        assert "osloshark: 1,007 packets, 0 AMQP connections" in live.errors


def whole() -> list[bytes]:
    return osloshark("read", "-T", "jsonl", DEMO).stdout.splitlines()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nosuch0"], "osloshark: nosuch0: no such interface; there are any, lo, "),
        (["-f", "port port", SEEN], f"osloshark: {SEEN}: -f 'port port' is no capture filter: syntax error; see man "),
        (
            ["--capture", "child", "-f", "a b", SEEN],
            f"osloshark: {SEEN}: -f 'a b' is no capture filter: syntax error; ",
        ),
        (["--capture", "scapy", "-f", "port port", "any"], "osloshark: any: -f 'port port' is no capture filter: "),
        (["--user", "", SEEN], "osloshark: --user '': no name; name a user"),
        (["--user", "nosuchuser", SEEN], "osloshark: --user nosuchuser: no such user; "),
        (["-W", "3", SEEN], "osloshark: -C, -G and -W go with -w; "),
        (["--learn", "/no/such", SEEN], "osloshark: /no/such: No such file or directory"),
        (["-w", "/tmp/osloshark-is-not-made", "nosuch0"], "osloshark: nosuch0: no such interface; "),
        (["-o", "/no/such/file", SEEN], "osloshark: /no/such/file: cannot be written: No such file or directory"),
        (["-w", "/no/such/file", SEEN], "osloshark: /no/such/file: cannot be written: No such file or directory"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_is_said_in_one_line(words, said, wire):
    done = wire.run(COMMAND, "live", *words)
    assert done.returncode == 2
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert not Path("/tmp/osloshark-is-not-made").exists()


@pytest.mark.parametrize("method", ["child", "scapy"])
def test_no_right_to_capture(method, wire):
    done = wire.run(*as_daemon(), COMMAND, "live", "--capture", method, SEEN)
    assert done.returncode == 2
    assert done.stderr.startswith(f"osloshark: {SEEN}: no right to capture")
    assert "sudo" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_interface_that_is_down(wire):
    wire.ip("link", "add", "name", "idle0", "type", "veth", "peer", "name", "idle1")
    done = wire.run(COMMAND, "live", "idle0")
    assert done.returncode == 2
    assert done.stderr == "osloshark: idle0: the interface is down; bring it up first: ip link set idle0 up\n"


@pytest.mark.parametrize("method", ["child", "scapy"])
def test_down_and_up_again(method, wire, tmp_path):
    with wire.live(tmp_path, "live", "--capture", method, SEEN) as live:
        wire.ip("link", "set", SEEN, "down")
        live.wait_for("has gone down; waiting for it")
        wire.ip("link", "set", SEEN, "up")
        live.wait_for("is up again")
        wire.send(DEMO)
        live.wait_for_packets()
        assert live.end() == 0, live.errors
        assert "82 messages" in live.errors


def test_deleted_and_made_again(wire, tmp_path):
    def make() -> None:
        wire.ip("link", "add", "name", "left0", "type", "veth", "peer", "name", "right0")
        wire.ip("link", "set", "left0", "up")
        wire.ip("link", "set", "right0", "up")

    make()
    with wire.live(tmp_path, "live", "--capture", "scapy", "left0") as live:
        wire.ip("link", "del", "left0")
        live.wait_for("has gone down; waiting for it")
        make()
        live.wait_for("is up again")
        wire.send(DEMO, into="right0")
        live.wait_for_packets()
        assert live.end() == 0, live.errors
        assert "82 messages" in live.errors
    wire.ip("link", "del", "left0")


@pytest.mark.parametrize("method", ["child", "tcpdump"])
def test_a_capture_child_that_is_killed(method, way, wire, tmp_path):
    before, options = way
    with wire.live(tmp_path, "live", *options, SEEN, before=before) as live:
        wire.send(DEMO)
        live.wait_for_packets()
        os.kill(live.child, signal.SIGKILL)
        assert live.wait() == 1
        assert "has ended (killed by signal 9)" in live.errors
        assert "82 messages; not complete: a capture that broke off" in live.errors
        assert len(live.output.splitlines()) == 82


def test_of_several_interfaces_one_that_is_gone_is_told_once(wire, tmp_path):
    with wire.live(tmp_path, "live", "--capture", "child", SEEN, "lo") as live:
        os.kill(live.child, signal.SIGKILL)
        live.wait_for(f"{SEEN}: dumpcap has ended (killed by signal 9)")
        assert live.end() == 1
        assert live.errors.count("killed by signal 9") == 1
        assert "not complete: a capture that broke off" in live.errors


def test_a_capture_child_that_is_stopped(wire, tmp_path):
    """It is told; in the end it is let go on, and what the kernel kept comes."""
    with wire.live(tmp_path, "live", "--capture", "child", SEEN) as live:
        os.kill(live.child, signal.SIGSTOP)
        live.wait_for(f"{SEEN}: dumpcap is stopped: nothing comes until 'kill -CONT {live.child}'")
        os.kill(live.child, signal.SIGCONT)
        live.wait_for("dumpcap goes on")
        os.kill(live.child, signal.SIGSTOP)
        wire.send(DEMO)
        assert live.end() == 0, live.errors
        assert "82 messages; complete" in live.errors


def test_a_capture_child_that_does_not_end(open_folder, wire, tmp_path):
    deaf = open_folder / "dumpcap"
    deaf.write_text(f"#!/bin/sh\ntrap '' INT\nhead -c 24 {DEMO}\nexec sleep 60\n")
    deaf.chmod(0o755)
    change = "from dissector.cli import main\nfrom dissector.capture.live import reader\nreader._END_S = 1"
    words = ["live", "--capture", "child", SEEN]
    with wire.changed(tmp_path, change, *words, before=["env", f"PATH={open_folder}:/usr/bin"]) as live:
        pid = live.child
        assert live.end() == 1
        assert f"{SEEN}: dumpcap did not end when told to: its last packets are lost" in live.errors
        assert "not complete: a capture that broke off" in live.errors
        assert not Path(f"/proc/{pid}").exists()


def test_a_child_that_cannot_go_on_says_why(wire, tmp_path):
    """Its interface is gone for good, as far as it knows."""
    wire.ip("link", "add", "name", "left1", "type", "veth", "peer", "name", "right1")
    for name in ("left1", "right1"):
        wire.ip("link", "set", name, "up")
    with wire.live(tmp_path, "live", "--capture", "child", "left1") as live:
        wire.ip("link", "del", "left1")
        assert live.wait() == 1
        assert "dumpcap has ended (status 0): The network adapter" in live.errors


@pytest.mark.parametrize(
    ("before", "change", "program"),
    [
        ([], "", "scapy"),
        ([], "sys.modules['scapy'] = None", "dumpcap"),
        (["net_raw"], "", "dumpcap"),
        (["net_raw", "net_admin"], "", "scapy"),
    ],
    ids=["root", "without scapy", "a small buffer", "all of the buffer"],
)
def test_how_it_captures_unless_told(before, change, program, wire, tmp_path):
    change = f"{change}\nfrom dissector.cli import main"
    with wire.changed(tmp_path, change, "live", SEEN, before=as_daemon(*before) if before else []) as live:
        assert f"capturing with {program}, 64 MiB" in live.errors
        wire.send(DEMO)
        live.wait_for_packets()
        assert live.end() == 0, live.errors
        assert "82 messages; complete" in live.errors


@pytest.mark.parametrize("words", [[], ["--nice", "0"], ["--nice", "19"]], ids=" ".join)
def test_it_gives_way_to_the_broker(words, wire, tmp_path):
    """Who decodes does; who takes packets does not, so that none are lost."""
    with wire.live(tmp_path, "live", *words, SEEN) as live:
        ours = os.getpriority(os.PRIO_PROCESS, 0)
        nice = int(words[-1]) if words else 10
        threads = {int(path.name) for path in Path(f"/proc/{live.pid}/task").iterdir()}
        (reader,) = threads - {live.pid}
        assert scheduling_of(live.pid) == (min(ours + nice, 19), os.SCHED_BATCH if nice else os.SCHED_OTHER)
        assert scheduling_of(reader) == (ours, os.SCHED_OTHER)
        assert live.end() == 0, live.errors


def scheduling_of(thread: int) -> tuple[int, int]:
    """Its nice value and its policy."""
    return os.getpriority(os.PRIO_PROCESS, thread), os.sched_getscheduler(thread)


@pytest.mark.parametrize("program", ["dumpcap", "tcpdump"])
def test_the_child_ends_with_us(program, only_tcpdump, wire, tmp_path):
    before = ["env", f"PATH={only_tcpdump}"] if program == "tcpdump" else []
    with wire.live(tmp_path, "live", "--capture", "child", SEEN, before=before) as live:
        status = Path(f"/proc/{live.child}/status")
        assert program in status.read_text()
        live.kill()
        until = time.monotonic() + 10
        while status.exists() and "Z (zombie)" not in status.read_text():
            assert time.monotonic() < until


@pytest.mark.parametrize("command", ["read", "calls", "stats", "topology", "agents", "trace"])
def test_other_commands_take_an_interface(command, wire, tmp_path):
    name = json.loads(whole()[0])["oslo"]["msg_id"] or "report_state"
    words = [command, *([name] if command == "trace" else [])]
    with wire.live(tmp_path, *words, "-i", SEEN, "-T", "jsonl") as live:
        wire.send(DEMO)
        live.wait_for_packets()
        status = live.end()
        of_file = osloshark(*words, "-T", "jsonl", DEMO)
        assert status == of_file.returncode
        assert len(live.output.splitlines()) == len(of_file.stdout.splitlines())


def test_options_that_do_not_go_together(wire):
    for words in (["-i", SEEN, DEMO], ["--duration", "1", DEMO], ["-i", SEEN, "-w", "x"]):
        done = wire.run(COMMAND, "read", *words)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [["live", "-V", "--bytes", "--events"], ["live", "-T", "jsonl"], ["calls", "-i"]])
def test_nothing_is_imported_once_rights_are_gone(words, wire, tmp_path):
    """Where Python is in a home folder, as of root, who osloshark becomes cannot read it."""
    with wire.changed(tmp_path, WITHOUT_IMPORTS, *words, SEEN) as live:
        wire.send(DEMO)
        live.wait_for_packets()
        assert live.end() == 0, live.errors
        assert live.errors.splitlines()[-1].endswith("82 messages; complete")


WITHOUT_IMPORTS = """
from dissector.capture.live import capture
from dissector.cli import main

class Nothing:
    def find_spec(self, name, path=None, target=None):
        raise ImportError(f"{name} is imported without rights")

def drop(whom):
    before(whom)
    sys.meta_path.insert(0, Nothing())

before, capture.drop = capture.drop, drop
"""
