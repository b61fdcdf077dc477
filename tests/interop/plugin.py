"""What the tests of the plugin share: tshark with the bundle, and what the command line says of the same capture."""

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from dissector.fields import FIELDS
from dissector.interop import lua

RENAMED = {"rpc.version": "rpc.api_version"}
"""Registry name to the plugin's, where Wireshark has another field of that name."""
LEFT_OUT = {"amqp.channel", "body.base64"}
"""Wireshark's own AMQP dissector shows the one; of octets that are no text the plugin shows none."""
SHARED = [name for name in FIELDS if name.partition(".")[0] in lua.GROUPS and name not in LEFT_OUT]
OWN_FRAMING = ("-o", "oslo.mode:2")

_TRUE = ("1", "True", "true")


def tshark(path: Path, *options: str, script: Path = lua.TARGET, timeout: int = 120) -> str:
    """Run tshark with the plugin, on its own settings; give its output. It must not complain about Lua."""
    command = ["tshark", "-n", "-X", f"lua_script:{script}", "-r", str(path), *options]
    environment = os.environ | {"XDG_CONFIG_HOME": "/nonexistent", "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, capture_output=True, timeout=timeout, check=False, env=environment)
    output, errors = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    complaints = [line for line in (output + errors).splitlines() if "lua" in line.lower()]
    assert not complaints, complaints[:5]
    assert "_ws.lua" not in output
    return output


def shown(path: Path, *options: str) -> dict[int, dict[str, list[Any]]]:
    """Let tshark show the shared fields of each packet: number → registry name → values in the order of messages."""
    names = {RENAMED.get(name, name): name for name in SHARED}
    arguments = [argument for name in ("frame.number", *names) for argument in ("-e", name)]
    output = tshark(path, "-T", "json", "-Y", "oslo", *arguments, *options)
    found: dict[int, dict[str, list[Any]]] = {}
    for packet in json.loads(output or "[]"):
        layers = packet["_source"]["layers"]
        (number,) = layers.pop("frame.number")
        found[int(number)] = {
            names[name]: [_value(names[name], text) for text in texts] for name, texts in layers.items()
        }
    return found


def _value(name: str, text: str) -> Any:
    match FIELDS[name].type.removesuffix("[]"):
        case "integer":
            return int(text)
        case "number":
            return float(text)
        case "boolean":
            return text in _TRUE
        case "json":
            return json.loads(text)
        case _:
            return text


def osloshark(command: str, path: Path, *options: str) -> list[dict[str, Any]]:
    """Let the command line write its records of a capture."""
    arguments = [
        sys.executable,
        "-c",
        "from dissector.cli import main; main()",
        command,
        "-T",
        "jsonl",
        *options,
        str(path),
    ]
    done = subprocess.run(arguments, capture_output=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def values_of(record: Any, path: tuple[str, ...]) -> list[Any]:
    """Give all values of a record at a path, none of them null."""
    for index, part in enumerate(path):
        if isinstance(record, list):
            return [value for item in record for value in values_of(item, path[index:])]
        if not isinstance(record, dict) or record.get(part) is None:
            return []
        record = record[part]
    if isinstance(record, str):
        record = record.replace("\0", "␀")
    return [] if record is None else [record]


class Said:
    """What the command line says of a capture, by packets."""

    def __init__(self, path: Path) -> None:
        self.messages: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for record in osloshark("read", path):
            self.messages[record["frame"]["number"]].append(record)
        self.calls = osloshark("calls", path)
        self._by_id: dict[tuple[str, str], dict[str, Any]] = {}
        for call in self.calls:
            rpc = call["rpc"]
            for name in ("unique_id", "msg_id"):
                if rpc[name] is not None:
                    self._by_id.setdefault((name, rpc[name]), call)

    def call_of(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """Find the call that a message belongs to; None where it belongs to none."""
        oslo = message["oslo"]
        if oslo is None:
            return None
        is_reply = oslo["kind"] in ("reply", "heartbeat")
        name = "msg_id" if is_reply or oslo["unique_id"] is None else "unique_id"
        return self._by_id.get((name, oslo[name]))

    def fields(self, name: str) -> dict[int, list[Any]]:
        """Give the values of a field: packet → values in the order of messages, where there are any."""
        path = tuple(name.split("."))
        is_of_call = path[0] == "rpc"
        found = {}
        for number, messages in self.messages.items():
            records = map(self.call_of, messages) if is_of_call else messages
            values = [value for record in records for value in values_of(record, path)]
            if values:
                found[number] = values
        return found
