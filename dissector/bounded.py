"""Tables that forget when they are full: the oldest entry, or all."""

from collections import OrderedDict
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def remember(known: OrderedDict[K, V], key: K, value: V, limit: int) -> tuple[K, V] | None:
    """Enter a value as the youngest; give the oldest entry where it had to go, else None.

    It takes an `OrderedDict`: finding the first key of a dict takes time in proportion to those deleted before it.
    """
    known[key] = value
    known.move_to_end(key)
    return known.popitem(last=False) if len(known) > limit else None


def memorize(known: dict[K, V], key: K, value: V, limit: int) -> None:
    """Enter what can be made again; where there are too many entries, begin anew.

    Looking up costs nothing more than in any dict: no order is kept.
    """
    if len(known) >= limit:
        known.clear()
    known[key] = value
