"""What is known of connections before anything of them is captured, for a capture that begins in their middle."""

from collections.abc import Mapping
from typing import Any

import msgspec

from dissector.net import Endpoint


class Known(msgspec.Struct):
    """What is known of one connection, as `dissector.amqp.AmqpConnection` has it, and of its consumers."""

    vhost: str | None = None
    user: str | None = None
    client_properties: dict[str, Any] | None = None
    server_properties: dict[str, Any] | None = None
    channel_max: int | None = None
    frame_max: int | None = None
    heartbeat_s: int | None = None
    consumers: dict[int, dict[str, tuple[str, bool]]] = msgspec.field(default_factory=dict)
    """Channel to consumer tag to queue, and whether its messages are not acknowledged."""


Ends = tuple[Endpoint, Endpoint]
"""The client's and the broker's end of a connection."""
KnownConnections = Mapping[Ends, Known]
