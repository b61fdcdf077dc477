"""``dissector.live`` on a real interface, in a process of its own as a user's script has it; warnings are errors."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import dissector
from dissector.capture import open_capture

from ..lab import truth
from .wire import SEEN, Wire

pytestmark = [pytest.mark.netns, pytest.mark.xdist_group("wire")]

DEMO = truth.captures()["demo"]
TLS = Path(__file__).parents[1] / "capture" / "tls13.pcapng.gz"

PLAIN = """
import os, sys, dissector
from pathlib import Path
with dissector.live(sys.argv[1], method=sys.argv[2]) as messages:
    print("captures")
    for count, message in enumerate(messages, 1):
        print(message.frame.number, message.amqp.leg, message.oslo.method)
        if count == 82:
            messages.stop()
print(messages.completeness.summary())
print(os.geteuid(), int(Path("/proc/self/status").read_text().partition("CapEff:")[2].split()[0], 16) > 0)
"""

ASYNCHRONOUS = """
import asyncio, os, sys, dissector
from pathlib import Path

async def main():
    ticks = 0
    async def tick():
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.005)
    ticking = asyncio.create_task(tick())
    async with dissector.live(sys.argv[1], filter="oslo.method") as messages:
        print("captures")
        async for message in messages:
            print(message.frame.number, message.amqp.leg, message.oslo.method)
            if message.oslo.method == "port_update":
                break
    ticking.cancel()
    print(ticks > 10, Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())

asyncio.run(main())
"""

CANCELLED = """
import asyncio, sys, dissector

async def main():
    messages = dissector.live(sys.argv[1])
    print("captures")
    try:
        async with asyncio.timeout(0.2):
            async for message in messages:
                print("what is that?")
    except TimeoutError:
        print("timed out")

asyncio.run(main())
"""

VIA_TSHARK = """
import sys, dissector
with dissector.live(sys.argv[1], via="tshark", keylog=sys.argv[2]) as messages:
    print("captures")
    for count, message in enumerate(messages, 1):
        print(message.frame.number, message.amqp.leg, message.oslo.method)
        if count == 8:
            break
"""

SLOW = """
import asyncio, sys, dissector
from dissector import limits

limits.CAPTURED_BYTES = limits.BATCH_BYTES = 20_000

async def main():
    messages = dissector.live(sys.argv[1], duration_s=1.2)
    print("captures")
    taken = 0
    async for message in messages:
        taken += 1
        await asyncio.sleep(0.05 if taken < 20 else 0)
    print(taken < 82, messages.completeness.own_drops > 0)

asyncio.run(main())
"""


class Script:
    """A script of a user at work."""

    def __init__(self, wire: Wire, text: str, *words: str) -> None:
        python = [sys.executable, "-W", "error", "-u", "-c", text, SEEN, *words]
        self._process = subprocess.Popen(
            wire.command(*python),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert self._process.stdout is not None
        while (line := self._process.stdout.readline()) != "captures\n":
            assert line, self._process.communicate()

    def end(self, *, told: str = "") -> list[str]:
        out, errors = self._process.communicate(timeout=60)
        assert self._process.returncode == 0, errors
        assert re.fullmatch(told, errors), errors
        return out.splitlines()


def read() -> list[str]:
    return [f"{m.frame.number} {m.amqp.leg} {m.oslo.method}" for m in dissector.read(DEMO)]


def test_what_it_gives_is_what_read_gives_and_no_right_is_taken_from_the_program(wire):
    script = Script(wire, PLAIN, "child")
    wire.send(DEMO)
    *lines, summary, rights = script.end()
    assert lines == read()
    assert summary.endswith(" packets, 21 AMQP connections, 82 messages; complete")
    assert rights == "0 True"


def test_asynchronously_other_tasks_go_on_and_all_is_closed_behind_it(wire):
    script = Script(wire, ASYNCHRONOUS)
    wire.send(DEMO)
    *lines, rest = script.end()
    known = [line for line in read() if not line.endswith("None")]
    assert lines == known[: [line.rpartition(" ")[2] for line in known].index("port_update") + 1]
    assert rest == "True []"


@pytest.mark.tshark
def test_tls_is_decrypted_with_keys_that_come_later(wire, tmp_path):
    keylog = tmp_path / "keys"
    keylog.touch()
    script = Script(wire, VIA_TSHARK, str(keylog))
    with open_capture([TLS]) as capture:
        assert list(capture)
        keylog.write_bytes(capture.take_keys())
    wire.send(TLS)
    known = dissector.read(TLS, via="tshark")
    assert script.end() == [f"{m.frame.number} {m.amqp.leg} {m.oslo.method}" for m in known]


def test_it_can_be_cancelled_where_nothing_comes(wire):
    assert Script(wire, CANCELLED).end() == ["timed out"]


def test_who_takes_messages_slowly_loses_some_and_is_told(wire):
    script = Script(wire, SLOW)
    wire.send(DEMO)
    told = r"(\d+ packets dropped: they come faster than they are decoded or written\n)+"
    assert script.end(told=told) == ["True True"]


def test_what_cannot_be_captured_is_a_usage_error():
    with pytest.raises(dissector.UsageError, match="nosuch0: no such interface"):
        dissector.live("nosuch0")
    with pytest.raises(dissector.UsageError, match=r"no field oslo\.methd"):
        dissector.live("lo", filter="oslo.methd == 1")
    with pytest.raises(dissector.UsageError, match="no interface given"):
        dissector.live()
    with pytest.raises(dissector.UsageError, match="method='sorcery': choose from auto, child, scapy"):
        dissector.live("lo", method="sorcery")
    with pytest.raises(dissector.UsageError, match="nosuchuser"):
        dissector.live("lo", user="nosuchuser")
