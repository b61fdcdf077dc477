"""What the plugin does in Wireshark besides showing the fields, under real tshark."""

import json
import re
import shutil
import subprocess

import pytest

from dissector.interop import lua

from .. import canary
from ..amqp.amqp_frames import publish
from ..lab import truth
from ..test_against_tshark import GREETING, write
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
    path = truth.captures()["big-bodies"]
    assert "AMQP body (" in tshark(path, "-V", "-x", "-O", "oslo", "-Y", "amqp.body_size > 131064")
    assert "oslo.message, decoded, secrets masked" in tshark(path, "-V", "-x", "-O", "oslo", "-Y", "oslo")


def test_statistics_at_the_end():
    output = tshark(DEMO, "-q", "-X", "lua_script1:stats")
    calls = re.search(r"^call report_state +(\d+) +(\d+) +[\d.]+", output, re.MULTILINE)
    assert int(calls[1]) > 3
    assert "slowest ms" in output


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
