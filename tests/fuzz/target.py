"""What a fuzz target is, and what they share. Nothing here needs atheris: crashers are run again without it."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple, Protocol

from dissector import limits

HERE = Path(__file__).parent
SEEDS, CRASHERS = HERE / "seeds", HERE / "crashers"
NAMES = tuple(sorted(path.stem for path in (HERE / "targets").glob("[a-z]*.py")))


class Mutate(Protocol):
    """Changes bytes here and there, as libFuzzer does: by chance and by what its comparisons told it."""

    def __call__(self, data: bytes, max_size: int, /) -> bytes: ...


class Target(NamedTuple):
    """Something that takes any bytes."""

    run: Callable[[bytes], None]
    """Feeds an input and asserts what must hold; whatever it raises is a finding."""
    max_len: int
    """Longest input: short ones are quick, and find the same."""
    mutate: Callable[[bytes, int, Random, Mutate], bytes] | None = None
    """Changes an input so that more of it stays valid; else libFuzzer alone does it."""
    words: tuple[bytes, ...] = ()
    """What inputs are likely made of, for libFuzzer to put in."""
    limits: dict[str, int] = {}  # noqa: RUF012 - nobody changes it
    """Bounds of `dissector.limits` that are lowered, so that short inputs reach them."""


def load(name: str) -> Target:
    """Import a target; so its rooms are imported only then, when they can be instrumented."""
    return importlib.import_module(f"tests.fuzz.targets.{name}").TARGET


@contextmanager
def lowered(bounds: dict[str, int]) -> Iterator[None]:
    """Lower bounds for a while."""
    before = {name: getattr(limits, name) for name in bounds}
    for name, bound in bounds.items():
        setattr(limits, name, bound)
    try:
        yield
    finally:
        for name, bound in before.items():
            setattr(limits, name, bound)


class Tape:
    """Reads an input from its beginning; behind the end there are zeros."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def __bool__(self) -> bool:
        return self.at < len(self.data)

    def number(self, size: int = 1) -> int:
        """The next bytes as a number."""
        self.at += size
        return int.from_bytes(self.data[self.at - size : self.at].ljust(size, b"\0"), "big")

    def take(self, size: int) -> bytes:
        """The next bytes, or what is left of them."""
        self.at += size
        return self.data[self.at - size : self.at]

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(max(len(self.data) - self.at, 0))


def pieces_of(data: bytes, seed: int) -> list[bytes]:
    """Cut bytes at some places; short ones after every byte, now and then."""
    if seed % 16 == 0 and len(data) < 256:
        return [data[at : at + 1] for at in range(len(data))]
    pieces, at = [], 0
    while at < len(data):
        seed = (seed * 1103515245 + 12345) & 0x7FFF_FFFF
        size = 1 + (seed >> 8) % (9 if seed & 0x70000 == 0 else 200)
        pieces.append(data[at : at + size])
        at += size
    return pieces


def spliced(items: list, dice: Random) -> list:
    """Repeat, leave out or move some items of a list that is not empty."""
    begin = dice.randrange(len(items))
    end = min(len(items), begin + 1 + dice.randrange(3))
    some, others = items[begin:end], items[:begin] + items[end:]
    match dice.randrange(3):
        case 0:
            return others
        case 1:
            others = items
    at = dice.randrange(len(others) + 1)
    return others[:at] + some + others[at:]
