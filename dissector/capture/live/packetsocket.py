"""A packet socket of scapy's, read raw and in batches: many packets a system call, and no object for any.

Source: packet(7), recvmmsg(2), linux/if_packet.h, linux/net_tstamp.h; scapy.arch.linux.L2ListenSocket.
"""

import contextlib
import ctypes
import errno
import logging
import os
import socket
import struct
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dissector import limits
from dissector.capture.batch import PacketBatch
from dissector.capture.live.bpf import FilterError
from dissector.capture.live.interfaces import ANY, is_ethernet
from dissector.errors import MissingExtraError, UsageError

_SOL_PACKET: Final = 263
_PACKET_STATISTICS: Final = 6
_PACKET_AUXDATA: Final = 8
_SO_TIMESTAMPNS: Final = 35
_SO_RCVBUFFORCE: Final = 33
_SO_ATTACH_FILTER: Final = 26
_PACKET_ADD_MEMBERSHIP: Final = 1
_PACKET_MR_PROMISC: Final = 1
_RETURN_NOTHING: Final = struct.pack("HBBI", 6, 0, 0, 0)
"""The filter program ``ret #0``."""
_PASSING: Final = (errno.EAGAIN, errno.EINTR, errno.ENETDOWN, errno.ENXIO, errno.ENODEV)
"""Errors of a moment, or of an interface that is down or gone: it may come again."""
_ETH_P_ALL: Final = 3
_PACKET_OUTGOING: Final = 4
_ARPHRD_LOOPBACK: Final = 772
_VLAN_VALID: Final = 1 << 4
_VLAN_TPID_VALID: Final = 1 << 6
_DOT1Q: Final = 0x8100
_TAG_AT: Final = 12
"""Where the VLAN tag stands in an Ethernet frame (IEEE 802.1Q)."""
_TAG_BYTES: Final = 4
_DLT_RAW: Final = 12
_LINKTYPE_ETHERNET: Final = 1
_LINKTYPE_RAW: Final = 101
_BATCHES: Final = 64
"""System calls at one reading, so that other interfaces get their turn."""

_SLOT_BYTES: Final = 1 << 17
"""Room for one packet: `limits.CAPTURE_SNAP_BYTES`, a tag before it."""
_NAME_BYTES: Final = 32
_CONTROL_BYTES: Final = 128

_SIZE: Final = np.dtype(np.uintp)
_MSGHDR: Final = np.dtype(
    [
        ("name", _SIZE),
        ("name_bytes", np.uint32),
        ("iov", _SIZE),
        ("iov_count", _SIZE),
        ("control", _SIZE),
        ("control_bytes", _SIZE),
        ("flags", np.int32),
    ],
    align=True,
)
"""``struct msghdr``."""
_MMSGHDR: Final = np.dtype([("header", _MSGHDR), ("bytes", np.uint32)], align=True)
"""``struct mmsghdr``: with the bytes received."""
_SOCKADDR: Final = np.dtype(
    [
        ("family", np.uint16),
        ("protocol", ">u2"),
        ("index", np.int32),
        ("hardware", np.uint16),
        ("kind", np.uint8),
        ("rest", np.uint8, _NAME_BYTES - 11),
    ]
)
"""``struct sockaddr_ll``."""
_WORD: Final = _SIZE.itemsize
_AUXDATA: Final = np.dtype(
    [
        ("status", np.uint32),
        ("bytes", np.uint32),
        ("captured", np.uint32),
        ("mac", np.uint16),
        ("net", np.uint16),
        ("tci", np.uint16),
        ("tpid", np.uint16),
    ]
)
"""``struct tpacket_auxdata``."""
_CMSG_HEAD: Final = _WORD + 8
"""``struct cmsghdr``: length, level, type; what follows is aligned to words."""

_libc: Final = ctypes.PyDLL(None, use_errno=True)
"""Keeps the interpreter's lock: recvmmsg does not wait here, and to get the lock back from a decoder that is busy takes
5 ms each time, which was measured to halve the packets that can be taken."""


class NoSocketError(UsageError):
    """No packet socket can be had: the right to it is missing, or libpcap for its filter. A child may do."""


class PacketSocket:
    """One interface, or all of them."""

    program = "scapy"

    def __init__(self, interface: str, expression: str) -> None:
        """Open it; raises `NoSocketError`, `MissingExtraError` for scapy, `FilterError`, else `UsageError`."""
        self.name = interface
        self._is_any = interface == ANY
        self._link_type = _LINKTYPE_ETHERNET if is_ethernet(interface) else _LINKTYPE_RAW
        try:
            socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()  # before the import, in vain without the right
            self._socket = _open_all(expression) if self._is_any else _open_one(interface, expression)
        except PermissionError:
            if find_spec("scapy") is None:  # the right alone would not do
                raise _missing() from None
            raise NoSocketError(
                f"{interface}: no right to capture; start with sudo, or use --capture child with a dumpcap that may"
            ) from None
        except OSError as error:
            raise UsageError(f"{interface}: cannot be captured: {error.strerror or error}") from None
        self._socket.setblocking(False)
        wanted = limits.CAPTURE_BUFFER_BYTES
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, wanted)
        except PermissionError:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, wanted)
        self._drops = 0
        self._stopped = False
        self.failure = None
        """It has none: an interface that has gone may come again."""
        self._room = _Room()

    @property
    def buffer_bytes(self) -> int:
        """What the kernel holds for us at most: half of what it says, which counts its own overhead (socket(7))."""
        return self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2

    @property
    def drops(self) -> int:
        """Packets that found no room in the socket's buffer, as PACKET_STATISTICS tells."""
        return self._drops

    def fileno(self) -> int:
        """Give the socket's descriptor."""
        return self._socket.fileno()

    def read(self) -> list[PacketBatch] | None:
        """Take what is in the socket's buffer, at most some thousand packets."""
        batches: list[PacketBatch] = []
        for _ in range(_BATCHES):
            count = self._room.receive(self._socket.fileno())
            if count > 0:
                batch = self._room.batch(count, self._link_type, is_any=self._is_any)
                if len(batch):
                    batches.append(batch)
            if count < limits.CAPTURE_CALL_PACKETS:
                break
        if self._stopped and not batches and count <= 0:
            self.look_after()
            return None
        return batches

    def look_after(self) -> None:
        """Ask what was dropped, and bind again where the interface was deleted and made anew."""
        statistics = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        self._drops += struct.unpack("II", statistics)[1]
        if self._is_any or self._socket.getsockname()[0] == self.name:
            return
        with contextlib.suppress(OSError):
            self._socket.bind((self.name, _ETH_P_ALL))
            request = struct.pack("IHH8x", socket.if_nametoindex(self.name), _PACKET_MR_PROMISC, 0)
            self._socket.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, request)

    def give_up(self) -> None:
        """Do nothing: what the buffer holds is there at once."""

    def stop(self) -> None:
        """Let no more packets in: from now on the filter passes none."""
        self._stopped = True
        nothing = ctypes.create_string_buffer(_RETURN_NOTHING, len(_RETURN_NOTHING))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(nothing)))

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _open_one(interface: str, expression: str) -> socket.socket:
    """Open scapy's socket for an interface: promiscuous, with times and with the tags that the kernel took off."""
    linux, failed = _scapy()
    try:
        # Kept in a list by nobody: it is closed as its inner socket is, and leaves the interface with that.
        listening = linux.L2ListenSocket(iface=interface, filter=expression)
    except failed as error:
        raise _refusal(interface, expression, error) from None
    inner: socket.socket = listening.ins
    copy = inner.dup()
    listening.promisc = False  # which would be taken back with the object
    listening.close()
    return copy


def _open_all(expression: str) -> socket.socket:
    """Open a socket for all interfaces: it gives what follows the link headers, whatever these are."""
    linux, failed = _scapy()
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
        compiled = linux.compile_filter(expression, linktype=_DLT_RAW)
        program = struct.pack("HP", compiled.bf_len, ctypes.addressof(compiled.bf_insns.contents))
        opened.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
        linux.free_filter(compiled)
        opened.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
        opened.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        _Room().receive(opened.fileno())  # what came before the filter
    except failed as error:
        opened.close()
        raise _refusal(ANY, expression, error) from None
    except BaseException:
        opened.close()
        raise
    return opened


def _scapy() -> tuple[Any, tuple[type[Exception], ...]]:
    """Import what is needed of scapy, 0.15 s, and not its layers, 1.3 s; with what it raises.

    Raises `MissingExtraError` where it is not installed.
    """
    logging.getLogger("scapy").setLevel(logging.ERROR)
    try:
        from scapy.arch import linux  # noqa: PLC0415 - see above
        from scapy.error import Scapy_Exception  # noqa: PLC0415
    except ImportError:
        raise _missing() from None
    return linux, (Scapy_Exception, ImportError)


def _missing() -> MissingExtraError:
    return MissingExtraError("to capture without dumpcap or tcpdump", "live")


def _refusal(interface: str, expression: str, error: Exception) -> UsageError:
    """Say what scapy could not do: only the filter is left that may be wrong."""
    text = " ".join(str(error).split())
    if "libpcap is not available" in text:
        return NoSocketError(f"{interface}: scapy needs libpcap for the filter; install it (libpcap0.8), or tcpdump")
    return FilterError(interface, expression, text.rpartition("' (")[2].removesuffix(")"))


class _Room:
    """Memory that the kernel writes packets into, and what it tells of each."""

    def __init__(self) -> None:
        count = limits.CAPTURE_CALL_PACKETS
        self._slots = np.empty((count, _SLOT_BYTES), np.uint8)
        self._names = np.zeros(count, _SOCKADDR)
        self._controls = np.zeros((count, _CONTROL_BYTES), np.uint8)
        rows = np.arange(count, dtype=_SIZE)
        self._pieces = np.zeros(count, [("base", _SIZE), ("bytes", _SIZE)])
        self._pieces["base"] = self._slots.ctypes.data + rows * _SLOT_BYTES + _TAG_BYTES
        self._pieces["bytes"] = _SLOT_BYTES - _TAG_BYTES
        self._blank = np.zeros(count, _MMSGHDR)
        header = self._blank["header"]
        header["name"] = self._names.ctypes.data + rows * _SOCKADDR.itemsize
        header["name_bytes"] = _SOCKADDR.itemsize
        header["iov"] = self._pieces.ctypes.data + rows * self._pieces.itemsize
        header["iov_count"] = 1
        header["control"] = self._controls.ctypes.data + rows * _CONTROL_BYTES
        header["control_bytes"] = _CONTROL_BYTES
        self._headers = self._blank.copy()
        self._address = ctypes.c_void_p(self._headers.ctypes.data)

    def receive(self, descriptor: int) -> int:
        """Let the kernel write what it has; give how many packets. Raises `OSError`."""
        self._headers[:] = self._blank
        count: int = _libc.recvmmsg(descriptor, self._address, len(self._headers), socket.MSG_DONTWAIT, None)
        if count >= 0:
            return count
        number = ctypes.get_errno()
        if number in _PASSING:
            return 0
        raise OSError(number, os.strerror(number))

    def batch(self, count: int, link_type: int, *, is_any: bool) -> PacketBatch:
        """Make a batch of the first ``count`` packets, without those that the loopback interface shows twice."""
        rows = np.arange(count)
        names = self._names[:count]
        twice = (names["kind"] == _PACKET_OUTGOING) & (names["hardware"] == _ARPHRD_LOOPBACK)
        if twice.any():
            rows = rows[~twice]
        time_ns, told = self._told(rows)
        captured = self._headers["bytes"][rows].astype(np.int64)
        original = np.maximum(told["bytes"].astype(np.int64), captured)
        start = rows * _SLOT_BYTES + _TAG_BYTES
        tagged = (told["status"] & _VLAN_VALID) != 0
        if tagged.any() and not is_any:
            self._tag(rows[tagged], told[tagged])
            start[tagged] -= _TAG_BYTES
            captured[tagged] += _TAG_BYTES
            original[tagged] += _TAG_BYTES
        everything = memoryview(self._slots.reshape(-1))  # type: ignore[arg-type]  # an array is a buffer
        places = zip(start.tolist(), (start + captured).tolist(), strict=True)
        buffer = b"".join([everything[begin:end] for begin, end in places])
        begins = np.cumsum(captured) - captured
        kinds = np.full(len(rows), link_type, np.uint16)
        return PacketBatch(buffer, begins, captured, original, time_ns, kinds, 1)

    def _told(self, rows: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.void]]:
        """Give times and ``struct tpacket_auxdata`` of packets: two control messages, the kernel's in one order."""
        controls = self._controls[rows]
        level = controls[:1, _WORD : _WORD + 4].copy().view(np.int32)
        time_first = bool((level == socket.SOL_SOCKET).all())
        time_at = _CMSG_HEAD + (0 if time_first else _space(_AUXDATA.itemsize))
        told_at = _CMSG_HEAD + (_space(2 * _WORD) if time_first else 0)
        times = controls[:, time_at : time_at + 2 * _WORD].copy().view(np.intp).astype(np.int64)
        told = controls[:, told_at : told_at + _AUXDATA.itemsize].copy().view(_AUXDATA)[:, 0]
        return times[:, 0] * 1_000_000_000 + times[:, 1], told

    def _tag(self, rows: npt.NDArray[np.int64], told: npt.NDArray[np.void]) -> None:
        """Put the VLAN tags that the kernel took off back behind the addresses."""
        self._slots[rows, :_TAG_AT] = self._slots[rows, _TAG_BYTES : _TAG_BYTES + _TAG_AT]
        tag = np.empty((len(rows), 2), ">u2")
        tag[:, 0] = np.where(told["status"] & _VLAN_TPID_VALID, told["tpid"], _DOT1Q)
        tag[:, 1] = told["tci"]
        self._slots[rows, _TAG_AT : _TAG_AT + _TAG_BYTES] = tag.view(np.uint8)


def _space(size: int) -> int:
    """Give the bytes that a control message takes (CMSG_SPACE)."""
    return _CMSG_HEAD + -(-size // _WORD) * _WORD
