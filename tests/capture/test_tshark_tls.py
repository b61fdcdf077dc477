"""TLS for real: RabbitMQ's own listener and oslo.messaging over ssl=true, decrypted by tshark, beside the firehose."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import dissector

from ..cli.command import COMMAND
from ..lab.network import BRIDGE, BROKER
from ..lab.scenarios import SCENARIOS
from ..lab.session import Lab
from ..lab.stage import Stage
from ..lab.tls import Tls
from ..live.wire import STARTED, Live
from ..outputs import run
from ..test_against_firehose import counted, told

pytestmark = [pytest.mark.broker, pytest.mark.tshark, pytest.mark.netns, pytest.mark.xdist_group("lab")]

SHOWN = ("-T", "trace-json", "--show-secrets")


def test_tls_equals_the_firehose(lab: Lab, tmp_path, monkeypatch):
    """Of both versions at once, live while it happens, and afterwards from the capture: one to one with what the broker
    tells."""
    keylog = tmp_path / "keys"
    keylog.touch(mode=0o600)
    live_words = [COMMAND, "live", "--via", "tshark", "--keylog", str(keylog), *SHOWN, BRIDGE]

    def story(stage: Stage) -> None:
        live = Live(stage.host(BROKER.name), tmp_path, live_words, None)
        try:
            live.wait_for(STARTED)
            with ThreadPoolExecutor() as at_once:
                playing = [
                    at_once.submit(SCENARIOS[scenario], stage.over(Tls(version, keylog)))
                    for version, scenario in (("TLSv1_2", "megabyte"), ("TLSv1_3", "call"))
                ]
            assert [one.result() for one in playing] == [None, None]
            live.wait_for_packets()
            assert live.end() == 0, live.errors
            assert "; complete" in live.errors, live.errors
        finally:
            live.kill()

    monkeypatch.setitem(SCENARIOS, "beside", story)
    recording = lab.record("beside")
    assert {"measure", "report_state"} <= {
        message.oslo.method for message in messages_of(recording.pcap, keylog) if message.oslo
    }
    labels = {line.split()[0] for line in keylog.read_text().splitlines() if line[0] != "#"}
    assert {"CLIENT_RANDOM", "CLIENT_TRAFFIC_SECRET_0"} <= labels
    assert counted((tmp_path / "output").read_bytes()) == told(recording)

    done = run(["read", "--via", "tshark", "--keylog", str(keylog), *SHOWN, str(recording.pcap)])
    assert done.status == 0, done.errors
    assert b"; complete" in done.errors
    assert counted(done.output) == told(recording)


def messages_of(path: Path, keylog: Path) -> list[dissector.MessageRecord]:
    """What Python gives. The packets of a message are those that carry it, and as good as nothing else: only at its
    ends may be more."""
    command = ["tshark", "-n", "-r", path, "-T", "fields", "-e", "frame.number", "-e", "tcp.len"]
    lines = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split("\n")[:-1]
    sizes = {int(number): int(size or 0) for number, size in (line.split("\t") for line in lines)}
    messages = list(dissector.read(path, via="tshark", keylog=keylog))
    for message in messages:
        size = message.amqp.body_size
        carried = [sizes[number] for number in message.frame.numbers]
        assert all(carried)
        assert sum(carried) > size
        # Records have up to 16 KB, and some 30 bytes of their own.
        assert sum(carried[1:-1]) <= size + 1000 + 50 * (size // 4096)
    return messages
