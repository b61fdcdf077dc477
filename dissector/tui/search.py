"""Which rows a display filter lets through, found while the screen goes on."""

import threading
from array import array
from collections.abc import Callable, Iterable
from typing import Final

from dissector.errors import UsageError
from dissector.filter import Filter, compile_filter, record_lookup
from dissector.tui.calls import CallList
from dissector.tui.index import MessageIndex
from dissector.views.lookup import lookup_of

_QUICK_ROWS: Final = 50_000
_ROWS: Final = 100
_CALL: Final = "rpc"


class Search:
    """Looks at rows from the first on, as they come, in a thread of its own; `rows` grows."""

    def __init__(self, length: Callable[[], int], step: int, find: Callable[[int, int], Iterable[int]]) -> None:
        self.rows = array("I")
        self.looked = 0
        """Rows that were looked at."""
        self._length = length
        self._step = step
        self._find = find
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="search", daemon=True)
        self._thread.start()

    @property
    def is_current(self) -> bool:
        """Whether all rows that there are were looked at."""
        return self.looked >= self._length()

    def wake(self) -> None:
        """Say that there may be more rows."""
        self._wake.set()

    def stop(self) -> None:
        """Look no further."""
        self._ended.set()
        self._wake.set()

    def _run(self) -> None:
        while not self._ended.is_set():
            end = min(self._length(), self.looked + self._step)
            if end == self.looked:
                self._wake.wait()
                self._wake.clear()
                continue
            self.rows.extend(self._find(self.looked, end))
            self.looked = end


def compile_for(text: str, *, calls: bool) -> Filter:
    """Compile an expression over the fields of messages, or of calls; raises `UsageError` where it has no meaning."""
    compiled = compile_filter(text)
    for name in sorted(compiled.fields):
        if name.startswith(_CALL) != calls:
            where = "calls have rpc.* fields only" if calls else "messages have no rpc.* fields; calls do"
            raise UsageError(f"{name}: {where}")
    return compiled


def search_messages(index: MessageIndex, compiled: Filter, *, show_secrets: bool) -> Search:
    """Look for messages that match."""
    if index.quick(compiled.fields):

        def find_quickly(begin: int, end: int) -> Iterable[int]:
            found = index.matching(compiled.matches, compiled.fields, begin, end)
            return (found.nonzero()[0] + begin).tolist()

        return Search(lambda: len(index), _QUICK_ROWS, find_quickly)
    return Search(
        lambda: len(index), _ROWS, lambda begin, end: _matching(index, compiled, range(begin, end), show_secrets)
    )


def search_requests(index: MessageIndex, request_ids: Iterable[str], compiled: Filter, *, show_secrets: bool) -> Search:
    """Look for messages that match among those of some request ids alone, and for the answers to them."""
    ids = list(request_ids)
    msg_ids: set[str] = set()

    def find(begin: int, end: int) -> Iterable[int]:
        found = set()
        for row in index.rows_of_requests(ids, begin, end):
            message = index.message(row)
            lookup = None if message is None else lookup_of(message, show_secrets=show_secrets)
            if lookup is not None and compiled.matches(lookup):
                found.add(row)
                msg_ids.add(lookup("oslo.msg_id") or "")
        msg_ids.discard("")
        for row in index.rows_of_answers(msg_ids, begin, end):
            message = index.message(row)
            if message is not None and lookup_of(message, show_secrets=show_secrets)("oslo.msg_id") in msg_ids:
                found.add(row)
        return sorted(found)

    return Search(lambda: len(index), _QUICK_ROWS * 10, find)


def search_calls(calls: CallList, compiled: Filter) -> Search:
    """Look for calls that match."""

    def find(begin: int, end: int) -> Iterable[int]:
        return [row for row in range(begin, end) if compiled.matches(record_lookup(calls[row]))]

    return Search(lambda: len(calls), _ROWS, find)


def _matching(index: MessageIndex, compiled: Filter, rows: Iterable[int], show_secrets: bool) -> list[int]:
    found = []
    for row in rows:
        message = index.message(row)
        if message is not None and compiled.matches(lookup_of(message, show_secrets=show_secrets)):
            found.append(row)
    return found
