"""AMQP 0-9-1 as RabbitMQ speaks it: the one table of classes, methods, arguments, properties and field types.

Plain data. The decoders (`dissector.amqp._methods`, generated), the construct structs
(`dissector.explain.structs`) and every other reader take ids, orders and types from here; nothing of it is
typed twice. Names are the specification's with ``_`` for ``-``, as Wireshark has them.

Sources: the AMQP 0-9-1 specification (11/2008) and its XML; for what RabbitMQ adds or changes, its documents
(https://www.rabbitmq.com/docs/specification, https://www.rabbitmq.com/amqp-0-9-1-errata) and its source
(``rabbit_binary_parser``, ``rabbit_command_assembler``, the generated ``rabbit_framing_amqp_0_9_1``).
"""

from typing import Final, Literal, NamedTuple

ArgumentType = Literal["bit", "octet", "short", "long", "longlong", "shortstr", "longstr", "timestamp", "table"]
"""Elementary domains (clause 4.2.5): ``bit`` (packed, first in the lowest bit), unsigned integers of 8, 16,
32 and 64 bits, a string with an 8-bit or a 32-bit length in front, 64 bits of seconds, a field table."""

Sender = Literal["client", "server", "both"]


class Argument(NamedTuple):
    """One argument of a method, or one property of a class."""

    name: str
    type: ArgumentType


class Method(NamedTuple):
    """One method."""

    id: int
    name: str
    """With underscores: ``get_ok``."""
    sender: Sender
    """Which side of the connection sends it."""
    arguments: tuple[Argument, ...]
    """In the order of the wire."""
    meaning: str
    content: bool = False
    """Whether a content header and body follow."""
    replies: tuple[str, ...] = ()
    """Names of the methods of the same class that answer it, where it is synchronous."""
    source: str = "AMQP 0-9-1"
    """Where it is defined."""


class Class(NamedTuple):
    """One class of methods."""

    id: int
    name: str
    methods: tuple[Method, ...]
    properties: tuple[Argument, ...] = ()
    """Of its content header, in the order of the property flags, from bit 15 of the first word down."""


def _arguments(text: str) -> tuple[Argument, ...]:
    """Read ``name:type name:type …``."""
    pairs = (word.split(":") for word in text.split())
    return tuple(Argument(name, kind) for name, kind in pairs)  # type: ignore[arg-type]  # checked by the tests


def _method(
    number: int,
    name: str,
    sender: Sender,
    arguments: str,
    meaning: str,
    *,
    content: bool = False,
    replies: str = "",
    source: str = "AMQP 0-9-1",
) -> Method:
    return Method(number, name, sender, _arguments(arguments), meaning, content, tuple(replies.split()), source)


_CLOSE: Final = "reply_code:short reply_text:shortstr class_id:short method_id:short"
_ACCESS_SOURCE: Final = "AMQP 0-8; RabbitMQ still answers it"
_CONFIRMS: Final = "https://www.rabbitmq.com/docs/confirms"
_NACK: Final = "https://www.rabbitmq.com/docs/nack"
_BLOCKED: Final = "https://www.rabbitmq.com/docs/connection-blocked"
_E2E: Final = "https://www.rabbitmq.com/docs/e2e"
_SPEC: Final = "https://www.rabbitmq.com/docs/specification"

CLASSES: Final[tuple[Class, ...]] = (
    Class(
        10,
        "connection",
        (
            _method(
                10,
                "start",
                "server",
                "version_major:octet version_minor:octet server_properties:table mechanisms:longstr locales:longstr",
                "offers mechanisms and locales, tells what the broker is",
                replies="start_ok",
            ),
            _method(
                11,
                "start_ok",
                "client",
                "client_properties:table mechanism:shortstr response:longstr locale:shortstr",
                "chooses a mechanism, answers it, tells what the client is",
            ),
            _method(20, "secure", "server", "challenge:longstr", "asks for more authentication", replies="secure_ok"),
            _method(21, "secure_ok", "client", "response:longstr", "answers the challenge"),
            _method(
                30,
                "tune",
                "server",
                "channel_max:short frame_max:long heartbeat:short",
                "proposes limits; 0 is no limit",
                replies="tune_ok",
            ),
            _method(31, "tune_ok", "client", "channel_max:short frame_max:long heartbeat:short", "fixes the limits"),
            _method(
                40,
                "open",
                "client",
                "virtual_host:shortstr capabilities:shortstr insist:bit",
                "opens a virtual host",
                replies="open_ok",
            ),
            _method(41, "open_ok", "server", "known_hosts:shortstr", "the connection is ready"),
            _method(50, "close", "both", _CLOSE, "closes the connection, with the reason", replies="close_ok"),
            _method(51, "close_ok", "both", "", "agrees to the close"),
            _method(
                60, "blocked", "server", "reason:shortstr", "publishers are held back by an alarm", source=_BLOCKED
            ),
            _method(61, "unblocked", "server", "", "the alarm is over", source=_BLOCKED),
            _method(
                70,
                "update_secret",
                "client",
                "new_secret:longstr reason:shortstr",
                "renews an expiring credential",
                replies="update_secret_ok",
                source=_SPEC,
            ),
            _method(71, "update_secret_ok", "server", "", "the credential is taken", source=_SPEC),
        ),
    ),
    Class(
        20,
        "channel",
        (
            _method(10, "open", "client", "out_of_band:shortstr", "opens the channel", replies="open_ok"),
            _method(11, "open_ok", "server", "channel_id:longstr", "the channel is ready"),
            _method(20, "flow", "both", "active:bit", "stops or restarts the content", replies="flow_ok"),
            _method(21, "flow_ok", "both", "active:bit", "confirms the flow"),
            _method(40, "close", "both", _CLOSE, "closes the channel, with the reason", replies="close_ok"),
            _method(41, "close_ok", "both", "", "agrees to the close"),
        ),
    ),
    Class(
        30,
        "access",
        (
            _method(
                10,
                "request",
                "client",
                "realm:shortstr exclusive:bit passive:bit active:bit write:bit read:bit",
                "asks for an access ticket",
                replies="request_ok",
                source=_ACCESS_SOURCE,
            ),
            _method(11, "request_ok", "server", "ticket:short", "grants a ticket", source=_ACCESS_SOURCE),
        ),
    ),
    Class(
        40,
        "exchange",
        (
            _method(
                10,
                "declare",
                "client",
                "ticket:short exchange:shortstr type:shortstr passive:bit durable:bit auto_delete:bit"
                " internal:bit"
                " nowait:bit arguments:table",
                "creates an exchange or checks that it is there",
                replies="declare_ok",
            ),
            _method(11, "declare_ok", "server", "", "the exchange is there"),
            _method(
                20,
                "delete",
                "client",
                "ticket:short exchange:shortstr if_unused:bit nowait:bit",
                "deletes an exchange",
                replies="delete_ok",
            ),
            _method(21, "delete_ok", "server", "", "the exchange is gone"),
            _method(
                30,
                "bind",
                "client",
                "ticket:short destination:shortstr source:shortstr routing_key:shortstr nowait:bit arguments:table",
                "binds an exchange to an exchange",
                replies="bind_ok",
                source=_E2E,
            ),
            _method(31, "bind_ok", "server", "", "the binding is there", source=_E2E),
            _method(
                40,
                "unbind",
                "client",
                "ticket:short destination:shortstr source:shortstr routing_key:shortstr nowait:bit arguments:table",
                "removes a binding between exchanges",
                replies="unbind_ok",
                source=_E2E,
            ),
            _method(51, "unbind_ok", "server", "", "the binding is gone (51, not 41)", source=_E2E),
        ),
    ),
    Class(
        50,
        "queue",
        (
            _method(
                10,
                "declare",
                "client",
                "ticket:short queue:shortstr passive:bit durable:bit exclusive:bit auto_delete:bit nowait:bit"
                " arguments:table",
                "creates a queue or checks that it is there",
                replies="declare_ok",
            ),
            _method(
                11,
                "declare_ok",
                "server",
                "queue:shortstr message_count:long consumer_count:long",
                "the queue is there; names it",
            ),
            _method(
                20,
                "bind",
                "client",
                "ticket:short queue:shortstr exchange:shortstr routing_key:shortstr nowait:bit arguments:table",
                "binds a queue to an exchange",
                replies="bind_ok",
            ),
            _method(21, "bind_ok", "server", "", "the binding is there"),
            _method(
                30,
                "purge",
                "client",
                "ticket:short queue:shortstr nowait:bit",
                "drops a queue's messages",
                replies="purge_ok",
            ),
            _method(31, "purge_ok", "server", "message_count:long", "how many were dropped"),
            _method(
                40,
                "delete",
                "client",
                "ticket:short queue:shortstr if_unused:bit if_empty:bit nowait:bit",
                "deletes a queue",
                replies="delete_ok",
            ),
            _method(41, "delete_ok", "server", "message_count:long", "how many messages went with it"),
            _method(
                50,
                "unbind",
                "client",
                "ticket:short queue:shortstr exchange:shortstr routing_key:shortstr arguments:table",
                "removes a queue's binding",
                replies="unbind_ok",
            ),
            _method(51, "unbind_ok", "server", "", "the binding is gone"),
        ),
    ),
    Class(
        60,
        "basic",
        (
            _method(
                10,
                "qos",
                "client",
                "prefetch_size:long prefetch_count:short global:bit",
                "limits what is delivered unacknowledged",
                replies="qos_ok",
            ),
            _method(11, "qos_ok", "server", "", "the limit holds"),
            _method(
                20,
                "consume",
                "client",
                "ticket:short queue:shortstr consumer_tag:shortstr no_local:bit no_ack:bit exclusive:bit"
                " nowait:bit"
                " arguments:table",
                "starts a consumer of a queue",
                replies="consume_ok",
            ),
            _method(21, "consume_ok", "server", "consumer_tag:shortstr", "names the consumer"),
            _method(
                30,
                "cancel",
                "both",
                "consumer_tag:shortstr nowait:bit",
                "ends a consumer; from the broker: its queue is gone",
                replies="cancel_ok",
            ),
            _method(31, "cancel_ok", "both", "consumer_tag:shortstr", "the consumer is ended"),
            _method(
                40,
                "publish",
                "client",
                "ticket:short exchange:shortstr routing_key:shortstr mandatory:bit immediate:bit",
                "publishes a message",
                content=True,
            ),
            _method(
                50,
                "return",
                "server",
                "reply_code:short reply_text:shortstr exchange:shortstr routing_key:shortstr",
                "gives an unroutable message back",
                content=True,
            ),
            _method(
                60,
                "deliver",
                "server",
                "consumer_tag:shortstr delivery_tag:longlong redelivered:bit exchange:shortstr routing_key:shortstr",
                "delivers a message to a consumer",
                content=True,
            ),
            _method(
                70,
                "get",
                "client",
                "ticket:short queue:shortstr no_ack:bit",
                "asks for one message",
                replies="get_ok get_empty",
            ),
            _method(
                71,
                "get_ok",
                "server",
                "delivery_tag:longlong redelivered:bit exchange:shortstr routing_key:shortstr message_count:long",
                "gives one message, and how many are left",
                content=True,
            ),
            _method(72, "get_empty", "server", "cluster_id:shortstr", "there is no message"),
            _method(
                80,
                "ack",
                "both",
                "delivery_tag:longlong multiple:bit",
                "acknowledges deliveries; from the broker: confirms publishes",
            ),
            _method(90, "reject", "client", "delivery_tag:longlong requeue:bit", "refuses a delivery"),
            _method(100, "recover_async", "client", "requeue:bit", "redelivers what is unacknowledged"),
            _method(110, "recover", "client", "requeue:bit", "redelivers what is unacknowledged", replies="recover_ok"),
            _method(111, "recover_ok", "server", "", "the redelivery is under way"),
            _method(
                120,
                "nack",
                "both",
                "delivery_tag:longlong multiple:bit requeue:bit",
                "refuses deliveries; from the broker: publishes it could not take",
                source=_NACK,
            ),
        ),
        _arguments(
            "content_type:shortstr content_encoding:shortstr headers:table delivery_mode:octet priority:octet"
            " correlation_id:shortstr reply_to:shortstr expiration:shortstr message_id:shortstr"
            " timestamp:timestamp type:shortstr user_id:shortstr app_id:shortstr cluster_id:shortstr"
        ),
    ),
    Class(
        85,
        "confirm",
        (
            _method(
                10,
                "select",
                "client",
                "nowait:bit",
                "asks for publisher confirms",
                replies="select_ok",
                source=_CONFIRMS,
            ),
            _method(11, "select_ok", "server", "", "publishes are confirmed from now on", source=_CONFIRMS),
        ),
    ),
    Class(
        90,
        "tx",
        (
            _method(10, "select", "client", "", "makes the channel transactional", replies="select_ok"),
            _method(11, "select_ok", "server", "", "the channel is transactional"),
            _method(20, "commit", "client", "", "commits", replies="commit_ok"),
            _method(21, "commit_ok", "server", "", "committed"),
            _method(30, "rollback", "client", "", "rolls back", replies="rollback_ok"),
            _method(31, "rollback_ok", "server", "", "rolled back"),
        ),
    ),
)
"""Every class, in the order of the ids."""


def dotted(klass: Class, name: str) -> str:
    """Name a method for people, as the specification does: ``basic.get-ok``."""
    return f"{klass.name}.{name.replace('_', '-')}"
