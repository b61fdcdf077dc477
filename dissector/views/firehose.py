"""``-T firehose``: what the well-known script prints that listens on ``amq.rabbitmq.trace`` after trace_on."""

from dissector.amqp import AmqpEvent, Message
from dissector.oslo import jsontext
from dissector.oslo.message import MESSAGE_KEY, VERSION_KEY
from dissector.oslo.undecodable import Undecodable
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
        version, message = _opened(plain_body(event, show_secrets=self._show_secrets))
        lines = [f"[x] {escape(_key(event))}:{escape(event.connection.node or UNKNOWN)}:{routing_keys(event)}"]
        if version is not None:
            lines.append(f" oslo.version:  {escape(version)}")
        lines += (f" message:  {escape(message)}", "", "")
        return "\n".join(lines).encode()

    def finish(self) -> bytes:
        """Give nothing: no block is held back."""
        return b""


def _key(message: Message) -> str:
    if message.leg == "publish":
        return f"publish.{message.method.exchange}"
    return f"deliver.{UNKNOWN if message.queue is None else message.queue}"


def _opened(body: bytes) -> tuple[str | None, str]:
    """Give the envelope's version and message; None and the body where it has none."""
    try:
        value = jsontext.loads(body)
    except Undecodable:
        value = None
    if isinstance(value, dict) and VERSION_KEY in value and MESSAGE_KEY in value:
        return str(value[VERSION_KEY]), str(value[MESSAGE_KEY])
    return None, body.decode("utf-8", "backslashreplace")
