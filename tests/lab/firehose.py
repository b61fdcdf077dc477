"""The broker's own account of every message: a consumer of ``amq.rabbitmq.trace`` in each virtual host.

Run as a program on the broker's host it writes one JSON object a line to the file it is given:
``routing_key`` (``publish.<exchange>`` or ``deliver.<queue>``), ``headers`` (what the firehose says of the
message: exchange_name, routing_keys, properties, node, vhost, connection, channel, user, routed_queues or
redelivered) and ``body_base64``. It says ``ready`` when it is bound; told ``stop`` on its standard input it
takes what is still queued (a marker of its own tells the end) and ends.
"""

import base64
import contextlib
import datetime
import decimal
import json
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

import pika

STOP_S: Final = 30


def _plain(value: Any) -> Any:
    """A field value as JSON: timestamps are epoch seconds, bytes that are no UTF-8 ``{"base64": …}``."""
    match value:
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case bytes():
            return {"base64": base64.b64encode(value).decode()}
        case datetime.datetime():
            return int(value.replace(tzinfo=datetime.UTC).timestamp())
        case decimal.Decimal():
            return str(value)
        case _:
            return value


class _Consumer(threading.Thread):
    """The firehose of one virtual host."""

    def __init__(self, url: str, output: IO[str], lock: threading.Lock) -> None:
        super().__init__(daemon=True)
        self._output = output
        self._lock = lock
        self._marker = uuid.uuid4().hex.encode()
        self._connection = pika.BlockingConnection(pika.URLParameters(url))
        address, source_port = self._connection._impl._transport._sock.getsockname()
        self._own = f"{address}:{source_port} -> "
        channel = self._connection.channel()
        self._queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(self._queue, "amq.rabbitmq.trace", "#")
        channel.basic_consume(self._queue, self._take, auto_ack=True)
        self._channel = channel

    def run(self) -> None:
        self._channel.start_consuming()
        self._connection.close()

    def finish(self) -> None:
        """Send the marker through the queue: when it comes out, all before it has."""

        def send() -> None:
            self._channel.basic_publish("", self._queue, self._marker)

        self._connection.add_callback_threadsafe(send)
        self.join(STOP_S)
        if self.is_alive():
            raise TimeoutError("the firehose did not end")

    def _take(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        if method.exchange == "":
            channel.stop_consuming()
            return
        headers = _plain(properties.headers)
        if headers["connection"].startswith(self._own):
            return
        record = {
            "routing_key": method.routing_key,
            "headers": headers,
            "body_base64": base64.b64encode(body).decode(),
        }
        with self._lock:
            self._output.write(json.dumps(record, ensure_ascii=False) + "\n")


def main(path: str, *urls: str) -> None:
    """Record until standard input says ``stop`` or ends."""
    lock = threading.Lock()
    with Path(path).open("w", encoding="utf-8") as output:
        consumers = [_Consumer(url, output, lock) for url in urls]
        for consumer in consumers:
            consumer.start()
        print("ready", flush=True)
        sys.stdin.readline()
        for consumer in consumers:
            consumer.finish()


@contextlib.contextmanager
def firehose(command: list[str], path: Path, urls: list[str]) -> Iterator[None]:
    """Record the firehose to *path* during the block.

    *command* runs this interpreter on the broker's host; *urls* are AMQP URLs, one for each virtual host.
    """
    process = subprocess.Popen(
        [*command, str(Path(__file__).resolve()), str(path), *urls],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("the firehose did not start")
        yield
        process.stdin.write("stop\n")
        process.stdin.flush()
        if process.wait(STOP_S) != 0:
            raise RuntimeError("the firehose failed")
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
