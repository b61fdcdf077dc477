"""What `osloshark doctor` looks at: each thing that osloshark can use, whether it can be used, and what would help.

Nothing is changed, no right is needed, and nothing is waited for longer than `asking.TIMEOUT_S`.
"""

import importlib
import os
import platform
import re
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from dissector.cli.asking import TIMEOUT_S, ask
from dissector.errors import MissingExtraError, UsageError

State = Literal["ok", "missing", "outdated", "broken", "denied", "off"]


class Check(msgspec.Struct, frozen=True, tag_field="type", tag="check"):
    """One thing that was looked at, as ``doctor -T jsonl`` writes it."""

    group: Annotated[str, Meta(description="What it is for: core, extras, capture, wireshark, terminal")]
    name: Annotated[str, Meta(description="The thing")]
    state: Annotated[
        State,
        Meta(description="ok; missing; outdated; broken; denied, for want of a right; off, for it is so set or chosen"),
    ]
    detail: Annotated[str, Meta(description="What was found: a version, a place, a reason")]
    remedy: Annotated[str | None, Meta(description="What helps, where it does not work; null: nothing has to")] = None
    is_needed: Annotated[bool, Meta(description="Whether what it is for does not work without it")] = True

    @property
    def is_ok(self) -> bool:
        """Whether what it is for works, as far as it goes."""
        return self.state == "ok" or not self.is_needed


EXTRAS: Final = {
    "tui": "osloshark tui",
    "web": "osloshark tui --web",
    "live": "osloshark live --capture scapy",
    "arrow": "tables for pandas and polars",
}
"""The extras that a user may install, and what for."""

SELF: Final = "osloshark"
_MODULES: Final = {"google-re2": "re2", "textual-serve": "textual_serve"}
"""What is imported of packages, where it has another name."""
_REQUIREMENT: Final = re.compile(r"([\w.-]+)(?:\[[^]]*\])?\s*(?:.*?>=\s*([\d.]+))?")
_EXTRA: Final = re.compile(r"""extra == ['"]([\w-]+)['"]""")
_VERSION: Final = re.compile(r"\b(\d+(?:\.\d+)+)")
_PYTHON: Final = (3, 11)
_MOST_INTERFACES: Final = 8
"""Interfaces that are tried: each takes a program 0.05 s, and a compute node has hundreds."""
_TUI_SIZE: Final = (80, 24)


def core() -> Iterator[Check]:
    """Look at what everything needs: Python, packages, and whether a message is decoded."""
    version = ".".join(map(str, sys.version_info[:3]))
    wanted = ".".join(map(str, _PYTHON))
    if sys.version_info < _PYTHON:
        yield Check("core", "python", "outdated", version, f"install Python {wanted} or later")
    else:
        yield Check("core", "python", "ok", f"{version}, {sys.executable or platform.python_implementation()}")
    for name, least in _required(None):
        yield _package("core", name, least, f"pip install --upgrade {SELF}")
    yield _decode()


def extras() -> Iterator[Check]:
    """Look at what may be installed besides."""
    for extra, purpose in EXTRAS.items():
        remedy = f"pip install '{SELF}[{extra}]'"
        found = [_package("extras", name, least, remedy) for name, least in _required(extra)]
        if not found:
            told = "this installation was made without knowing of it"
            yield Check("extras", extra, "missing", f"{purpose}: {told}", remedy)
            continue
        lacking = [check for check in found if not check.is_ok]
        told = ", ".join(f"{check.name} {check.detail}" for check in lacking or found)
        state = lacking[0].state if lacking else "ok"
        yield Check("extras", extra, state, f"{purpose}: {told}", remedy if lacking else None)


def _required(extra: str | None) -> list[tuple[str, str]]:
    """Give what osloshark, or one of its extras, was installed to need: names, and the least versions."""
    found = []
    try:
        requirements = metadata.requires(SELF) or []
    except metadata.PackageNotFoundError:  # a checkout on the path: its packages are looked for all the same
        requirements = []
    for requirement in requirements:
        named = _EXTRA.search(requirement)
        matched = _REQUIREMENT.match(requirement.partition(";")[0])
        if (named[1] if named else None) == extra and matched:
            found.append((matched[1], matched[2] or ""))
    return sorted(found)


def _package(group: str, name: str, least: str, remedy: str) -> Check:
    """Look at a package. Those of the core are imported; extras take seconds, and are only looked for."""
    module = _MODULES.get(name, name.replace("-", "_"))
    try:
        version = metadata.version(name)
        if group == "core":
            importlib.import_module(module)
        elif find_spec(module) is None:
            return Check(group, name, "broken", f"{version}, without its module {module}", remedy)
    except metadata.PackageNotFoundError:
        return Check(group, name, "missing", "is not installed", remedy)
    except Exception as error:  # whatever a broken package raises when it is imported
        return Check(group, name, "broken", f"cannot be imported: {type(error).__name__}: {error}", remedy)
    if least and _numbers(version) < _numbers(least):
        return Check(group, name, "outdated", f"{version}, and has to be {least} or later", remedy)
    return Check(group, name, "ok", version)


def _numbers(version: str) -> list[int]:
    """Read a version's numbers; of 4.5rc1 what stands before the letters."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    return [int(part) for part in found[0].split(".")] if found else []


def _decode() -> Check:
    """Decode a capture of one message that is made here, from the file to the method's name."""
    method = "doctor"
    try:
        from dissector import read  # noqa: PLC0415 - is what is looked at
        from dissector.cli.specimen import capture_of_cast  # noqa: PLC0415

        with tempfile.TemporaryFile() as file:
            file.write(capture_of_cast(method))
            file.seek(0)
            found = [message.oslo.method for message in read(f"/dev/fd/{file.fileno()}") if message.oslo]
        if found == [method]:
            return Check("core", "decode", "ok", "a message of its own was read")
        reason = f"a message of its own was read as {found}"
    except Exception as error:  # any: it is what a doctor is asked about
        reason = f"a message of its own cannot be read: {type(error).__name__}: {error}"
    return Check("core", "decode", "broken", reason, f"pip install --force-reinstall {SELF}")


def capture() -> Iterator[Check]:
    """Look at what captures on interfaces, with which right."""
    from dissector.capture.live import child  # noqa: PLC0415 - slow to import

    used = child.find()
    found = {name: shutil.which(name, os.F_OK, path=child.PATH) for name in child.PROGRAMS}
    may = False
    for name, path in found.items():
        if path is None:
            yield Check("capture", name, "missing", "is not installed", is_needed=False)
        elif (reason := _refused(path, "any")) is None:
            may = may or path == used
            yield Check("capture", name, "ok", f"{_version(path) or 'of an unknown version'}, {path}", is_needed=False)
        else:
            # Which of them is used, their rights do not decide.
            is_needed = path == (used or found["dumpcap"])
            yield Check("capture", name, "denied", f"{path}: {reason}", child.grant(path) if is_needed else None)
    own = _own_socket()
    yield own
    if used is not None and may:
        other = " or a socket of osloshark's own" if own.state == "ok" else ""
        yield Check("capture", "right", "ok", f"{_who()} may capture, with {Path(used).name}{other}")
        yield from _interfaces(used)
    elif used is None and own.state == "ok":
        yield Check("capture", "right", "ok", f"{_who()} may capture, with a socket of osloshark's own")
    elif any(found.values()) or own.state == "denied":
        yield Check("capture", "right", "denied", f"{_who()} may not capture", "start it with sudo")
    else:
        remedy = "sudo apt-get install wireshark-common"
        yield Check("capture", "right", "missing", "there is nothing to capture with", remedy)


def _refused(program: str, interface: str) -> str | None:
    """Let dumpcap or tcpdump open an interface, to tell its link types; give why it could not, or None."""
    if not os.access(program, os.X_OK):
        return "is not yours to run"
    answer = ask(program, "-L", "-i", interface)
    if answer.status == 0:
        return None
    if answer.status is None:
        return answer.first_line or f"does not answer within {TIMEOUT_S:g} s"
    inner = re.search(r" \(((?:[^()]|\(\))+)\)", answer.text)
    return inner[1] if inner else answer.first_line.removeprefix(f"{Path(program).name}: ")


def _own_socket() -> Check:
    """Look whether a packet socket can be had, one that takes no packets."""
    name = "socket"
    if find_spec("scapy") is None:
        missing = MissingExtraError("to capture without dumpcap or tcpdump", "live")
        return Check("capture", name, "missing", missing.reason, is_needed=False)
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except OSError as error:
        return Check("capture", name, "denied", error.strerror or str(error), is_needed=False)
    return Check("capture", name, "ok", f"scapy {metadata.version('scapy')}", is_needed=False)


def _interfaces(program: str) -> Iterator[Check]:
    from dissector.capture.live import interfaces  # noqa: PLC0415 - slow to import

    names = [name for _, name in socket.if_nameindex()]
    tried = 0
    for name in names:
        if not interfaces.is_up(name):
            yield Check("capture", name, "off", "is down", is_needed=False)
        elif tried < _MOST_INTERFACES:
            tried += 1
            reason = _refused(program, name)
            state: State = "ok" if reason is None else "denied"
            yield Check("capture", name, state, reason or "can be captured", is_needed=False)
    if (rest := sum(bool(interfaces.is_up(name)) for name in names) - tried) > 0:
        yield Check("capture", "others", "off", f"{rest} more interfaces, which were not tried", is_needed=False)


def wireshark() -> Iterator[Check]:
    """Look at tshark, and at the plugin in it."""
    from dissector.capture.tshark import LEAST_VERSION  # noqa: PLC0415 - slow to import
    from dissector.interop import install, lua  # noqa: PLC0415

    path = shutil.which("tshark")
    if path is None:
        yield Check("wireshark", "tshark", "missing", "is not on the PATH", "sudo apt-get install tshark")
        return
    answer = ask(path, "--version")
    version = _VERSION.search(answer.text)
    if version is None:
        said = answer.first_line if answer.status is not None else f"does not answer within {TIMEOUT_S:g} s"
        yield Check("wireshark", "tshark", "broken", f"{path}: {said}", "install tshark anew")
        return
    has_lua = re.search(r"with\s+Lua", answer.text) is not None
    wanted = ".".join(map(str, LEAST_VERSION))
    if _numbers(version[1]) < list(LEAST_VERSION):
        remedy = f"install Wireshark {wanted} or later"
        yield Check("wireshark", "tshark", "outdated", f"{version[1]}, and has to be {wanted} or later", remedy)
        return
    yield Check("wireshark", "tshark", "ok", f"{version[1]}, {path}")
    if not has_lua:
        yield Check("wireshark", "plugin", "broken", "this Wireshark is made without Lua", "install one with Lua")
        return
    remedy = f"{SELF} lua --install"
    try:
        plugin = install.place(install.folders(TIMEOUT_S))
        text = plugin.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        yield Check("wireshark", "plugin", "missing", "is not installed", remedy)
    except (UsageError, OSError) as error:
        yield Check("wireshark", "plugin", "broken", str(error), f"{SELF} lua -o FILE, and tshark -X lua_script:FILE")
    else:
        if text == lua.bundle():
            yield Check("wireshark", "plugin", "ok", f"up to date, {plugin}")
        elif install.is_ours(plugin):
            yield Check("wireshark", "plugin", "outdated", f"of another version, {plugin}", remedy)
        else:
            yield Check("wireshark", "plugin", "broken", f"{plugin}: osloshark did not write it", "move it away first")


def terminal() -> Iterator[Check]:
    """Look at where output goes."""
    name = os.environ.get("TERM", "")
    encoding = (sys.stdout.encoding or "").lower() if sys.stdout is not None else ""
    if sys.stdout is None or not sys.stdout.isatty():
        yield Check("terminal", "output", "off", "no terminal: lines are neither cut nor coloured", is_needed=False)
    else:
        columns, lines = shutil.get_terminal_size()
        size = f"{columns} columns, {lines} lines"
        if name in ("", "dumb"):
            said = f"TERM is {name or 'not set'}"
            yield Check("terminal", "output", "broken", said, "export TERM=xterm-256color, or what it is")
        elif (columns, lines) < _TUI_SIZE or lines < _TUI_SIZE[1]:
            yield Check("terminal", "output", "outdated", size, "osloshark tui needs 80 columns and 24 lines")
        else:
            yield Check("terminal", "output", "ok", f"{name}, {size}")
        why = "NO_COLOR is set" if os.environ.get("NO_COLOR") else f"TERM is {name}" if name in ("", "dumb") else None
        if why:
            yield Check("terminal", "colours", "off", why, is_needed=False)
        else:
            yield Check("terminal", "colours", "ok", os.environ.get("COLORTERM") or "those of the terminal")
    if encoding.replace("-", "") == "utf8":
        yield Check("terminal", "characters", "ok", "UTF-8")
    else:
        yield Check("terminal", "characters", "broken", encoding or "unknown", "export LC_ALL=C.UTF-8")


def _version(path: str) -> str | None:
    found = _VERSION.search(ask(path, "--version").text)
    return found[1] if found else None


def _who() -> str:
    import pwd  # noqa: PLC0415 - for a line

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user {os.geteuid()}"


GROUPS: Final[dict[str, tuple[str, Callable[[], Iterator[Check]]]]] = {
    "core": ("captures are read, calls joined", core),
    "extras": ("what pip can add", extras),
    "capture": ("osloshark live, and -i", capture),
    "wireshark": ("--via tshark, and the plugin", wireshark),
    "terminal": ("where output goes", terminal),
}
"""By name: what it is for, and what looks at it."""
