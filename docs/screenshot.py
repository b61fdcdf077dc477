"""Makes ``docs/read.svg``, the picture in the README: what ``osloshark read`` shows of a shipped capture."""

import io
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).parent
COMMAND = ["osloshark", "read", "pcaps/demo.pcap"]
COLUMNS = 160
FIRST, LINES = 46, 28


def main() -> None:
    """Run the command as on a terminal of `COLUMNS`, and draw some of its lines."""
    shown = _on_terminal([str(Path(sys.executable).with_name(COMMAND[0])), *COMMAND[1:]]).splitlines()
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text(f"$ {' '.join(COMMAND)}", style="bold"))
    for line in shown[FIRST : FIRST + LINES]:
        console.print(Text.from_ansi(line), soft_wrap=True)
    (HERE / "read.svg").write_text(console.export_svg(title="osloshark", unique_id="osloshark"))


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
