import json
import zlib

import pytest

from dissector.oslo import envelope_of, plain

BODY = json.dumps({"oslo.version": "2.0", "oslo.message": '{"method": "ping"}'}).encode()


def test_a_compressed_body_is_opened():
    assert plain(zlib.compress(BODY), "application/x-gzip") == BODY
    assert plain(BODY) is BODY


@pytest.mark.parametrize("compression", ["application/x-gzip", "application/x-snow", "7"])
def test_what_cannot_be_opened_stays_as_it_is(compression):
    assert plain(b"\x00" + BODY, compression) == b"\x00" + BODY


def test_the_envelope_s_texts():
    assert envelope_of(BODY) == ("2.0", '{"method": "ping"}')


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"oslo.version": "2.0"}', b'{"method": "ping"}', b"\xff"])
def test_no_envelope(body):
    assert envelope_of(body) is None
