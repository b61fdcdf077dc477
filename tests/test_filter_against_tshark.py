"""Filters on the fields that Wireshark has too: the same expression chooses the same packets."""

import re
import subprocess
from functools import cache

import pytest

from dissector.amqp import Message
from dissector.filter import compile_filter
from dissector.views.lookup import MessageLookup

from . import wiring
from .lab import truth

pytestmark = pytest.mark.tshark

CAPTURES = ("demo", "any-sll2", "ipv6")
EXPRESSIONS = [
    "frame.number == 786 || frame.number eq 790",
    "frame.number in {1..500, 0x316, 900} && frame.number not in {400..450}",
    "frame.number > 400 and frame.number <= 0700 or frame.number == 791",
    "not frame.number < 600 && !(frame.number ge 800)",
    "!frame.number == 786 and frame.number lt 900",
    "tcp.port == 5672",
    "tcp.port != 5672",
    "tcp.port !== 5672",
    "tcp.port === 5672",
    "tcp.port in {40000..50000}",
    "tcp.port not in {40000..50000}",
    "tcp.srcport > tcp.dstport",
    "tcp.srcport == 5672 and tcp.stream in {1, 3..9}",
    "tcp.stream == 3 or tcp.stream == 4 and tcp.dstport == 5672",
    "tcp.stream any_ne 3",
    "ip.src == 10.99.0.1",
    "ip.src == 10.99.0.0/28",
    "ip.src != 10.99.0.1",
    "ip.src > 10.99.0.11",
    "ip.addr == 10.99.0.21 && ip.addr != 10.99.0.11",
    "ip.addr !== 10.99.0.1",
    "ip.dst in {10.99.0.11..10.99.0.20, 10.99.0.21}",
    "ip.dst not in {10.99.0.11}",
    "frame.number && tcp",
    "!tcp",
    "amqp && tcp.stream < 5",
    "frame.time_epoch > 1.5",
]
"""`ip` alone is left out: in Wireshark it is IPv4 only."""


@cache
def messages(name):
    return [m for m in wiring.events(truth.captures()[name]) if isinstance(m, Message)]


@pytest.mark.parametrize("name", CAPTURES)
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_the_same_packets_are_chosen(name, expression):
    if name == "ipv6" and "ip." in expression:
        expression = expression.replace("10.99.0.0/28", "fd00::/16")
        expression = re.sub(r"10\.99\.0\.(\d+)", r"fd00:99::\1", expression)
        theirs = expression.replace("ip.", "ipv6.")
    else:
        theirs = expression
    command = ["tshark", "-n", "-r", str(truth.captures()[name]), "-Y", theirs, "-T", "fields", "-e", "frame.number"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    chosen = set(map(int, done.stdout.split()))
    matches = compile_filter(expression).matches
    carriers = {m.number for m in messages(name)}
    assert {m.number for m in messages(name) if matches(MessageLookup(m))} == chosen & carriers
