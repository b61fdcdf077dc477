"""Fresh traffic of a private broker: the passive decode against what the broker itself tells of it, one to one.

(The shipped captures are compared in ``tests/views/test_tracing.py``.)
"""

import base64
import json
from collections import Counter

import pytest

from .cli.command import osloshark
from .lab.network import BROKER, COMPUTE1
from .lab.recorder import Tap
from .lab.session import Lab, Recording

pytestmark = [pytest.mark.broker, pytest.mark.netns, pytest.mark.xdist_group("lab")]


def decoded(recording: Recording) -> Counter:
    """What ``read -T trace-json --show-secrets`` tells of each message."""
    done = osloshark("read", "-T", "trace-json", "--show-secrets", recording.pcap)
    assert done.returncode == 0, done.stderr
    assert b"; complete" in done.stderr
    return counted(done.stdout)


def counted(shown: bytes) -> Counter:
    """The same, of what ``-T trace-json --show-secrets`` has shown."""
    rows = [json.loads(line) for line in shown.splitlines()]
    return Counter(
        (
            "publish" if row["type"] == "published" else "deliver",
            *(row[key] for key in ("exchange", "channel", "connection", "vhost", "user", "node")),
            *row["routing_keys"],
            None if row["queue"] == "none" else row["queue"],
            base64.b64decode(row["payload"]),
        )
        for row in rows
    )


def told(recording: Recording) -> Counter:
    """The same of the firehose."""
    return Counter(
        (
            record.leg,
            record.headers.exchange_name,
            record.headers.channel,
            record.headers.connection,
            record.headers.vhost,
            record.headers.user,
            record.headers.node,
            *record.headers.routing_keys,
            record.queue,
            record.body,
        )
        for record in recording.truth
    )


@pytest.mark.parametrize(
    "scenarios",
    [("call", "cast", "fanout", "notification"), ("failure", "late_reply", "nobody_listens"), ("megabyte", "channels")],
    ids="-".join,
)
def test_decode_equals_firehose(lab: Lab, scenarios):
    recording = lab.record(*scenarios)
    assert recording.truth
    assert decoded(recording) == told(recording)


@pytest.mark.parametrize(
    ("tap", "address"),
    [
        (Tap("any"), BROKER.ipv4),
        (Tap("any", link_type="LINUX_SLL"), BROKER.ipv4),
        (Tap(program="dumpcap"), f"[{BROKER.ipv6}]"),
    ],
    ids=["any-sll2", "any-sll1", "ipv6-pcapng"],
)
def test_from_any_tap(lab: Lab, tap, address):
    everyone = COMPUTE1.name if tap.device == "any" else None
    recording = lab.record("call", tap=tap, everyone=everyone, address=address)
    assert decoded(recording) == told(recording)
