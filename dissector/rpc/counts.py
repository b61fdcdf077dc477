"""What is known of requests beside their records."""

import msgspec


class CallCounts(msgspec.Struct):
    """What the records do not tell."""

    calls: int = 0
    """Requests given out."""
    seen_twice: int = 0
    """Legs seen at two points of their way (a proxy, two interfaces); each is in the records once."""
    collisions: int = 0
    """Messages with the id of another one; each is a request of its own."""
    late: int = 0
    """Messages that came after their request was given out."""
    evicted: int = 0
    """Requests given out before their verdict was known, because there were too many."""
    bad_expirations: int = 0
    """Calls whose expiration is no number of milliseconds, so that nobody can tell when they time out."""
    forgotten_queues: int = 0
    """Declared queues that were forgotten, as there were too many (`limits.DECLARED_QUEUES`)."""
    forgotten_legs: int = 0
    """Legs whose ack or confirm was not waited for any longer, as there were too many (`limits.UNSETTLED_LEGS`)."""
    steps_back: int = 0
    """Times that the capture's clock stepped back by more than a second."""
