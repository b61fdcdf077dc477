"""What Python prints in the pages: in the block marked ``text`` right below one marked ``python``.

The blocks of a page are run in their order, as one program, in a folder in which nothing is but ``pcaps/`` and
``README.md``; what one writes, the next may read. ``python -m docs.generate.pythonblocks`` writes them anew,
``--check`` only compares (`dissector.drift`).
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from dissector import drift

ROOT = Path(__file__).resolve().parents[2]

_BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<printed>.*?)^```\n)?", re.MULTILINE | re.DOTALL)
_TIMEOUT_S = 120
_RUN = """
import contextlib, io, json, sys

printed = {}
for page, blocks in json.load(sys.stdin).items():
    namespace = {"__name__": "__main__"}
    for number, code in enumerate(blocks, 1):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(code, f"{page}, block {number}", "exec"), namespace)
        printed.setdefault(page, []).append(out.getvalue())
json.dump(printed, sys.stdout)
"""


class PageFailed(Exception):
    """An example of a page raised something."""


def pages(root: Path) -> list[Path]:
    """Give the pages that have Python in them: those of the docs, and those above."""
    every = [*sorted(root.glob("*.md")), *sorted((root / "docs").glob("*.md"))]
    return [page for page in every if _BLOCK.search(page.read_text(encoding="utf-8"))]


def code(page: Path) -> list[str]:
    """Give the blocks of a page."""
    return [block["code"] for block in _BLOCK.finditer(page.read_text(encoding="utf-8"))]


def rendered(root: Path) -> dict[Path, str]:
    """Give each of these pages with what its blocks print now. Raises `PageFailed` where one of them raises."""
    found = pages(root)
    printed = _run({str(page): code(page) for page in found})
    return {page: _with(page, iter(printed[str(page)])) for page in found}


def _with(page: Path, printed: Iterator[str]) -> str:
    def again(block: re.Match[str]) -> str:
        shown = "\n".join(line.rstrip() for line in next(printed).splitlines())
        return f"```python\n{block['code']}```\n" + (f"\n```text\n{shown}\n```\n" if shown else "")

    return _BLOCK.sub(again, page.read_text(encoding="utf-8"))


def _run(blocks: dict[str, list[str]]) -> dict[str, list[str]]:
    """Run the blocks of pages, all in one process, for what they import takes long; give what they print."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("pcaps", "README.md"):
            (Path(folder) / name).symlink_to(ROOT / name)
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", _RUN],
            cwd=folder,
            env={**os.environ, "TZ": "UTC"},
            input=json.dumps(blocks),
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
        )
    if done.returncode or done.stderr:
        raise PageFailed(done.stderr)
    printed: dict[str, list[str]] = json.loads(done.stdout)
    return printed


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or with ``--check`` compare them; the worst exit status of all."""
    return max(
        drift.main(page, "what its examples print", text.__str__, arguments) for page, text in rendered(ROOT).items()
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
