import copy
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu import compression as kombu
from oslo_utils import strutils

from dissector import limits
from dissector.oslo import mask, mask_json
from dissector.oslo.secretkeys import names_secret

from .wire import SAMPLES, envelope, kombu_body, sample

SECRET = "S3cret"


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        ({"password": SECRET, "host": "a"}, {"password": "***", "host": "a"}),
        ({"a": [{"Admin_Pass": SECRET}, [[{"psk": SECRET}]]]}, {"a": [{"Admin_Pass": "***"}, [[{"psk": "***"}]]]}),
        ({"token": {"id": SECRET}, "service_catalog": [SECRET]}, {"token": "***", "service_catalog": "***"}),
        ({"token": 5, "secret": 0, "psk": 1.5}, {"token": "***", "secret": "***", "psk": "***"}),
        ({"x": '{"password": "S3cret", "b": 1}'}, {"x": '{"password": "***", "b": 1}'}),
        ({"x": '{"password":"S3cret","b":1}'}, {"x": '{"password":"***","b":1}'}),
        ({"x": ' [{"\\u0070assword": "S3cret", "b": "é"}]'}, {"x": '[{"password": "***", "b": "é"}]'}),
        (json.dumps({"y": json.dumps({"token": SECRET})}), json.dumps({"y": json.dumps({"token": "***"})})),
        ({"x": "{'password': 'S3cret'}"}, {"x": "{'password': '***'}"}),
        ({"transport_url": "rabbit://u:S3cret@h/v"}, {"transport_url": "rabbit://u:***@h/v"}),
        ({"rabbit://u:S3cret@h/v": 1, "z": 2}, {"rabbit://u:***@h/v": 1, "z": 2}),
        ({"token=S3cret": SECRET}, {"token=***": "***"}),
        ({"x" * 100 + "password": SECRET}, {"x" * 100 + "password": "***"}),
        ({b"x": b"password=S3cret", "y": (1, "token=S3cret")}, {b"x": b"password=***", "y": [1, "token=***"]}),
        ({"trace_info": {"hmac_key": SECRET, "base_id": "b"}}, {"trace_info": {"hmac_key": "***", "base_id": "b"}}),
        ({"data": {"auth_password": SECRET}}, {"data": {"auth_password": "***"}}),
        ("password=S3cret", "password=***"),
        (b"\xffpassword=S3cret \xfe", b"\xffpassword=*** \xfe"),
        ([b"gAAAAABS3cret"], [b"***"]),
    ],
)  # fmt: skip
def test_secrets(value, masked):
    before = copy.deepcopy(value)
    assert mask(value) == masked
    assert value == before, "the caller's value is left alone"
    assert mask(masked) == masked


def test_what_tells_that_there_is_no_secret_stays():
    value = {"password": None, "token": "", "secret": [], "psk": {}, "generate_password": True, "passphrase": "***"}
    assert mask(value) is value
    assert mask({"token_count": 5}) == {"token_count": "***"}, "strutils matches substrings, too"


def test_order_of_keys_is_kept():
    value = {"z": 1, "password": SECRET, "a": {"y": "token=S3cret", "b": 2}, "redis://:S3cret@h": 3, "c": 4}
    masked = mask(value)
    assert list(masked) == ["z", "password", "a", "redis://:***@h", "c"]
    assert list(masked["a"]) == ["y", "b"]


def nest(levels, value):
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


def test_depth_is_bounded_through_strings_too():
    assert SECRET in json.dumps(mask(nest(limits.JSON_DEPTH, SECRET)))
    assert SECRET not in json.dumps(mask(nest(limits.JSON_DEPTH + 1, SECRET)))
    inside = json.dumps(nest(100, {"password": SECRET, "user": "admin"}))
    masked = json.dumps(mask({"x": json.dumps({"y": inside})}))
    assert SECRET not in masked
    assert "admin" in masked
    assert SECRET not in json.dumps(mask(nest(100, json.dumps(nest(100, {"password": SECRET})))))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda v: st.lists(v, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "Password", "x_token", "psk2"]), v),
    max_leaves=15,
)


def check_against_strutils(ours, original):
    """Where strutils hides a value we hide it too, unless it is empty."""
    if isinstance(original, dict):
        if ours == "***":
            return
        assert ours.keys() == original.keys()
        for key, value in original.items():
            theirs = strutils.mask_dict_password({key: value})[key]
            if theirs == "***" and value not in (None, "", True, False) and value != []:
                assert ours[key] == "***"
            elif not names_secret(key):
                check_against_strutils(ours[key], value)
    elif isinstance(original, list) and ours != "***":
        for one, other in zip(ours, original, strict=True):
            check_against_strutils(one, other)


@given(values)
def test_against_strutils(value):
    check_against_strutils(mask(value), value)


@given(values)
def test_is_idempotent_and_encodable(value):
    masked = mask(value)
    assert mask(masked) == masked
    msgspec.json.encode(masked)


# --- mask_json ---


@pytest.mark.parametrize("one", SAMPLES, ids=lambda one: one.name)
def test_samples_keep_their_wire_shape(one):
    body = kombu.decompress(one.body, one.compression) if one.compression else one.body
    masked = mask_json(one.body, one.compression)
    assert b"TOKEN" not in masked
    before, after = json.loads(body), json.loads(masked)
    assert list(before) == list(after)
    if "oslo.message" in before:
        before, after = json.loads(before["oslo.message"]), json.loads(after["oslo.message"])
        assert list(before) == list(after)
        # nothing but the secrets' bytes has changed
        token = before.get("_context_auth_token")
        if token and one.name != "call_request_secret_args":
            assert masked == body.replace(token.encode(), b"***")
    if b"TOKEN" not in body and b"S3cret" not in body:
        assert masked == body


def test_failure_in_an_envelope_is_masked_at_its_third_level():
    failure = json.dumps(
        {"class": "E", "message": "token=S3cret", "args": [{"password": SECRET}], "kwargs": {"psk": SECRET}}
    )
    masked = mask_json(envelope({"failure": failure, "ending": True}))
    assert json.loads(json.loads(json.loads(masked)["oslo.message"])["failure"]) == {
        "class": "E", "message": "token=***", "args": [{"password": "***"}], "kwargs": {"psk": "***"},
    }  # fmt: skip


def test_without_secrets_the_bytes_are_the_same():
    for body in (b'{ "a" : NaN }', b"[1.0,\t2]", b'"x"', b'{"a":1,"a":2}', kombu_body({"a": "\ud800"})):
        assert mask_json(body) is body


def test_notation_is_kept():
    assert mask_json(b'{"b":1.0,"token":"x","a":"\\u00e9"}') == b'{"b":1.0,"token":"***","a":"\\u00e9"}'
    assert mask_json('{"b": 1, "token": "x", "a": "é"}'.encode()) == '{"b": 1, "token": "***", "a": "é"}'.encode()


def test_no_json():
    for body in (b"", b"password=S3cret", b"\xff", b"{", b"[" * 500 + b"]" * 500):
        assert mask_json(body) is None
    assert mask_json(sample("call_request").body, "application/x-foo") is None
    assert mask_json(b"{}", "gzip") is None


@given(st.binary(max_size=60))
def test_any_bytes(body):
    masked = mask_json(body)
    assert masked is None or json.loads(masked) is not ...


def test_a_pair_of_name_and_value():
    value = [{"key": "admin_password", "value": "hunter2"}, {"name": "flavor", "value": "m1"}, {"value": 1}]
    assert mask(value) == [{"key": "admin_password", "value": "***"}, {"name": "flavor", "value": "m1"}, {"value": 1}]


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        ([["password", SECRET], ["host", "a"]], [["password", "***"], ["host", "a"]]),
        ((("token", SECRET),), [["token", "***"]]),
        (["password", "=", SECRET], ["password", "=", "***"]),
        (["a", "--os-password", SECRET, "-h"], ["a", "--os-password", "***", "-h"]),
        (["a", "--os-password=" + SECRET], ["a", "--os-password=***"]),
        (["x", "node.session.auth.password", "-v", SECRET], ["x", "node.session.auth.password", "-v", "***"]),
        ({"Name": "admin_pass", "Value": SECRET}, {"Name": "admin_pass", "Value": "***"}),
        ({"op": "add", "path": "/a/token", "value": [SECRET]}, {"op": "add", "path": "/a/token", "value": "***"}),
        ({"key": "token", "old_value": SECRET, "n": 1}, {"key": "token", "old_value": "***", "n": 1}),
        ({"x": '{"token": "S3cret", "token": null}'}, {"x": '{"token": null}'}),
        ({"x": '"{\\"token\\": \\"S3cret\\"}"'}, {"x": '"{\\"token\\": \\"***\\"}"'}),
        (b"\x82\xa8password\xa6S3cret", b"***"),
    ],
)  # fmt: skip
def test_names_and_values_beside_each_other(value, masked):
    assert mask(value) == masked


def test_lists_without_names_stay():
    for value in (["host", SECRET], ["a b token", "x"], [["x"] * 2], ["--host", "a", "--force"], ["-v", "a"],
                  {"name": "flavor", "value": "m1"}, {"value": 1}, ["--password", "--host", "a"]):  # fmt: skip
        assert mask(value) is value


def test_repeated_keys_hide_nothing():
    assert mask_json(b'{"password": "S3cret", "password": null}') == b'{"password": null}'
    assert mask_json(b'{"a": {"token": "S3cret"}, "a": 1}') == b'{"a": 1}'
    body = b'{"a": "12:30", "token": null}'
    assert mask_json(body) is body
