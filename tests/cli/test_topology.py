import json
import re
import signal
import subprocess
import time
from collections import Counter
from functools import cache

import pytest

from dissector.views.topology import SECTIONS

from ..lab import truth
from .command import COMMAND, osloshark
from .test_read import on_terminal

DEMO, CHANNELS = truth.captures()["demo"], truth.captures()["channels"]
REPLY_QUEUE = "reply_f718b93875974f608025eec6cf9bcdd6"


@cache
def topology(*arguments):
    return osloshark("topology", *arguments)


def records(*arguments):
    return [json.loads(line) for line in topology("-T", "jsonl", *arguments).stdout.splitlines()]


def test_every_section_has_its_table():
    done = topology(CHANNELS)
    lines = done.stdout.decode().splitlines()
    titles = [line for line in lines if re.fullmatch(r"[A-Z]\w+ \([\d,]+\)", line)]
    counts = Counter(record["type"] + "s" for record in records(CHANNELS))
    assert titles == [f"{name.capitalize()} ({counts[name]})" for name in SECTIONS]
    assert done.returncode == 0
    assert b"81 messages; complete" in done.stderr
    assert b"\x1b" not in done.stdout
    assert not [line for line in lines if line != line.rstrip()]


def test_rows_say_what_the_records_say():
    lines = topology("--only", "queues", CHANNELS).stdout.decode().splitlines()
    (work,) = [line for line in lines if " work " in line]
    assert work.split()[:3] == ["/", "work", "declared"]
    assert "x-dead-letter-exchange= x-dead-letter-routing-key=dead" in work
    (gets,) = [line for line in lines if " gets " in line]
    assert "deleted at 0.332287" in gets
    lines = topology("--only", "connections", CHANNELS).stdout.decode().splitlines()
    (refused,) = [line for line in lines if "403" in line]
    assert refused.split()[:4] == ["?", "8", "refused", "10.99.0.31:48690"]


def test_only_some_in_the_order_asked_for():
    done = topology("--only", "bindings, exchanges,bindings", "-q", DEMO)
    assert re.findall(r"^[A-Z]\w+ \(", done.stdout.decode(), re.MULTILINE) == ["Bindings (", "Exchanges ("]
    assert done.stderr == b""
    assert {record["type"] for record in records("--only", "consumers", DEMO)} == {"consumer"}


def test_nothing_seen_is_said():
    done = topology("--port", "5673", DEMO)
    assert done.stdout.decode().startswith("Connections: none seen\n\nChannels: none seen\n")
    assert b"(--port)" in done.stderr


# -- one queue -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [REPLY_QUEUE, "reply_f"])
def test_whose_queue_is_this(name):
    done = topology("--queue", name, DEMO)
    assert done.returncode == 0
    assert (
        done.stdout.decode()
        == f"""\
queue {REPLY_QUEUE} in virtual host /
  state           there at the end of the capture, as far as was seen
  declared        x-expires=1800000 (packet 364)
  declared by     neutron-dhcp-agent:20882 at 10.99.0.21
  counted         0 messages ready, 0 consumers at 0.110552
  reply queue of  neutron-dhcp-agent:20882 at 10.99.0.21
  published by    neutron-server:20881 at 10.99.0.11: 5 messages, 1,296 bytes, last at 3.486658
  messages        5 published straight to it, 5 taken from it
  last used       3.487047
  consumed by     neutron-dhcp-agent:20882 at 10.99.0.21:42712 (tcp.stream 8, channel 1, tag 1), 5 delivered; \
ended at 4.527024: channel_closed
"""
    )


def test_a_queue_with_its_bindings_and_as_records():
    text = topology("--queue", "scheduler.controller", DEMO).stdout.decode()
    assert "\n  bound to        nova with scheduler.controller\n" in text
    found = records("--queue", "scheduler.controller", DEMO)
    assert [record["type"] for record in found] == ["queue", "binding", "consumer"]


def test_a_dead_reply_queue_is_told():
    capture = truth.captures()["neutron-nova"]
    (dead,) = [record["name"] for record in records("--only", "queues", capture) if record["gone"] == "no_route"]
    text = topology("--queue", dead, capture).stdout.decode()
    assert "gone by 24.811812: a message to it came back (312 NO_ROUTE)" in text
    assert "5 published straight to it, 0 taken from it, 5 given back (312)" in text


@pytest.mark.parametrize(
    ("name", "error", "format_"),
    [
        ("no\x1b[31m", "no queue of the name no\\x1b[31m was seen", "table"),
        ("reply_", "5 queues have names that begin with", "jsonl"),
    ],
)
def test_no_queue_or_several_of_that_name(name, error, format_):
    done = topology("-q", "-T", format_, "--queue", name, DEMO)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode().startswith(f"osloshark: {error}")
    assert done.stderr.count(b"\n") == 1


def test_an_interrupt_comes_before_what_was_not_found():
    command = [COMMAND, "topology", "--queue", "none", "-"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(DEMO.read_bytes())
    process.stdin.flush()
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"no queue of the name none was seen" in told


# -- terminals -----------------------------------------------------------------------------------------------------


def plain(shown):
    return re.sub(r"\x1b\[[\d;]*m", "", shown)


def test_a_terminal_gives_width_colour_and_short_ids():
    shown = on_terminal("topology", "--only", "queues,bindings", DEMO)
    assert "reply_f718b938… " in plain(shown)
    assert "--wide shows all)" in plain(shown)
    assert max(len(line) for line in plain(shown).splitlines() if not line.startswith("(no room")) == 100
    assert "\x1b[" in shown
    wide = on_terminal("topology", "--wide", "--only", "queues", DEMO, environment={"NO_COLOR": "1"})
    assert f"{REPLY_QUEUE} " in wide
    assert "\x1b" not in wide
    assert b"\x1b[31m" in topology("--only", "connections", "--color", "always", CHANNELS).stdout


# -- the rest ------------------------------------------------------------------------------------------------------


def test_a_filter_chooses_what_is_looked_at():
    found = records("-Y", "tcp.stream == 5", CHANNELS)
    assert {record["vhost"] for record in found} == {"nova_cell1"}
    assert Counter(record["type"] for record in found)["connection"] == 1


def test_output_to_a_file_and_a_broken_pipe(tmp_path):
    path = tmp_path / "out"
    assert topology("-q", "-o", path, DEMO).stdout == b""
    assert path.read_bytes() == topology(DEMO).stdout
    command = f"{COMMAND} topology -T jsonl {truth.captures()['neutron-nova']} | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, check=False)
    assert (done.returncode, done.stdout.count(b"\n"), done.stderr) == (0, 1, b"")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--only", "queues,x\x1b"], "'x\\x1b' is not one of connections, channels"),
        (["-T", "dot", "--only", "queues"], "-T dot draws everything"),
        (["-T", "dot", "--queue", "q"], "-T dot draws everything"),
        (["-T", "csv"], "'csv' is not one of"),
        (["-Y", "nonsense =="], "the filter ends where a value is expected"),
    ],
)
def test_errors_are_one_line_and_status_2(arguments, error):
    done = topology(*arguments, DEMO)
    assert (done.returncode, done.stdout) == (2, b"")
    assert error in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_help_has_examples_and_fits_a_terminal():
    text = topology("--help").stdout.decode()
    assert "Examples:" in text
    assert all(len(line) <= 80 for line in text.splitlines())
