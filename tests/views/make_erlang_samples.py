"""Remake ``tests/views/tracing/terms.txt``: terms, and how Erlang itself writes them with ``~p``.

``python tests/views/make_erlang_samples.py`` makes random terms of the kinds that a field table consists of, has
``escript`` write them, and keeps each as a line: the Python literal of (text before it, term, what Erlang wrote),
with atoms as `str` and what was written as Latin-1. ``… COUNT SEED`` writes others to standard output instead.
"""

import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

TARGET: Final = Path(__file__).resolve().parent / "tracing" / "terms.txt"
PRINT: Final = """#!/usr/bin/env escript
main([File]) ->
    io:setopts([{encoding, latin1}]),
    {ok, Terms} = file:consult(File),
    [io:put_chars([io_lib:format(Before ++ "~p~n", [Term]), 0]) || {Before, Term} <- Terms].
"""


def literal(term: Any) -> str:
    """The term in Erlang's notation; binaries as numbers."""
    match term:
        case bytes():
            return f"<<{','.join(map(str, term))}>>"
        case float():
            return f"{term:.17e}"
        case tuple():
            return f"{{{','.join(map(literal, term))}}}"
        case list():
            return f"[{','.join(map(literal, term))}]"
    return str(term)


class Terms:
    """Random terms of one seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def line(self) -> tuple[str, Any]:
        pick = self._random.random()
        if pick < 0.7:
            return "Properties:   ", self.table(self._random.choice([0, 1, 2, 3, 6]))
        if pick < 0.9:
            names = [self.octets() for _ in range(self._random.choice([0, 1, 2, 3, 5, 9]))]
            return self._random.choice(["Routing keys: ", "Routed queues: "]), names
        return self._random.choice(["", "x" * 30, "x" * 78]), self.value(4)

    def octets(self) -> bytes:
        size = self._random.choice([0, 1, 3, 5, 8, 12, 20, 40, 90])
        pick = self._random.random()
        if pick < 0.7:
            return bytes(self._random.choice(b'abcdefghij-_ ."\\\n') for _ in range(size))
        if pick < 0.85:
            return "".join(self._random.choice("aéüßŒ✓") for _ in range(size)).encode()
        return bytes(self._random.randrange(256) for _ in range(size))

    def value(self, depth: int) -> tuple[str, Any]:
        pick = self._random.random()
        if depth and pick < 0.2:
            return "table", self.table(depth - 1)
        if depth and pick < 0.4:
            return "array", [self.value(depth - 1) for _ in range(self._random.choice([0, 1, 2, 3, 8]))]
        if pick < 0.65:
            return "longstr", self.octets()
        if pick < 0.7:
            return "void", "undefined"
        if pick < 0.75:
            return "decimal", (self._random.randrange(5), self._random.randrange(-(10**6), 10**6))
        if pick < 0.85:
            powers = [10.0 ** self._random.randrange(-300, 300), float(2**53), float(2**53 - 1), 1e15, 0.0, -0.0]
            return "double", self._random.choice([1.0, self._random.random()]) * self._random.choice(powers)
        return "signedint", self._random.randrange(-(2**31), 2**31)

    def table(self, depth: int) -> list[Any]:
        size = self._random.choice([0, 1, 1, 2, 3, 6])
        return [(self.octets() or b"key", *self.value(depth)) for _ in range(size)]


def make(count: int, seed: int) -> str:
    """*count* lines."""
    terms = Terms(seed)
    lines = [terms.line() for _ in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        script, consulted = Path(folder, "print.escript"), Path(folder, "terms")
        script.write_text(PRINT)
        consulted.write_text("".join(f'{{"{before}",{literal(term)}}}.\n' for before, term in lines))
        done = subprocess.run(["escript", script, consulted], check=True, capture_output=True)
    written = done.stdout.decode("latin-1").split("\0")[:-1]
    return "".join(f"{(*line, text)!r}\n" for line, text in zip(lines, written, strict=True))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(make(*map(int, sys.argv[1:])), end="")
    else:
        TARGET.write_text(make(80, 7))
