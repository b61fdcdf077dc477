"""``make live-bench``: what a live capture keeps up with, and what it costs the broker beside the firehose.

``rate`` replays a capture of 100 MB with tcpreplay over a veth pair: at 40,000 packets a second all messages have to
come that ``read`` shows of the file; at twice that, what is dropped has to be told exactly. ``overhead`` lets clients
put messages through a private broker, as many as go, alone, with the firehose and its recorder, and with osloshark
live, in alternating rounds.
"""

import argparse
import hashlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ..cli.command import COMMAND
from ..lab.broker import PASSWORD, PORT, broker, truth_urls
from ..lab.firehose import firehose
from ..lab.network import BRIDGE, BROKER, CONTROLLER, network
from .wire import SEEN, SENT, STARTED, Live, Wire

ROOT: Final = Path(__file__).parents[2]
SIZE: Final = "100M"
RATE: Final = 40_000
TIMES: Final = 5
"""How often it is replayed at twice the rate: more than fits into what waits to be decoded."""
CLIENTS: Final = 3
ROUND_S: Final = 8
MODES: Final = ("alone", "firehose", "osloshark")


def generated(folder: Path) -> Path:
    """The capture to replay."""
    path = folder / "generated.pcap"
    words = [sys.executable, "-m", "tests.generate", "--size", SIZE, "--connections", "5000", "--loss", "0"]
    with path.open("wb") as output:
        subprocess.run(words, cwd=ROOT, stdout=output, stderr=subprocess.DEVNULL, check=True)
    return path


def digest(shown: bytes) -> tuple[int, str]:
    """How many messages there are, and all that is said of them but the packets' times."""
    whole = hashlib.sha256()
    lines = shown.splitlines()
    for line in lines:
        message = json.loads(line)
        del message["frame"]["time_epoch"]
        whole.update(json.dumps(message, sort_keys=True).encode())
    return len(lines), whole.hexdigest()


def replay(wire: Wire, path: Path, rate: int, times: int) -> float:
    """Send a capture, once or more often; how many packets a second it was."""
    done = wire.run("tcpreplay", "-q", "-i", SENT, "--preload-pcap", f"--pps={rate}", f"--loop={times}", path)
    assert done.returncode == 0, done.stderr
    return float(done.stdout.partition(" pps")[0].split()[-1])


def rate(folder: Path) -> None:
    """Replay at the rate, and at twice that; raises AssertionError where something is lost unsaid."""
    path = generated(folder)
    shown = subprocess.run([COMMAND, "read", "-T", "jsonl", path], capture_output=True, check=True).stdout
    expected = digest(shown)
    with open_wire() as wire:
        for wanted, times in ((RATE, 1), (2 * RATE, TIMES)):
            with wire.live(folder, "live", "-T", "jsonl", SEEN) as live:
                achieved = replay(wire, path, wanted, times)
                time.sleep(1)
                began = time.monotonic()
                live.send(signal.SIGINT)
                assert live.wait(300) == 0, live.errors
                counts = live.summary()
                lost = sum(counts.get(name, 0) for name in ("packet dropped by the", "packet dropped as"))
                print(
                    f"{achieved:,.0f} packets/s: {counts['packet']:,} packets, {lost:,} dropped and told, "
                    f"{counts['message']:,} of {expected[0]:,} messages; "
                    f"{time.monotonic() - began:.0f} s more to decode them",
                    flush=True,
                )
                assert counts["packet"] + lost == times * packets_of(path)
                if wanted == RATE:
                    assert lost == 0
                    assert digest(live.output) == expected


@contextmanager
def open_wire() -> Iterator[Wire]:
    """A wire, until the end of the block."""
    wire = Wire()
    try:
        yield wire
    finally:
        wire.close()


def packets_of(path: Path) -> int:
    """Packets of a capture."""
    shown = subprocess.run(["capinfos", "-Mc", "-T", "-r", path], capture_output=True, text=True, check=True).stdout
    return int(shown.split("\t")[1])


def overhead(folder: Path, rounds: int) -> None:
    """Measure the broker's messages a second in each mode, round by round, and print medians and ratios."""
    measured: dict[str, list[float]] = {mode: [] for mode in MODES}
    with network([BROKER, CONTROLLER]) as hosts, broker(hosts[BROKER.name]) as control:
        control("trace_off", "-p", "/")
        control("trace_off", "-p", "nova_cell1")
        url = f"amqp://openstack:{PASSWORD}@{BROKER.ipv4}:{PORT}/%2F"
        interpreter = hosts[BROKER.name].command(sys.executable)

        def load() -> float:
            words = hosts[CONTROLLER.name].command(sys.executable, "-m", "tests.live.load", url, str(ROUND_S))
            clients = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(CLIENTS)]
            return sum(float(client.communicate()[0]) for client in clients)

        for _ in range(rounds):
            for mode in MODES:
                if mode == "firehose":
                    control("trace_on", "-p", "/")
                    with firehose(interpreter, folder / "firehose.jsonl", truth_urls()[:1]):
                        measured[mode].append(load())
                    control("trace_off", "-p", "/")
                elif mode == "osloshark":
                    words = [COMMAND, "live", "-T", "jsonl", BRIDGE]
                    live = Live(hosts[BROKER.name], folder, words, None)
                    try:
                        live.wait_for(STARTED)
                        measured[mode].append(load())
                        live.send(signal.SIGINT)
                        assert live.wait(300) == 0, live.errors
                        print(live.errors.splitlines()[-1], flush=True)
                    finally:
                        live.kill()
                else:
                    measured[mode].append(load())
                print(f"{mode}: {measured[mode][-1]:,.0f} messages/s", flush=True)
    alone = statistics.median(measured["alone"])
    print(f"{os.cpu_count()} processors, {CLIENTS} clients, bodies of 1 kB, medians of {rounds} rounds of {ROUND_S} s:")
    for mode in MODES:
        median = statistics.median(measured[mode])
        print(f"  {mode:10} {median:8,.0f} messages/s  {median / alone:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.live.bench", description=__doc__)
    parser.add_argument("what", nargs="*", default=["rate", "overhead"], choices=["rate", "overhead"])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="osloshark-bench-") as name:
        if "rate" in options.what:
            rate(Path(name))
        if "overhead" in options.what:
            overhead(Path(name), options.rounds)


if __name__ == "__main__":
    main()
