"""Fragments of IP datagrams put together (RFC 791, 3.2; RFC 8200, 4.5).

In any order, and captured twice as on the interface ``any``. No datagram is made of bytes that contradict each
other: as Linux does, and as RFC 5722 has it for IPv6, the whole datagram is given up then, for whichever copy were
kept, it could be a mixture that nobody sent.
"""

import struct
from bisect import bisect_right
from collections import OrderedDict
from operator import itemgetter
from typing import Final

import msgspec

from dissector import limits
from dissector.bounded import remember
from dissector.net.ip import TCP, IpCounts
from dissector.net.tunnels import PROTOCOLS

_FRAGMENT_BYTES: Final = 400
"""What a held fragment is counted for besides its bytes: measured to be what Python takes for it."""
_NUMBER_BYTES: Final = 40
"""The same for the number of a packet."""
_WANTED: Final = frozenset({TCP, *PROTOCOLS})
_IPV4_FRAGMENT: Final = struct.Struct(">HHxB").unpack_from
_IPV4_HEADER: Final = struct.Struct(">BBHHHBBH")
_IPV6_FRAGMENT: Final = struct.Struct(">BxHI").unpack_from
_IPV6_HEADER: Final = struct.Struct(">IHBB")

Key = tuple[bytes, int, int]
"""What fragments of one datagram have in common: both addresses, the identification, the protocol number. The
latter is -1 with IPv6, where it is not part of it."""


class Fragment(msgspec.Struct, gc=False):
    """A fragment of an IP datagram."""

    key: Key
    protocol: int
    """Protocol number of the datagram's payload; with IPv6 that of the first fragment counts."""
    begin: int
    """Offset in the datagram's payload of the first byte."""
    end: int
    """Offset after the last byte, as it was sent."""
    is_last: bool
    data: bytes
    """The bytes from ``begin`` on that are in the capture; fewer than were sent where a snap length cut them."""


class Whole(msgspec.Struct, gc=False):
    """A datagram that was put together."""

    data: bytes
    """A plain IP header and the payload, as far as it is known without a hole."""
    size: int
    """Bytes of the header and of the payload as it was sent."""
    numbers: tuple[int, ...]
    """The packets that its fragments came in, ascending."""


def read_fragment(buffer: bytes, ip: int, at: int, end: int, sent_end: int, *, is_ipv6: bool) -> Fragment | None:
    """Read a fragment whose IP header is at ``ip``; see `dissector.net.ip.Payloads` for the rest.

    None where it contradicts itself: no bytes, bytes beyond the largest datagram, or a length that leaves a hole
    before the next fragment.
    """
    if is_ipv6:
        protocol, field, identification = _IPV6_FRAGMENT(buffer, at)
        key = (buffer[ip + 8 : ip + 40], identification, -1)
        begin, is_last, most = field & 0xFFF8, not field & 1, 0xFFFF
        at += 8
    else:
        identification, field, protocol = _IPV4_FRAGMENT(buffer, ip + 4)[:3]
        key = (buffer[ip + 12 : ip + 20], identification, protocol)
        begin, is_last, most = (field & 0x1FFF) * 8, not field & 0x2000, 0xFFFF - 20
    size = sent_end - at
    if size <= 0 or begin + size > most or (size % 8 and not is_last):
        return None
    return Fragment(key, protocol, begin, begin + size, is_last, buffer[at:end])


def is_wanted(fragment: Fragment) -> bool:
    """Tell whether the datagram may lead to TCP: of IPv6, not every fragment has to say what it carries."""
    _, _, protocol = fragment.key
    return protocol < 0 or protocol in _WANTED


class _Datagram:
    """A datagram whose fragments are still coming."""

    __slots__ = ("count", "covered", "hashes", "held", "numbers", "pieces", "protocol", "since_ns", "total")

    def __init__(self, since_ns: int) -> None:
        self.since_ns = since_ns
        self.pieces: list[tuple[int, int, bytes]] = []
        """Begin, end, captured bytes; in order, and none overlaps another."""
        self.covered = 0
        """Bytes that the pieces had when they were sent."""
        self.total: int | None = None
        """Where the last fragment ends; None before it came."""
        self.protocol = -1
        self.count = 0
        """Fragments, those captured twice included."""
        self.numbers: set[int] = set()
        self.hashes: dict[tuple[int, int], int] = {}
        """What each fragment said, for copies that come after the datagram is whole."""
        self.held = 0
        """What it counts for against `limits.FRAGMENT_BYTES`."""

    def insert(self, new: Fragment, numbers: tuple[int, ...]) -> bool:
        """Take a fragment in; False where it contradicts those that came before."""
        if self.total is not None and (new.end > self.total or (new.is_last and new.end != self.total)):
            return False
        if new.is_last:
            if self.pieces and self.pieces[-1][1] > new.end:
                return False
            self.total = new.end
        begin, end, data = new.begin, new.end, new.data
        pieces = self.pieces
        at = bisect_right(pieces, begin, key=itemgetter(0))
        if at and pieces[at - 1][1] > begin:
            at -= 1
        first, position = at, begin
        fresh: list[tuple[int, int, bytes]] = []
        added = 0
        while at < len(pieces) and pieces[at][0] < end:
            old_begin, old_end, old = pieces[at]
            low, high = max(begin, old_begin), min(end, old_end)
            mine, theirs = data[low - begin : high - begin], old[low - old_begin : high - old_begin]
            common = min(len(mine), len(theirs))
            if mine[:common] != theirs[:common]:
                return False
            if position < old_begin:
                fresh.append((position, old_begin, data[position - begin : old_begin - begin]))
                added += old_begin - position
            fresh.append(pieces[at])
            position = old_end
            at += 1
        if position < end:
            fresh.append((position, end, data[position - begin :]))
            added += end - position
        if added:
            pieces[first:at] = fresh
            self.covered += added
            self.numbers.update(numbers)
            self.hashes[begin, end] = hash(data)
            self.held += len(data) + _FRAGMENT_BYTES + _NUMBER_BYTES * len(numbers)
        if begin == 0:
            self.protocol = new.protocol
        return True

    def payload(self) -> bytes:
        """Give the bytes up to the first that a snap length cut."""
        known: list[bytes] = []
        for begin, end, data in self.pieces:
            known.append(data)
            if len(data) < end - begin:
                break
        return b"".join(known)


class FragmentTable:
    """Holds fragments until their datagram is whole; bounded in datagrams, bytes and time."""

    def __init__(self, counts: IpCounts) -> None:
        self.held = 0
        """Bytes held; see `limits.FRAGMENT_BYTES`."""
        self._counts = counts
        self._waiting: OrderedDict[Key, _Datagram] = OrderedDict()
        self._done: OrderedDict[Key, _Datagram] = OrderedDict()
        """Datagrams that were put together, without their bytes."""

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, fragment: Fragment, numbers: tuple[int, ...], time_ns: int) -> Whole | None:
        """Take a fragment that came in the packets ``numbers``; give the datagram that it completes, or None.

        As long as it is not put together, it is counted as a fragment that is not.
        """
        key = fragment.key
        done = self._done.get(key)
        if done is not None:
            is_fresh = time_ns - done.since_ns <= limits.FRAGMENT_NS
            if is_fresh and done.hashes.get((fragment.begin, fragment.end)) == hash(fragment.data):
                return None  # captured twice
            del self._done[key]
        self._counts.fragments += 1
        self._forget(time_ns)
        datagram = self._waiting.get(key)
        if datagram is None:
            datagram = self._waiting[key] = _Datagram(time_ns)
        before = datagram.held
        if not datagram.insert(fragment, numbers):
            self._counts.contradictions += 1
            self._drop(key)
            return None
        datagram.count += 1
        self.held += datagram.held - before
        if datagram.covered == datagram.total:
            self._drop(key)
            self._counts.fragments -= datagram.count
            whole = _whole(key, datagram)
            datagram.pieces, datagram.numbers = [], set()
            remember(self._done, key, datagram, limits.WHOLE_DATAGRAMS)
            return whole
        if len(datagram.pieces) > limits.DATAGRAM_FRAGMENTS:
            self._drop(key)
        while len(self._waiting) > limits.FRAGMENTED_DATAGRAMS or self.held > limits.FRAGMENT_BYTES:
            self._drop(next(iter(self._waiting)))
        return None

    def _forget(self, time_ns: int) -> None:
        while self._waiting:
            key, datagram = next(iter(self._waiting.items()))
            if time_ns - datagram.since_ns <= limits.FRAGMENT_NS:
                return
            self._drop(key)

    def _drop(self, key: Key) -> None:
        self.held -= self._waiting.pop(key).held


def _whole(key: Key, datagram: _Datagram) -> Whole:
    """Put a datagram together, behind the plainest header that says the same."""
    addresses, identification, _ = key
    payload, size = datagram.payload(), datagram.covered
    if len(addresses) == 32:
        header = _IPV6_HEADER.pack(6 << 28, size, datagram.protocol, 64)
    else:
        header = _IPV4_HEADER.pack(0x45, 0, 20 + size, identification, 0, 64, datagram.protocol, 0)
    size += len(header) + len(addresses)
    return Whole(header + addresses + payload, size, tuple(sorted(datagram.numbers)))
