"""Runs the installed command as a user does."""

import subprocess
import sys
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("osloshark"))


def osloshark(*arguments: object, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run the command; its output, its errors and its status."""
    words = [COMMAND, *map(str, arguments)]
    source = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
    return subprocess.run(words, capture_output=True, check=False, timeout=120, **source)
