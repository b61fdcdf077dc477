import shutil
import subprocess

import pytest

from dissector.capture.live.bpf import expression

needs_tcpdump = pytest.mark.skipif(shutil.which("tcpdump", path="/usr/bin:/usr/sbin") is None, reason="needs tcpdump")


def test_ports_in_both_directions():
    assert expression([5673, 5672], None, is_ethernet=False) == "tcp port 5672 or tcp port 5673"


def test_tagged_packets_come_last_for_vlan_shifts_what_follows():
    assert expression([5672], None, is_ethernet=True) == (
        "(tcp port 5672) or (vlan and ((tcp port 5672) or (vlan and (tcp port 5672))))"
    )


@pytest.mark.parametrize("more", ["host a", "and host a", " host a "])
def test_more_narrows(more):
    assert expression([5672], more, is_ethernet=False) == "(host a) and (tcp port 5672)"


@pytest.mark.parametrize("more", ["or udp port 4789", "|| udp port 4789", "or(udp port 4789)"])
def test_or_widens(more):
    wanted = expression([5672], more, is_ethernet=False)
    assert wanted.startswith("(tcp port 5672) or (")
    assert "udp port 4789" in wanted


@pytest.mark.parametrize("more", ["vlan 7", "mpls", "or vlan 7 and udp", "(vlan)"])
def test_who_speaks_of_tags_says_it_all(more):
    assert expression([5672], more, is_ethernet=True).count("vlan") == more.count("vlan")


def test_a_name_that_begins_like_that_is_a_name():
    assert expression([5672], "host vlanbroker", is_ethernet=True).count("vlan and") == 2
    assert expression([5672], "host origin", is_ethernet=False) == "(host origin) and (tcp port 5672)"
    assert expression([5672], "andromeda", is_ethernet=False) == "(andromeda) and (tcp port 5672)"


@needs_tcpdump
@pytest.mark.parametrize("more", [None, "host 10.0.0.1 or host 10.0.0.2", "or udp port 4789", "vlan 7"])
def test_libpcap_takes_it(more):
    for ports in ([5672], range(5672, 5692)):
        compiled = subprocess.run(
            ["/usr/bin/tcpdump", "-y", "EN10MB", "-d", expression(ports, more, is_ethernet=True)],
            capture_output=True, check=False,
        )  # fmt: skip
        assert compiled.returncode == 0, compiled.stderr
