"""Tables with a bound: what is over makes room for what is new, and what found no room is counted."""

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Table(Generic[K, V]):
    """Entries by key, in the order in which they came.

    An entry that has ended may still be found by its key, or its key may be free for another: both stay in the
    table until room is needed. Where nothing has ended, a new one finds none.
    """

    def __init__(self, limit: int) -> None:
        self.left_out = 0
        """Entries that were forgotten, or found no room."""
        self._limit = limit
        self._serial = 0
        self._entries: dict[int, tuple[K, V]] = {}
        self._serials: dict[K, int] = {}
        self._ended: OrderedDict[int, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[V]:
        """Give all entries, those that have ended too."""
        return (value for _, value in self._entries.values())

    def get(self, key: K) -> V | None:
        """Find an entry; None where there is none of that key."""
        serial = self._serials.get(key)
        return None if serial is None else self._entries[serial][1]

    def add(self, key: K, value: V) -> bool:
        """Put a new entry in; False where it finds no room. One of the same key ends and frees the key."""
        if key in self._serials:
            self.free(key)
        if len(self._entries) >= self._limit:
            self.left_out += 1
            if not self._ended:
                return False
            oldest, _ = self._ended.popitem(last=False)
            old_key, _ = self._entries.pop(oldest)
            if self._serials.get(old_key) == oldest:
                del self._serials[old_key]
        self._serial += 1
        self._entries[self._serial] = (key, value)
        self._serials[key] = self._serial
        return True

    def end(self, key: K) -> None:
        """Mark an entry as over; it can still be found, until its room is needed."""
        serial = self._serials.get(key)
        if serial is not None:
            self._ended[serial] = None

    def revive(self, key: K) -> None:
        """Take that mark off."""
        serial = self._serials.get(key)
        if serial is not None:
            self._ended.pop(serial, None)

    def free(self, key: K) -> None:
        """Mark an entry as over and let its key be another's."""
        self.end(key)
        self._serials.pop(key, None)
