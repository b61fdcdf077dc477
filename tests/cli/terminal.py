"""A command on a real terminal: tmux's, whose screen can be read."""

import subprocess
import time
from pathlib import Path

_SHELL = """trap : INT; "$@"; echo "ended with $?"; exec cat"""


class Terminal:
    """A terminal of tmux with a command in it; when that has ended, it says with what status."""

    def __init__(self, folder: Path, *words: object, size: tuple[int, int] = (80, 24)) -> None:
        self._tmux = ["tmux", "-S", str(folder / "tmux"), "-f", "/dev/null"]
        width, height = size
        self._run("new-session", "-d", "-x", width, "-y", height, "--", "sh", "-c", _SHELL, "sh", *words)

    def _run(self, *words: object) -> str:
        return subprocess.run(
            [*self._tmux, *map(str, words)], capture_output=True, text=True, check=True, timeout=30
        ).stdout

    def lines(self) -> list[str]:
        """What is on it."""
        return self._run("capture-pane", "-p").split("\n")[:-1]

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names for them, else as text."""
        for key in keys:
            self._run("send-keys", key)

    def type(self, text: str) -> None:
        """Type a text."""
        self._run("send-keys", "-l", text)

    def resize(self, width: int, height: int) -> None:
        """Give it another size."""
        self._run("resize-window", "-x", width, "-y", height)

    def wait_for(self, text: str) -> list[str]:
        """Wait until something is on it; what is then."""
        until = time.monotonic() + 30
        while text not in "\n".join(lines := self.lines()):
            assert time.monotonic() < until, "\n".join(lines)
            time.sleep(0.05)
        return lines

    def close(self) -> None:
        """End it, and the command."""
        self._run("kill-server")
