"""Generated files: written anew, or compared with what would be written."""

import difflib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path


def main(target: Path, source: str, render: Callable[[], str], arguments: Sequence[str]) -> int:
    """Write the file ``target``, or with ``--check`` compare it; give the exit status.

    0: written, or the same; 1: it differs from what ``source``, as it is called, makes, and how is printed; 2: it
    could not be compared, or the arguments are wrong.
    """
    if list(arguments) not in ([], ["--check"]):
        print(f"usage: no argument writes {target.name} anew, --check compares it", file=sys.stderr)
        return 2
    wanted = render()
    if not arguments:
        target.write_text(wanted, encoding="utf-8")
        return 0
    try:
        found = target.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        print(f"cannot read {target}: {error}", file=sys.stderr)
        return 2
    lines = found.splitlines(keepends=True), wanted.splitlines(keepends=True)
    drift = "".join(difflib.unified_diff(*lines, str(target), source))
    print(drift, end="")
    return 1 if drift else 0
