"""Captures and interfaces read through tshark, which decrypts TLS with the keys it is given."""

import os
from collections.abc import Callable, Collection
from os import PathLike
from typing import TYPE_CHECKING, Final, cast

import msgspec

from dissector.errors import UsageError
from dissector.reading import DEFAULT_PORTS, PacketSource

if TYPE_CHECKING:  # imported when it is asked for: nobody else shall wait for it
    from dissector.capture import Capture
    from dissector.capture.keylog import KeyLog
    from dissector.capture.live import LiveCapture
    from dissector.net.streams import Streams

PROGRAMS: Final = ("tshark",)
"""What captures can be read through."""


class Via(msgspec.Struct):
    """What captures are read through, if anything, and with which keys."""

    program: str | None = None
    """One of `PROGRAMS`."""
    keylog: str | PathLike[str] | None = None
    """The key log's path."""
    path: str = ""
    """Where tshark is, once `prepare` has found it."""
    log: "KeyLog | None" = None
    """The key log, once `prepare` has opened it."""

    def ports(self, given: Collection[int] | None) -> Collection[int]:
        """Give the broker's ports: those given, else the usual ones, with TLS where it can be read."""
        if given is not None:
            return given
        if self.program is None:
            return DEFAULT_PORTS
        from dissector.capture.tshark import TLS_PORT  # noqa: PLC0415 - see above

        return (*DEFAULT_PORTS, TLS_PORT)

    def prepare(self, *, grows: bool) -> None:
        """Find tshark and open the key log, if that is asked for, while there is still the right to; ``grows`` as for
        `KeyLog`. What it opens is closed by `close`, or with what `through` gives.

        Raises `UsageError` where that cannot be.
        """
        if self.program is None:
            if self.keylog is not None:
                raise UsageError('a key log is for tshark, which decrypts: add --via tshark (in Python via="tshark")')
            return
        if self.program not in PROGRAMS:
            raise UsageError(f"via={self.program!r}: choose from {', '.join(PROGRAMS)}")
        from dissector.capture.keylog import KeyLog  # noqa: PLC0415 - see above
        from dissector.capture.tshark import find  # noqa: PLC0415

        self.path = find()
        self.log = None if self.keylog is None else KeyLog(os.fspath(self.keylog), grows=grows)

    def through(
        self,
        capture: PacketSource,
        ports: Collection[int],
        tell: Callable[[str], None] = lambda _: None,
    ) -> "tuple[PacketSource, Streams | None]":
        """Give what `dissector.reading.Reading` is to read of a capture, and by what streams; after `prepare`.

        ``tell`` is as for `TsharkCapture`.
        """
        if self.program is None:
            return capture, None
        from dissector.capture.tshark import TsharkCapture  # noqa: PLC0415 - see above
        from dissector.net.dissected import DissectedStreams  # noqa: PLC0415

        # Of other sources it asks no more than what all of them have.
        packets = cast("Capture | LiveCapture", capture)
        source = TsharkCapture(packets, self.path, ports, self.log, tell=tell)
        return source, DissectedStreams(ports, is_live=capture.bytes_total is None)

    def close(self) -> None:
        """Close what `prepare` has opened."""
        if self.log is not None:
            self.log.close()
