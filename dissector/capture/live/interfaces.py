"""The machine's network interfaces, as the kernel tells of them (netdevice(7)), without any privilege."""

import fcntl
import socket
import struct
from typing import Final

from dissector.errors import UsageError

ANY: Final = "any"
"""Stands for all interfaces, as in tcpdump."""

_SIOCGIFFLAGS: Final = 0x8913
_SIOCGIFHWADDR: Final = 0x8927
_IFREQ: Final = struct.Struct("16sH22x")
"""``struct ifreq``: the name, and the short that both requests answer with."""
_IFF_UP: Final = 1
_ETHERNETS: Final = (1, 772)
"""ARPHRD_ETHER and ARPHRD_LOOPBACK: packets that begin with an Ethernet header."""
_MOST_NAMED: Final = 8
"""Interfaces that an error names."""


def check(name: str) -> None:
    """Raise `UsageError`, which names those that there are, unless there is such an interface, and it is up."""
    if name == ANY:
        return
    up = is_up(name)
    if up is None:
        names = [known for _, known in socket.if_nameindex()]
        some = ", ".join([ANY, *names[:_MOST_NAMED]]) + (" …" if len(names) > _MOST_NAMED else "")
        raise UsageError(f"{name}: no such interface; there are {some}")
    if not up:
        raise UsageError(f"{name}: the interface is down; bring it up first: ip link set {name} up")


def is_up(name: str) -> bool | None:
    """Tell whether an interface is up; None where there is none of that name. ``any`` is always up."""
    if name == ANY:
        return True
    flags = _ask(name, _SIOCGIFFLAGS)
    return None if flags is None else bool(flags & _IFF_UP)


def is_ethernet(name: str) -> bool:
    """Tell whether an interface's packets begin with an Ethernet header, behind which there may be VLAN tags."""
    return name != ANY and _ask(name, _SIOCGIFHWADDR) in _ETHERNETS


def _ask(name: str, request: int) -> int | None:
    """Ask the kernel for one number about an interface; None where it does not know the name."""
    encoded = name.encode(errors="surrogateescape")
    if not 0 < len(encoded) < 16 or b"\0" in encoded:
        return None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            answer = fcntl.ioctl(asked, request, _IFREQ.pack(encoded, 0))
        except OSError:
            return None
    number: int = _IFREQ.unpack(answer)[1]
    return number
