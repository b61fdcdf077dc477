"""Structs and decoders of every AMQP 0-9-1 method, and of the properties of class basic.

Generated from `dissector.amqp.spec` by ``python -m dissector.amqp.generate``; never edit it by hand.

A decoder is called ``(data, pos, end)``: what it decodes is ``data[pos:end]``, for a method the whole payload
with its class and method id. It reads straight on and checks once that it came to ``end`` exactly. It raises
`MalformedPayload`, or `IndexError` or `struct.error` where ``data`` itself ends; `dissector.amqp.methods` and
`dissector.amqp.properties` make one exception of the three.
"""

import struct
from collections.abc import Callable
from typing import ClassVar, Final

import msgspec
from msgspec import UNSET, UnsetType

from dissector.amqp.fieldtable import FieldTable, decode_table
from dissector.amqp.malformed import misfit

CONNECTION_START: Final = 10 << 16 | 10
CONNECTION_START_OK: Final = 10 << 16 | 11
CONNECTION_SECURE: Final = 10 << 16 | 20
CONNECTION_SECURE_OK: Final = 10 << 16 | 21
CONNECTION_TUNE: Final = 10 << 16 | 30
CONNECTION_TUNE_OK: Final = 10 << 16 | 31
CONNECTION_OPEN: Final = 10 << 16 | 40
CONNECTION_OPEN_OK: Final = 10 << 16 | 41
CONNECTION_CLOSE: Final = 10 << 16 | 50
CONNECTION_CLOSE_OK: Final = 10 << 16 | 51
CONNECTION_BLOCKED: Final = 10 << 16 | 60
CONNECTION_UNBLOCKED: Final = 10 << 16 | 61
CONNECTION_UPDATE_SECRET: Final = 10 << 16 | 70
CONNECTION_UPDATE_SECRET_OK: Final = 10 << 16 | 71
CHANNEL_OPEN: Final = 20 << 16 | 10
CHANNEL_OPEN_OK: Final = 20 << 16 | 11
CHANNEL_FLOW: Final = 20 << 16 | 20
CHANNEL_FLOW_OK: Final = 20 << 16 | 21
CHANNEL_CLOSE: Final = 20 << 16 | 40
CHANNEL_CLOSE_OK: Final = 20 << 16 | 41
ACCESS_REQUEST: Final = 30 << 16 | 10
ACCESS_REQUEST_OK: Final = 30 << 16 | 11
EXCHANGE_DECLARE: Final = 40 << 16 | 10
EXCHANGE_DECLARE_OK: Final = 40 << 16 | 11
EXCHANGE_DELETE: Final = 40 << 16 | 20
EXCHANGE_DELETE_OK: Final = 40 << 16 | 21
EXCHANGE_BIND: Final = 40 << 16 | 30
EXCHANGE_BIND_OK: Final = 40 << 16 | 31
EXCHANGE_UNBIND: Final = 40 << 16 | 40
EXCHANGE_UNBIND_OK: Final = 40 << 16 | 51
QUEUE_DECLARE: Final = 50 << 16 | 10
QUEUE_DECLARE_OK: Final = 50 << 16 | 11
QUEUE_BIND: Final = 50 << 16 | 20
QUEUE_BIND_OK: Final = 50 << 16 | 21
QUEUE_PURGE: Final = 50 << 16 | 30
QUEUE_PURGE_OK: Final = 50 << 16 | 31
QUEUE_DELETE: Final = 50 << 16 | 40
QUEUE_DELETE_OK: Final = 50 << 16 | 41
QUEUE_UNBIND: Final = 50 << 16 | 50
QUEUE_UNBIND_OK: Final = 50 << 16 | 51
BASIC_QOS: Final = 60 << 16 | 10
BASIC_QOS_OK: Final = 60 << 16 | 11
BASIC_CONSUME: Final = 60 << 16 | 20
BASIC_CONSUME_OK: Final = 60 << 16 | 21
BASIC_CANCEL: Final = 60 << 16 | 30
BASIC_CANCEL_OK: Final = 60 << 16 | 31
BASIC_PUBLISH: Final = 60 << 16 | 40
BASIC_RETURN: Final = 60 << 16 | 50
BASIC_DELIVER: Final = 60 << 16 | 60
BASIC_GET: Final = 60 << 16 | 70
BASIC_GET_OK: Final = 60 << 16 | 71
BASIC_GET_EMPTY: Final = 60 << 16 | 72
BASIC_ACK: Final = 60 << 16 | 80
BASIC_REJECT: Final = 60 << 16 | 90
BASIC_RECOVER_ASYNC: Final = 60 << 16 | 100
BASIC_RECOVER: Final = 60 << 16 | 110
BASIC_RECOVER_OK: Final = 60 << 16 | 111
BASIC_NACK: Final = 60 << 16 | 120
CONFIRM_SELECT: Final = 85 << 16 | 10
CONFIRM_SELECT_OK: Final = 85 << 16 | 11
TX_SELECT: Final = 90 << 16 | 10
TX_SELECT_OK: Final = 90 << 16 | 11
TX_COMMIT: Final = 90 << 16 | 20
TX_COMMIT_OK: Final = 90 << 16 | 21
TX_ROLLBACK: Final = 90 << 16 | 30
TX_ROLLBACK_OK: Final = 90 << 16 | 31


class Method(msgspec.Struct, frozen=True):
    """One decoded method; its arguments are the fields.

    Short strings are text, in which octets that are no UTF-8 are backslash-escaped; long strings are octets.
    """

    KEY: ClassVar[int]
    """Class id in the upper, method id in the lower 16 bits."""
    CLASS_ID: ClassVar[int]
    METHOD_ID: ClassVar[int]
    NAME: ClassVar[str]
    """As the specification writes it: ``basic.get-ok``."""
    SENDER: ClassVar[str]
    """``client``, ``server`` or ``both``."""
    CONTENT: ClassVar[bool]
    """Whether a content header and body follow."""


class ConnectionStart(Method, frozen=True):
    """connection.start, from the server: offers mechanisms and locales, tells what the broker is.

    Source: AMQP 0-9-1, class 10, method 10.
    """

    KEY = CONNECTION_START
    CLASS_ID = 10
    METHOD_ID = 10
    NAME = "connection.start"
    SENDER = "server"
    CONTENT = False

    version_major: int
    version_minor: int
    server_properties: FieldTable
    mechanisms: bytes
    locales: bytes


class ConnectionStartOk(Method, frozen=True):
    """connection.start-ok, from the client: chooses a mechanism, answers it, tells what the client is.

    Source: AMQP 0-9-1, class 10, method 11.
    """

    KEY = CONNECTION_START_OK
    CLASS_ID = 10
    METHOD_ID = 11
    NAME = "connection.start-ok"
    SENDER = "client"
    CONTENT = False

    client_properties: FieldTable
    mechanism: str
    response: bytes
    locale: str


class ConnectionSecure(Method, frozen=True, gc=False):
    """connection.secure, from the server: asks for more authentication.

    Source: AMQP 0-9-1, class 10, method 20.
    """

    KEY = CONNECTION_SECURE
    CLASS_ID = 10
    METHOD_ID = 20
    NAME = "connection.secure"
    SENDER = "server"
    CONTENT = False

    challenge: bytes


class ConnectionSecureOk(Method, frozen=True, gc=False):
    """connection.secure-ok, from the client: answers the challenge.

    Source: AMQP 0-9-1, class 10, method 21.
    """

    KEY = CONNECTION_SECURE_OK
    CLASS_ID = 10
    METHOD_ID = 21
    NAME = "connection.secure-ok"
    SENDER = "client"
    CONTENT = False

    response: bytes


class ConnectionTune(Method, frozen=True, gc=False):
    """connection.tune, from the server: proposes limits; 0 is no limit.

    Source: AMQP 0-9-1, class 10, method 30.
    """

    KEY = CONNECTION_TUNE
    CLASS_ID = 10
    METHOD_ID = 30
    NAME = "connection.tune"
    SENDER = "server"
    CONTENT = False

    channel_max: int
    frame_max: int
    heartbeat: int


class ConnectionTuneOk(Method, frozen=True, gc=False):
    """connection.tune-ok, from the client: fixes the limits.

    Source: AMQP 0-9-1, class 10, method 31.
    """

    KEY = CONNECTION_TUNE_OK
    CLASS_ID = 10
    METHOD_ID = 31
    NAME = "connection.tune-ok"
    SENDER = "client"
    CONTENT = False

    channel_max: int
    frame_max: int
    heartbeat: int


class ConnectionOpen(Method, frozen=True, gc=False):
    """connection.open, from the client: opens a virtual host.

    Source: AMQP 0-9-1, class 10, method 40.
    """

    KEY = CONNECTION_OPEN
    CLASS_ID = 10
    METHOD_ID = 40
    NAME = "connection.open"
    SENDER = "client"
    CONTENT = False

    virtual_host: str
    capabilities: str
    insist: bool


class ConnectionOpenOk(Method, frozen=True, gc=False):
    """connection.open-ok, from the server: the connection is ready.

    Source: AMQP 0-9-1, class 10, method 41.
    """

    KEY = CONNECTION_OPEN_OK
    CLASS_ID = 10
    METHOD_ID = 41
    NAME = "connection.open-ok"
    SENDER = "server"
    CONTENT = False

    known_hosts: str


class ConnectionClose(Method, frozen=True, gc=False):
    """connection.close, from either side: closes the connection, with the reason.

    Source: AMQP 0-9-1, class 10, method 50.
    """

    KEY = CONNECTION_CLOSE
    CLASS_ID = 10
    METHOD_ID = 50
    NAME = "connection.close"
    SENDER = "both"
    CONTENT = False

    reply_code: int
    reply_text: str
    class_id: int
    method_id: int


class ConnectionCloseOk(Method, frozen=True, gc=False):
    """connection.close-ok, from either side: agrees to the close.

    Source: AMQP 0-9-1, class 10, method 51.
    """

    KEY = CONNECTION_CLOSE_OK
    CLASS_ID = 10
    METHOD_ID = 51
    NAME = "connection.close-ok"
    SENDER = "both"
    CONTENT = False


class ConnectionBlocked(Method, frozen=True, gc=False):
    """connection.blocked, from the server: publishers are held back by an alarm.

    Source: https://www.rabbitmq.com/docs/connection-blocked, class 10, method 60.
    """

    KEY = CONNECTION_BLOCKED
    CLASS_ID = 10
    METHOD_ID = 60
    NAME = "connection.blocked"
    SENDER = "server"
    CONTENT = False

    reason: str


class ConnectionUnblocked(Method, frozen=True, gc=False):
    """connection.unblocked, from the server: the alarm is over.

    Source: https://www.rabbitmq.com/docs/connection-blocked, class 10, method 61.
    """

    KEY = CONNECTION_UNBLOCKED
    CLASS_ID = 10
    METHOD_ID = 61
    NAME = "connection.unblocked"
    SENDER = "server"
    CONTENT = False


class ConnectionUpdateSecret(Method, frozen=True, gc=False):
    """connection.update-secret, from the client: renews an expiring credential.

    Source: https://www.rabbitmq.com/docs/specification, class 10, method 70.
    """

    KEY = CONNECTION_UPDATE_SECRET
    CLASS_ID = 10
    METHOD_ID = 70
    NAME = "connection.update-secret"
    SENDER = "client"
    CONTENT = False

    new_secret: bytes
    reason: str


class ConnectionUpdateSecretOk(Method, frozen=True, gc=False):
    """connection.update-secret-ok, from the server: the credential is taken.

    Source: https://www.rabbitmq.com/docs/specification, class 10, method 71.
    """

    KEY = CONNECTION_UPDATE_SECRET_OK
    CLASS_ID = 10
    METHOD_ID = 71
    NAME = "connection.update-secret-ok"
    SENDER = "server"
    CONTENT = False


class ChannelOpen(Method, frozen=True, gc=False):
    """channel.open, from the client: opens the channel.

    Source: AMQP 0-9-1, class 20, method 10.
    """

    KEY = CHANNEL_OPEN
    CLASS_ID = 20
    METHOD_ID = 10
    NAME = "channel.open"
    SENDER = "client"
    CONTENT = False

    out_of_band: str


class ChannelOpenOk(Method, frozen=True, gc=False):
    """channel.open-ok, from the server: the channel is ready.

    Source: AMQP 0-9-1, class 20, method 11.
    """

    KEY = CHANNEL_OPEN_OK
    CLASS_ID = 20
    METHOD_ID = 11
    NAME = "channel.open-ok"
    SENDER = "server"
    CONTENT = False

    channel_id: bytes


class ChannelFlow(Method, frozen=True, gc=False):
    """channel.flow, from either side: stops or restarts the content.

    Source: AMQP 0-9-1, class 20, method 20.
    """

    KEY = CHANNEL_FLOW
    CLASS_ID = 20
    METHOD_ID = 20
    NAME = "channel.flow"
    SENDER = "both"
    CONTENT = False

    active: bool


class ChannelFlowOk(Method, frozen=True, gc=False):
    """channel.flow-ok, from either side: confirms the flow.

    Source: AMQP 0-9-1, class 20, method 21.
    """

    KEY = CHANNEL_FLOW_OK
    CLASS_ID = 20
    METHOD_ID = 21
    NAME = "channel.flow-ok"
    SENDER = "both"
    CONTENT = False

    active: bool


class ChannelClose(Method, frozen=True, gc=False):
    """channel.close, from either side: closes the channel, with the reason.

    Source: AMQP 0-9-1, class 20, method 40.
    """

    KEY = CHANNEL_CLOSE
    CLASS_ID = 20
    METHOD_ID = 40
    NAME = "channel.close"
    SENDER = "both"
    CONTENT = False

    reply_code: int
    reply_text: str
    class_id: int
    method_id: int


class ChannelCloseOk(Method, frozen=True, gc=False):
    """channel.close-ok, from either side: agrees to the close.

    Source: AMQP 0-9-1, class 20, method 41.
    """

    KEY = CHANNEL_CLOSE_OK
    CLASS_ID = 20
    METHOD_ID = 41
    NAME = "channel.close-ok"
    SENDER = "both"
    CONTENT = False


class AccessRequest(Method, frozen=True, gc=False):
    """access.request, from the client: asks for an access ticket.

    Source: AMQP 0-8; RabbitMQ still answers it, class 30, method 10.
    """

    KEY = ACCESS_REQUEST
    CLASS_ID = 30
    METHOD_ID = 10
    NAME = "access.request"
    SENDER = "client"
    CONTENT = False

    realm: str
    exclusive: bool
    passive: bool
    active: bool
    write: bool
    read: bool


class AccessRequestOk(Method, frozen=True, gc=False):
    """access.request-ok, from the server: grants a ticket.

    Source: AMQP 0-8; RabbitMQ still answers it, class 30, method 11.
    """

    KEY = ACCESS_REQUEST_OK
    CLASS_ID = 30
    METHOD_ID = 11
    NAME = "access.request-ok"
    SENDER = "server"
    CONTENT = False

    ticket: int


class ExchangeDeclare(Method, frozen=True):
    """exchange.declare, from the client: creates an exchange or checks that it is there.

    Source: AMQP 0-9-1, class 40, method 10.
    """

    KEY = EXCHANGE_DECLARE
    CLASS_ID = 40
    METHOD_ID = 10
    NAME = "exchange.declare"
    SENDER = "client"
    CONTENT = False

    ticket: int
    exchange: str
    type: str
    passive: bool
    durable: bool
    auto_delete: bool
    internal: bool
    nowait: bool
    arguments: FieldTable


class ExchangeDeclareOk(Method, frozen=True, gc=False):
    """exchange.declare-ok, from the server: the exchange is there.

    Source: AMQP 0-9-1, class 40, method 11.
    """

    KEY = EXCHANGE_DECLARE_OK
    CLASS_ID = 40
    METHOD_ID = 11
    NAME = "exchange.declare-ok"
    SENDER = "server"
    CONTENT = False


class ExchangeDelete(Method, frozen=True, gc=False):
    """exchange.delete, from the client: deletes an exchange.

    Source: AMQP 0-9-1, class 40, method 20.
    """

    KEY = EXCHANGE_DELETE
    CLASS_ID = 40
    METHOD_ID = 20
    NAME = "exchange.delete"
    SENDER = "client"
    CONTENT = False

    ticket: int
    exchange: str
    if_unused: bool
    nowait: bool


class ExchangeDeleteOk(Method, frozen=True, gc=False):
    """exchange.delete-ok, from the server: the exchange is gone.

    Source: AMQP 0-9-1, class 40, method 21.
    """

    KEY = EXCHANGE_DELETE_OK
    CLASS_ID = 40
    METHOD_ID = 21
    NAME = "exchange.delete-ok"
    SENDER = "server"
    CONTENT = False


class ExchangeBind(Method, frozen=True):
    """exchange.bind, from the client: binds an exchange to an exchange.

    Source: https://www.rabbitmq.com/docs/e2e, class 40, method 30.
    """

    KEY = EXCHANGE_BIND
    CLASS_ID = 40
    METHOD_ID = 30
    NAME = "exchange.bind"
    SENDER = "client"
    CONTENT = False

    ticket: int
    destination: str
    source: str
    routing_key: str
    nowait: bool
    arguments: FieldTable


class ExchangeBindOk(Method, frozen=True, gc=False):
    """exchange.bind-ok, from the server: the binding is there.

    Source: https://www.rabbitmq.com/docs/e2e, class 40, method 31.
    """

    KEY = EXCHANGE_BIND_OK
    CLASS_ID = 40
    METHOD_ID = 31
    NAME = "exchange.bind-ok"
    SENDER = "server"
    CONTENT = False


class ExchangeUnbind(Method, frozen=True):
    """exchange.unbind, from the client: removes a binding between exchanges.

    Source: https://www.rabbitmq.com/docs/e2e, class 40, method 40.
    """

    KEY = EXCHANGE_UNBIND
    CLASS_ID = 40
    METHOD_ID = 40
    NAME = "exchange.unbind"
    SENDER = "client"
    CONTENT = False

    ticket: int
    destination: str
    source: str
    routing_key: str
    nowait: bool
    arguments: FieldTable


class ExchangeUnbindOk(Method, frozen=True, gc=False):
    """exchange.unbind-ok, from the server: the binding is gone (51, not 41).

    Source: https://www.rabbitmq.com/docs/e2e, class 40, method 51.
    """

    KEY = EXCHANGE_UNBIND_OK
    CLASS_ID = 40
    METHOD_ID = 51
    NAME = "exchange.unbind-ok"
    SENDER = "server"
    CONTENT = False


class QueueDeclare(Method, frozen=True):
    """queue.declare, from the client: creates a queue or checks that it is there.

    Source: AMQP 0-9-1, class 50, method 10.
    """

    KEY = QUEUE_DECLARE
    CLASS_ID = 50
    METHOD_ID = 10
    NAME = "queue.declare"
    SENDER = "client"
    CONTENT = False

    ticket: int
    queue: str
    passive: bool
    durable: bool
    exclusive: bool
    auto_delete: bool
    nowait: bool
    arguments: FieldTable


class QueueDeclareOk(Method, frozen=True, gc=False):
    """queue.declare-ok, from the server: the queue is there; names it.

    Source: AMQP 0-9-1, class 50, method 11.
    """

    KEY = QUEUE_DECLARE_OK
    CLASS_ID = 50
    METHOD_ID = 11
    NAME = "queue.declare-ok"
    SENDER = "server"
    CONTENT = False

    queue: str
    message_count: int
    consumer_count: int


class QueueBind(Method, frozen=True):
    """queue.bind, from the client: binds a queue to an exchange.

    Source: AMQP 0-9-1, class 50, method 20.
    """

    KEY = QUEUE_BIND
    CLASS_ID = 50
    METHOD_ID = 20
    NAME = "queue.bind"
    SENDER = "client"
    CONTENT = False

    ticket: int
    queue: str
    exchange: str
    routing_key: str
    nowait: bool
    arguments: FieldTable


class QueueBindOk(Method, frozen=True, gc=False):
    """queue.bind-ok, from the server: the binding is there.

    Source: AMQP 0-9-1, class 50, method 21.
    """

    KEY = QUEUE_BIND_OK
    CLASS_ID = 50
    METHOD_ID = 21
    NAME = "queue.bind-ok"
    SENDER = "server"
    CONTENT = False


class QueuePurge(Method, frozen=True, gc=False):
    """queue.purge, from the client: drops a queue's messages.

    Source: AMQP 0-9-1, class 50, method 30.
    """

    KEY = QUEUE_PURGE
    CLASS_ID = 50
    METHOD_ID = 30
    NAME = "queue.purge"
    SENDER = "client"
    CONTENT = False

    ticket: int
    queue: str
    nowait: bool


class QueuePurgeOk(Method, frozen=True, gc=False):
    """queue.purge-ok, from the server: how many were dropped.

    Source: AMQP 0-9-1, class 50, method 31.
    """

    KEY = QUEUE_PURGE_OK
    CLASS_ID = 50
    METHOD_ID = 31
    NAME = "queue.purge-ok"
    SENDER = "server"
    CONTENT = False

    message_count: int


class QueueDelete(Method, frozen=True, gc=False):
    """queue.delete, from the client: deletes a queue.

    Source: AMQP 0-9-1, class 50, method 40.
    """

    KEY = QUEUE_DELETE
    CLASS_ID = 50
    METHOD_ID = 40
    NAME = "queue.delete"
    SENDER = "client"
    CONTENT = False

    ticket: int
    queue: str
    if_unused: bool
    if_empty: bool
    nowait: bool


class QueueDeleteOk(Method, frozen=True, gc=False):
    """queue.delete-ok, from the server: how many messages went with it.

    Source: AMQP 0-9-1, class 50, method 41.
    """

    KEY = QUEUE_DELETE_OK
    CLASS_ID = 50
    METHOD_ID = 41
    NAME = "queue.delete-ok"
    SENDER = "server"
    CONTENT = False

    message_count: int


class QueueUnbind(Method, frozen=True):
    """queue.unbind, from the client: removes a queue's binding.

    Source: AMQP 0-9-1, class 50, method 50.
    """

    KEY = QUEUE_UNBIND
    CLASS_ID = 50
    METHOD_ID = 50
    NAME = "queue.unbind"
    SENDER = "client"
    CONTENT = False

    ticket: int
    queue: str
    exchange: str
    routing_key: str
    arguments: FieldTable


class QueueUnbindOk(Method, frozen=True, gc=False):
    """queue.unbind-ok, from the server: the binding is gone.

    Source: AMQP 0-9-1, class 50, method 51.
    """

    KEY = QUEUE_UNBIND_OK
    CLASS_ID = 50
    METHOD_ID = 51
    NAME = "queue.unbind-ok"
    SENDER = "server"
    CONTENT = False


class BasicQos(Method, frozen=True, gc=False):
    """basic.qos, from the client: limits what is delivered unacknowledged.

    Source: AMQP 0-9-1, class 60, method 10.
    """

    KEY = BASIC_QOS
    CLASS_ID = 60
    METHOD_ID = 10
    NAME = "basic.qos"
    SENDER = "client"
    CONTENT = False

    prefetch_size: int
    prefetch_count: int
    global_: bool


class BasicQosOk(Method, frozen=True, gc=False):
    """basic.qos-ok, from the server: the limit holds.

    Source: AMQP 0-9-1, class 60, method 11.
    """

    KEY = BASIC_QOS_OK
    CLASS_ID = 60
    METHOD_ID = 11
    NAME = "basic.qos-ok"
    SENDER = "server"
    CONTENT = False


class BasicConsume(Method, frozen=True):
    """basic.consume, from the client: starts a consumer of a queue.

    Source: AMQP 0-9-1, class 60, method 20.
    """

    KEY = BASIC_CONSUME
    CLASS_ID = 60
    METHOD_ID = 20
    NAME = "basic.consume"
    SENDER = "client"
    CONTENT = False

    ticket: int
    queue: str
    consumer_tag: str
    no_local: bool
    no_ack: bool
    exclusive: bool
    nowait: bool
    arguments: FieldTable


class BasicConsumeOk(Method, frozen=True, gc=False):
    """basic.consume-ok, from the server: names the consumer.

    Source: AMQP 0-9-1, class 60, method 21.
    """

    KEY = BASIC_CONSUME_OK
    CLASS_ID = 60
    METHOD_ID = 21
    NAME = "basic.consume-ok"
    SENDER = "server"
    CONTENT = False

    consumer_tag: str


class BasicCancel(Method, frozen=True, gc=False):
    """basic.cancel, from either side: ends a consumer; from the broker: its queue is gone.

    Source: AMQP 0-9-1, class 60, method 30.
    """

    KEY = BASIC_CANCEL
    CLASS_ID = 60
    METHOD_ID = 30
    NAME = "basic.cancel"
    SENDER = "both"
    CONTENT = False

    consumer_tag: str
    nowait: bool


class BasicCancelOk(Method, frozen=True, gc=False):
    """basic.cancel-ok, from either side: the consumer is ended.

    Source: AMQP 0-9-1, class 60, method 31.
    """

    KEY = BASIC_CANCEL_OK
    CLASS_ID = 60
    METHOD_ID = 31
    NAME = "basic.cancel-ok"
    SENDER = "both"
    CONTENT = False

    consumer_tag: str


class BasicPublish(Method, frozen=True, gc=False):
    """basic.publish, from the client: publishes a message.

    Source: AMQP 0-9-1, class 60, method 40.
    """

    KEY = BASIC_PUBLISH
    CLASS_ID = 60
    METHOD_ID = 40
    NAME = "basic.publish"
    SENDER = "client"
    CONTENT = True

    ticket: int
    exchange: str
    routing_key: str
    mandatory: bool
    immediate: bool


class BasicReturn(Method, frozen=True, gc=False):
    """basic.return, from the server: gives an unroutable message back.

    Source: AMQP 0-9-1, class 60, method 50.
    """

    KEY = BASIC_RETURN
    CLASS_ID = 60
    METHOD_ID = 50
    NAME = "basic.return"
    SENDER = "server"
    CONTENT = True

    reply_code: int
    reply_text: str
    exchange: str
    routing_key: str


class BasicDeliver(Method, frozen=True, gc=False):
    """basic.deliver, from the server: delivers a message to a consumer.

    Source: AMQP 0-9-1, class 60, method 60.
    """

    KEY = BASIC_DELIVER
    CLASS_ID = 60
    METHOD_ID = 60
    NAME = "basic.deliver"
    SENDER = "server"
    CONTENT = True

    consumer_tag: str
    delivery_tag: int
    redelivered: bool
    exchange: str
    routing_key: str


class BasicGet(Method, frozen=True, gc=False):
    """basic.get, from the client: asks for one message.

    Source: AMQP 0-9-1, class 60, method 70.
    """

    KEY = BASIC_GET
    CLASS_ID = 60
    METHOD_ID = 70
    NAME = "basic.get"
    SENDER = "client"
    CONTENT = False

    ticket: int
    queue: str
    no_ack: bool


class BasicGetOk(Method, frozen=True, gc=False):
    """basic.get-ok, from the server: gives one message, and how many are left.

    Source: AMQP 0-9-1, class 60, method 71.
    """

    KEY = BASIC_GET_OK
    CLASS_ID = 60
    METHOD_ID = 71
    NAME = "basic.get-ok"
    SENDER = "server"
    CONTENT = True

    delivery_tag: int
    redelivered: bool
    exchange: str
    routing_key: str
    message_count: int


class BasicGetEmpty(Method, frozen=True, gc=False):
    """basic.get-empty, from the server: there is no message.

    Source: AMQP 0-9-1, class 60, method 72.
    """

    KEY = BASIC_GET_EMPTY
    CLASS_ID = 60
    METHOD_ID = 72
    NAME = "basic.get-empty"
    SENDER = "server"
    CONTENT = False

    cluster_id: str


class BasicAck(Method, frozen=True, gc=False):
    """basic.ack, from either side: acknowledges deliveries; from the broker: confirms publishes.

    Source: AMQP 0-9-1, class 60, method 80.
    """

    KEY = BASIC_ACK
    CLASS_ID = 60
    METHOD_ID = 80
    NAME = "basic.ack"
    SENDER = "both"
    CONTENT = False

    delivery_tag: int
    multiple: bool


class BasicReject(Method, frozen=True, gc=False):
    """basic.reject, from the client: refuses a delivery.

    Source: AMQP 0-9-1, class 60, method 90.
    """

    KEY = BASIC_REJECT
    CLASS_ID = 60
    METHOD_ID = 90
    NAME = "basic.reject"
    SENDER = "client"
    CONTENT = False

    delivery_tag: int
    requeue: bool


class BasicRecoverAsync(Method, frozen=True, gc=False):
    """basic.recover-async, from the client: redelivers what is unacknowledged.

    Source: AMQP 0-9-1, class 60, method 100.
    """

    KEY = BASIC_RECOVER_ASYNC
    CLASS_ID = 60
    METHOD_ID = 100
    NAME = "basic.recover-async"
    SENDER = "client"
    CONTENT = False

    requeue: bool


class BasicRecover(Method, frozen=True, gc=False):
    """basic.recover, from the client: redelivers what is unacknowledged.

    Source: AMQP 0-9-1, class 60, method 110.
    """

    KEY = BASIC_RECOVER
    CLASS_ID = 60
    METHOD_ID = 110
    NAME = "basic.recover"
    SENDER = "client"
    CONTENT = False

    requeue: bool


class BasicRecoverOk(Method, frozen=True, gc=False):
    """basic.recover-ok, from the server: the redelivery is under way.

    Source: AMQP 0-9-1, class 60, method 111.
    """

    KEY = BASIC_RECOVER_OK
    CLASS_ID = 60
    METHOD_ID = 111
    NAME = "basic.recover-ok"
    SENDER = "server"
    CONTENT = False


class BasicNack(Method, frozen=True, gc=False):
    """basic.nack, from either side: refuses deliveries; from the broker: publishes it could not take.

    Source: https://www.rabbitmq.com/docs/nack, class 60, method 120.
    """

    KEY = BASIC_NACK
    CLASS_ID = 60
    METHOD_ID = 120
    NAME = "basic.nack"
    SENDER = "both"
    CONTENT = False

    delivery_tag: int
    multiple: bool
    requeue: bool


class ConfirmSelect(Method, frozen=True, gc=False):
    """confirm.select, from the client: asks for publisher confirms.

    Source: https://www.rabbitmq.com/docs/confirms, class 85, method 10.
    """

    KEY = CONFIRM_SELECT
    CLASS_ID = 85
    METHOD_ID = 10
    NAME = "confirm.select"
    SENDER = "client"
    CONTENT = False

    nowait: bool


class ConfirmSelectOk(Method, frozen=True, gc=False):
    """confirm.select-ok, from the server: publishes are confirmed from now on.

    Source: https://www.rabbitmq.com/docs/confirms, class 85, method 11.
    """

    KEY = CONFIRM_SELECT_OK
    CLASS_ID = 85
    METHOD_ID = 11
    NAME = "confirm.select-ok"
    SENDER = "server"
    CONTENT = False


class TxSelect(Method, frozen=True, gc=False):
    """tx.select, from the client: makes the channel transactional.

    Source: AMQP 0-9-1, class 90, method 10.
    """

    KEY = TX_SELECT
    CLASS_ID = 90
    METHOD_ID = 10
    NAME = "tx.select"
    SENDER = "client"
    CONTENT = False


class TxSelectOk(Method, frozen=True, gc=False):
    """tx.select-ok, from the server: the channel is transactional.

    Source: AMQP 0-9-1, class 90, method 11.
    """

    KEY = TX_SELECT_OK
    CLASS_ID = 90
    METHOD_ID = 11
    NAME = "tx.select-ok"
    SENDER = "server"
    CONTENT = False


class TxCommit(Method, frozen=True, gc=False):
    """tx.commit, from the client: commits.

    Source: AMQP 0-9-1, class 90, method 20.
    """

    KEY = TX_COMMIT
    CLASS_ID = 90
    METHOD_ID = 20
    NAME = "tx.commit"
    SENDER = "client"
    CONTENT = False


class TxCommitOk(Method, frozen=True, gc=False):
    """tx.commit-ok, from the server: committed.

    Source: AMQP 0-9-1, class 90, method 21.
    """

    KEY = TX_COMMIT_OK
    CLASS_ID = 90
    METHOD_ID = 21
    NAME = "tx.commit-ok"
    SENDER = "server"
    CONTENT = False


class TxRollback(Method, frozen=True, gc=False):
    """tx.rollback, from the client: rolls back.

    Source: AMQP 0-9-1, class 90, method 30.
    """

    KEY = TX_ROLLBACK
    CLASS_ID = 90
    METHOD_ID = 30
    NAME = "tx.rollback"
    SENDER = "client"
    CONTENT = False


class TxRollbackOk(Method, frozen=True, gc=False):
    """tx.rollback-ok, from the server: rolled back.

    Source: AMQP 0-9-1, class 90, method 31.
    """

    KEY = TX_ROLLBACK_OK
    CLASS_ID = 90
    METHOD_ID = 31
    NAME = "tx.rollback-ok"
    SENDER = "server"
    CONTENT = False


class Properties(msgspec.Struct, frozen=True, omit_defaults=True):
    """The properties of a content header of class basic; one that the sender did not set is ``UNSET``.

    Source: AMQP 0-9-1, class 60.
    """

    content_type: str | UnsetType = UNSET
    content_encoding: str | UnsetType = UNSET
    headers: FieldTable | UnsetType = UNSET
    delivery_mode: int | UnsetType = UNSET
    priority: int | UnsetType = UNSET
    correlation_id: str | UnsetType = UNSET
    reply_to: str | UnsetType = UNSET
    expiration: str | UnsetType = UNSET
    message_id: str | UnsetType = UNSET
    timestamp: int | UnsetType = UNSET
    type: str | UnsetType = UNSET
    user_id: str | UnsetType = UNSET
    app_id: str | UnsetType = UNSET
    cluster_id: str | UnsetType = UNSET


_BB = struct.Struct(">BB").unpack_from
_H = struct.Struct(">H").unpack_from
_HB = struct.Struct(">HB").unpack_from
_HH = struct.Struct(">HH").unpack_from
_HIH = struct.Struct(">HIH").unpack_from
_I = struct.Struct(">I").unpack_from
_IHB = struct.Struct(">IHB").unpack_from
_II = struct.Struct(">II").unpack_from
_Q = struct.Struct(">Q").unpack_from
_QB = struct.Struct(">QB").unpack_from
_QBB = struct.Struct(">QBB").unpack_from


def _connection_start(data: bytes, pos: int, end: int) -> ConnectionStart:
    version_major, version_minor = _BB(data, pos + 4)
    server_properties, pos = decode_table(data, pos + 6, end)
    (size,) = _I(data, pos)
    start = pos + 4
    pos = start + size
    if pos > end:
        raise misfit("mechanisms", pos, end)
    mechanisms = data[start:pos]
    (size,) = _I(data, pos)
    start = pos + 4
    pos = start + size
    if pos > end:
        raise misfit("locales", pos, end)
    locales = data[start:pos]
    if pos != end:
        raise misfit("connection.start", pos, end)
    return ConnectionStart(version_major, version_minor, server_properties, mechanisms, locales)


def _connection_start_ok(data: bytes, pos: int, end: int) -> ConnectionStartOk:
    client_properties, pos = decode_table(data, pos + 4, end)
    start = pos + 1
    pos = start + data[pos]
    mechanism = data[start:pos].decode("utf-8", "backslashreplace")
    (size,) = _I(data, pos)
    start = pos + 4
    pos = start + size
    if pos > end:
        raise misfit("response", pos, end)
    response = data[start:pos]
    start = pos + 1
    pos = start + data[pos]
    locale = data[start:pos].decode("utf-8", "backslashreplace")
    if pos != end:
        raise misfit("connection.start-ok", pos, end)
    return ConnectionStartOk(client_properties, mechanism, response, locale)


def _connection_secure(data: bytes, pos: int, end: int) -> ConnectionSecure:
    (size,) = _I(data, pos + 4)
    start = pos + 8
    pos = start + size
    if pos > end:
        raise misfit("challenge", pos, end)
    challenge = data[start:pos]
    if pos != end:
        raise misfit("connection.secure", pos, end)
    return ConnectionSecure(challenge)


def _connection_secure_ok(data: bytes, pos: int, end: int) -> ConnectionSecureOk:
    (size,) = _I(data, pos + 4)
    start = pos + 8
    pos = start + size
    if pos > end:
        raise misfit("response", pos, end)
    response = data[start:pos]
    if pos != end:
        raise misfit("connection.secure-ok", pos, end)
    return ConnectionSecureOk(response)


def _connection_tune(data: bytes, pos: int, end: int) -> ConnectionTune:
    channel_max, frame_max, heartbeat = _HIH(data, pos + 4)
    if pos + 12 != end:
        raise misfit("connection.tune", pos + 12, end)
    return ConnectionTune(channel_max, frame_max, heartbeat)


def _connection_tune_ok(data: bytes, pos: int, end: int) -> ConnectionTuneOk:
    channel_max, frame_max, heartbeat = _HIH(data, pos + 4)
    if pos + 12 != end:
        raise misfit("connection.tune-ok", pos + 12, end)
    return ConnectionTuneOk(channel_max, frame_max, heartbeat)


def _connection_open(data: bytes, pos: int, end: int) -> ConnectionOpen:
    start = pos + 5
    pos = start + data[pos + 4]
    virtual_host = data[start:pos].decode("utf-8", "backslashreplace")
    start = pos + 1
    pos = start + data[pos]
    capabilities = data[start:pos].decode("utf-8", "backslashreplace")
    bits = data[pos]
    if pos + 1 != end:
        raise misfit("connection.open", pos + 1, end)
    return ConnectionOpen(virtual_host, capabilities, bits & 1 != 0)


def _connection_open_ok(data: bytes, pos: int, end: int) -> ConnectionOpenOk:
    start = pos + 5
    pos = start + data[pos + 4]
    known_hosts = data[start:pos].decode("utf-8", "backslashreplace")
    if pos != end:
        raise misfit("connection.open-ok", pos, end)
    return ConnectionOpenOk(known_hosts)


def _connection_close(data: bytes, pos: int, end: int) -> ConnectionClose:
    reply_code, size = _HB(data, pos + 4)
    start = pos + 7
    pos = start + size
    reply_text = data[start:pos].decode("utf-8", "backslashreplace")
    class_id, method_id = _HH(data, pos)
    if pos + 4 != end:
        raise misfit("connection.close", pos + 4, end)
    return ConnectionClose(reply_code, reply_text, class_id, method_id)


def _connection_close_ok(data: bytes, pos: int, end: int) -> ConnectionCloseOk:
    if pos + 4 != end:
        raise misfit("connection.close-ok", pos + 4, end)
    return ConnectionCloseOk()


def _connection_blocked(data: bytes, pos: int, end: int) -> ConnectionBlocked:
    start = pos + 5
    pos = start + data[pos + 4]
    reason = data[start:pos].decode("utf-8", "backslashreplace")
    if pos != end:
        raise misfit("connection.blocked", pos, end)
    return ConnectionBlocked(reason)


def _connection_unblocked(data: bytes, pos: int, end: int) -> ConnectionUnblocked:
    if pos + 4 != end:
        raise misfit("connection.unblocked", pos + 4, end)
    return ConnectionUnblocked()


def _connection_update_secret(data: bytes, pos: int, end: int) -> ConnectionUpdateSecret:
    (size,) = _I(data, pos + 4)
    start = pos + 8
    pos = start + size
    if pos > end:
        raise misfit("new_secret", pos, end)
    new_secret = data[start:pos]
    start = pos + 1
    pos = start + data[pos]
    reason = data[start:pos].decode("utf-8", "backslashreplace")
    if pos != end:
        raise misfit("connection.update-secret", pos, end)
    return ConnectionUpdateSecret(new_secret, reason)


def _connection_update_secret_ok(data: bytes, pos: int, end: int) -> ConnectionUpdateSecretOk:
    if pos + 4 != end:
        raise misfit("connection.update-secret-ok", pos + 4, end)
    return ConnectionUpdateSecretOk()


def _channel_open(data: bytes, pos: int, end: int) -> ChannelOpen:
    start = pos + 5
    pos = start + data[pos + 4]
    out_of_band = data[start:pos].decode("utf-8", "backslashreplace")
    if pos != end:
        raise misfit("channel.open", pos, end)
    return ChannelOpen(out_of_band)


def _channel_open_ok(data: bytes, pos: int, end: int) -> ChannelOpenOk:
    (size,) = _I(data, pos + 4)
    start = pos + 8
    pos = start + size
    if pos > end:
        raise misfit("channel_id", pos, end)
    channel_id = data[start:pos]
    if pos != end:
        raise misfit("channel.open-ok", pos, end)
    return ChannelOpenOk(channel_id)


def _channel_flow(data: bytes, pos: int, end: int) -> ChannelFlow:
    bits = data[pos + 4]
    if pos + 5 != end:
        raise misfit("channel.flow", pos + 5, end)
    return ChannelFlow(bits & 1 != 0)


def _channel_flow_ok(data: bytes, pos: int, end: int) -> ChannelFlowOk:
    bits = data[pos + 4]
    if pos + 5 != end:
        raise misfit("channel.flow-ok", pos + 5, end)
    return ChannelFlowOk(bits & 1 != 0)


def _channel_close(data: bytes, pos: int, end: int) -> ChannelClose:
    reply_code, size = _HB(data, pos + 4)
    start = pos + 7
    pos = start + size
    reply_text = data[start:pos].decode("utf-8", "backslashreplace")
    class_id, method_id = _HH(data, pos)
    if pos + 4 != end:
        raise misfit("channel.close", pos + 4, end)
    return ChannelClose(reply_code, reply_text, class_id, method_id)


def _channel_close_ok(data: bytes, pos: int, end: int) -> ChannelCloseOk:
    if pos + 4 != end:
        raise misfit("channel.close-ok", pos + 4, end)
    return ChannelCloseOk()


def _access_request(data: bytes, pos: int, end: int) -> AccessRequest:
    start = pos + 5
    pos = start + data[pos + 4]
    realm = data[start:pos].decode("utf-8", "backslashreplace")
    bits = data[pos]
    if pos + 1 != end:
        raise misfit("access.request", pos + 1, end)
    return AccessRequest(realm, bits & 1 != 0, bits & 2 != 0, bits & 4 != 0, bits & 8 != 0, bits & 16 != 0)


def _access_request_ok(data: bytes, pos: int, end: int) -> AccessRequestOk:
    (ticket,) = _H(data, pos + 4)
    if pos + 6 != end:
        raise misfit("access.request-ok", pos + 6, end)
    return AccessRequestOk(ticket)


def _exchange_declare(data: bytes, pos: int, end: int) -> ExchangeDeclare:
    ticket, size = _HB(data, pos + 4)
    start = pos + 7
    pos = start + size
    exchange = data[start:pos].decode("utf-8", "backslashreplace")
    start = pos + 1
    pos = start + data[pos]
    type = data[start:pos].decode("utf-8", "backslashreplace")
    bits = data[pos]
    arguments, pos = decode_table(data, pos + 1, end)
    if pos != end:
        raise misfit("exchange.declare", pos, end)
    return ExchangeDeclare(
        ticket, exchange, type, bits & 1 != 0, bits & 2 != 0, bits & 4 != 0, bits & 8 != 0, bits & 16 != 0, arguments
    )


def _exchange_declare_ok(data: bytes, pos: int, end: int) -> ExchangeDeclareOk:
    if pos + 4 != end:
        raise misfit("exchange.declare-ok", pos + 4, end)
    return ExchangeDeclareOk()


def _exchange_delete(data: bytes, pos: int, end: int) -> ExchangeDelete:
    ticket, size = _HB(data, pos + 4)
    start = pos + 7
    pos = start + size
    exchange = data[start:pos].decode("utf-8", "backslashreplace")
    bits = data[pos]
    if pos + 1 != end:
        raise misfit("exchange.delete", pos + 1, end)
    return ExchangeDelete(ticket, exchange, bits & 1 != 0, bits & 2 != 0)


def _exchange_delete_ok(data: bytes, pos: int, end: int) -> ExchangeDeleteOk:
    if pos + 4 != end:
        raise misfit("exchange.delete-ok", pos + 4, end)
    return ExchangeDeleteOk()


def _exchange_bind(data: bytes, pos: int, end: int) -> ExchangeBind:
    ticket, size = _HB(data, pos + 4)
    start = pos + 7
    pos = start + size
    destination = data[start:pos].decode("utf-8", "backslashreplace")
    start = pos + 1
    pos = start + data[pos]
    source = data[start:pos].decode("utf-8", "backslashreplace")
    start = pos + 1
    pos = start + data[pos]
    routing_key = data[start:pos].decode("utf-8", "backslashreplace")
    bits = data[pos]
    arguments, pos = decode_table(data, pos + 1, end)
    if pos != end:
        raise misfit("exchange.bind", pos, end)
    return ExchangeBind(ticket, destination, source, routing_key, bits & 1 != 0, arguments)


def _exchange_bind_ok(data: bytes, pos: int, end: int) -> ExchangeBindOk:
    if pos + 4 != end:
        raise misfit("exchange.bind-ok", pos + 4, end)
    return ExchangeBindOk()


def _exchange_unbind(data: bytes, pos: int, end: int) -> ExchangeUnbind:
    ticket, size = _HB(data, pos + 4)
    start = pos + 7
    pos = start + size
    destination = data[start:pos].decode("utf-8", "backslashreplace")
    start = pos + 1
    pos = start + data[pos]
    source = data[start:pos].decode("utf-8", "backslashreplace")
    start = pos + 1
    pos = start + data[pos]
    routing_key = data[start:pos].decode("utf-8", "backslashreplace")
    bits = data[pos]
    arguments, pos = decode_table(data, pos + 1, end)
    if pos != end:
        raise misfit("exchange.unbind", pos, end)
    return ExchangeUnbind(ticket, destination, source, routing_key, bits & 1 != 0, arguments)


def _exchange_unbind_ok(data: bytes, pos: int, end: int) -> ExchangeUnbindOk:
    if pos + 4 != end:
        raise misfit("exchange.unbind-ok", pos + 4, end)
    return ExchangeUnbindOk()


def _queue_declare(data: bytes, pos: int, end: int) -> QueueDeclare:
    ticket, size = _HB(data, pos + 4)
    start = pos + 7
    pos = start + size
    queue = data[start:pos].decode("utf-8", "backslashreplace")
    bits = data[pos]
    arguments, pos = decode_table(data, pos + 1, end)
    if pos != end:
        raise misfit("queue.declare", pos, end)
    return QueueDeclare(
        ticket, queue, bits & 1 != 0, bits & 2 != 0, bits & 4 != 0, bits & 8 != 0, bits & 16 != 0, arguments
    )


def _queue_declare_ok(data: bytes, pos: int, end: int) -> QueueDeclareOk:
    start = pos + 5
    pos = start + data[pos + 4]
    queue = data[start:pos].decode("utf-8", "backslashreplace")
    message_count, consumer_count = _II(data, pos)
    if pos + 8 != end:
        raise misfit("queue.declare-ok", pos + 8, end)
    return QueueDeclareOk(queue, message_count, consumer_count)


def _queue_bind(data: bytes, pos: int, end: int) -> QueueBind:
    ticket, size = _HB(data, pos + 4)
    start = pos + 7
    pos = start + size
    queue = data[start:pos].decode("utf-8", "backslashreplace")
    start = pos + 1
    pos = start + data[pos]
    exchange = data[start:pos].decode("utf-8", "backslashreplace")
    start = pos + 1
    pos = start + data[pos]
    routing_key = data[start:pos].decode("utf-8", "backslashreplace")
    bits = data[pos]
    arguments, pos = decode_table(data, pos + 1, end)
    if pos != end:
        raise misfit("queue.bind", pos, end)
    return QueueBind(ticket, queue, exchange, routing_key, bits & 1 != 0, arguments)


def _queue_bind_ok(data: bytes, pos: int, end: int) -> QueueBindOk:
    if pos + 4 != end:
        raise misfit("queue.bind-ok", pos + 4, end)
    return QueueBindOk()


def _queue_purge(data: bytes, pos: int, end: int) -> QueuePurge:
    ticket, size = _HB(data, pos + 4)
    start = pos + 7
    pos = start + size
    queue = data[start:pos].decode("utf-8", "backslashreplace")
    bits = data[pos]
    if pos + 1 != end:
        raise misfit("queue.purge", pos + 1, end)
    return QueuePurge(ticket, queue, bits & 1 != 0)


def _queue_purge_ok(data: bytes, pos: int, end: int) -> QueuePurgeOk:
    (message_count,) = _I(data, pos + 4)
    if pos + 8 != end:
        raise misfit("queue.purge-ok", pos + 8, end)
    return QueuePurgeOk(message_count)


def _queue_delete(data: bytes, pos: int, end: int) -> QueueDelete:
    ticket, size = _HB(data, pos + 4)
    start = pos + 7
    pos = start + size
    queue = data[start:pos].decode("utf-8", "backslashreplace")
    bits = data[pos]
    if pos + 1 != end:
        raise misfit("queue.delete", pos + 1, end)
    return QueueDelete(ticket, queue, bits & 1 != 0, bits & 2 != 0, bits & 4 != 0)


def _queue_delete_ok(data: bytes, pos: int, end: int) -> QueueDeleteOk:
    (message_count,) = _I(data, pos + 4)
    if pos + 8 != end:
        raise misfit("queue.delete-ok", pos + 8, end)
    return QueueDeleteOk(message_count)


def _queue_unbind(data: bytes, pos: int, end: int) -> QueueUnbind:
    ticket, size = _HB(data, pos + 4)
    start = pos + 7
    pos = start + size
    queue = data[start:pos].decode("utf-8", "backslashreplace")
    start = pos + 1
    pos = start + data[pos]
    exchange = data[start:pos].decode("utf-8", "backslashreplace")
    start = pos + 1
    pos = start + data[pos]
    routing_key = data[start:pos].decode("utf-8", "backslashreplace")
    arguments, pos = decode_table(data, pos, end)
    if pos != end:
        raise misfit("queue.unbind", pos, end)
    return QueueUnbind(ticket, queue, exchange, routing_key, arguments)


def _queue_unbind_ok(data: bytes, pos: int, end: int) -> QueueUnbindOk:
    if pos + 4 != end:
        raise misfit("queue.unbind-ok", pos + 4, end)
    return QueueUnbindOk()


def _basic_qos(data: bytes, pos: int, end: int) -> BasicQos:
    prefetch_size, prefetch_count, bits = _IHB(data, pos + 4)
    if pos + 11 != end:
        raise misfit("basic.qos", pos + 11, end)
    return BasicQos(prefetch_size, prefetch_count, bits & 1 != 0)


def _basic_qos_ok(data: bytes, pos: int, end: int) -> BasicQosOk:
    if pos + 4 != end:
        raise misfit("basic.qos-ok", pos + 4, end)
    return BasicQosOk()


def _basic_consume(data: bytes, pos: int, end: int) -> BasicConsume:
    ticket, size = _HB(data, pos + 4)
    start = pos + 7
    pos = start + size
    queue = data[start:pos].decode("utf-8", "backslashreplace")
    start = pos + 1
    pos = start + data[pos]
    consumer_tag = data[start:pos].decode("utf-8", "backslashreplace")
    bits = data[pos]
    arguments, pos = decode_table(data, pos + 1, end)
    if pos != end:
        raise misfit("basic.consume", pos, end)
    return BasicConsume(
        ticket, queue, consumer_tag, bits & 1 != 0, bits & 2 != 0, bits & 4 != 0, bits & 8 != 0, arguments
    )


def _basic_consume_ok(data: bytes, pos: int, end: int) -> BasicConsumeOk:
    start = pos + 5
    pos = start + data[pos + 4]
    consumer_tag = data[start:pos].decode("utf-8", "backslashreplace")
    if pos != end:
        raise misfit("basic.consume-ok", pos, end)
    return BasicConsumeOk(consumer_tag)


def _basic_cancel(data: bytes, pos: int, end: int) -> BasicCancel:
    start = pos + 5
    pos = start + data[pos + 4]
    consumer_tag = data[start:pos].decode("utf-8", "backslashreplace")
    bits = data[pos]
    if pos + 1 != end:
        raise misfit("basic.cancel", pos + 1, end)
    return BasicCancel(consumer_tag, bits & 1 != 0)


def _basic_cancel_ok(data: bytes, pos: int, end: int) -> BasicCancelOk:
    start = pos + 5
    pos = start + data[pos + 4]
    consumer_tag = data[start:pos].decode("utf-8", "backslashreplace")
    if pos != end:
        raise misfit("basic.cancel-ok", pos, end)
    return BasicCancelOk(consumer_tag)


def _basic_publish(data: bytes, pos: int, end: int) -> BasicPublish:
    ticket, size = _HB(data, pos + 4)
    start = pos + 7
    pos = start + size
    exchange = data[start:pos].decode("utf-8", "backslashreplace")
    start = pos + 1
    pos = start + data[pos]
    routing_key = data[start:pos].decode("utf-8", "backslashreplace")
    bits = data[pos]
    if pos + 1 != end:
        raise misfit("basic.publish", pos + 1, end)
    return BasicPublish(ticket, exchange, routing_key, bits & 1 != 0, bits & 2 != 0)


def _basic_return(data: bytes, pos: int, end: int) -> BasicReturn:
    reply_code, size = _HB(data, pos + 4)
    start = pos + 7
    pos = start + size
    reply_text = data[start:pos].decode("utf-8", "backslashreplace")
    start = pos + 1
    pos = start + data[pos]
    exchange = data[start:pos].decode("utf-8", "backslashreplace")
    start = pos + 1
    pos = start + data[pos]
    routing_key = data[start:pos].decode("utf-8", "backslashreplace")
    if pos != end:
        raise misfit("basic.return", pos, end)
    return BasicReturn(reply_code, reply_text, exchange, routing_key)


def _basic_deliver(data: bytes, pos: int, end: int) -> BasicDeliver:
    start = pos + 5
    pos = start + data[pos + 4]
    consumer_tag = data[start:pos].decode("utf-8", "backslashreplace")
    delivery_tag, bits, size = _QBB(data, pos)
    start = pos + 10
    pos = start + size
    exchange = data[start:pos].decode("utf-8", "backslashreplace")
    start = pos + 1
    pos = start + data[pos]
    routing_key = data[start:pos].decode("utf-8", "backslashreplace")
    if pos != end:
        raise misfit("basic.deliver", pos, end)
    return BasicDeliver(consumer_tag, delivery_tag, bits & 1 != 0, exchange, routing_key)


def _basic_get(data: bytes, pos: int, end: int) -> BasicGet:
    ticket, size = _HB(data, pos + 4)
    start = pos + 7
    pos = start + size
    queue = data[start:pos].decode("utf-8", "backslashreplace")
    bits = data[pos]
    if pos + 1 != end:
        raise misfit("basic.get", pos + 1, end)
    return BasicGet(ticket, queue, bits & 1 != 0)


def _basic_get_ok(data: bytes, pos: int, end: int) -> BasicGetOk:
    delivery_tag, bits, size = _QBB(data, pos + 4)
    start = pos + 14
    pos = start + size
    exchange = data[start:pos].decode("utf-8", "backslashreplace")
    start = pos + 1
    pos = start + data[pos]
    routing_key = data[start:pos].decode("utf-8", "backslashreplace")
    (message_count,) = _I(data, pos)
    if pos + 4 != end:
        raise misfit("basic.get-ok", pos + 4, end)
    return BasicGetOk(delivery_tag, bits & 1 != 0, exchange, routing_key, message_count)


def _basic_get_empty(data: bytes, pos: int, end: int) -> BasicGetEmpty:
    start = pos + 5
    pos = start + data[pos + 4]
    cluster_id = data[start:pos].decode("utf-8", "backslashreplace")
    if pos != end:
        raise misfit("basic.get-empty", pos, end)
    return BasicGetEmpty(cluster_id)


def _basic_ack(data: bytes, pos: int, end: int) -> BasicAck:
    delivery_tag, bits = _QB(data, pos + 4)
    if pos + 13 != end:
        raise misfit("basic.ack", pos + 13, end)
    return BasicAck(delivery_tag, bits & 1 != 0)


def _basic_reject(data: bytes, pos: int, end: int) -> BasicReject:
    delivery_tag, bits = _QB(data, pos + 4)
    if pos + 13 != end:
        raise misfit("basic.reject", pos + 13, end)
    return BasicReject(delivery_tag, bits & 1 != 0)


def _basic_recover_async(data: bytes, pos: int, end: int) -> BasicRecoverAsync:
    bits = data[pos + 4]
    if pos + 5 != end:
        raise misfit("basic.recover-async", pos + 5, end)
    return BasicRecoverAsync(bits & 1 != 0)


def _basic_recover(data: bytes, pos: int, end: int) -> BasicRecover:
    bits = data[pos + 4]
    if pos + 5 != end:
        raise misfit("basic.recover", pos + 5, end)
    return BasicRecover(bits & 1 != 0)


def _basic_recover_ok(data: bytes, pos: int, end: int) -> BasicRecoverOk:
    if pos + 4 != end:
        raise misfit("basic.recover-ok", pos + 4, end)
    return BasicRecoverOk()


def _basic_nack(data: bytes, pos: int, end: int) -> BasicNack:
    delivery_tag, bits = _QB(data, pos + 4)
    if pos + 13 != end:
        raise misfit("basic.nack", pos + 13, end)
    return BasicNack(delivery_tag, bits & 1 != 0, bits & 2 != 0)


def _confirm_select(data: bytes, pos: int, end: int) -> ConfirmSelect:
    bits = data[pos + 4]
    if pos + 5 != end:
        raise misfit("confirm.select", pos + 5, end)
    return ConfirmSelect(bits & 1 != 0)


def _confirm_select_ok(data: bytes, pos: int, end: int) -> ConfirmSelectOk:
    if pos + 4 != end:
        raise misfit("confirm.select-ok", pos + 4, end)
    return ConfirmSelectOk()


def _tx_select(data: bytes, pos: int, end: int) -> TxSelect:
    if pos + 4 != end:
        raise misfit("tx.select", pos + 4, end)
    return TxSelect()


def _tx_select_ok(data: bytes, pos: int, end: int) -> TxSelectOk:
    if pos + 4 != end:
        raise misfit("tx.select-ok", pos + 4, end)
    return TxSelectOk()


def _tx_commit(data: bytes, pos: int, end: int) -> TxCommit:
    if pos + 4 != end:
        raise misfit("tx.commit", pos + 4, end)
    return TxCommit()


def _tx_commit_ok(data: bytes, pos: int, end: int) -> TxCommitOk:
    if pos + 4 != end:
        raise misfit("tx.commit-ok", pos + 4, end)
    return TxCommitOk()


def _tx_rollback(data: bytes, pos: int, end: int) -> TxRollback:
    if pos + 4 != end:
        raise misfit("tx.rollback", pos + 4, end)
    return TxRollback()


def _tx_rollback_ok(data: bytes, pos: int, end: int) -> TxRollbackOk:
    if pos + 4 != end:
        raise misfit("tx.rollback-ok", pos + 4, end)
    return TxRollbackOk()


DECODERS: Final[dict[int, Callable[[bytes, int, int], Method]]] = {
    CONNECTION_START: _connection_start,
    CONNECTION_START_OK: _connection_start_ok,
    CONNECTION_SECURE: _connection_secure,
    CONNECTION_SECURE_OK: _connection_secure_ok,
    CONNECTION_TUNE: _connection_tune,
    CONNECTION_TUNE_OK: _connection_tune_ok,
    CONNECTION_OPEN: _connection_open,
    CONNECTION_OPEN_OK: _connection_open_ok,
    CONNECTION_CLOSE: _connection_close,
    CONNECTION_CLOSE_OK: _connection_close_ok,
    CONNECTION_BLOCKED: _connection_blocked,
    CONNECTION_UNBLOCKED: _connection_unblocked,
    CONNECTION_UPDATE_SECRET: _connection_update_secret,
    CONNECTION_UPDATE_SECRET_OK: _connection_update_secret_ok,
    CHANNEL_OPEN: _channel_open,
    CHANNEL_OPEN_OK: _channel_open_ok,
    CHANNEL_FLOW: _channel_flow,
    CHANNEL_FLOW_OK: _channel_flow_ok,
    CHANNEL_CLOSE: _channel_close,
    CHANNEL_CLOSE_OK: _channel_close_ok,
    ACCESS_REQUEST: _access_request,
    ACCESS_REQUEST_OK: _access_request_ok,
    EXCHANGE_DECLARE: _exchange_declare,
    EXCHANGE_DECLARE_OK: _exchange_declare_ok,
    EXCHANGE_DELETE: _exchange_delete,
    EXCHANGE_DELETE_OK: _exchange_delete_ok,
    EXCHANGE_BIND: _exchange_bind,
    EXCHANGE_BIND_OK: _exchange_bind_ok,
    EXCHANGE_UNBIND: _exchange_unbind,
    EXCHANGE_UNBIND_OK: _exchange_unbind_ok,
    QUEUE_DECLARE: _queue_declare,
    QUEUE_DECLARE_OK: _queue_declare_ok,
    QUEUE_BIND: _queue_bind,
    QUEUE_BIND_OK: _queue_bind_ok,
    QUEUE_PURGE: _queue_purge,
    QUEUE_PURGE_OK: _queue_purge_ok,
    QUEUE_DELETE: _queue_delete,
    QUEUE_DELETE_OK: _queue_delete_ok,
    QUEUE_UNBIND: _queue_unbind,
    QUEUE_UNBIND_OK: _queue_unbind_ok,
    BASIC_QOS: _basic_qos,
    BASIC_QOS_OK: _basic_qos_ok,
    BASIC_CONSUME: _basic_consume,
    BASIC_CONSUME_OK: _basic_consume_ok,
    BASIC_CANCEL: _basic_cancel,
    BASIC_CANCEL_OK: _basic_cancel_ok,
    BASIC_PUBLISH: _basic_publish,
    BASIC_RETURN: _basic_return,
    BASIC_DELIVER: _basic_deliver,
    BASIC_GET: _basic_get,
    BASIC_GET_OK: _basic_get_ok,
    BASIC_GET_EMPTY: _basic_get_empty,
    BASIC_ACK: _basic_ack,
    BASIC_REJECT: _basic_reject,
    BASIC_RECOVER_ASYNC: _basic_recover_async,
    BASIC_RECOVER: _basic_recover,
    BASIC_RECOVER_OK: _basic_recover_ok,
    BASIC_NACK: _basic_nack,
    CONFIRM_SELECT: _confirm_select,
    CONFIRM_SELECT_OK: _confirm_select_ok,
    TX_SELECT: _tx_select,
    TX_SELECT_OK: _tx_select_ok,
    TX_COMMIT: _tx_commit,
    TX_COMMIT_OK: _tx_commit_ok,
    TX_ROLLBACK: _tx_rollback,
    TX_ROLLBACK_OK: _tx_rollback_ok,
}
"""The decoder of every method, by its ``KEY``."""


def property_list(data: bytes, pos: int, end: int) -> Properties:  # noqa: PLR0915
    """Decode a property list: words of flags, then the properties that they tell (clause 4.2.6.1).

    Flags that belong to no property are ignored, as RabbitMQ does.
    """
    (flags,) = _H(data, pos)
    pos += 2
    more = flags
    while more & 1:
        if pos >= end:
            raise misfit("property flags", pos + 2, end)
        (more,) = _H(data, pos)
        pos += 2
    content_type: str | UnsetType = UNSET
    if flags & 0x8000:
        start = pos + 1
        pos = start + data[pos]
        content_type = data[start:pos].decode("utf-8", "backslashreplace")
    content_encoding: str | UnsetType = UNSET
    if flags & 0x4000:
        start = pos + 1
        pos = start + data[pos]
        content_encoding = data[start:pos].decode("utf-8", "backslashreplace")
    headers: FieldTable | UnsetType = UNSET
    if flags & 0x2000:
        headers, pos = decode_table(data, pos, end)
    delivery_mode: int | UnsetType = UNSET
    if flags & 0x1000:
        delivery_mode = data[pos]
        pos += 1
    priority: int | UnsetType = UNSET
    if flags & 0x0800:
        priority = data[pos]
        pos += 1
    correlation_id: str | UnsetType = UNSET
    if flags & 0x0400:
        start = pos + 1
        pos = start + data[pos]
        correlation_id = data[start:pos].decode("utf-8", "backslashreplace")
    reply_to: str | UnsetType = UNSET
    if flags & 0x0200:
        start = pos + 1
        pos = start + data[pos]
        reply_to = data[start:pos].decode("utf-8", "backslashreplace")
    expiration: str | UnsetType = UNSET
    if flags & 0x0100:
        start = pos + 1
        pos = start + data[pos]
        expiration = data[start:pos].decode("utf-8", "backslashreplace")
    message_id: str | UnsetType = UNSET
    if flags & 0x0080:
        start = pos + 1
        pos = start + data[pos]
        message_id = data[start:pos].decode("utf-8", "backslashreplace")
    timestamp: int | UnsetType = UNSET
    if flags & 0x0040:
        (timestamp,) = _Q(data, pos)
        pos += 8
    type: str | UnsetType = UNSET
    if flags & 0x0020:
        start = pos + 1
        pos = start + data[pos]
        type = data[start:pos].decode("utf-8", "backslashreplace")
    user_id: str | UnsetType = UNSET
    if flags & 0x0010:
        start = pos + 1
        pos = start + data[pos]
        user_id = data[start:pos].decode("utf-8", "backslashreplace")
    app_id: str | UnsetType = UNSET
    if flags & 0x0008:
        start = pos + 1
        pos = start + data[pos]
        app_id = data[start:pos].decode("utf-8", "backslashreplace")
    cluster_id: str | UnsetType = UNSET
    if flags & 0x0004:
        start = pos + 1
        pos = start + data[pos]
        cluster_id = data[start:pos].decode("utf-8", "backslashreplace")
    if pos != end:
        raise misfit("properties", pos, end)
    return Properties(
        content_type,
        content_encoding,
        headers,
        delivery_mode,
        priority,
        correlation_id,
        reply_to,
        expiration,
        message_id,
        timestamp,
        type,
        user_id,
        app_id,
        cluster_id,
    )
