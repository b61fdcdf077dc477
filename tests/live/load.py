"""``python -m tests.live.load URL SECONDS``: as many messages through a broker as go; says how many a second.

Each client keeps so many messages on their way through a queue of its own: what is delivered is sent again.
"""

import json
import sys
import time
import uuid
from typing import Final

import pika

WINDOW: Final = 50
"""Messages on their way at once."""
WARM_UP_S: Final = 1.0


def body() -> bytes:
    """A cast of about 1 kB, as oslo.messaging sends it."""
    message = {
        "method": "report_state",
        "args": {"agent_state": {"binary": "bench", "configurations": {str(n): "x" * 60 for n in range(9)}}},
        "version": "1.2",
        "_unique_id": uuid.uuid4().hex,
        "_context_request_id": f"req-{uuid.uuid4()}",
    }
    return json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(message)}).encode()


def main(url: str, seconds: str) -> None:
    """Publish and consume for so long."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    queue = channel.queue_declare("", exclusive=True).method.queue
    properties = pika.BasicProperties(content_type="application/json", content_encoding="utf-8")
    data = body()
    begin = time.monotonic() + WARM_UP_S
    end = begin + float(seconds)
    count = 0

    def take(*_: object) -> None:
        nonlocal count
        now = time.monotonic()
        if now >= end:
            channel.stop_consuming()
            return
        count += now >= begin
        channel.basic_publish("", queue, data, properties)

    channel.basic_consume(queue, take, auto_ack=True)
    for _ in range(WINDOW):
        channel.basic_publish("", queue, data, properties)
    channel.start_consuming()
    connection.close()
    print(count / float(seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])
