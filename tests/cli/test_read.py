import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

from dissector import read

from ..lab import truth
from .command import COMMAND, osloshark

DEMO = truth.captures()["demo"]


def test_text_is_the_default():
    done = osloshark("read", DEMO)
    messages = list(read(DEMO))
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 0
    assert [int(line.split()[0]) for line in lines] == [message.frame.number for message in messages]
    assert f"{len(messages)} messages; complete" in done.stderr.decode()


def test_jsonl_is_what_the_library_gives():
    done = osloshark("read", "-T", "jsonl", "-q", DEMO)
    numbers = [json.loads(line)["frame"]["numbers"] for line in done.stdout.splitlines()]
    assert numbers == [list(message.frame.numbers) for message in read(DEMO)]
    assert done.stderr == b""


@pytest.mark.parametrize("format_", ["text", "jsonl", "firehose", "trace-json", "trace-text"])
@pytest.mark.parametrize("capture", ["demo", "compressed-unicode", "channels"])
def test_every_format_says_something_and_masks(format_, capture):
    path = truth.captures()[capture]
    masked = osloshark("read", "-T", format_, path)
    shown = osloshark("read", "-T", format_, "--show-secrets", path)
    assert (masked.returncode, shown.returncode) == (0, 0)
    assert masked.stdout
    assert b"gAAAAA" not in masked.stdout
    masked.stdout.decode()


def test_standard_input():
    piped = osloshark("read", "-", stdin=DEMO.read_bytes())
    assert (piped.returncode, piped.stdout) == (0, osloshark("read", DEMO).stdout)


def test_a_message_is_shown_before_the_pipe_ends():
    whole = DEMO.read_bytes()
    shown = osloshark("read", "-c", "1", DEMO).stdout
    process = subprocess.Popen([COMMAND, "read", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        process.stdin.write(whole[: len(whole) // 2])
        process.stdin.flush()
        assert process.stdout.readline() == shown
    finally:
        process.stdin.close()
        process.stdout.read()
        process.wait()
        process.stdout.close()
    assert process.returncode == 1  # cut off inside a record


def test_count_stops_after_so_many_messages():
    all_lines = osloshark("read", DEMO).stdout.splitlines()
    done = osloshark("read", "-c", "5", DEMO)
    assert done.stdout.splitlines() == all_lines[:5]
    assert b"(stopped as asked)" in done.stderr
    assert done.returncode == 0
    assert osloshark("read", "-c", "9999", DEMO).stdout.splitlines() == all_lines


def test_output_to_a_file(tmp_path):
    path = tmp_path / "out.txt"
    done = osloshark("read", "-o", path, DEMO)
    assert (done.returncode, done.stdout) == (0, b"")
    assert path.read_bytes() == osloshark("read", DEMO).stdout


def test_an_input_is_not_overwritten(tmp_path):
    path = tmp_path / "x.pcap"
    path.write_bytes(DEMO.read_bytes())
    link = tmp_path / "link"
    link.symlink_to(path)
    done = osloshark("read", "-o", link, path)
    assert done.returncode == 2
    assert b"is one of the captures" in done.stderr
    assert path.read_bytes() == DEMO.read_bytes()


@pytest.mark.parametrize("path", ["/no/such/folder/out", "/"])
def test_an_output_that_cannot_be_opened(path):
    done = osloshark("read", "-o", path, DEMO)
    assert done.returncode == 2
    assert done.stderr.decode().count("\n") == 1


def test_a_full_disk_is_told():
    done = osloshark("read", "-o", "/dev/full", DEMO)
    assert done.returncode == 1
    assert done.stderr == b"osloshark: /dev/full: cannot be written: No space left on device\n"


def test_a_broken_pipe_ends_quietly():
    command = f"{COMMAND} read -T jsonl {truth.captures()['neutron-nova']} | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, check=False)
    assert done.returncode == 0
    assert done.stdout.count(b"\n") == 1
    assert done.stderr == b""


def test_a_cut_off_capture_is_told_and_read_so_far(tmp_path):
    path = tmp_path / "cut.pcap"
    path.write_bytes(DEMO.read_bytes()[:-100])
    done = osloshark("read", path)
    assert done.returncode == 1
    assert done.stdout
    assert re.search(rb"osloshark: .*cut\.pcap: the last record is cut off", done.stderr)
    assert b"a damaged capture file" in done.stderr


def test_another_port_is_hinted_at():
    done = osloshark("read", "--port", "5673", DEMO)
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"(--port)" in done.stderr
    both = osloshark("read", "--port", "5673", "--port", "5672", DEMO)
    assert both.stdout == osloshark("read", DEMO).stdout


def test_events_and_verbose():
    with_events = osloshark("read", "--events", DEMO).stdout.decode()
    assert {"connection.open", "queue.declare-ok", "basic.ack", "end"} <= set(with_events.split())
    whole = osloshark("read", "-V", "-c", "1", DEMO).stdout.decode()
    assert "\n    method: report_state\n" in whole
    assert "auth_token: ***" in whole


def test_times():
    first = osloshark("read", "-t", "ud", "-c", "1", DEMO).stdout.decode()
    assert re.match(r" *\d+ \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} ", first)


def on_terminal(*arguments, columns=100, environment=None):
    """What the command writes when its standard output is a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS", "LINES")} | (
        environment or {}
    )
    words = [COMMAND, *map(str, arguments)]
    process = subprocess.Popen(words, stdout=theirs, stderr=subprocess.DEVNULL, env=environment)
    os.close(theirs)
    shown = b""
    try:
        while data := os.read(ours, 65536):
            shown += data
    except OSError:  # Linux: the other end is closed
        pass
    os.close(ours)
    process.wait()
    return shown.decode().replace("\r\n", "\n")


def test_colour_and_width_on_a_terminal_only():
    shown = on_terminal("read", DEMO)
    plain = re.sub(r"\x1b\[\d+m", "", shown)
    assert "\x1b[" in shown
    assert max(map(len, plain.splitlines())) == 200, "two rows: one of 100 says too little"
    assert max(map(len, on_terminal("read", "--color", "never", DEMO, columns=130).splitlines())) == 130
    assert "\x1b[" not in on_terminal("read", DEMO, environment={"NO_COLOR": "1"})
    assert max(map(len, on_terminal("read", "--wide", "--color", "never", DEMO).splitlines())) > 200
    assert b"\x1b[" in osloshark("read", "--color", "always", DEMO).stdout


def test_ctrl_c_shows_what_there_is():
    process = subprocess.Popen(
        [COMMAND, "read", "-"], bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdin.write(DEMO.read_bytes()[:-100])
    process.stdin.flush()
    first = process.stdout.readline()
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate()
    assert process.returncode == 130
    assert len((first + output).splitlines()) >= len(list(read(DEMO))) - 2
    assert b"(interrupted)" in errors
    assert b"Traceback" not in errors


def test_tls_and_amqp_1_0_are_told_once(tmp_path):
    def talk(port, client, broker):
        base = Ether() / IP(src="10.0.0.2", dst="10.0.0.1")
        back = Ether() / IP(src="10.0.0.1", dst="10.0.0.2")
        there, here = {"sport": port, "dport": 5672}, {"sport": 5672, "dport": port}
        return [
            base / TCP(**there, flags="S", seq=0),
            back / TCP(**here, flags="SA", seq=0, ack=1),
            base / TCP(**there, flags="PA", seq=1, ack=1) / client,
            back / TCP(**here, flags="PA", seq=1, ack=1 + len(client)) / broker,
        ]

    path = tmp_path / "foreign.pcap"
    hello = bytes.fromhex("16030100050100000100")
    sasl = b"AMQP\x03\x01\x00\x00"
    wrpcap(str(path), [*talk(4001, hello, hello), *talk(4002, sasl, sasl)])
    done = osloshark("read", path)
    errors = done.stderr.decode().splitlines()
    assert (done.returncode, done.stdout) == (0, b"")
    assert [line for line in errors if "10.0.0.2:4001" in line and "speaks TLS" in line] == errors[:1]
    assert "10.0.0.2:4002 -> 10.0.0.1:5672 (tcp.stream 1) speaks AMQP 1.0 (SASL)" in errors[1]
    assert len(errors) == 3


def test_an_unknown_link_type_is_named(tmp_path):
    path = tmp_path / "wifi.pcap"
    header = bytearray(DEMO.read_bytes())
    header[20] = 105
    path.write_bytes(header)
    done = osloshark("read", path)
    assert done.returncode == 1
    assert b"IEEE802_11" in done.stderr
