"""What the menus do, with Wireshark's functions played: Debian's Wireshark has no menus of packets yet."""

import shutil

import pytest

from . import plain

SCRIPT = """
local registered = {}
function gui_enabled() return true end
function register_menu(name, action) registered[name] = action end
function register_packet_menu(name, action, required) registered[name] = action; print(name, required) end
function set_filter(text) print("filter", text) end
function apply_filter() print("applied") end
TextWindow = { new = function(title) return { set = function(_, text) print(title, text) end } end }
need("menus").register(function() return "a table" end)
registered["osloshark/Methods: counts and latencies"]()
local infos = {
  { name = "frame.number", value = 5 },
  { name = "oslo.msg_id", value = 'a"b' },
  { name = "oslo.request_id", value = "req-1" },
}
registered["osloshark/Follow this call"]((table.unpack or unpack)(infos))
registered["osloshark/Follow this request id"]((table.unpack or unpack)(infos))
registered["osloshark/Follow this call"](infos[1])
"""


@pytest.mark.parametrize("interpreter", plain.LUAS)
def test_menus(interpreter, tmp_path):
    if shutil.which(interpreter) is None:
        pytest.skip(f"needs {interpreter}")
    assert plain.run(interpreter, SCRIPT, [], tmp_path) == [
        "osloshark/Follow this call\toslo.msg_id",
        "osloshark/Follow this request id\toslo.request_id",
        "osloshark: methods\ta table",
        'filter\toslo.msg_id == "a\\"b"',
        "applied",
        'filter\toslo.request_id == "req-1"',
        "applied",
    ]
