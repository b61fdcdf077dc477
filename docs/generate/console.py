"""What commands print in the pages: in blocks marked ``console``, below each line that begins with ``$``.

    ```console
    $ osloshark stats -q pcaps/demo.pcap | head -n 3
    method  …
    ```

The commands of a page are run in their order, in a folder in which nothing is but ``pcaps/``; what one writes, the next
may read. Standard error comes last. The times are UTC, and there is no terminal.
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from docs.generate.clitree import NAME

_BLOCK = re.compile(r"^(?P<indent> *)```console\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_PROMPT = "$ "
_TIMEOUT_S = 120
_OPERATORS = frozenset("|<>&;()")
"""What words consist of that only a shell understands."""
_BROKEN = 70
"""The status of a child that did not end as a command does."""
_WITHOUT = ("COLUMNS", "FORCE_COLOR", "OSLOSHARK_DEBUG")
"""What is set on somebody's machine and changes what is printed."""


class CommandFailed(Exception):
    """A command of a page could not do what it was to do."""


def pages(root: Path) -> list[Path]:
    """Give the pages: those of the docs, and those above."""
    return [*sorted(root.glob("*.md")), *sorted((root / "docs").glob("*.md"))]


def rendered(root: Path) -> dict[Path, str]:
    """Give each page that has such a block, with what its commands print now."""
    texts = {page: page.read_text(encoding="utf-8") for page in pages(root)}
    return {page: _render(text, root, page) for page, text in texts.items() if _BLOCK.search(text)}


def commands(text: str) -> Iterator[str]:
    """Give the commands of a page."""
    for block in _BLOCK.finditer(text):
        for line in block["body"].splitlines():
            if line.strip().startswith(_PROMPT):
                yield line.strip().removeprefix(_PROMPT)


def _render(text: str, root: Path, page: Path) -> str:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pcaps").symlink_to(root / "pcaps")

        def again(block: re.Match[str]) -> str:
            indent = block["indent"]
            lines = [f"{indent}```console"]
            for line in block["body"].splitlines():
                if line.strip().startswith(_PROMPT):
                    shown = run(line.strip().removeprefix(_PROMPT), folder, page)
                    lines += [line, *(f"{indent}{told}".rstrip() for told in shown.rstrip().splitlines())]
            return "\n".join([*lines, f"{indent}```"])

        return _BLOCK.sub(again, text)


def run(command: str, folder: str, page: Path) -> str:
    """Give what a command prints. Raises `CommandFailed` where it is none that does what it says."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    program, *words = lexer
    is_plain = program == NAME and not any(_OPERATORS.issuperset(word) for word in words if word)
    status, said = _run_here(words, folder) if is_plain else _run_in_shell(command, folder)
    if status > 1:
        raise CommandFailed(f"{page.name}: {command}: ends with status {status}: {said.strip()}")
    return said


def _environment() -> dict[str, str]:
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"
    kept = {name: value for name, value in os.environ.items() if name not in _WITHOUT}
    return {**kept, "PATH": path, "TZ": "UTC", "LC_ALL": "C.UTF-8", "NO_COLOR": "1"}


def _run_in_shell(command: str, folder: str) -> tuple[int, str]:
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=folder,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=_TIMEOUT_S,
    )
    return done.returncode, (done.stdout + done.stderr).decode()


def _run_here(words: list[str], folder: str) -> tuple[int, str]:
    """Run osloshark in a child of this process, which has imported it already: a tenth of the time."""
    from dissector.cli.main import main  # noqa: PLC0415 - and once is enough

    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if not child:
            try:
                os.chdir(folder)
                os.environ.clear()
                os.environ.update(_environment())
                time.tzset()
                for descriptor, file in enumerate((open(os.devnull, "rb"), out, err)):  # noqa: SIM115, PTH123
                    os.dup2(file.fileno(), descriptor)
                sys.argv = [NAME, *words]
                main()
            except SystemExit as ended:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(int(ended.code or 0))
            finally:
                os._exit(_BROKEN)
        _, status = os.waitpid(child, 0)
        out.seek(0)
        err.seek(0)
        return os.waitstatus_to_exitcode(status), (out.read() + err.read()).decode()
