"""The capture filter, in libpcap's language (pcap-filter(7)).

``vlan`` shifts the offsets of everything to the right of it, inside parentheses and out, so that the branches for
tagged packets come last, each with a copy of the whole condition. Linux takes the outermost tag off packets that
come in, and adds it to those that go out as late as it can: such packets match without ``vlan``, too.
"""

from collections.abc import Collection
from typing import Final

from dissector.errors import UsageError

_SHIFTING: Final = frozenset({"vlan", "mpls", "pppoes", "pppoed", "geneve", "vxlan", "gre"})
"""Words after which offsets are others. An expression with one of them says itself where the ports are."""
_WIDENING: Final = ("or ", "|| ", "or(", "||(")


class FilterError(UsageError):
    """libpcap cannot read a capture filter; ``why`` is what it says of it."""

    def __init__(self, interface: str, said: str, why: str) -> None:
        self.why = why.removeprefix("can't parse filter expression: ")
        super().__init__(f"{interface}: -f '{said}' is no capture filter: {self.why}; see man pcap-filter")


def expression(ports: Collection[int], more: str | None, *, is_ethernet: bool) -> str:
    """Give the filter for the packets of some TCP ports, in both directions, with up to two VLAN tags.

    ``more`` must match as well; where it begins with ``or``, what matches that is taken, too. ``is_ethernet`` is
    whether there may be VLAN tags: libpcap refuses to look for them on other link types, and in ``any``.
    """
    wanted = " or ".join(f"tcp port {port}" for port in sorted(ports))
    text = (more or "").strip()
    if text.startswith(_WIDENING):
        wanted = f"({wanted}) or ({text[2:].strip()})"
    elif text:
        wanted = f"({text.removeprefix('and ').strip()}) and ({wanted})"
    words = "".join(char if char.isalnum() else " " for char in text).split()
    if not is_ethernet or _SHIFTING.intersection(words):
        return wanted
    return f"({wanted}) or (vlan and (({wanted}) or (vlan and ({wanted}))))"
