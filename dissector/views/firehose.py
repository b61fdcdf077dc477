"""``-T firehose``: what the well-known script prints that listens on ``amq.rabbitmq.trace`` after trace_on."""

from dissector.amqp import AmqpEvent, Message
from dissector.oslo import envelope_of
from dissector.views.escape import escape
from dissector.views.traced import UNKNOWN, is_traced, plain_body, routing_keys


class FirehoseView:
    """Writes a block of lines for every message that the firehose would have.

    The blocks are letter for letter the script's::

        print("[x] {}:{}:{}".format(method.routing_key, headers["node"], headers["routing_keys"]))
        print(" oslo.version: ", d["oslo.version"])
        print(" message: ", d["oslo.message"])
        print("")

    with ``d`` the decoded body. A node or a queue that the capture does not tell is ``?``. A body without
    oslo.messaging's envelope, at which the script dies, is shown without the second line, as text. Secrets are
    masked unless ``show_secrets``; characters that a terminal must not get are escaped.
    """

    def __init__(self, *, show_secrets: bool = False) -> None:
        self._show_secrets = show_secrets

    def feed(self, event: AmqpEvent) -> bytes:
        """Give a message's block."""
        if not is_traced(event):
            return b""
        body = plain_body(event, show_secrets=self._show_secrets)
        envelope = envelope_of(body)
        lines = [
            f"[x] {escape(_key(event))}:{escape(event.connection.node or UNKNOWN)}:{escape(str(routing_keys(event)))}"
        ]
        if envelope is None:
            lines.append(f" message:  {escape(body.decode('utf-8', 'backslashreplace'))}")
        else:
            lines += (f" oslo.version:  {escape(envelope[0])}", f" message:  {escape(envelope[1])}")
        lines += ("", "")
        return "\n".join(lines).encode()

    describe = feed

    def write(self, described: bytes) -> bytes:
        """Give it as it is."""
        return described

    def finish(self) -> bytes:
        """Give nothing: no block is held back."""
        return b""


def _key(message: Message) -> str:
    if message.leg == "publish":
        return f"publish.{message.method.exchange}"
    return f"deliver.{UNKNOWN if message.queue is None else message.queue}"
