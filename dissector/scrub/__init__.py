"""Packets without their secrets: overwritten in place, so that lengths, positions and frames stay as they were.

What is overwritten, with asterisks, is what `dissector.oslo.mask` hides, found here by its place on the wire. So is, as
a whole, a compressed body with a secret and what else cannot be looked into. Bytes of no frame, of a message that is
not whole, of a fragmented datagram become zeros.
"""

from dissector.scrub.packets import Scrubber

__all__ = ["Scrubber"]
