"""``python -m tests.lab pcaps [NAME…]``: remake the shipped captures, all or some."""

import sys

from . import captures


def main(arguments: list[str]) -> int:
    """Exit status 0, or 2 for a command or a capture that is not known."""
    known = {capture.name for capture in captures.CAPTURES}
    if arguments[:1] != ["pcaps"] or not known.issuperset(arguments[1:]):
        print(f"usage: python -m tests.lab pcaps [NAME…]\ncaptures: {', '.join(sorted(known))}", file=sys.stderr)
        return 2
    captures.make(arguments[1:])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
