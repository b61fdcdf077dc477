import json
import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissector import limits
from dissector.oslo import decode, mask
from dissector.scrub.jsontree import body_secrets

from ..oslo.wire import SAMPLES, envelope

SECRET = "S3cr3t-canary"


def scrub(body, compression=None):
    scrubbed = bytearray(body)
    for start, end, fill in body_secrets(body, compression):
        assert 0 <= start < end <= len(body)
        scrubbed[start:end] = bytes([fill]) * (end - start)
    return bytes(scrubbed)


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ('{"password": "S3cret", "host": "a"}', '{"password": "******", "host": "a"}'),
        ('{"p\\u0061ssword": "a\\"b\\u00e9", "x": 1}', '{"p\\u0061ssword": "**********", "x": 1}'),
        ('{"token": -12.05e+3, "psk": 0, "secret": NaN}', '{"token": -11.11e+1, "psk": 1, "secret": 111}'),
        ('{"token": null, "secret": "", "psk": true}', '{"token": null, "secret": "", "psk": true}'),
        (
            '{"service_catalog": [{"url": "u", "n": 5, "on": true}], "z": 1}',
            '{"service_catalog": [{"***": "*", "*": 1, "**": true}], "z": 1}',
        ),
        ('{"a": "{\\"token\\": \\"x\\\\\\"y\\", \\"b\\": 1}"}', '{"a": "{\\"token\\": \\"******\\", \\"b\\": 1}"}'),
        ('{"a": "{\\u0022token\\u0022: \\u00312}"}', '{"a": "{\\u0022token\\u0022: 1111111}"}'),
        ('{"url": "rabbit://u:S3cret@h/v"}', '{"url": "rabbit://u:******@h/v"}'),
        ('{"rabbit://u:S3cret@h/v": 1}', '{"rabbit://u:******@h/v": 1}'),
        ('["é€😀 password=S3cret é"]', '["é€😀 password=****** é"]'),
        ('{"password": "é€😀"}', '{"password": "*********"}'),
        ('{"password": "first", "password": null}', '{"********": "*****", "password": null}'),
        ('{"x": "{\\"psk\\": \\"a\\", \\"psk\\": null}"}', '{"x": "{\\"***\\": \\"*\\", \\"psk\\": null}"}'),
        ('[{"key": "admin_password", "value": "hunter2"}]', '[{"key": "admin_password", "value": "*******"}]'),
        ('{"_context_name": "psk", "_context_value": "ab"}', '{"_context_name": "psk", "_context_value": "**"}'),
        ('{"tb": ["password=\'ab", "cd\'", " x"], "x": 1}', '{"tb": ["password=\'**", "**\'", " x"], "x": 1}'),
        ('"password=S3cret"', '"password=******"'),
        ("  [1, 2]\n", "  [1, 2]\n"),
        ("no JSON", "no JSON"),
        ("the password is S3cret", "**********************"),
        ("", ""),
    ],
)  # fmt: skip
def test_in_place(text, scrubbed):
    assert scrub(text.encode()).decode() == scrubbed


def test_what_is_not_known_by_its_place_goes_as_a_whole():
    secret = json.dumps({"password": SECRET}).encode()
    for body in (b"\xff password " + SECRET.encode(), b"[" * 999 + secret + b"]" * 999, secret[:-1]):
        assert scrub(body) == b"*" * len(body)
    packed = zlib.compress(secret)
    assert scrub(packed, "gzip") == scrub(packed, "no such thing") == b"*" * len(packed)
    harmless = zlib.compress(b'{"a": 1}')
    assert scrub(harmless, "gzip") == harmless
    assert scrub(b"\xff\xfe plain") == b"\xff\xfe plain"


def test_depth():
    inner = {"password": SECRET}
    for _ in range(limits.JSON_DEPTH - 1):
        inner = [inner]
    for body in (json.dumps(inner), json.dumps({"x": json.dumps({"y": json.dumps(inner)})})):
        assert SECRET not in scrub(body.encode()).decode()
        json.loads(scrub(body.encode()))


@pytest.mark.parametrize("one", SAMPLES, ids=lambda one: one.name)
def test_samples_say_the_same(one):
    scrubbed = scrub(one.body, one.compression)
    assert b"TOKEN" not in scrubbed
    assert b"S3cret" not in scrubbed
    if one.compression is None:
        assert decode(scrubbed, exchange="x") == decode(one.body, exchange="x")


texts = st.sampled_from(
    [
        "plain", "", "é", "{", f"password={SECRET}", f"rabbit://u:{SECRET}@h/v é", f"'token': '{SECRET}' and more",
        f"gAAAAAB{SECRET}", f"authorization: Bearer {SECRET}x", f"\x1b[1mpassword\x1b[0m={SECRET}",
        f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----", "***", f"***password={SECRET}***",
    ]
)  # fmt: skip
names = st.sampled_from(["a", "key", "name", "value", "Password", "x_token", "tb", "_context_value", "_context_key"])
plain = st.text("ab é-:{[\"\\\n'\u20ac", max_size=5)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts | st.just("psk") | plain,
    lambda v: (
        st.lists(v, max_size=4)
        | st.dictionaries(names | texts | plain, v, max_size=5)
        | st.tuples(v, st.booleans()).map(lambda pair: json.dumps(pair[0], ensure_ascii=pair[1]))
    ),
    max_leaves=20,
)


def collapsed(value):
    # What is encoded again may be spaced otherwise.
    return re.sub(r"\s+", "", re.sub(r"\*+", "*", json.dumps(value)))


@given(values, st.booleans(), st.booleans(), st.booleans())
def test_what_masking_hides_is_gone_and_all_else_is_there(value, spaces, escapes, in_envelope):
    text = json.dumps(value, separators=(", ", ": ") if spaces else (",", ":"), ensure_ascii=escapes)
    body = envelope(value) if in_envelope else text.encode("utf-8", "replace")
    scrubbed = scrub(body)
    assert len(scrubbed) == len(body)
    before, after = json.loads(body), json.loads(scrubbed)
    if SECRET not in json.dumps(mask(before)):
        assert SECRET not in scrubbed.decode()
    # A context is masked under other names. Names may go with what they hold, as where colours hide them.
    if not in_envelope and not any(mark in json.dumps(value) for mark in ("_context_", "\\u001b", "BEGIN")):
        assert collapsed(mask(after)) == collapsed(mask(before))


@given(st.binary(max_size=80), st.sampled_from([None, "gzip", "zstd", "x"]))
def test_any_bytes(body, compression):
    assert len(scrub(body, compression)) == len(body)


def test_time_is_linear_in_hostile_bodies():
    for body in (
        json.dumps({"x": "\\" * 200_000}),
        json.dumps(['password=\\"' * 20_000]),
        json.dumps({"tb": ["password="] * 20_000}),
        json.dumps([{"key": "psk", "value": [{}] * 10} for _ in range(5_000)]),
        '{"a":' * 120 + '{"token":[' + "1," * 50_000 + "1]}" + "}" * 120,
    ):
        scrub(body.encode())
