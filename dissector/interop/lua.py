"""The plugin for Wireshark: bundles ``lua/*.lua`` and the tables that it works by into one file.

``python -m dissector.interop.lua`` writes ``lua/osloshark.lua``; ``--check`` only compares (`dissector.drift`). The
tables come from the AMQP specification, the field registry, the limits and the names of secrets, so that none of these
is typed twice. The bundle depends on nothing else: the same sources give the same octets.
"""

import hashlib
import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from dissector import drift, limits
from dissector._version import __version__
from dissector.amqp import constants
from dissector.amqp.spec import CLASSES, dotted
from dissector.errors import UsageError
from dissector.fields import FIELDS
from dissector.oslo import maskpairs, secretkeys

SOURCES: Final = Path(__file__).resolve().parents[2] / "lua"
"""Where the sources are, in a checkout; an installed package has only the bundle."""
TARGET: Final = SOURCES / "osloshark.lua"
SHIPPED: Final = Path(__file__).with_name("osloshark.lua")
"""The bundle in an installed package."""
MAIN: Final = "plugin"
"""The source that is run; it asks for the others."""

GROUPS: Final = ("amqp", "oslo", "body", "rpc")
"""Groups of the registry that the plugin shows; Wireshark has its own names for the rest."""

PLUGIN_LIMITS: Final = (
    "PLUGIN_BODY_BYTES",
    "PLUGIN_CHECKED_BYTES",
    "PLUGIN_COMPRESSED_BYTES",
    "PLUGIN_KEPT_BYTES",
    "PLUGIN_MEMBERS",
    "PLUGIN_MEMO_BYTES",
    "PLUGIN_MEMO_ENTRIES",
    "PLUGIN_MESSAGES",
    "PLUGIN_UNFINISHED_BYTES",
)
"""Limits that only the plugin has; of the others it takes those that its sources name."""

_BETWEEN_WORDS: Final = "[_%-%. ]?"
_NOT_BEFORE_PASS: Final = ("by", "com", "sur", "tres")
_SECRET_PARTS: Final = (
    "pass", "key", "secret", "token", "cred", "psk", "pswd", "pwd", "kek", "trust", "cookie", "configdrive", "inject",
    "catalog", "author", "cephclu", "hashsuf", "personality", ("user", "data"), ("temp", "url"),
)  # fmt: skip
"""Of which every name of a secret holds one, or both: the quick look of `secretkeys.mentions_secret`."""
_ZLIB_NAMES: Final = ("application/x-gzip", "gzip", "zlib")
"""What kombu calls zlib, the one codec that Wireshark's Lua can undo."""
_LIMIT: Final = re.compile(r"\b(?:limits|LIMITS)\.([A-Z_]+)")
_NEEDED: Final = re.compile(r'\bneed\("(\w+)"\)')


def bundle() -> str:
    """Give the text of the plugin, as it was shipped or, in a checkout, as it lies in ``lua/``.

    Raises `UsageError` where neither is there.
    """
    for path in (SHIPPED, TARGET):
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise UsageError(f"the plugin is missing from this installation ({SHIPPED}); install osloshark anew")


def sources() -> dict[str, str]:
    """Read the hand-written sources, by name, each behind those that it needs."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted(SOURCES.glob("*.lua")) if path != TARGET}
    ordered: dict[str, str] = {}

    def add(name: str) -> None:
        if name not in ordered and name in texts:
            for needed in _NEEDED.findall(texts[name]):
                add(needed)
            ordered[name] = texts[name]

    for name in sorted(texts):
        add(name)
    return ordered


def render() -> str:
    """Make the bundle."""
    texts = sources()
    wanted = sorted({*PLUGIN_LIMITS, *(name for text in texts.values() for name in _LIMIT.findall(text))})
    tables = f"return {_lua(_tables(wanted))}\n"
    digest = hashlib.sha256(tables.encode()).hexdigest()
    return "".join(
        (
            f"-- osloshark {__version__}: oslo.messaging RPC over AMQP 0-9-1, for Wireshark 4.0 and later.\n"
            f"-- Tables: sha256 {digest}\n"
            "-- Made by `make lua` of lua/*.lua and the tables of osloshark; never edit it by hand.\n"
            "-- SPDX-License-Identifier: GPL-2.0-or-later\n\n"
            "local modules, loaded = {}, {}\n\n"
            "local function need(name)\n"
            "  if loaded[name] == nil then\n"
            "    loaded[name] = modules[name](need)\n"
            "  end\n"
            "  return loaded[name]\n"
            "end\n",
            _module("tables", tables),
            *(_module(name, text) for name, text in texts.items()),
            f'\nneed("{MAIN}").start(...)\n',
        )
    )


def _module(name: str, text: str) -> str:
    return f"\n-- {name} {'-' * (112 - len(name))}\nmodules.{name} = function(need)\n{text}end\n"


def _tables(wanted: Sequence[str]) -> dict[str, Any]:
    """Give what the runtime knows as data; ``wanted`` are the limits that it reads."""
    properties = next(klass.properties for klass in CLASSES if klass.properties)
    return {
        "version": __version__,
        "port": constants.PORT,
        "protocol_header": constants.PROTOCOL_HEADER,
        "limits": {name: getattr(limits, name) for name in wanted},
        "frame": {
            "METHOD": constants.FRAME_METHOD,
            "HEADER": constants.FRAME_HEADER,
            "BODY": constants.FRAME_BODY,
            "HEARTBEAT": constants.FRAME_HEARTBEAT,
            "END": constants.FRAME_END,
            "MIN_SIZE": constants.FRAME_MIN_SIZE,
            "CONTENT_HEADER_BYTES": constants.CONTENT_HEADER_BYTES,
        },
        "content_class": next(klass.id for klass in CLASSES if klass.properties),
        "methods": {
            klass.id << 16 | method.id: {
                "name": dotted(klass, method.name),
                "arguments": [argument.name for argument in method.arguments],
                "kinds": [argument.type for argument in method.arguments],
            }
            for klass in CLASSES
            for method in klass.methods
        },
        "properties": [{"name": argument.name, "kind": argument.type} for argument in properties],
        "field_types": {row.tag: row.kind for row in constants.FIELD_TYPES},
        "fields": [
            {"name": field.name, "kind": field.type, "unit": field.unit, "meaning": field.meaning}
            for field in FIELDS.values()
            if field.name.partition(".")[0] in GROUPS
        ],
        "secrets": {
            "stems": [_BETWEEN_WORDS.join(stem.split("_")) for stem in secretkeys.STEMS],
            "words": [stem.partition("_")[0] for stem in secretkeys.STEMS],
            "not_before_pass": list(_NOT_BEFORE_PASS),
            "parts": [list(part) if isinstance(part, tuple) else [part] for part in _SECRET_PARTS],
            "value_keys": dict.fromkeys(sorted(maskpairs.VALUE_KEYS), True),
            "name_keys": dict.fromkeys(sorted(maskpairs._NAME_KEYS), True),
            "operators": dict.fromkeys(sorted(maskpairs._OPERATORS), True),
        },
        "zlib_names": dict.fromkeys(_ZLIB_NAMES, True),
        "compatible": [list(run) for run in _compatible()],
    }


def _compatible() -> Iterator[tuple[int, int, int]]:
    """Give runs of characters that Unicode's compatibility forms make ASCII: the first, how many, the first's form.

    Those of Unicode 3.2, of which every Python has the tables: the bundle shall not depend on Python's version.
    """
    run = (0, 0, 0)
    for code in range(0x80, sys.maxunicode + 1):
        form = unicodedata.ucd_3_2_0.normalize("NFKC", chr(code))
        if len(form) != 1 or not "!" <= form <= "~":
            continue
        first, size, ascii_code = run
        if code == first + size and ord(form) == ascii_code + size:
            run = (first, size + 1, ascii_code)
        else:
            if size:
                yield run
            run = (code, 1, ord(form))
    yield run


def _lua(value: Any, indent: str = "") -> str:  # noqa: ANN401 - any of the values above
    """Write a value in Lua."""
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str | bytes):
        octets = value.encode() if isinstance(value, str) else value
        return '"' + "".join(map(_lua_char, octets)) + '"'
    if isinstance(value, list):
        if any(isinstance(item, dict) for item in value):
            return "{" + "".join(f"\n{indent}  {_lua(item, indent + '  ')}," for item in value) + f"\n{indent}}}"
        return "{" + ", ".join(_lua(item) for item in value) + "}"
    rows = (f"\n{indent}  [{_lua(key)}] = {_lua(item, indent + '  ')}," for key, item in value.items())
    return "{" + "".join(rows) + f"\n{indent}}}"


def _lua_char(octet: int) -> str:
    if 32 <= octet < 127:
        return {'"': '\\"', "\\": "\\\\"}.get(chr(octet), chr(octet))
    return f"\\{octet:03d}"


def main(arguments: Sequence[str]) -> int:
    """Write the bundle, or compare it; give the exit status (`dissector.drift.main`)."""
    return drift.main(TARGET, "lua/*.lua and the tables", render, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
