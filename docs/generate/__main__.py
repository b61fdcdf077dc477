"""Write all of it anew, or compare it; see `docs.generate`. Exit status as of `dissector.drift.main`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from dissector import drift
from docs.generate import clipage, console, limitspage, man

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or with ``--check`` compare them; the worst exit status of all."""
    docs = ROOT / "docs"
    statuses = [
        drift.main(docs / "cli.md", "the command line", clipage.render, arguments),
        drift.main(docs / "limits.md", "dissector/limits.py", limitspage.render, arguments),
    ]
    wanted = man.pages()
    statuses += [
        drift.main(docs / "man" / name, "the command line", text.__str__, arguments) for name, text in wanted.items()
    ]
    for stale in {path for path in (docs / "man").iterdir() if path.name not in wanted}:
        if arguments:
            print(f"{stale}: there is no such command any more")
            statuses.append(1)
        else:
            stale.unlink()
    try:
        shown = console.rendered(ROOT)
    except console.CommandFailed as error:
        print(error, file=sys.stderr)
        return 2
    statuses += [drift.main(page, "what its commands print", text.__str__, arguments) for page, text in shown.items()]
    return max(statuses)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
