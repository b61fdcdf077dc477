"""The one way in which a decoder of this room says that a payload is not what it claims to be."""


class MalformedPayload(Exception):
    """A payload does not follow AMQP 0-9-1 as RabbitMQ speaks it. It never leaves the room: the connection
    turns it into a ``Malformed`` event.

    ``offset`` is the index in the decoder's ``data`` where it was noticed; ``reason`` is one line without any
    value from the wire.
    """

    def __init__(self, offset: int, reason: str) -> None:
        """Say where and why."""
        super().__init__(reason)
        self.offset = offset
        self.reason = reason


def misfit(what: str, pos: int, end: int) -> MalformedPayload:
    """Tell that the fields of ``what`` end at ``pos``, but should end at ``end``.

    RabbitMQ allows neither: ``rabbit_framing_amqp_0_9_1:decode_method_fields`` matches the whole payload.
    """
    if pos > end:
        return MalformedPayload(end, f"{what}: its fields run past its end, by {pos - end}")
    return MalformedPayload(pos, f"{what}: octets left over after its fields: {end - pos}")
