"""``python -m tests.fuzz.timing``: the processor's time for a body or a field table of 64 kB by shape, worst first.

A second figure is how much longer it takes than half of it: 2 where time is linear.
"""

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

from . import shapes, work

SIZE = 64_000
MOST_MS = 50.0


def _ms(do: Callable[[bytes], Any], data: bytes) -> float:
    best = float("inf")
    for _ in range(5):
        started = time.process_time()
        do(data)
        best = min(best, (time.process_time() - started) * 1000)
        if best > 4 * MOST_MS:
            break
    return best


def main() -> int:
    """Print the table; 1 where a shape takes longer than `MOST_MS`."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.timing", description="Time hostile shapes.")
    parser.add_argument("--rows", type=int, default=6, help="shapes that are shown of each kind of work (default: 6)")
    parser.add_argument("--size", type=int, default=SIZE, help=f"bytes (default: {SIZE:,})")
    arguments = parser.parse_args()
    enveloped = {f"{name}, in an envelope": make for name, make in shapes.JSON.items()}
    made = {name: (make(arguments.size), make(arguments.size // 2)) for name, make in shapes.JSON.items()}
    made |= {
        name: (shapes.enveloped(make(arguments.size // 2)), shapes.enveloped(make(arguments.size // 4)))
        for name, make in enveloped.items()
    }
    tables = {name: (make(arguments.size), make(arguments.size // 2)) for name, make in shapes.TABLES.items()}
    slow = 0
    for what, do, inputs in [
        *((f"body: {name}", do, made) for name, do in work.BODIES.items()),
        *((f"field table: {name}", do, tables) for name, do in work.TABLES.items()),
    ]:
        figures = sorted(
            ((_ms(do, whole), _ms(do, half), name, len(whole)) for name, (whole, half) in inputs.items()), reverse=True
        )
        print(what)
        for whole, half, name, size in figures[: arguments.rows]:
            print(f"  {whole:8.2f} ms  x{whole / half if half else 0:4.1f}  {size:>7,} bytes  {name}")
        slow += sum(whole > MOST_MS for whole, *_ in figures)
    print(f"{slow} over {MOST_MS:g} ms")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
