"""What calls do not tell themselves, said on standard error."""

from dissector.cli.telling import tell
from dissector.rpc import CallCounts


def tell_counts(counts: CallCounts) -> None:
    """Say what was joined, left out or strange, a line each."""
    for number, text in (
        (counts.seen_twice, "messages that were seen at two points of their way, and are shown once"),
        (counts.collisions, "messages with the id of another one, shown as requests of their own"),
        (counts.late, "messages that came after the verdict on the request with their id"),
        (counts.evicted, "requests given out before their verdict, as too many were open"),
        (counts.bad_expirations, "calls whose expiration is no number of milliseconds: their timeout is unknown"),
        (counts.forgotten_legs, "deliveries and publishes whose acks are not told, as too many were waited for"),
        (counts.forgotten_queues, "declared queues that were forgotten, as they were too many: servers may be unknown"),
        (counts.steps_back, "steps back of the capture's clock: times over them are null"),
    ):
        if number:
            tell(f"{text}: {number:,}")
