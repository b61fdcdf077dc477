"""What is no AMQP 0-9-1 is named by its first bytes; how streams are read that begin so, ``test_frames`` tells."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissector.amqp.constants import PROTOCOL_HEADER
from dissector.amqp.foreign import foreign_protocol, is_too_short

HELLO = b"\x16\x03\x01\x00\xc8\x01\x00\x00"
DATA = b"\x17\x03\x03\x00\x02xx\x15\x03"
BEGINNINGS = [PROTOCOL_HEADER, b"AMQP\x00\x01\x00\x00", b"AMQP\x09\x09\x09\x09", HELLO, DATA]


@pytest.mark.parametrize(
    ("octets", "at_start", "in_the_middle"),
    [
        (PROTOCOL_HEADER, None, None),
        (b"AMQP\x00\x01\x00\x00", "AMQP 1.0", "AMQP 1.0"),
        (b"AMQP\x09\x09\x09\x09", "AMQP of an unknown version", None),
        (HELLO, "TLS", "TLS"),
        (HELLO.replace(b"\xc8\x01", b"\xc8\x0b"), None, None),
        (DATA, None, "TLS without its beginning"),
        (DATA.replace(b"\x15\x03", b"\x15\x04"), None, None),
        (b"\x01\x00\x00\x00\x00\x00\x00\xce", None, None),
    ],
)
def test_a_beginning(octets, at_start, in_the_middle):
    assert foreign_protocol(octets, at_start=True) == at_start
    assert foreign_protocol(octets, at_start=False) == in_the_middle


@given(st.binary(min_size=1, max_size=12) | st.sampled_from(BEGINNINGS), st.booleans(), st.integers(1, 12))
def test_no_bytes_raise_and_more_of_them_change_nothing(octets, at_start, size):
    begin = octets[:size]
    if is_too_short(begin):
        assert len(begin) < len(PROTOCOL_HEADER)
        return
    found = foreign_protocol(begin, at_start=at_start)
    # Data goes on with another record, or it was none.
    assert found == foreign_protocol(octets, at_start=at_start) or octets.startswith(b"\x17\x03")
