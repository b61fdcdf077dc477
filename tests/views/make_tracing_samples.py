"""Remake ``tests/views/tracing/``: what RabbitMQ's own rabbitmq_tracing plugin logs, and the packets of it.

``python tests/views/make_tracing_samples.py`` (from the repository's top, as root on Debian) starts the
laboratory's private broker with the plugin enabled, lets it log one virtual host in both formats, plays the
messages of `play` over IPv4 and IPv6 and leaves ``sample.pcap``, ``sample.json.log`` and ``sample.text.log``.
The messages go one after the other, so that the plugin's order is that of the packets.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any, Final
from unittest import mock

import pika

TOP: Final = Path(__file__).resolve().parents[2]
HERE: Final = Path(__file__).resolve().parent / "tracing"
MANAGEMENT: Final = "http://127.0.0.1:15672/api"
QUORUM: Final = {"x-queue-type": "quorum"}
STREAM: Final = {"x-queue-type": "stream"}
LONG_HEADERS: Final = {
    "binary": bytes(range(128, 168)),
    "bool": True,
    "empty": "",
    "latin": "Zürich über Œuvre",
    "list": ["a", 1, {"inside": False, "more": "text that is long enough to be wrapped by the printer"}, [None]],
    "long": 2**40,
    "negative": -70_000,
    "quoted": 'a "quoted"\nline\\',
    "table": {"inner": {"deep": list(range(30))}},
}
ALL: Final = pika.BasicProperties(
    content_type="text/plain",
    content_encoding="utf-8",
    headers={"kind": "all", "number": 7},
    delivery_mode=1,
    priority=9,
    correlation_id="correlation",
    reply_to="somewhere",
    expiration="60000",
    message_id="message-1",
    timestamp=1_700_000_000,
    type="kind.of.message",
    user_id="openstack",
    app_id="osloshark",
    cluster_id="cluster",
)
OSLO: Final = pika.BasicProperties("application/json", "utf-8", {}, 2, 0)


def play(host: str, password: str) -> None:
    """Publish, route and take messages of every kind that a log line tells apart."""
    connection = pika.BlockingConnection(
        pika.ConnectionParameters(host, credentials=pika.PlainCredentials("openstack", password))
    )
    channel = connection.channel()

    def take(queue: str, *, requeue: bool = False) -> None:
        method, _, _ = channel.basic_get(queue)
        if requeue:
            channel.basic_reject(method.delivery_tag, requeue=True)
        else:
            channel.basic_ack(method.delivery_tag)
        connection.sleep(0.1)

    for exchange, kind in (("nova", "topic"), ("scheduler_fanout", "fanout"), ("Zürich ⚡", "direct")):
        channel.exchange_declare(exchange, kind)
    names = sorted(["compute", "compute.dev20", "fanout-queue-with-a-long-name-1", "reply_1", "reply_2"])
    for name in names:
        channel.queue_declare(name)
        channel.queue_bind(name, "scheduler_fanout")
    channel.queue_declare("quorum", durable=True, arguments=QUORUM)
    channel.queue_declare("stream", durable=True, arguments=STREAM)
    channel.queue_bind("compute", "nova", "compute")
    channel.queue_bind("compute", "Zürich ⚡", "schlüssel")

    body = json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps({"method": "ping", "args": {"x": "é"}})})
    channel.basic_publish("nova", "compute", body.encode(), OSLO)
    take("compute")
    channel.basic_publish("nova", "nobody.listens", b"", ALL)
    channel.basic_publish("scheduler_fanout", "", "payload\nof two lines: ∑ é\n".encode(), ALL)
    for name in names:
        take(name)
    channel.basic_publish("Zürich ⚡", "schlüssel", bytes(range(256)), pika.BasicProperties(headers=LONG_HEADERS))
    take("compute", requeue=True)
    take("compute")
    channel.basic_publish("", "quorum", b"{}", OSLO)
    take("quorum", requeue=True)
    take("quorum")
    copies = pika.BasicProperties(headers={"CC": ["compute.dev20", "reply_1"]})
    channel.basic_publish("", "compute", b"copied", copies)
    for name in ("compute", "compute.dev20", "reply_1"):
        take(name)
    channel.queue_declare("work", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "reply_1"})
    channel.basic_publish("", "work", b"given up", OSLO)
    method, _, _ = channel.basic_get("work")
    channel.basic_reject(method.delivery_tag, requeue=False)
    connection.sleep(0.1)
    take("reply_1")
    channel.basic_publish("", "stream", b"streamed", OSLO)
    channel.basic_qos(prefetch_count=1)
    tag = channel.basic_consume("stream", lambda *_: None, arguments={"x-stream-offset": "first"})
    connection.sleep(0.5)
    channel.basic_cancel(tag)
    for name in (*names, "quorum", "stream", "work"):
        channel.queue_delete(name)
    for exchange in ("nova", "scheduler_fanout", "Zürich ⚡"):
        channel.exchange_delete(exchange)
    connection.close()


def trace(method: str, name: str, password: str, body: dict[str, Any]) -> None:
    """Start (PUT) or end (DELETE) a trace by the management plugin's interface."""
    request = urllib.request.Request(f"{MANAGEMENT}/traces/%2F/{name}", method=method)
    request.add_header("Authorization", "Basic " + base64.b64encode(f"tracer:{password}".encode()).decode())
    request.add_header("Content-Type", "application/json")
    urllib.request.urlopen(request, json.dumps(body).encode(), timeout=10).close()


def make() -> None:
    """Start the laboratory and record."""
    sys.path.insert(0, str(TOP))
    from tests.lab import broker as lab  # noqa: PLC0415 - the parts that run on its hosts do without
    from tests.lab import recorder  # noqa: PLC0415
    from tests.lab.network import BROKER, CONTROLLER, network  # noqa: PLC0415

    logs = Path(tempfile.mkdtemp(prefix="osloshark-tracing-"))
    logs.chmod(0o777)
    configure = lab._configure

    def with_tracing(folder: Path, host: Any) -> dict[str, str]:
        environment = configure(folder, host)
        (folder / "enabled_plugins").write_text("[rabbitmq_tracing].\n")
        with (folder / "rabbitmq.conf").open("a") as settings:
            settings.write("management.tcp.ip = 127.0.0.1\n")
        account = f'{{username,<<"tracer">>}},{{password,<<"{lab.PASSWORD}">>}}'
        (folder / "advanced.config").write_text(f'[{{rabbitmq_tracing,[{{directory,"{logs}"}},{account}]}}].\n')
        return environment

    try:
        with (
            network((BROKER, CONTROLLER)) as hosts,
            mock.patch.object(lab, "_configure", with_tracing),
            lab.broker(hosts[BROKER.name]),
        ):
            here = [sys.executable, str(Path(__file__).resolve())]

            def run(host: str, *arguments: str) -> None:
                subprocess.run(hosts[host].command(*here, *arguments, lab.PASSWORD), check=True)

            for kind in ("json", "text"):
                run(BROKER.name, "PUT", kind)
            with recorder.recording(hosts[BROKER.name], recorder.Tap(), logs / "sample.pcap"):
                for address in (BROKER.ipv4, BROKER.ipv6):
                    run(CONTROLLER.name, "play", address)
                time.sleep(2)
            for kind in ("json", "text"):
                run(BROKER.name, "DELETE", kind)
            time.sleep(2)
            HERE.mkdir(exist_ok=True)
            shutil.copyfile(logs / "sample.pcap", HERE / "sample.pcap")
            for kind in ("json", "text"):
                shutil.copyfile(logs / f"sample-{kind}.log", HERE / f"sample.{kind}.log")
    finally:
        shutil.rmtree(logs)


if __name__ == "__main__":
    match sys.argv[1:]:
        case []:
            if os.geteuid():
                sys.exit("make_tracing_samples.py: needs root, for network namespaces")
            make()
        case ["play", host, password]:
            play(host, password)
        case [method, kind, password]:
            trace(method, f"sample-{kind}", password, {"format": kind, "pattern": "#"})
