"""``make live-bench``: what a live capture keeps up with, how soon it shows a message, and what it costs the broker.

``rate`` replays a capture of 100 MB with tcpreplay over a veth pair: at 40,000 packets a second all messages have to
come that ``read`` shows of the file; at twice that, what is dropped has to be told exactly. ``latency`` sends messages
one by one, and reads when each is written. ``overhead`` lets clients put messages through a private broker, as many as
go, alone, with the firehose and its recorder, and with osloshark live, in alternating rounds.
"""

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ..bench.results import machine, write
from ..cli.command import COMMAND
from ..lab.broker import PASSWORD, PORT, broker, truth_urls
from ..lab.firehose import firehose
from ..lab.network import BRIDGE, BROKER, CONTROLLER, network
from .results import ALONE, FIREHOSE, KEPT, README, WAYS, Found, Latency, Overhead, Rate, put, text
from .wire import SEEN, SENT, STARTED, Live, Wire

ROOT: Final = Path(__file__).parents[2]
SIZE: Final = "100M"
RATE: Final = 40_000
TIMES: Final = 5
"""How often it is replayed at twice the rate: more than fits into what waits to be decoded."""
MESSAGES: Final = 250
"""Of which the time is taken."""
CLIENTS: Final = 3
ROUND_S: Final = 6
PARTS: Final = ("rate", "latency", "overhead")


def generated(folder: Path, size: str = SIZE, connections: int = 5000) -> Path:
    """The capture to replay."""
    path = folder / "generated.pcap"
    words = [sys.executable, "-m", "tests.generate", "--size", size, "--connections", str(connections), "--loss", "0"]
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


def replay(wire: Wire, path: Path, rate: int, times: int = 1) -> float:
    """Send a capture, once or more often; how many packets a second it was."""
    done = wire.run("tcpreplay", "-q", "-i", SENT, "--preload-pcap", f"--pps={rate}", f"--loop={times}", path)
    assert done.returncode == 0, done.stderr
    return float(done.stdout.partition(" pps")[0].split()[-1])


@contextmanager
def open_wire() -> Iterator[Wire]:
    """A wire, until the end of the block."""
    wire = Wire()
    try:
        yield wire
    finally:
        wire.close()


@contextmanager
def ways(folder: Path) -> Iterator[dict[str, tuple[list[str], list[str]]]]:
    """What chooses each way to capture: before the command, and its options."""
    programs = folder / "programs"
    programs.mkdir()
    for path in (folder, programs):
        path.chmod(0o755)
    (programs / "tcpdump").symlink_to(str(shutil.which("tcpdump", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")))
    yield {
        "scapy": ([], ["--capture", "scapy"]),
        "dumpcap": ([], ["--capture", "child"]),
        "tcpdump": (["env", f"PATH={programs}"], ["--capture", "child"]),
    }


def packets_of(path: Path) -> int:
    """Packets of a capture."""
    shown = subprocess.run(["capinfos", "-Mc", "-T", "-r", path], capture_output=True, text=True, check=True).stdout
    return int(shown.split("\t")[1])


def rate(folder: Path) -> list[Rate]:
    """Replay at the rate, and at twice that; raises AssertionError where something is lost unsaid."""
    path = generated(folder)
    packets = packets_of(path)
    shown = subprocess.run([COMMAND, "read", "-T", "jsonl", path], capture_output=True, check=True).stdout
    expected = digest(shown)
    found = []
    with open_wire() as wire:
        for way, options in (("scapy", ["--capture", "scapy"]), ("dumpcap", ["--capture", "child"])):
            for wanted, times in ((RATE, 1), (2 * RATE, TIMES)):
                with wire.live(folder, "live", "-T", "jsonl", *options, SEEN) as live:
                    achieved = replay(wire, path, wanted, times)
                    live.wait_for_packets()
                    began = time.monotonic()
                    live.send(signal.SIGINT)
                    assert live.wait(300) == 0, live.errors
                    later_s = time.monotonic() - began
                    counts = live.summary()
                    kernel, own = (counts.get(f"packet dropped {by}", 0) for by in ("by the", "as"))
                    assert counts["packet"] + kernel + own == times * packets
                    if wanted == RATE:
                        assert kernel + own == 0
                        assert digest(live.output) == expected
                found.append(Rate(way, round(achieved), times * packets, kernel, own, round(later_s, 1)))
                print(found[-1], file=sys.stderr)
    return found


def latency(folder: Path) -> list[Latency]:
    """Take the time from before a message's last packet is sent to when its line can be read."""
    found = []
    with open_wire() as wire, ways(folder) as known:
        for way, (before, options) in known.items():
            words = [*before, COMMAND, "live", "-T", "jsonl", *options, SEEN]
            process = subprocess.Popen(
                wire.command(*words),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            assert process.stdout is not None
            assert process.stderr is not None
            seen: dict[int, int] = {}
            while STARTED not in (line := process.stderr.readline()):
                assert line, "it has ended"
            thread = threading.Thread(target=_note_times, args=(process.stdout, seen))
            thread.start()
            sender = [sys.executable, "-m", "tests.live.latency", SENT, MESSAGES]
            done = subprocess.run(wire.command(*sender), cwd=ROOT, capture_output=True, text=True, check=True)
            time.sleep(1)
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
            thread.join()
            sent = dict(tuple(map(int, line.split())) for line in done.stdout.splitlines())
            assert sent.keys() == seen.keys()
            found.append(Latency(way, [round((seen[number] - at_ns) / 1e6, 1) for number, at_ns in sent.items()]))
            print(way, found[-1].summary(), file=sys.stderr)
    return found


def _note_times(lines: Iterator[str], seen: dict[int, int]) -> None:
    for line in lines:
        now_ns = time.time_ns()
        seen[json.loads(line)["oslo"]["args"]["number"]] = now_ns


def overhead(folder: Path, rounds: int) -> list[Overhead]:
    """Measure the broker's messages a second in each mode, round by round."""
    found = {mode: Overhead(mode) for mode in (ALONE, FIREHOSE, *WAYS)}
    options = {"scapy": ["--capture", "scapy"], "dumpcap": ["--capture", "child"]}
    with network([BROKER, CONTROLLER]) as hosts, broker(hosts[BROKER.name]) as control:
        control("trace_off", "-p", "/")
        control("trace_off", "-p", "nova_cell1")
        url = f"amqp://openstack:{PASSWORD}@{BROKER.ipv4}:{PORT}/%2F"
        interpreter = hosts[BROKER.name].command(sys.executable)

        def load(mode: str) -> None:
            words = hosts[CONTROLLER.name].command(sys.executable, "-m", "tests.live.load", url, str(ROUND_S))
            clients = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(CLIENTS)]
            found[mode].messages_per_s.append(round(sum(float(client.communicate()[0]) for client in clients)))

        load(ALONE)  # the first is that of a broker that has just started
        found[ALONE].messages_per_s.clear()
        for number in range(rounds):
            modes = list(found)
            for mode in modes[number % len(modes) :] + modes[: number % len(modes)]:
                if mode == ALONE:
                    load(mode)
                elif mode == FIREHOSE:
                    control("trace_on", "-p", "/")
                    with firehose(interpreter, folder / "firehose.jsonl", truth_urls()[:1]):
                        load(mode)
                    control("trace_off", "-p", "/")
                else:
                    live = Live(
                        hosts[BROKER.name], folder, [COMMAND, "live", "-T", "jsonl", *options[mode], BRIDGE], None
                    )
                    try:
                        live.wait_for(STARTED)
                        load(mode)
                        live.send(signal.SIGINT)
                        assert live.wait(300) == 0, live.errors
                        counts = live.summary()
                        lost = sum(counts.get(f"packet dropped {by}", 0) for by in ("by the", "as"))
                        found[mode].packets.append(counts["packet"])
                        found[mode].dropped.append(lost)
                    finally:
                        live.kill()
                print(f"round {number + 1}: {mode}: {found[mode].messages_per_s[-1]:,} messages/s", file=sys.stderr)
    return list(found.values())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.live.bench", description=__doc__)
    parser.add_argument("what", nargs="*", default=[], choices=[*PARTS, []], help="parts; none is all, and keeps them")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    what = options.what or PARTS
    found = Found(machine(), options.rounds, CLIENTS, ROUND_S, [], [], [])
    for name in what:
        with tempfile.TemporaryDirectory(prefix="osloshark-bench-") as folder:
            if name == "rate":
                found.rates = rate(Path(folder))
            elif name == "latency":
                found.latencies = latency(Path(folder))
            else:
                found.overheads = overhead(Path(folder), options.rounds)
    print(text(found))
    if not options.what:
        write(KEPT, found)
        README.write_text(put(README.read_text(), found))


if __name__ == "__main__":
    main()
