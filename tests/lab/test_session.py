"""A live laboratory keeps what the shipped captures promise."""

from collections import Counter

import pytest

from .captures import check_counts
from .network import COMPUTE1
from .recorder import Tap
from .session import Lab

pytestmark = [pytest.mark.broker, pytest.mark.netns, pytest.mark.tshark, pytest.mark.xdist_group("lab")]


def test_fanout_is_one_publish_and_a_deliver_for_each_agent(lab: Lab):
    """Seen on any interface of the host where all of them run."""
    recording = lab.record("fanout", tap=Tap("any"), everyone=COMPUTE1.name)
    check_counts(recording.pcap, recording.truth)
    assert Counter(record.leg for record in recording.truth) == {"publish": 2, "deliver": 4}
    (host,) = {record.headers.connection.partition(":")[0] for record in recording.truth}
    assert host == COMPUTE1.ipv4
