"""Giving up privileges: what parses packets from anywhere has no more rights than it needs.

Opening a packet socket takes CAP_NET_RAW (packet(7)). Whoever starts as root opens what has to be opened, and then
becomes another user for good; whoever has capabilities loses them. Sources: capabilities(7), prctl(2), credentials(7).
"""

import ctypes
import grp
import os
import pwd
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from dissector.errors import UsageError

_NOBODY: Final = "nobody"
_CAP_NET_RAW: Final = 13
_CAPABILITIES: Final = 64
"""Capabilities that the kernel's sets have room for."""
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_KEEPCAPS: Final = 8
_PR_CAPBSET_DROP: Final = 24
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_RAISE: Final = 2
_PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
_LINUX_CAPABILITY_VERSION_3: Final = 0x20080522
_SIGTERM: Final = 15

_libc: Final = ctypes.CDLL(None, use_errno=True)


class Account(msgspec.Struct, frozen=True):
    """Who a process that starts as root becomes."""

    name: str
    uid: int
    gid: int


def account(name: str | None) -> Account | None:
    """Find the user to become: the one named, else who called sudo, else nobody; None where we are not root.

    Raises `UsageError` where there is no such user, or we are not root and cannot become another.
    """
    if name == "":
        raise UsageError("--user '': no name; name a user, or leave --user out")
    if os.geteuid() != 0:
        if name is not None and name != _own_name():
            raise UsageError(f"--user {name}: only root can become another user; start with sudo, or leave --user out")
        return None
    wanted = name or _sudo_user() or _NOBODY
    try:
        entry = pwd.getpwnam(wanted)
    except KeyError:
        raise UsageError(f"--user {wanted}: no such user; name another, or create it: useradd -r {wanted}") from None
    return Account(wanted, entry.pw_uid, entry.pw_gid)


def _own_name() -> str | None:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return None


def _sudo_user() -> str | None:
    name = os.environ.get("SUDO_USER")
    return name if name and name != "root" else None


def can_create_in(folder: Path, whom: Account) -> bool:
    """Tell whether a user, without further groups, may make files in a folder, open it, and come to it."""
    for place in (folder.resolve(), *folder.resolve().parents):
        status = place.stat()
        shift = 6 if status.st_uid == whom.uid else 3 if status.st_gid == whom.gid else 0
        needed = 0o7 if place == folder.resolve() else 0o1
        if whom.uid != 0 and (status.st_mode >> shift) & needed != needed:
            return False
    return True


def drop(whom: Account | None) -> None:
    """Become a user, where one is given, and give up every capability for good; raises `UsageError` where it fails.

    Call it before threads are started: capabilities belong to a thread.
    """
    try:
        if whom is not None:
            for number in range(_CAPABILITIES):
                _libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
            os.setgroups([])
            os.setresgid(whom.gid, whom.gid, whom.gid)
            os.setresuid(whom.uid, whom.uid, whom.uid)
        _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
        _set_capabilities(0, 0)
        _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    except OSError as error:
        raise UsageError(f"privileges cannot be given up: {error.strerror}; start as an ordinary user") from None
    _check_none_left()


def _check_none_left() -> None:
    """Raise `UsageError` unless no thread of this process has a capability."""
    for status in Path("/proc/self/task").glob("*/status"):
        for line in status.read_text().splitlines():
            name, _, value = line.partition(":")
            if name in ("CapInh", "CapPrm", "CapEff", "CapAmb") and int(value, 16):
                raise UsageError(
                    f"a thread of a library keeps capabilities ({name} {value.strip()}); "
                    f"start with OPENBLAS_NUM_THREADS=1 in the environment"
                )


def for_capture_child(program: str, whom: Account | None) -> Callable[[], None]:
    """Give what a child that captures does before it becomes ``program``: it keeps CAP_NET_RAW alone.

    It becomes the same user as we, so that we can signal it; where only the program's group may run it, as dumpcap's,
    it is in that group. It ends when we do.
    """
    mode = Path(program).stat()
    groups = [] if mode.st_mode & 0o1 else [mode.st_gid]

    def become() -> None:
        if whom is not None:
            for number in range(_CAPABILITIES):
                if number != _CAP_NET_RAW:
                    _libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
            _libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
            os.setgroups(groups)
            os.setresgid(whom.gid, whom.gid, whom.gid)
            os.setresuid(whom.uid, whom.uid, whom.uid)
            wanted = 1 << _CAP_NET_RAW
            _set_capabilities(wanted, wanted)
            _check(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_NET_RAW, 0, 0))
        _libc.prctl(_PR_SET_PDEATHSIG, _SIGTERM, 0, 0, 0)

    return become


def groups_of(program: str) -> str:
    """Name the group that may run a program, for an error."""
    gid = Path(program).stat().st_gid
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _set_capabilities(permitted: int, inheritable: int) -> None:
    header = struct.pack("Ii", _LINUX_CAPABILITY_VERSION_3, 0)
    halves = [((permitted >> shift) & 0xFFFF_FFFF, (inheritable >> shift) & 0xFFFF_FFFF) for shift in (0, 32)]
    data = b"".join(struct.pack("III", allowed, allowed, inherited) for allowed, inherited in halves)
    _check(_libc.capset(header, data))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
