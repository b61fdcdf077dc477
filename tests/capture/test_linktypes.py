import re
import subprocess

import pytest

from dissector.capture import LINK_TYPES, link_type_name
from dissector.capture.linktypes import link_type_in_file

from .build import pcap


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (0, "NULL"),
        (1, "ETHERNET"),
        (101, "RAW"),
        (105, "IEEE802_11"),
        (108, "LOOP"),
        (113, "LINUX_SLL"),
        (127, "IEEE802_11_RADIOTAP"),
        (147, "USER0"),
        (162, "USER15"),
        (228, "IPV4"),
        (229, "IPV6"),
        (276, "LINUX_SLL2"),
        (65000, "link type 65000"),
    ],
)
def test_names(number, name):
    assert link_type_name(number) == name


def test_names_are_unique_and_in_order():
    assert list(LINK_TYPES) == sorted(LINK_TYPES)
    assert len(set(LINK_TYPES.values())) == len(LINK_TYPES)


def test_raw_ip_is_one_number():
    assert {link_type_in_file(number) for number in (12, 14, 101)} == {101}


@pytest.mark.netns
@pytest.mark.parametrize("number", [0, 1, 9, 12, 101, 105, 108, 113, 127, 192, 220, 227, 228, 229, 239, 249, 276])
def test_tcpdump_knows_it_by_the_same_name(number, tmp_path):
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap([], link_type=number))
    said = subprocess.run(["tcpdump", "-nr", str(path)], capture_output=True, text=True, check=True).stderr
    (theirs,) = re.findall(r"link-type (\w+)", said)
    ours = link_type_name(link_type_in_file(number))
    assert theirs in (ours, {"ETHERNET": "EN10MB", "IEEE802_11_RADIOTAP": "IEEE802_11_RADIO"}.get(ours))
