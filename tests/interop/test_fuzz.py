"""Nothing that is on the wire makes the plugin fail: tshark tells of every error in Lua, and there is none."""

import pytest

from . import wild
from .plugin import OWN_FRAMING, tshark

pytestmark = pytest.mark.tshark

COUNT = 125
"""Conversations a file; eight files make a thousand."""


@pytest.mark.parametrize("seed", range(8))
def test_a_thousand_broken_conversations(tmp_path, seed):
    path = wild.conversations(seed, COUNT).write(tmp_path / "wild.pcap")
    options = OWN_FRAMING if seed % 2 else ()
    assert "oslo.messaging" in tshark(path, "-V", "-2", *options)
    tshark(path, "-T", "fields", "-e", "oslo.kind", "-e", "rpc.status", *(() if options else OWN_FRAMING))
