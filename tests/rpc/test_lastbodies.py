"""Bodies are decoded once, and what is remembered of them is bounded."""

import pytest
from msgspec.structs import replace

from dissector import limits
from dissector.rpc.lastbodies import LastBodies

from .story import Rpc, Story


class Decoder:
    """Counts what it is asked for."""

    def __init__(self, most_bytes=1 << 20):
        self.asked = []
        self.bodies = LastBodies(self._decode, most_bytes)

    def _decode(self, *given):
        self.asked.append(given)
        return len(self.asked)

    def __call__(self, *messages):
        return [self.bodies.decode(message) for message in messages]


@pytest.fixture
def message():
    return Rpc(Story()).publish(0)


def test_the_same_body_is_decoded_once(message):
    decode = Decoder()
    assert decode(message, replace(message, leg="deliver", number=9)) == [1, 1]
    assert decode.asked == [(message.body, message.method.exchange, None, message.properties.expiration)]


def test_what_else_the_decode_depends_on_is_looked_at(message):
    elsewhere = replace(message, method=replace(message.method, exchange="other"))
    expiring = replace(message, properties=replace(message.properties, expiration="5"))
    compressed = replace(message, properties=replace(message.properties, headers={"compression": "gzip"}))
    decode = Decoder()
    assert decode(message, elsewhere, expiring, compressed, message) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("at", range(1, 18))
def test_bodies_that_differ_in_an_octet_are_told_apart(message, at):
    body = bytearray(message.body)
    body[-at] ^= 1
    other = replace(message, body=bytes(body))
    decode = Decoder()
    decode(message, other, other, message)
    assert {given[0] for given in decode.asked} == {message.body, other.body}
    assert [given[0] for given in decode.asked][:2] == [message.body, other.body]


def test_what_is_remembered_is_bounded(message):
    size = len(message.body) + limits.BODY_ENTRY_BYTES
    others = [replace(message, body=bytes([at]) + message.body[1:]) for at in range(2)]
    assert Decoder(2 * size)(message, *others[:1], message) == [1, 2, 1]
    assert Decoder(2 * size)(message, *others, message) == [1, 2, 3, 4]
    assert Decoder(size - 1)(message, message) == [1, 2]
