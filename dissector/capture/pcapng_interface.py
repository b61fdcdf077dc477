"""The interfaces of a pcapng section: link type, snap length, clock and lost packets.

Source: draft-ietf-opsawg-pcapng, sections 3.5 (options), 4.2 (interface description block) and 4.6
(interface statistics block).
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from dissector.capture.linktypes import link_type_in_file

_END_OF_OPTIONS: Final = 0
_IF_TSRESOL: Final = 9
_IF_TSOFFSET: Final = 14
_ISB_IFDROP: Final = 5
_ISB_OSDROP: Final = 7

_NS: Final = 1_000_000_000
_LATEST_NS: Final = 1 << 62
"""Times beyond the year 2116 either way are damage; they are held there so that sums stay within 64 bits."""


class Interface(msgspec.Struct):
    """One interface, as its description block and its latest statistics block tell."""

    link_type: int
    """LINKTYPE_ number."""
    snap_length: int
    """Most bytes captured of a packet; 0 is no limit."""
    ticks_per_s: int = 1_000_000
    """Resolution of its times (``if_tsresol``)."""
    offset_ns: int = 0
    """What is to be added to its times (``if_tsoffset``), in nanoseconds."""
    drops: int | None = None
    """Packets lost by the interface and by the system; None where nothing tells."""


def _options(body: bytes, offset: int, order: str) -> Iterator[tuple[int, bytes]]:
    """Walk a block's options: code and value. Ends at the first that is not whole."""
    while offset + 4 <= len(body):
        code, size = struct.unpack_from(order + "HH", body, offset)
        offset += 4
        if code == _END_OF_OPTIONS or offset + size > len(body):
            return
        yield code, body[offset : offset + size]
        offset += size + (-size & 3)


def _clamp(time_ns: int) -> int:
    return max(-_LATEST_NS, min(_LATEST_NS, time_ns))


def read_interface(body: bytes, order: str) -> Interface:
    """Read the body of an interface description block. One that is too short is an interface of link type 0."""
    if len(body) < 8:
        return Interface(link_type=0, snap_length=0)
    link_type, _, snap_length = struct.unpack_from(order + "HHI", body)
    interface = Interface(link_type=link_type_in_file(link_type), snap_length=snap_length)
    for code, value in _options(body, 8, order):
        if code == _IF_TSRESOL and len(value) == 1:
            exponent = value[0] & 0x7F
            interface.ticks_per_s = 2**exponent if value[0] & 0x80 else 10**exponent
        elif code == _IF_TSOFFSET and len(value) == 8:
            interface.offset_ns = _clamp(struct.unpack(order + "q", value)[0] * _NS)
    return interface


def read_statistics(body: bytes, order: str, interfaces: Sequence[Interface]) -> None:
    """Read the body of an interface statistics block into its interface's ``drops``.

    The counts run from the start of the capture, so that the latest block is right. Of the interface's and
    the system's, writers mostly know one (dumpcap puts the kernel's count into the interface's).
    """
    if len(body) < 12:
        return
    (number,) = struct.unpack_from(order + "I", body)
    if number >= len(interfaces):
        return
    counts = [
        struct.unpack(order + "Q", value)[0]
        for code, value in _options(body, 12, order)
        if code in (_ISB_IFDROP, _ISB_OSDROP) and len(value) == 8
    ]
    if counts:
        interfaces[number].drops = sum(counts)


def by_interface(
    ticks: npt.NDArray[np.uint64], numbers: npt.NDArray[np.int64], interfaces: Sequence[Interface]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint16]]:
    """Give each packet's time and link type from its ticks and the number of its interface.

    Times are nanoseconds since the epoch, rounded down. Every number must be one of ``interfaces``.
    """
    first = int(numbers[0])
    if (numbers == first).all():
        interface = interfaces[first]
        times = _ticks_ns(ticks, interface.ticks_per_s) + interface.offset_ns
        return times, np.full(len(numbers), interface.link_type, dtype=np.uint16)

    unique, which = np.unique(numbers, return_inverse=True)
    used = [interfaces[number] for number in unique.tolist()]
    clocks = list({interface.ticks_per_s: None for interface in used})
    clock = np.array([clocks.index(interface.ticks_per_s) for interface in used])[which]
    times = np.empty(len(ticks), dtype=np.int64)
    for index, ticks_per_s in enumerate(clocks):
        chosen = clock == index
        times[chosen] = _ticks_ns(ticks[chosen], ticks_per_s)
    times += np.array([interface.offset_ns for interface in used], dtype=np.int64)[which]
    return times, np.array([interface.link_type for interface in used], dtype=np.uint16)[which]


def _ticks_ns(ticks: npt.NDArray[np.uint64], ticks_per_s: int) -> npt.NDArray[np.int64]:
    ns_per_tick, rest = divmod(_NS, ticks_per_s)
    if rest == 0 and int(ticks.max()) <= _LATEST_NS // ns_per_tick:
        return ticks.astype(np.int64) * ns_per_tick
    # Finer than a nanosecond, a power of two, or damaged: rare, and only whole numbers are exact.
    return np.array([_clamp(tick * _NS // ticks_per_s) for tick in ticks.tolist()], dtype=np.int64)
