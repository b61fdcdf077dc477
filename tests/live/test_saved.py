"""``live -w``, ``-o`` and stalled readers, on a real interface."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from dissector.capture import open_capture

from ..cli.command import COMMAND, osloshark
from ..lab import truth
from .wire import SEEN

pytestmark = [pytest.mark.netns, pytest.mark.tshark, pytest.mark.xdist_group("wire")]

DEMO = truth.captures()["demo"]


@pytest.fixture
def folder():
    """A folder of nobody's, to which nobody can come."""
    path = Path(tempfile.mkdtemp(prefix="osloshark-live-"))
    shutil.chown(path, "nobody")
    yield path
    shutil.rmtree(path)


def packets(*paths: Path) -> list[bytes]:
    with open_capture(sorted(paths)) as capture:
        found = [batch.packet(index) for batch in capture for index in range(len(batch))]
        assert capture.notices == []
    return found


@pytest.mark.parametrize("method", ["child", "scapy"])
def test_what_is_written_is_what_came(method, wire, tmp_path, folder):
    saved = folder / "all.pcapng"
    with wire.live(tmp_path, "live", "--capture", method, "-w", saved, "-T", "jsonl", SEEN) as live:
        wire.send(DEMO)
        live.wait_for_packets()
        assert saved.stat().st_uid == 65534
        assert saved.stat().st_mode & 0o777 == 0o600
        assert live.end() == 0, live.errors
    assert packets(saved) == packets(DEMO)
    # The frame numbers are those of the file.
    assert osloshark("read", "-T", "jsonl", saved).stdout == live.output
    told = subprocess.run(["capinfos", saved], capture_output=True, text=True, check=True).stdout
    assert re.search(rf"Name = {SEEN}\n", told)
    assert re.search(r"Number of stat entries = 1\n", told)
    with open_capture([saved]) as capture:
        list(capture)
        assert capture.kernel_drops == 0


def test_rotation_by_size_and_number(wire, tmp_path, folder):
    saved = folder / "ring"
    with wire.live(tmp_path, "live", "-w", saved, "-C", "1", "-W", "2", SEEN) as live:
        wire.send(DEMO, times=12)
        live.wait_for_packets()
        assert live.end() == 0, live.errors
    assert sorted(path.name for path in folder.iterdir()) == ["ring0", "ring1"]
    sizes = [(folder / name).stat().st_size for name in ("ring0", "ring1")]
    assert 1_000_000 < max(sizes) < 2_500_000
    assert set(packets(folder / "ring0") + packets(folder / "ring1")) <= set(packets(DEMO))


def test_rotation_by_time_ends_the_capture(wire, tmp_path, folder):
    with wire.live(tmp_path, "live", "-w", folder / "at-%H%M%S", "-G", "1", "-W", "2", SEEN) as live:
        until = time.monotonic() + 20
        while live.poll() is None and time.monotonic() < until:
            wire.send(DEMO)
        assert live.wait() == 0
    names = sorted(path.name for path in folder.iterdir())
    assert len(names) == 2
    assert all(re.fullmatch(r"at-\d{6}", name) for name in names)
    with open_capture([folder / name for name in names]) as capture:
        assert sum(map(len, capture)) > 1007


def test_a_folder_that_the_user_cannot_write_to(wire, tmp_path):
    """One file is opened before; the next ones could not be."""
    tmp_path.chmod(0o755)
    done = wire.run(COMMAND, "live", "-w", tmp_path / "x", "-C", "1", SEEN)
    assert done.returncode == 2
    assert "nobody, who osloshark becomes, cannot make the next files there" in done.stderr
    with wire.live(tmp_path, "live", "-w", tmp_path / "x", SEEN) as live:
        wire.send(DEMO)
        live.wait_for_packets()
        assert live.end() == 0, live.errors
    assert packets(tmp_path / "x") == packets(DEMO)


def test_a_link_is_not_followed(wire, tmp_path, folder):
    (folder / "link").symlink_to(tmp_path / "target")
    for option in ("-w", "-o"):
        done = wire.run(COMMAND, "live", option, folder / "link", SEEN)
        assert done.returncode == 2, option
        assert "a symbolic link, which root does not follow" in done.stderr
    assert not (tmp_path / "target").exists()


def test_a_full_disk(wire, tmp_path):
    """It is told, and decoding goes on; when there is room again, so does writing."""
    with tempfile.TemporaryDirectory() as name:
        disk = Path(name)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k,mode=777", "tmpfs", disk], check=True)
        try:
            with wire.live(tmp_path, "live", "-w", disk / "all", "-T", "jsonl", SEEN) as live:
                wire.send(DEMO)
                live.wait_for_packets()
                assert live.end() == 1, live.errors
            assert f"{disk / 'all'}: cannot be written: No space left on device; decoding goes on" in live.errors
            lines = live.errors.splitlines()
            assert "1,007 packets, 21 AMQP connections, 82 messages; complete" in lines[-2]
            unwritten = int(re.search(r"([\d,]+) packets are not in it", lines[-1])[1].replace(",", ""))
            assert len(live.output.splitlines()) == 82
            written = packets(disk / "all")
            assert len(written) + unwritten == 1007
            assert written == packets(DEMO)[: len(written)]
        finally:
            subprocess.run(["umount", disk], check=True)


SOON_AGAIN = "from dissector.cli import main, savefile; savefile._AGAIN_S = 1"


def test_a_disk_that_has_room_again(wire, tmp_path):
    """The file goes on where it stood."""
    with tempfile.TemporaryDirectory() as name:
        disk = Path(name)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=777", "tmpfs", disk], check=True)
        try:
            (disk / "other").write_bytes(bytes(200_000))
            with wire.changed(tmp_path, SOON_AGAIN, "live", "-w", disk / "all", SEEN) as live:
                wire.send(DEMO)
                live.wait_for("No space left on device")
                (disk / "other").unlink()
                time.sleep(1)
                wire.send(DEMO.with_name("ipv6.pcap"))
                live.wait_for("is written again; ")
                live.wait_for_packets()
                assert live.end() == 1
            lost = int(re.search(r"([\d,]+) packets are not in it: it", live.errors)[1].replace(",", ""))
            written = packets(disk / "all")
            later = packets(DEMO.with_name("ipv6.pcap"))
            assert written[: 1007 - lost] == packets(DEMO)[: 1007 - lost]
            assert written[1007 - lost :] == later
        finally:
            subprocess.run(["umount", disk], check=True)


def test_output_on_a_full_disk(wire, tmp_path):
    with wire.live(tmp_path, "live", "-o", "/dev/full", SEEN) as live:
        wire.send(DEMO)
        assert live.wait() == 1
        assert live.errors.splitlines()[-1] == "osloshark: /dev/full: cannot be written: No space left on device"


def test_output_to_a_disk_that_gets_full_ends_with_a_whole_line(wire, tmp_path):
    with tempfile.TemporaryDirectory() as name:
        disk = Path(name)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=777", "tmpfs", disk], check=True)
        try:
            log = disk / "messages.jsonl"
            with wire.live(tmp_path, "live", "-T", "jsonl", "-o", log, SEEN) as live:
                wire.send(DEMO)
                assert live.wait() == 1
                said = f"{log}: cannot be written: No space left on device; it ends with the last whole line"
                assert live.errors.splitlines()[-1] == f"osloshark: {said}"
            written = log.read_bytes()
            assert len(written) > 40_000
            assert written.endswith(b"\n")
            shown = osloshark("read", "-T", "jsonl", DEMO).stdout.splitlines()[: written.count(b"\n")]
            assert list(map(told, written.splitlines())) == list(map(told, shown))
        finally:
            subprocess.run(["umount", disk], check=True)


def told(line: bytes) -> dict:
    """A message without its time."""
    message = json.loads(line)
    del message["frame"]["time_epoch"]
    return message


def test_the_time_goes_into_no_name_of_a_folder(wire, tmp_path):
    done = wire.run(COMMAND, "live", "-w", tmp_path / "%Y" / "x-%H.pcapng", "-G", "60", SEEN)
    assert done.returncode == 2
    assert "the time goes into the file's name, not its folder's" in done.stderr
    assert done.stderr.count("\n") == 1


def test_output_is_appended_to_and_opened_anew(wire, tmp_path, folder):
    log, ipv6 = folder / "messages.jsonl", DEMO.with_name("ipv6.pcap")
    log.write_text('{"type":"before"}\n')
    shutil.chown(log, "nobody")
    with wire.live(tmp_path, "live", "-T", "jsonl", "-o", log, "-w", folder / "all", SEEN) as live:
        wire.send(DEMO)
        wait_for_lines(log, 83)
        live.wait_for_packets()
        log.rename(folder / "messages.jsonl.1")
        (folder / "all").rename(folder / "all.1")
        live.send(signal.SIGHUP)
        wire.send(ipv6)
        time.sleep(0.5)  # dumpcap has passed on the last packets, of the connections' ends
        wait_for_lines(log, len(osloshark("read", "-T", "jsonl", ipv6).stdout.splitlines()))
        assert live.end(signal.SIGTERM) == 0, live.errors
    assert len((folder / "messages.jsonl.1").read_text().splitlines()) == 83
    assert {json.loads(line)["type"] for line in log.read_text().splitlines()} == {"message"}
    assert log.stat().st_mode & 0o777 == 0o600
    assert packets(folder / "all.1") == packets(DEMO)
    assert packets(folder / "all") == packets(ipv6)


def wait_for_lines(path: Path, count: int) -> None:
    until = time.monotonic() + 20
    while not path.exists() or len(path.read_bytes().splitlines()) < count:
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.parametrize("leaves", [True, False])
def test_a_reader_that_stops(leaves, wire, tmp_path):
    """The pipe is full, and stays so: memory does not grow, Ctrl-C ends it, and what is lost is told."""
    reading, writing = os.pipe()
    try:
        with wire.live(tmp_path, "live", "-V", SEEN, output=writing) as live:
            os.close(writing)
            for _ in range(2):
                wire.send(DEMO)
            time.sleep(1)
            if leaves:
                os.close(reading)
                assert live.wait() == 0
            else:
                assert live.end() == 1
                assert "standard output: nobody takes what is written; the rest is lost" in live.errors
    finally:
        if not leaves:
            os.close(reading)


LITTLE = "from dissector import limits\nfrom dissector.cli import main\nlimits.CAPTURED_BYTES = 1 << 20"


def test_memory_does_not_grow_while_a_reader_stops(wire, tmp_path):
    """Of some 12 MB that come meanwhile, what finds no room is dropped, and told once the reader goes on."""
    reading, writing = os.pipe()
    try:
        with wire.changed(tmp_path, LITTLE, "live", "-V", SEEN, output=writing) as live:
            os.close(writing)
            wire.send(DEMO, times=10, packets_per_s=50_000)
            time.sleep(0.5)
            before = resident_bytes(live.pid)
            wire.send(DEMO, times=40, packets_per_s=50_000)
            assert resident_bytes(live.pid) - before < 6 << 20
            with subprocess.Popen(["cat"], stdin=reading, stdout=subprocess.DEVNULL):
                os.close(reading)
                live.wait_for("packets dropped: they come faster than they are decoded or written")
                assert live.end() == 0, live.errors
            counts = live.summary()
            assert counts["packet"] + counts["packet dropped as"] == 50 * 1007
    finally:
        with contextlib.suppress(OSError):
            os.close(reading)


def resident_bytes(pid: int) -> int:
    """What a process has in memory."""
    return int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) << 10
