"""The bundle under a plain Lua, without Wireshark: the modules that need nothing of it."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from dissector.interop import lua

LUAS = ("lua5.2", "lua5.4")
"""The oldest and the newest Lua that Wireshark comes with."""

_DEMO = Path(__file__).parents[2] / "pcaps" / "demo.pcap"
_MAIN = f'\nneed("{lua.MAIN}").start(...)\n'


def run(interpreter: str, script: str, lines: Sequence[str], directory: Path) -> list[str]:
    """Run a script behind the bundle's modules; give what it prints, line by line."""
    path = _write(script, directory)
    done = subprocess.run([interpreter, str(path)], input="\n".join(lines).encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().splitlines()


def run_in_tshark(script: str, lines: Sequence[str], directory: Path) -> list[str]:
    """Do that in tshark, which has libraries that Lua itself has not; the script finds the lines by ``io.lines()``."""
    path = _write(script, directory)
    command = ["tshark", "-n", "-q", "-X", f"lua_script:{path}", "-r", str(_DEMO), "-c", "1"]
    done = subprocess.run(command, input="\n".join(lines).encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert "lua" not in done.stderr.decode().lower(), done.stderr.decode()
    return done.stdout.decode().splitlines()


def _write(script: str, directory: Path) -> Path:
    text = lua.render()
    assert text.endswith(_MAIN)
    path = directory / "plain.lua"
    path.write_text(text.removesuffix(_MAIN) + script, encoding="utf-8")
    return path


def masked_texts(interpreter: str, texts: Sequence[str], directory: Path) -> list[str]:
    """Let the plugin mask free texts."""
    script = (
        'local json, masktext = need("json"), need("masktext")\n'
        "for line in io.lines() do print(json.quote(masktext.mask_text((json.decode(line))))) end\n"
    )
    return [json.loads(line) for line in run(interpreter, script, [json.dumps(text) for text in texts], directory)]


def masked_values(interpreter: str, texts: Sequence[str], directory: Path) -> list[str]:
    """Let the plugin decode JSON texts and mask the values; JSON texts again, or the word ``none``."""
    script = (
        'local json, masking = need("json"), need("masking")\n'
        "for line in io.lines() do\n"
        "  local value = json.decode((json.decode(line)))\n"
        '  print(value == nil and "none" or json.encode(masking.mask(value)))\n'
        "end\n"
    )
    return run(interpreter, script, [json.dumps(text) for text in texts], directory)
