import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict
from pika import BasicProperties, spec

from dissector.amqp.fieldtable import to_json
from dissector.amqp.methods import decode_method
from dissector.amqp.properties import decode_content_header
from dissector.amqp.sasl import user_of
from dissector.oslo import mask
from dissector.scrub.payloads import header_secrets, method_secrets

from ..amqp.amqp_frames import header, method

SECRET = "S3cr3t-canary"
TABLE = {
    "password": SECRET,
    "plain": "x",
    "deep": {"token": {"list": [SECRET, 5, True, {"name": SECRET}]}, "url": f"rabbit://u:{SECRET}@h/v"},
    "json": json.dumps({"psk": SECRET, "n": 1}),
    "psk_number": 12345,
    "secret_flag": True,
    "pair": [{"name": "admin_pass", "value": SECRET}],
}


def overwritten(payload, found):
    scrubbed = bytearray(payload)
    for start, end, fill in found:
        scrubbed[start:end] = bytes([fill]) * (end - start)
    return bytes(scrubbed)


def scrub_method(fields):
    """A method scrubbed: its payload before and after, decoded."""
    payload = method(1, fields)[7:-1]
    before = decode_method(payload, 0, len(payload))
    scrubbed = overwritten(payload, method_secrets(payload, before))
    return before, decode_method(scrubbed, 0, len(scrubbed)), scrubbed


def start_ok(mechanism, response, properties=None):
    return spec.Connection.StartOk(properties or {}, mechanism, response, "en_US")


def amqplain(**fields):
    return b"".join(
        bytes([len(name)]) + name.encode() + b"S" + len(value.encode()).to_bytes(4, "big") + value.encode()
        for name, value in fields.items()
    )


@pytest.mark.parametrize(
    ("mechanism", "response", "user"),
    [
        ("PLAIN", f"\0openstack\0{SECRET}", "openstack"),
        ("PLAIN", f"{SECRET}\0openstack\0{SECRET}\0{SECRET}", "openstack"),
        ("AMQPLAIN", amqplain(LOGIN="openstack", PASSWORD=SECRET).decode(), "openstack"),
        ("AMQPLAIN", amqplain(PASSWORD=SECRET, LOGIN="é").decode(), "é"),
    ],
)
def test_the_user_stays_the_password_goes(mechanism, response, user):
    before, after, scrubbed = scrub_method(start_ok(mechanism, response))
    assert user_of(before.mechanism, before.response) == user_of(after.mechanism, after.response) == user
    assert SECRET.encode() not in scrubbed


@pytest.mark.parametrize(
    ("mechanism", "response"),
    [
        ("PLAIN", f"{SECRET}\0{SECRET}"),
        ("AMQPLAIN", f"\5LOGINS{SECRET}"),
        ("AMQPLAIN", (amqplain(LOGIN=SECRET) * 2).decode()),
        ("RABBIT-CR-DEMO", f"My password is {SECRET}"),
        ("EXTERNAL", SECRET),
    ],
)
def test_of_another_response_nothing_stays(mechanism, response):
    assert SECRET.encode() not in scrub_method(start_ok(mechanism, response))[2]


@pytest.mark.parametrize(
    "fields",
    [
        spec.Connection.Secure(SECRET),
        spec.Connection.SecureOk(SECRET),
        spec.Connection.UpdateSecret(SECRET, "token expires"),
        start_ok("EXTERNAL", "", TABLE),
        spec.Queue.Declare(queue="q", durable=True, arguments=TABLE),
        spec.Exchange.Declare(exchange="e", auto_delete=True, arguments=TABLE),
        spec.Basic.Consume(queue="q", consumer_tag=f"token={SECRET}", no_ack=True, arguments=TABLE),
        spec.Connection.Close(320, f"closed: password={SECRET}", 10, 40),
        spec.Basic.Return(312, f"NO_ROUTE token={SECRET}", "x", "k"),
        spec.Basic.Deliver("t", 7, True, f"rabbit://u:{SECRET}@h", "k"),
    ],
    ids=lambda fields: fields.NAME,
)
def test_methods(fields):
    before, after, scrubbed = scrub_method(fields)
    assert SECRET.encode() not in scrubbed
    empty = {"challenge": "", "response": "", "new_secret": ""}
    shown = [
        mask(to_json(asdict(one))) | {k: v for k, v in empty.items() if hasattr(one, k)} for one in (before, after)
    ]
    assert shown[0] == shown[1]


@pytest.mark.parametrize(
    "properties",
    [
        BasicProperties(headers=TABLE, content_type="application/json", delivery_mode=2, expiration="60000"),
        BasicProperties(correlation_id=f"token={SECRET}", timestamp=5, app_id=f"password: {SECRET}", priority=1),
    ],
)
def test_properties(properties):
    payload = header(1, 99, properties)[7:-1]
    scrubbed = overwritten(payload, header_secrets(payload))
    assert SECRET.encode() not in scrubbed
    before, after = (decode_content_header(octets, 0, len(octets)) for octets in (payload, scrubbed))
    assert before[0] == after[0]
    assert mask(to_json(asdict(before[1]))) == mask(to_json(asdict(after[1])))


def test_what_has_no_secret_stays():
    for fields in (spec.Basic.Ack(5, True), spec.Queue.Declare(queue="q"), spec.Channel.OpenOk()):
        before, after, _ = scrub_method(fields)
        assert before == after
    payload = header(1, 99, BasicProperties(headers={"a": [1, {"b": "c"}]}, reply_to="r"))[7:-1]
    assert header_secrets(payload) == ()


def test_a_name_that_comes_twice():
    table = b"".join(b"\3psk" + tag for tag in (b"S\0\0\0\6" + b"S3cret", b"V", b"S\0\0\0\0"))
    payload = spec.Queue.Declare.INDEX.to_bytes(4, "big") + b"\0\0\1q\0" + len(table).to_bytes(4, "big") + table
    found = method_secrets(payload, decode_method(payload, 0, len(payload)))
    assert b"S3cret" not in overwritten(payload, found)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**31), 2**31 - 1)
    | st.sampled_from(["", "x", f"token={SECRET}", SECRET]),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.sampled_from(["a", "psk", "key", "value"]), v, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["a", "Password", "x_token", "name", "value"]), values, max_size=4))
def test_any_table(table):
    before, after, scrubbed = scrub_method(spec.Queue.Declare(queue="q", arguments=table))
    shown = mask(to_json(before.arguments))
    assert mask(to_json(after.arguments)) == shown
    if SECRET not in json.dumps(shown):
        assert SECRET.encode() not in scrubbed
