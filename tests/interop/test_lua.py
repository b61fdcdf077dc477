"""The bundle: made of the sources and tables as they are, in the Lua that all versions of Wireshark know."""

import re
import shutil
import subprocess

import pytest

from dissector.interop import lua
from dissector.interop.lua import main, sources

KNOWN = {
    # Lua
    "collectgarbage", "error", "ipairs", "math", "package", "pairs", "pcall", "print", "select", "setmetatable",
    "string", "table", "tonumber", "tostring", "type",
    # Wireshark
    "ByteArray", "bit", "Dissector", "DissectorTable", "Listener", "MENU_TOOLS_UNSORTED", "Pref", "Proto",
    "ProtoExpert", "ProtoField", "TextWindow", "UInt64", "apply_filter", "base", "expert", "frametype", "gui_enabled",
    "register_menu", "register_packet_menu", "rex_pcre2", "set_filter",
}  # fmt: skip
"""Every global that the plugin reads; it writes none."""


def test_the_bundle_is_what_its_sources_make():
    assert main(["--check"]) == 0


def test_drift_is_found(tmp_path, monkeypatch, capsys):
    changed = tmp_path / "osloshark.lua"
    changed.write_text(lua.TARGET.read_text(encoding="utf-8") + "-- edited by hand\n", encoding="utf-8")
    monkeypatch.setattr(lua, "TARGET", changed)
    assert main(["--check"]) == 1
    assert "-- edited by hand" in capsys.readouterr().out


def test_the_header_tells_version_and_tables():
    first, second, *_ = lua.bundle().splitlines()
    assert re.fullmatch(r"-- osloshark \d\S+: .* for Wireshark 4\.0 and later\.", first)
    assert re.fullmatch(r"-- Tables: sha256 [0-9a-f]{64}", second)


def test_sources_are_small_and_each_is_needed():
    texts = sources()
    assert not {name: size for name, text in texts.items() if (size := text.count("\n")) >= 400}
    needed = {name for text in texts.values() for name in re.findall(r'need\("(\w+)"\)', text)}
    assert needed | {lua.MAIN} == texts.keys() | {"tables"}
    assert not [line for text in texts.values() for line in text.splitlines() if len(line) > 140]


@pytest.mark.tshark
@pytest.mark.parametrize("compiler", ["luac5.2", "luac5.4"])
def test_syntax(compiler):
    if shutil.which(compiler) is None:
        pytest.skip(f"needs {compiler}")
    subprocess.run([compiler, "-p", lua.TARGET], check=True)


@pytest.mark.tshark
def test_globals():
    if shutil.which("luac5.4") is None:
        pytest.skip("needs luac5.4")
    listing = subprocess.run(["luac5.4", "-l", "-p", lua.TARGET], check=True, capture_output=True, text=True).stdout
    rows = re.findall(r"\b([GS]ETTABUP)\b.*_ENV \"(\w+)\"", listing)
    assert {name for kind, name in rows if kind == "GETTABUP"} <= KNOWN
    assert not {name for kind, name in rows if kind == "SETTABUP"}
