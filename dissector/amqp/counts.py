"""How complete the decode of AMQP was."""

import msgspec


class AmqpCounts(msgspec.Struct):
    """What was decoded, what could not be, and what had to be forgotten."""

    frames: int = 0
    """AMQP frames that were read."""
    messages: int = 0
    gaps: int = 0
    """Holes in streams."""
    missing_bytes: int = 0
    """Bytes in holes whose size is known."""
    skipped_bytes: int = 0
    """Bytes that are in the capture and belong to no frame that could be read."""
    malformed: int = 0
    untimely: int = 0
    """Events that came after later ones, as too many waited (`limits.ORDERED_EVENTS`, `limits.ORDERED_BYTES`)."""
    large_properties: int = 0
    """Properties of clients and brokers that are not kept, as they are over `limits.SHARED_BYTES`."""
    unknown_channels: int = 0
    """Messages and methods on channels beyond `limits.CHANNELS`, of which nothing is remembered."""
    forgotten_consumers: int = 0
    """Consumers, and requests for one or for a message, that were forgotten (`limits.CONSUMERS`)."""
    forgotten_messages: int = 0
    """Messages that were forgotten before they were settled (`limits.UNSETTLED`)."""
