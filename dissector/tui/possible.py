"""Which messages may match a display filter, by the columns of the index alone; only these are decoded."""

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from dissector.filter import compile_part
from dissector.filter.nodes import All, Any, Compare, Expression, Literal, Member, Not, Present
from dissector.tui.index import IDS, MessageIndex

_Verdicts = tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]
"""For each row: whether an expression may be true, and whether it may be false."""
_Judge = Callable[[int, int], _Verdicts]
_EQUAL: Final = ("any_eq", "all_eq")


class Candidates:
    """Finds the rows of messages that match an expression: by the columns where they tell, else by a decode."""

    def __init__(self, index: MessageIndex, text: str, matches: Callable[[int], bool], decodes: int) -> None:
        """``matches`` decodes a row and tests it; no more than ``decodes`` of them in one call."""
        from dissector.filter.grammar import parse  # noqa: PLC0415 - slow to import, and most runs have no filter

        self._index = index
        self._judge = self._judging(parse(text))
        self._matches = matches
        self._decodes = decodes
        self._begin = self._end = 0
        self._rows: list[int] = []
        """Rows before `_end` that may match, the next one last."""
        self._is_sure = np.empty(0, np.bool_)

    def __call__(self, begin: int, end: int) -> tuple[list[int], int]:
        """Give the rows that match from ``begin`` on, and the row up to which that was looked for."""
        if not self._begin <= begin < self._end:
            may, may_not = self._judge(begin, end)
            self._begin, self._end, self._is_sure = begin, end, ~may_not
            self._rows = (np.flatnonzero(may)[::-1] + begin).tolist()
            if not (may & may_not).any():
                return self._rows[::-1], end
        found = []
        left = self._decodes
        while self._rows:
            row = self._rows.pop()
            if self._is_sure[row - self._begin]:
                found.append(row)
                continue
            if self._matches(row):
                found.append(row)
            left -= 1
            if not left:
                return found, row + 1
        return found, self._end

    def _judging(self, part: Expression) -> _Judge:
        """Turn a part of the expression into what judges rows."""
        if isinstance(part, Not):
            inner = self._judging(part.part)
            return lambda begin, end: inner(begin, end)[::-1]
        if isinstance(part, All | Any):
            return _joined([self._judging(one) for one in part.parts], is_all=isinstance(part, All))
        compiled = compile_part(part)

        def judge(begin: int, end: int) -> _Verdicts:
            if self._index.quick(compiled.fields):
                found = self._index.matching(compiled.matches, compiled.fields, begin, end)
                return found, ~found
            maybe = np.ones(end - begin, np.bool_)
            if ids is not None:
                return self._index.may_have(part.name.text, ids, begin, end), maybe
            return maybe, maybe

        ids = _ids(part)
        return judge


def _joined(judges: list[_Judge], *, is_all: bool) -> _Judge:
    def judge(begin: int, end: int) -> _Verdicts:
        mays, may_nots = zip(*(judge(begin, end) for judge in judges), strict=True)
        if is_all:
            return np.logical_and.reduce(mays), np.logical_or.reduce(may_nots)
        return np.logical_or.reduce(mays), np.logical_and.reduce(may_nots)

    return judge


def _ids(part: Present | Compare | Member) -> list[str] | None:
    """Give the ids of which an expression wants one; None where it wants something else."""
    if part.name.text not in IDS:
        return None
    items: tuple[object, ...] = ()
    if isinstance(part, Member):
        items = part.items
    elif isinstance(part, Compare) and part.operator in _EQUAL:
        items = (part.operand,)
    ids = [item.value for item in items if isinstance(item, Literal) and isinstance(item.value, str)]
    return ids if ids and len(ids) == len(items) else None
