"""What packets of one interface come from."""

from typing import Protocol

from dissector.capture.batch import PacketBatch


class Tap(Protocol):
    """An interface that is being captured: opened with privileges, read without any."""

    name: str
    """The interface."""
    program: str
    """What captures, for people."""

    @property
    def buffer_bytes(self) -> int:
        """What the kernel holds while nobody reads."""

    @property
    def drops(self) -> int | None:
        """Packets that the kernel has dropped, as far as is known; None where nothing tells yet."""

    @property
    def failure(self) -> str | None:
        """Why it ended, where that was not as asked for."""

    def fileno(self) -> int:
        """Give the descriptor that is readable when there are packets."""

    def read(self) -> list[PacketBatch] | None:
        """Take the packets that there are, without waiting; None when no more come. Numbers mean nothing yet."""

    def look_after(self) -> str | None:
        """Do what is to be done each second: ask for drops, open again what has gone; give what is to be told."""

    def stop(self) -> None:
        """Capture no more: what is there already can still be read, up to the end."""

    def give_up(self) -> None:
        """Learn that it is not waited for any longer, though its end did not come: that is a failure."""

    def close(self) -> None:
        """Free everything."""
