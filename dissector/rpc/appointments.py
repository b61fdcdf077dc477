"""When requests are looked at again."""

from collections.abc import Iterator, Mapping
from heapq import heapify, heappop, heappush

from dissector import limits
from dissector.rpc.call import Call, Key


class Appointments:
    """One for each request that waits for a time; a new one makes the one before it void.

    ``open_`` are the requests whose verdict is not known yet: those that have left it are not looked at any more.
    """

    def __init__(self, open_: Mapping[Key, Call]) -> None:
        self._open = open_
        self._due: list[tuple[int, int, Call]] = []
        self._serial = 0
        self.next_ns: float = float("inf")
        """When the next one is due, nanoseconds since the epoch; it may be a void one."""

    def make(self, call: Call, due_ns: int | None) -> None:
        """Have the request looked at when the capture's clock is past ``due_ns``; None is never."""
        call.due_ns = due_ns or 0
        if due_ns is None:
            return
        self._serial += 1
        heappush(self._due, (due_ns, self._serial, call))
        if len(self._due) > 2 * len(self._open) + limits.VOID_APPOINTMENTS:
            waiting = [call for call in self._open.values() if call.due_ns]
            self._due = [(call.due_ns, serial, call) for serial, call in enumerate(waiting)]
            self._serial = len(waiting)
            heapify(self._due)
        self._note_next()

    def past(self, now_ns: int) -> Iterator[Call]:
        """Give the requests whose time is past, the earliest first. Others may be made meanwhile."""
        while self._due and self._due[0][0] < now_ns:
            due_ns, _, call = heappop(self._due)
            self._note_next()
            if due_ns == call.due_ns and self._open.get(call.key) is call:
                yield call

    def _note_next(self) -> None:
        self.next_ns = self._due[0][0] if self._due else float("inf")
