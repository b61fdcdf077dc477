"""Live on the broker's own interface, beside the broker's firehose: the two agree one to one.

Real oslo.messaging clients and servers over a real RabbitMQ, each in a network namespace of its own.
"""

import base64
import json
from collections import Counter
from pathlib import Path

import pytest

from ..cli.command import COMMAND
from ..lab.network import BRIDGE, BROKER
from ..lab.scenarios import NOVA_API, NOVA_COMPUTE, SCENARIOS, compute_call
from ..lab.session import Lab, Recording
from ..lab.stage import Stage, context
from ..test_against_firehose import counted, told
from .wire import STARTED, Live

pytestmark = [pytest.mark.broker, pytest.mark.tshark, pytest.mark.netns, pytest.mark.xdist_group("lab")]

SHOWN = ["-T", "trace-json", "--show-secrets", BRIDGE]


def live_on(stage: Stage, folder: Path, *words: object) -> Live:
    """osloshark on the broker's host, capturing."""
    live = Live(stage.host(BROKER.name), folder, [COMMAND, "live", *map(str, words)], None)
    live.wait_for(STARTED)
    return live


def ended(live: Live) -> None:
    live.wait_for_packets()
    assert live.end() == 0, live.errors
    assert "; complete" in live.errors, live.errors


@pytest.mark.parametrize("method", ["child", "scapy"])
def test_from_the_beginning(method, lab: Lab, tmp_path, monkeypatch):
    def story(stage: Stage) -> None:
        live = live_on(stage, tmp_path, "--capture", method, *SHOWN)
        try:
            for name in ("call", "cast", "fanout", "notification", "failure", "megabyte"):
                SCENARIOS[name](stage)
            ended(live)
        finally:
            live.kill()

    monkeypatch.setitem(SCENARIOS, "beside", story)
    recording = lab.record("beside")
    assert recording.truth
    assert counted((tmp_path / "output").read_bytes()) == told(recording)


@pytest.mark.parametrize("learns", [False, True])
def test_from_the_middle(learns, lab: Lab, tmp_path, monkeypatch):
    """Connections, channels and consumers are there already, and so is tcpdump, from whose file can be learnt."""
    later: list[str] = []

    def story(stage: Stage) -> None:
        with stage.services(NOVA_COMPUTE, NOVA_API) as (_, client):
            for _ in range(3):
                client.do("call", **compute_call("get_host_uptime"))
            live = live_on(stage, tmp_path, *(["--user", "root", "--learn", captured()] if learns else []), *SHOWN)
            try:
                for _ in range(20):
                    request = context()
                    later.append(request["request_id"])
                    client.do("call", **compute_call("get_host_uptime"), context=request)
                live.wait_for_packets()
                assert live.end() == 0, live.errors
            finally:
                live.kill()

    def captured() -> Path:
        return max(tmp_path.parent.glob("lab*/*.pcap"), key=lambda path: path.stat().st_mtime)

    monkeypatch.setitem(SCENARIOS, "middle", story)
    recording = lab.record("middle")
    expected = Recording(recording.pcap, tmp_path / "later.jsonl", recording.clocks)
    write_later(recording, expected.firehose, set(later))
    seen = counted((tmp_path / "output").read_bytes())
    if learns:
        assert seen == told(expected)
    else:
        assert known(seen) == known(told(expected))
        assert seen != told(expected)


def known(counts: Counter) -> Counter:
    """Without what only the beginning of a connection tells: vhost, user, node, and the consumer's queue."""
    found: Counter = Counter()
    for (leg, exchange, channel, connection, _, _, _, *routing_keys, _, body), count in counts.items():
        found[leg, exchange, channel, connection, *routing_keys, body] += count
    return found


def write_later(recording: Recording, path: Path, requests: set[str]) -> None:
    """Those of the firehose's records that belong to some requests, replies too."""
    lines = recording.firehose.read_text().splitlines()
    bodies = [
        json.loads(json.loads(base64.b64decode(json.loads(line)["body_base64"]))["oslo.message"]) for line in lines
    ]
    ids = {body["_msg_id"] for body in bodies if body.get("_context_request_id") in requests}
    assert len(ids) == len(requests)
    chosen = [line for line, body in zip(lines, bodies, strict=True) if body.get("_msg_id") in ids]
    path.write_text("\n".join(chosen) + "\n")
