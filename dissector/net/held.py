"""Bytes that arrived ahead of a hole."""

from bisect import bisect_right


class Held:
    """Bytes of one segment, or a part of them."""

    __slots__ = ("data", "number", "offset", "time_ns")

    def __init__(self, offset: int, data: bytes, number: int, time_ns: int) -> None:
        self.offset, self.data, self.number, self.time_ns = offset, data, number, time_ns


def hold(held: list[Held], new: Held) -> tuple[int, bool]:
    """Put bytes among those that are held, which ascend by offset and do not overlap: only what no earlier copy has
    given, for where both have a byte, the first stays.

    Gives how many bytes that adds, and whether the copies differ.
    """
    offset, data = new.offset, new.data
    at = bisect_right(held, offset, key=lambda each: each.offset)
    if at and held[at - 1].offset + len(held[at - 1].data) > offset:
        at -= 1
    first, end = at, offset + len(data)
    merged: list[Held] = []
    added, differs = 0, False
    while at < len(held) and held[at].offset < end:
        known = held[at]
        if offset < known.offset:
            merged.append(Held(offset, data[: known.offset - offset], new.number, new.time_ns))
            added += known.offset - offset
            data, offset = data[known.offset - offset :], known.offset
        common = known.data[offset - known.offset :][: len(data)]
        differs |= common != data[: len(common)]
        merged.append(known)
        data, offset = data[len(common) :], offset + len(common)
        at += 1
    if data:
        merged.append(Held(offset, data, new.number, new.time_ns))
        added += len(data)
    held[first:at] = merged
    return added, differs
