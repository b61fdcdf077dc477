"""Where each named part of a construct declaration lies in the bytes, also where parsing breaks off."""

from typing import Any, Final

import construct as c  # type: ignore[import-untyped]
import msgspec
from construct.core import stream_tell  # type: ignore[import-untyped]

_TRACE: Final = "trace"


class Part(msgspec.Struct):
    """A part of what was parsed, its parts within it."""

    name: str
    start: int
    end: int
    """Where it ends, or where it broke off."""
    value: Any = None
    """What construct made of it; None where it broke off."""
    is_whole: bool = False
    parts: "list[Part]" = msgspec.field(default_factory=list)


class Trace:
    """Takes down the parts of one parse."""

    def __init__(self) -> None:
        self.root = Part("", 0, 0)
        self._open = [self.root]

    def begin(self, name: str, start: int) -> Part:
        """Note that a part begins; it is within the one that began last and has not ended."""
        part = Part(name, start, start)
        self._open[-1].parts.append(part)
        self._open.append(part)
        return part

    def finish(self, part: Part, end: int) -> None:
        """Note where a part ends, or breaks off."""
        part.end = max(end, part.start)
        self._open.pop()


class Traced(c.Subconstruct):  # type: ignore[misc]
    """Parses and builds as another declaration does, and tells a `Trace` where that was, if one was given."""

    def __init__(self, name: str, subcon: Any) -> None:  # noqa: ANN401 - construct has no types
        super().__init__(subcon)
        self.part_name = name

    def _parse(self, stream: Any, context: Any, path: Any) -> Any:  # noqa: ANN401
        trace = context._params.get(_TRACE)
        if trace is None:
            return self.subcon._parsereport(stream, context, path)
        part = trace.begin(self.part_name, stream_tell(stream, path))
        try:
            part.value = self.subcon._parsereport(stream, context, path)
            part.is_whole = True
        finally:
            trace.finish(part, stream_tell(stream, path))
        return part.value


def traced(name: str, subcon: Any) -> Any:  # noqa: ANN401 - construct has no types
    """Name a declaration, so that its place is told."""
    return name / Traced(name, subcon)


def parse_parts(declaration: Any, data: bytes) -> tuple[list[Part], bool]:  # noqa: ANN401 - construct has no types
    """Parse bytes; give the parts as far as they go, and whether that is all of them."""
    trace = Trace()
    try:
        declaration.parse(data, **{_TRACE: trace})
    except (c.ConstructError, RecursionError):
        return trace.root.parts, False
    return trace.root.parts, True
