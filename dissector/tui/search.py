"""Which rows a display filter lets through, found while the screen goes on."""

import threading
from array import array
from collections.abc import Callable, Iterable
from typing import Any, Final

from dissector.errors import UsageError
from dissector.fields import CallRecord
from dissector.filter import Filter, compile_filter, record_lookup
from dissector.tui.calls import CallList
from dissector.tui.index import MessageIndex
from dissector.tui.ladder import messages_of
from dissector.tui.possible import Candidates
from dissector.views.lookup import lookup_of

_QUICK_ROWS: Final = 50_000
_ROWS: Final = 100
_CALL: Final = "rpc"

Find = Callable[[int, int], tuple[Iterable[int], int]]
"""Gives the rows that match from a row on, and the row up to which it looked: another one, or nearer."""


class Search:
    """Looks at rows from the first on, as they come, in a thread of its own; `rows` grows."""

    def __init__(self, length: Callable[[], int], step: int, find: Find) -> None:
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
            found, looked = self._find(self.looked, end)
            self.rows.extend(found)
            self.looked = looked


def compile_for(text: str, *, calls: bool) -> Filter:
    """Compile an expression over messages, or over calls; raises `UsageError` where it has no meaning.

    Calls have their fields, ``rpc.*``, and those of their requests.
    """
    compiled = compile_filter(text)
    if not calls:
        for name in sorted(compiled.fields):
            if name.startswith(_CALL):
                raise UsageError(f"{name}: messages have no rpc.* fields; calls do")
    return compiled


def search_messages(index: MessageIndex, compiled: Filter, *, show_secrets: bool) -> Search:
    """Look for messages that match."""

    def matches(row: int) -> bool:
        message = index.message(row)
        return message is not None and compiled.matches(lookup_of(message, show_secrets=show_secrets))

    return Search(lambda: len(index), _QUICK_ROWS, Candidates(index, compiled.text, matches, _ROWS))


def search_requests(index: MessageIndex, request_ids: Iterable[str], compiled: Filter, *, show_secrets: bool) -> Search:
    """Look for messages that match among those of some request ids alone, and for the answers to them."""
    ids = list(request_ids)
    msg_ids: set[str] = set()

    def find(begin: int, end: int) -> tuple[Iterable[int], int]:
        found = set()
        for row in index.rows_of_requests(ids, begin, end):
            message = index.message(row)
            lookup = None if message is None else lookup_of(message, show_secrets=show_secrets)
            if lookup is not None and compiled.matches(lookup):
                found.add(row)
                msg_ids.add(lookup("oslo.msg_id") or "")
        msg_ids.discard("")
        for row in (index.may_have("oslo.msg_id", msg_ids, begin, end).nonzero()[0] + begin).tolist():
            message = index.message(row)
            if message is not None and lookup_of(message, show_secrets=show_secrets)("oslo.msg_id") in msg_ids:
                found.add(row)
        return sorted(found), end

    return Search(lambda: len(index), _QUICK_ROWS * 10, find)


def search_calls(calls: CallList, index: MessageIndex, compiled: Filter, *, show_secrets: bool) -> Search:
    """Look for calls that match."""

    def find(begin: int, end: int) -> tuple[Iterable[int], int]:
        found = (row for row in range(begin, end) if compiled.matches(_call_lookup(calls[row], index, show_secrets)))
        return list(found), end

    return Search(lambda: len(calls), _ROWS, find)


def _call_lookup(call: CallRecord, index: MessageIndex, show_secrets: bool) -> Callable[[str], Any]:
    """Give the fields of a call, and of its request as it was first seen."""
    of_call = record_lookup(call)
    of_request: Callable[[str], Any] | None = None

    def lookup(name: str) -> Any:  # noqa: ANN401 - any field's value
        nonlocal of_request
        if name.startswith(_CALL):
            return of_call(name)
        if of_request is None:
            legs = [] if call.rpc.unique_id is None else messages_of(call.rpc, index, ("publish", "deliver"))
            of_request = lookup_of(legs[0][1], show_secrets=show_secrets) if legs else lambda _: None
        return of_request(name)

    return lookup
