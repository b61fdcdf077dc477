"""How this room says to itself that a body is not what it claims to be."""


class Undecodable(Exception):
    """A body, or a level of it, cannot be decoded; the message is the ``reason`` that the record shows.

    It never leaves the room: `dissector.oslo.decode` turns it into a ``BodyFields`` with a reason.
    """


class NotJson(Undecodable):
    """A text is not JSON at all: nothing that needs telling, unless it claimed to be."""
