"""Counting messages, and the times and rates that are told of them."""

from typing import Final

import msgspec

from dissector.fields import seconds
from dissector.rpc.records import LegsRecord, TrafficRecord

LEGS: Final = ("publish", "deliver", "get", "return")


class Traffic(msgspec.Struct):
    """Messages that went one way."""

    messages: int = 0
    bytes: int = 0

    def add(self, size: int) -> None:
        """Count one message with a body of that size."""
        self.messages += 1
        self.bytes += size

    def record(self, duration_s: float) -> TrafficRecord:
        """Give the counts with their rates over so much time; the rates are None where that is none."""
        if duration_s <= 0:
            return TrafficRecord(self.messages, self.bytes, None, None)
        rates = (round(self.messages / duration_s, 3), round(self.bytes / duration_s, 1))
        return TrafficRecord(self.messages, self.bytes, *rates)


class Legs:
    """Messages by leg."""

    __slots__ = ("_legs",)

    def __init__(self) -> None:
        self._legs = {leg: Traffic() for leg in LEGS}

    def add(self, leg: str, size: int) -> None:
        """Count one message."""
        self._legs[leg].add(size)

    def record(self, duration_s: float) -> LegsRecord:
        """Give the counts with their rates."""
        return LegsRecord(*(self._legs[leg].record(duration_s) for leg in LEGS))


class Span:
    """The time from the first event to the last, whatever their order."""

    def __init__(self) -> None:
        self.first_ns = 0
        self.last_ns = 0

    def add(self, time_ns: int) -> None:
        """Take the time of an event."""
        if not self.first_ns:
            self.first_ns = self.last_ns = time_ns
        elif time_ns > self.last_ns:
            self.last_ns = time_ns
        elif time_ns < self.first_ns:
            self.first_ns = time_ns

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.last_ns - self.first_ns) / 1e9


def seconds_or_none(time_ns: int) -> float | None:
    """Give a time as records have it; None for 0, which is no time."""
    return seconds(time_ns) if time_ns else None
