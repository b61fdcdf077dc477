"""Makes the pictures in the README: what commands show of a shipped capture."""

import asyncio
import io
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.text import Text

import dissector
from dissector.reading import Reading
from dissector.tui.app import OslosharkApp
from dissector.tui.session import Session

HERE = Path(__file__).parent
COLUMNS = 160
CAPTURE = "pcaps/demo.pcap"
SCREENS = {
    "tui.svg": ["j", "enter", "down", "down", "down", "down"],
    "tui-calls.svg": ["2", "down", "down"],
    "tui-ladder.svg": ["2", "down", "enter"],
}
"""Pictures of the terminal UI, and the keys that lead there."""


def main() -> None:
    """Run commands as on a terminal of `COLUMNS`, and draw some of their lines."""
    osloshark = str(Path(sys.executable).with_name("osloshark"))
    shown = _on_terminal([osloshark, "read", CAPTURE]).splitlines()
    _draw("read.svg", f"osloshark read {CAPTURE}", shown[46:74])
    request_id = _busiest_request()
    shown = _on_terminal([osloshark, "trace", "-q", request_id, CAPTURE]).splitlines()
    _draw("trace.svg", f"osloshark trace {request_id[:12]} {CAPTURE}", shown[:26])
    asyncio.run(_screens())


async def _screens() -> None:
    """Draw screens of the terminal UI."""
    for name, keys in SCREENS.items():
        session = Session(Reading([CAPTURE]), [CAPTURE])
        app = OslosharkApp(session)
        async with app.run_test(size=(120, 34)) as pilot:
            while not session.is_done:
                await pilot.pause(0.05)
            await pilot.pause(0.5)
            for key in keys:
                await pilot.press(key)
                await pilot.pause(0.3)
            # Without the shapes of a font from elsewhere.
            svg = re.sub(r"@font-face \{.*?\}", "", app.export_screenshot(title="osloshark tui"), flags=re.DOTALL)
            (HERE / name).write_text(re.sub(r"terminal-\d+", "terminal-osloshark", svg))


def _busiest_request() -> str:
    ids = Counter(message.oslo.request_id for message in dissector.read(HERE.parent / CAPTURE) if message.oslo)
    return next(request_id for request_id, _ in ids.most_common() if request_id)


def _draw(name: str, command: str, lines: list[str]) -> None:
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text(f"$ {command}", style="bold"))
    for line in lines:
        console.print(Text.from_ansi(line), soft_wrap=True)
    (HERE / name).write_text(console.export_svg(title="osloshark", unique_id="osloshark"))


def _on_terminal(command: list[str]) -> str:
    """Run a command with its standard output on a pseudo-terminal."""
    script = [
        "script",
        "--quiet",
        "--return",
        "--command",
        f"stty cols {COLUMNS}; exec {' '.join(command)}",
        "/dev/null",
    ]
    done = subprocess.run(script, cwd=HERE.parent, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=True)
    return done.stdout.decode().replace("\r\n", "\n")


if __name__ == "__main__":
    main()
