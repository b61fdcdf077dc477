"""What the plugin does in Wireshark besides showing the fields, under real tshark."""

import gzip
import json
import re
import shutil
import struct
import subprocess

import pytest
from pika import BasicProperties

from dissector.interop import lua

from .. import canary
from ..amqp.amqp_frames import PROTOCOL_HEADER, publish
from ..lab import truth
from ..net.packets import SYN, segment
from ..test_against_tshark import GREETING, write
from . import wild
from .plugin import OWN_FRAMING, RENAMED, SHARED, tshark

pytestmark = pytest.mark.tshark

DEMO = truth.captures()["demo"]


def test_the_info_column_says_it():
    lines = tshark(DEMO, "-Y", "oslo").splitlines()
    assert re.search(r"oslo 1275 call report_state → q-reports-plugin$", lines[0])
    assert re.search(r"reply ok [\d.]+ ms \[deliver\]$", lines[3])
    assert "oslo" not in tshark(DEMO, "-Y", "frame.number == 389", "-o", "oslo.info:FALSE").split()


@pytest.mark.parametrize("options", [(), OWN_FRAMING])
@pytest.mark.parametrize("passes", [(), ("-2",)])
def test_the_tree_is_shown(options, passes):
    output = tshark(DEMO, "-V", "-O", "oslo", *options, *passes)
    assert output.count("oslo.messaging: ") == 82
    assert "auth_token: ***" in output
    assert "PortBindingFailed: Binding failed" in output


def test_secrets_are_masked_unless_they_are_asked_for():
    assert "osloshark-lab" not in tshark(DEMO, "-V", "-O", "oslo", "-2")
    assert "osloshark-lab" in tshark(DEMO, "-V", "-O", "oslo", "-o", "oslo.show_secrets:TRUE")


@pytest.mark.parametrize("options", [(), OWN_FRAMING], ids=["stock", "own"])
def test_no_field_nor_tree_holds_a_canary(tmp_path, options):
    path = tmp_path / "canary.pcap"
    put = canary.build(path)
    names = [argument for name in [*SHARED, "oslo.member"] for argument in ("-e", RENAMED.get(name, name))]
    for output in (["-T", "fields", *names], ["-O", "oslo"], []):
        assert not put.found(tshark(path, "-Y", "oslo", *output, *options).encode()), output[:2]


def test_the_request_and_its_reply_are_linked():
    rows = tshark(
        DEMO,
        "-2",
        "-Y",
        "rpc.frames.publish == 389",
        "-T",
        "fields",
        "-e",
        "frame.number",
        "-e",
        "rpc.request_in",
        "-e",
        "rpc.response_in",
    )
    assert [row.split("\t") for row in rows.splitlines()] == [
        ["389", "", "414"],
        ["391", "389", "414"],
        ["412", "389", "414"],
        ["414", "389", ""],
    ]


def test_members_are_filtered_by_path():
    assert len(tshark(DEMO, "-Y", 'oslo.member == "args.agent_state.agent_state.host=network1"').splitlines()) > 3


@pytest.mark.parametrize(
    ("name", "capture"),
    [
        ("failed", "demo"),
        ("late", "demo"),
        ("returned", "demo"),
        ("unroutable", "verdicts"),
        ("repeated", "verdicts"),
        ("unanswered", "verdicts"),
        ("redelivered", "quorum-stream"),
    ],
)
def test_expert_information(name, capture):
    assert tshark(truth.captures()[capture], "-2", "-Y", f"oslo.expert.{name}")


def test_an_undecodable_body_is_told(tmp_path):
    octets = b"".join(publish(1, b'{"oslo.version": "2.0", "oslo.message": "{"}'))
    path = write(tmp_path / "x.pcap", [*GREETING, (True, octets)])
    assert "undecodable body" in tshark(path, "-Y", "oslo.expert.undecodable")
    assert "oslo.message: not JSON" in tshark(path, "-T", "fields", "-e", "body.reason")


def test_bodies_over_frames_and_segments_are_a_data_source():
    output = tshark(truth.captures()["big-bodies"], "-V", "-x", "-O", "oslo", "-Y", "amqp.body_size > 131064")
    assert "AMQP body (" in output
    assert "oslo.message, decoded, secrets masked" in output


def test_statistics_at_the_end():
    output = tshark(DEMO, "-q", "-X", "lua_script1:stats")
    calls = re.search(r"^ +(\d+) +(\d+)( +[\d.]+){4}  call report_state$", output, re.MULTILINE)
    assert int(calls[1]) > 3
    assert "slowest ms" in output


@pytest.mark.parametrize("ports", ["5672,5673", "5673,5672", "5670-5680"])
@pytest.mark.parametrize("options", [(), OWN_FRAMING], ids=["stock", "own"])
def test_brokers_on_several_ports(ports, options):
    assert len(tshark(DEMO, "-Y", "oslo", "-o", f"oslo.ports:{ports}", *options).splitlines()) == 82


def test_ports_are_given_back():
    """On a port of no broker Wireshark's own dissector goes on as without the plugin."""
    assert not tshark(DEMO, "-Y", "oslo", "-o", "oslo.ports:1")
    assert tshark(DEMO, "-Y", "amqp.method.class", "-o", "oslo.ports:1")


def test_only_fields_that_are_named():
    names = ("oslo.kind", "rpc.status", "rpc.api_version", "oslo.args")
    fields = ["-T", "fields", "-e", "frame.number", *(word for name in names for word in ("-e", name))]
    assert tshark(DEMO, *fields, "-o", f"oslo.only_fields:{','.join(names)}") == tshark(DEMO, *fields)
    drawn = tshark(DEMO, "-V", "-O", "oslo", "-o", "oslo.only_fields:oslo.kind")
    assert "Kind: call" in drawn
    assert "Method: report_state" not in drawn


def test_a_damaged_gzip_body_is_told(tmp_path):
    """Octets of a stored block are wrong, so that only the checksum tells."""
    body = gzip.compress(b'{"method": "m", "_unique_id": "u", "args": {"x": "yyy"}}', compresslevel=0)
    for octets, said in ((body, "cast m → k"), (body.replace(b"yyy", b"yzy"), "undecodable body → k")):
        frames = publish(1, octets, properties=BasicProperties(headers={"compression": "gzip"}))
        path = write(tmp_path / "x.pcap", [*GREETING, (True, b"".join(frames))])
        assert said in tshark(path, "-Y", "oslo")


@pytest.mark.parametrize("options", [(), OWN_FRAMING], ids=["stock", "own"])
def test_a_connection_on_ports_of_an_earlier_one(tmp_path, options):
    """What the earlier left unfinished is not taken for the beginning of the later."""
    message = b"".join(publish(1, b'{"method": "m", "_unique_id": "u", "args": {}}'))
    records = []
    for sequence, octets in ((100, PROTOCOL_HEADER + message[:-20]), (90_000, PROTOCOL_HEADER + message)):
        records += [segment(True, sequence, flags=SYN), segment(True, sequence + 1, octets, ack=1)]
    path = tmp_path / "x.pcap"
    headed = [struct.pack("<IIII", index, 0, len(record), len(record)) + record for index, record in enumerate(records)]
    path.write_bytes(wild.FILE_HEADER + b"".join(headed))
    (line,) = tshark(path, "-Y", "oslo", *options).splitlines()
    assert line.split()[0] == "4"
    assert "cast m → k" in line


def test_no_file_and_loaded_twice(tmp_path):
    shutil.copy(lua.TARGET, tmp_path / "again.lua")
    version = subprocess.run(
        ["tshark", "-X", f"lua_script:{lua.TARGET}", "-v"], capture_output=True, text=True, check=True
    )
    assert "Lua: Error" not in version.stdout + version.stderr
    command = [
        "tshark",
        "-X",
        f"lua_script:{lua.TARGET}",
        "-X",
        f"lua_script:{tmp_path / 'again.lua'}",
        "-r",
        str(DEMO),
        "-Y",
        "oslo",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert len(done.stdout.splitlines()) == 82
    assert "Error during loading" not in done.stderr


def test_a_file_that_is_opened_again(tmp_path):
    plugins = tmp_path / ".local" / "lib" / "wireshark" / "plugins"
    plugins.mkdir(parents=True)
    shutil.copy(lua.TARGET, plugins)
    load = {"jsonrpc": "2.0", "id": 1, "method": "load", "params": {"file": str(DEMO)}}
    frame = {"jsonrpc": "2.0", "id": 2, "method": "frame", "params": {"frame": 414, "proto": True}}
    asked = "".join(json.dumps(request) + "\n" for request in (load, frame, load, frame))
    done = subprocess.run(
        ["sharkd", "-"],
        input=asked,
        capture_output=True,
        text=True,
        check=False,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    answers = [line for line in done.stdout.splitlines() if '"id":2' in line]
    assert len(answers) == 2
    assert all("oslo.messaging: reply ok" in answer for answer in answers)
    assert "Lua Error" not in done.stdout
