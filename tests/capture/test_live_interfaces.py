import socket

import pytest

from dissector.capture.live import interfaces
from dissector.errors import UsageError


def test_loopback():
    assert interfaces.is_ethernet("lo")
    assert interfaces.is_up("lo") in (True, False)
    assert "lo" in [name for _, name in socket.if_nameindex()]


def test_any_is_always_there_and_no_ethernet():
    interfaces.check("any")
    assert interfaces.is_up("any")
    assert not interfaces.is_ethernet("any")


@pytest.mark.parametrize("name", ["nosuch0", "", "x" * 16, "a\0b", "\udcff", "lo\n"])
def test_what_there_is_not(name):
    assert interfaces.is_up(name) is None
    assert not interfaces.is_ethernet(name)
    with pytest.raises(UsageError, match="no such interface; there are any, "):
        interfaces.check(name)
