"""What is known of one channel of a connection."""

from dissector.amqp import _methods as m

Settling = tuple[int, int]
"""Ordinal and packet of a message that waits to be settled."""


class Channel:
    """What `dissector.amqp.connection` remembers of it."""

    __slots__ = (
        "confirms",
        "consumers",
        "declared",
        "early",
        "gets",
        "last_queue",
        "missed",
        "missed_of_client",
        "pending",
        "published",
        "replacing",
        "unanswered",
        "undelivered",
    )

    def __init__(self) -> None:
        self.last_queue: str | None = None
        """The queue that an empty queue name means (clause 1.7.2.1); None where the broker has not named it yet."""
        self.declared: list[str] = []
        """Names in the queue.declare without an answer yet."""
        self.pending: list[tuple[m.BasicConsume, str | None]] = []
        """basic.consume that left the consumer tag to the broker, until consume-ok names it; with the last queue."""
        self.replacing: dict[str, tuple[m.BasicConsume, str | None]] = {}
        """basic.consume of a tag that still is another consumer's, until consume-ok; with the last queue."""
        self.unanswered: dict[str, None] = {}
        """Tags of consumers without their consume-ok yet."""
        self.early: list[str] = []
        """Tags of consume-ok that were captured before their basic.consume."""
        self.consumers: dict[str, tuple[str | None, bool]] = {}
        """Consumer tag to queue, or None where that is not known, and whether its messages are not acknowledged."""
        self.gets: list[tuple[m.BasicGet, str | None]] = []
        """basic.get without an answer yet; with the last queue."""
        self.undelivered: dict[int, Settling] = {}
        """Delivery tag to message: delivered, not settled by the client."""
        self.missed = self.missed_of_client = 0
        """What the channel knows of what was missing (see `ConnectionState`)."""
        self.published = -1
        """Messages published since confirm.select; -1 where that is not known, as there are no confirms, or not
        all was seen since."""
        self.confirms: dict[int, Settling] = {}
        """Sequence number to message: published, not settled by the broker."""
