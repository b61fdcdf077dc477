"""Where frames begin again, in bytes that are not known to begin with one.

A candidate is the first byte after a hole, or any byte after 0xCE, since every frame ends with that: no true
beginning is left out. It is confirmed where its frame is whole and decodes without a rest, and its packet ends with it
or a frame header follows. The first candidate that can be confirmed is taken, and waited for, so that what is found
does not depend on how packets were cut into batches. Candidates cost time in proportion to the bytes looked at,
whatever these are.
"""

import re
import struct
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

import msgspec

from dissector import limits
from dissector.amqp._methods import DECODERS, BasicPublish
from dissector.amqp.constants import (
    CONTENT_HEADER_BYTES,
    FRAME_BODY,
    FRAME_END,
    FRAME_HEADER,
    FRAME_HEADER_BYTES,
    FRAME_HEARTBEAT,
    FRAME_METHOD,
)
from dissector.amqp.malformed import MalformedPayload
from dissector.amqp.methods import decode_method
from dissector.amqp.properties import decode_content_header

HEADER: Final = struct.Struct(">BHI").unpack_from
_KNOWN: Final = {
    FRAME_METHOD: frozenset(key.to_bytes(4, "big") for key in DECODERS),
    # Class basic, weight 0: no other content exists.
    FRAME_HEADER: frozenset([(BasicPublish.CLASS_ID << 16).to_bytes(4, "big")]),
}
"""The first four octets of a payload that may be one."""

_CLASSES: Final = bytes(sorted({key >> 16 for key in DECODERS}))
_SIZE: Final = rb"\x00[\x00-\x10].."
_CANDIDATE: Final = re.compile(
    rb"\xce(?=[\x01\x02].." + _SIZE + rb"\x00[" + re.escape(_CLASSES) + rb"]\x00|\x03.." + _SIZE + rb"|\x08\x00{6})",
    re.DOTALL,
)
"""The end of a frame and what may be the header of the next, with the first octets of its payload: it looks at twelve
octets at most, and passes over what is no frame at the speed of memory."""
_CANDIDATE_BYTES: Final = 12


class Place(msgspec.Struct, gc=False):
    """Where a search came to."""

    pos: int
    """Where the frame begins; or where to look again when more bytes are there."""
    is_frame: bool | None
    """False where there is none up to the end; None where more bytes must tell."""
    need: int
    """Where the bytes end that must tell; else 0."""


class Search:
    """Looks for the beginnings of frames in one direction of a connection."""

    __slots__ = ("_allowance",)

    def __init__(self) -> None:
        self._allowance = limits.RESYNC_DECODED_BYTES
        """Bytes of candidates that may still be decoded."""

    def find(self, data: bytes, pos: int, ends: Sequence[int], *, at_hole: bool, is_last: bool) -> Place:
        """Look for a frame from ``pos`` on.

        ``ends`` are the offsets at which packets end, ascending, the last one that of the data. ``at_hole`` says that
        a frame may begin at ``pos`` although no 0xCE stands before it, ``is_last`` that no more bytes come: then a
        whole frame is proof enough.
        """
        size = len(data)
        passed_over = pos
        if not at_hole:
            pos = _next(data, pos)
        while pos <= size:
            self._allowance += limits.RESYNC_DECODED_RATIO * (pos - passed_over)
            passed_over = pos
            is_frame, need = self._confirm(data, pos, ends, is_last=is_last)
            if is_frame:
                return Place(pos, True, 0)
            if is_frame is None and not is_last:
                return Place(pos, None, need)
            pos = _next(data, pos)
        self._allowance += limits.RESYNC_DECODED_RATIO * (size - passed_over)
        return Place(size, False, 0)

    def _confirm(self, data: bytes, pos: int, ends: Sequence[int], *, is_last: bool) -> tuple[bool | None, int]:
        """Tell whether a frame begins at ``pos``, None where more bytes must tell; and where those end."""
        start = pos + FRAME_HEADER_BYTES
        if start > len(data):
            return None, start
        kind, channel, size = HEADER(data, pos)
        if not _plausible(kind, channel, size):
            return False, 0
        known = _KNOWN.get(kind)
        if known is not None:
            # What is no frame shows it here, nearly always: a long wait for its end is for true ones.
            if start + 4 > len(data):
                return None, start + 4
            if data[start : start + 4] not in known:
                return False, 0
        end = start + size
        if end >= len(data):
            return None, end + 1
        if data[end] != FRAME_END:
            return False, 0
        following = end + 1
        if ends[bisect_left(ends, following)] != following:
            need = following + FRAME_HEADER_BYTES
            if need <= len(data):
                if not _plausible(*HEADER(data, following)):
                    return False, 0
            elif not is_last:
                return None, need
        return self._decodes(kind, data, start, end), 0

    def _decodes(self, kind: int, data: bytes, start: int, end: int) -> bool:
        if kind not in _KNOWN:
            return True
        self._allowance -= end - start
        if self._allowance < 0:
            return False
        try:
            if kind == FRAME_METHOD:
                decode_method(data, start, end)
            else:
                decode_content_header(data, start, end)
        except MalformedPayload:
            return False
        return True


def _next(data: bytes, pos: int) -> int:
    """Give the next candidate after the 0xCE at or after ``pos``; beyond the end where there is none."""
    size = len(data)
    found = _CANDIDATE.search(data, pos)
    if found is not None:
        return found.end()
    # Near the end there may be too few bytes to tell.
    return data.find(FRAME_END, max(pos, size - _CANDIDATE_BYTES)) + 1 or size + 1


def _plausible(kind: int, channel: int, size: int) -> bool:
    """Tell whether a frame header may be one (heartbeats are empty and on channel 0: clause 4.2.7)."""
    if kind == FRAME_HEARTBEAT:
        return channel == 0 and size == 0
    if kind == FRAME_METHOD:
        return 4 <= size <= limits.RESYNC_FRAME_BYTES
    if kind == FRAME_HEADER:
        return channel != 0 and CONTENT_HEADER_BYTES <= size <= limits.RESYNC_FRAME_BYTES
    return kind == FRAME_BODY and channel != 0 and size <= limits.RESYNC_FRAME_BYTES
