"""What an installed osloshark is asked to do, wherever it came from."""

import json
import subprocess
from pathlib import Path

from ..lab import truth
from .environments import Environment

MISSING = {
    "tui": (["tui", "DEMO"], "the terminal UI"),
    "web": (["tui", "--web", "DEMO"], "the terminal UI in a browser"),
    "live": (["live", "--capture", "scapy", "lo"], "to capture without dumpcap or tcpdump"),
}
"""By extra: the command that needs it, and how that is called where it is missing."""
USED = {
    "tui": "import dissector.tui.app",
    "web": "import dissector.tui.app, textual_serve.server",
    "live": "import scapy.arch.linux",
    "arrow": "import dissector; print(dissector.to_arrow(dissector.read({demo!r})).num_rows)",
}
"""By extra: Python that needs it."""


def use(environment: Environment, folder: Path) -> None:
    """Read a capture, join its calls, count them, from a folder that has nothing to do with the sources."""
    demo = truth.captures()["demo"]
    read = environment.run("read", "-T", "jsonl", demo, folder=folder)
    assert (read.returncode, len(read.stdout.splitlines())) == (0, 82), read.stderr
    calls = environment.run("calls", "--status", "failed", "-T", "jsonl", demo, folder=folder)
    assert json.loads(calls.stdout)["rpc"]["method"] == "attach_interface", calls.stderr
    stats = environment.run("stats", demo, folder=folder)
    assert "report_state" in stats.stdout, stats.stderr
    page = environment.folder / "share" / "man" / "man1" / "osloshark.1"
    assert page.read_text().startswith('.\\" Made of the command line')
    assert environment.run("lua", folder=folder).stdout.startswith("-- osloshark "), "the plugin is in the wheel"


def doctored(environment: Environment, folder: Path) -> dict[tuple[str, str], str]:
    """Ask the doctor; the state of each thing by its group and name."""
    done = environment.run("doctor", "-T", "jsonl", "core", "extras", folder=folder)
    assert "Traceback" not in done.stderr, done.stderr
    checks = map(json.loads, done.stdout.splitlines())
    return {(check["group"], check["name"]): check["state"] for check in checks}


def use_extra(environment: Environment, folder: Path, extra: str) -> subprocess.CompletedProcess[str]:
    """Run the Python that needs an extra."""
    code = USED[extra].format(demo=str(truth.captures()["demo"]))
    command = [str(environment.python), "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, timeout=120)


def miss(environment: Environment, folder: Path, extra: str) -> None:
    """Ask for what an extra brings, where it is not."""
    demo = str(truth.captures()["demo"])
    if extra not in MISSING:
        said = use_extra(environment, folder, extra).stderr
        assert f"pip install 'osloshark[{extra}]'" in said.splitlines()[-1]
        return
    words, what = MISSING[extra]
    done = environment.run(*[demo if word == "DEMO" else word for word in words], folder=folder)
    assert done.stderr == f"osloshark: {what} needs the \"{extra}\" extra: pip install 'osloshark[{extra}]'\n"
    assert done.returncode == 2
