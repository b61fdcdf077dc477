"""As many packets as a busy broker has, replayed by tcpreplay: none is lost, or each that is, is told.

``make live-bench`` does the same with a longer capture, and says what was achieved.
"""

import pytest

from ..cli.command import osloshark
from .bench import RATE, digest, generated, packets_of, replay
from .wire import SEEN

pytestmark = [pytest.mark.netns, pytest.mark.tshark, pytest.mark.xdist_group("wire")]


@pytest.mark.parametrize("method", ["child", "scapy"])
def test_nothing_is_lost(method, wire, tmp_path):
    path = generated(tmp_path, "15M", 300)
    expected = digest(osloshark("read", "-T", "jsonl", path).stdout)
    with wire.live(tmp_path, "live", "--capture", method, "-T", "jsonl", SEEN) as live:
        replay(wire, path, RATE)
        live.wait_for_packets()
        assert live.end() == 0, live.errors
        assert "; complete" in live.errors.splitlines()[-1]
        assert live.summary()["packet"] == packets_of(path)
        assert digest(live.output) == expected


SMALL = "from dissector import limits\nfrom dissector.cli import main\n"


@pytest.mark.parametrize(
    ("method", "change", "where"),
    [
        ("child", "limits.CAPTURED_BYTES = 1 << 16", "packet dropped as"),
        ("child", "limits.CAPTURE_BUFFER_BYTES = 1 << 20", None),
        ("scapy", "limits.CAPTURE_BUFFER_BYTES = 1 << 16", "packet dropped by the"),
    ],
)
def test_what_is_lost_is_told_to_the_packet(method, change, where, wire, tmp_path):
    """At twice the rate, with little room: of the decoder's, of the kernel's."""
    path = generated(tmp_path, "6M", 300)
    with wire.changed(tmp_path, SMALL + change, "live", "--capture", method, "-T", "jsonl", SEEN) as live:
        replay(wire, path, 2 * RATE)
        live.wait_for_packets()
        assert live.end() == 0, live.errors
        counts = live.summary()
        lost = {name: counts.get(name, 0) for name in ("packet dropped by the", "packet dropped as")}
        assert counts["packet"] + sum(lost.values()) == packets_of(path)
        assert where is None or lost[where] > 0
        assert ("; complete" in live.errors.splitlines()[-1]) is not any(lost.values())
