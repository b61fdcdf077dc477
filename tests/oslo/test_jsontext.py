import json
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissector import limits
from dissector.oslo.jsontext import check_depth, loads
from dissector.oslo.undecodable import NotJson, Undecodable

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(scalars, lambda v: st.lists(v) | st.dictionaries(st.text(), v), max_leaves=20)


@given(values)
def test_as_python_does(value):
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        assert loads(text) == loads(text.encode()) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('[NaN, Infinity, -Infinity, "NaN"]', ["NaN", "Infinity", "-Infinity", "NaN"]),
        ("[1e999, -1e999, 1e-999]", ["Infinity", "-Infinity", 0.0]),
        (r'{"\ud800": "\udfff\ud83d\ude00"}', {"\ufffd": "\ufffd\U0001f600"}),
        ('{"a": 1, "b": 2, "a": NaN}', {"a": "NaN", "b": 2}),
        ("[NaN, " + "7" * 5000 + "]", ["NaN", "7" * 5000]),
        ("7" * 5000, "7" * 5000),
        (str(2**70), 2**70),
    ],
)  # fmt: skip
def test_what_msgspec_refuses(text, value):
    for given_text in (text, text.encode()):
        found = loads(given_text)
        assert found == value
        assert msgspec.json.decode(msgspec.json.encode(found)) == value


@pytest.mark.parametrize("text", ["", "x", "{", '{"a": S3cret}', '"\x01"', "01", "[1,]", "\ufeff{}", "{} {}", "nan"])
def test_no_json(text):
    with pytest.raises(NotJson) as caught:
        loads(text)
    assert "S3cret" not in str(caught.value)
    with pytest.raises(NotJson):
        loads(text.encode())


def test_no_utf8():
    with pytest.raises(NotJson, match="no UTF-8 text"):
        loads(b'"\xff"')


@given(st.binary(max_size=50) | st.text(max_size=50))
def test_any_text(text):
    try:
        value = loads(text)
    except Undecodable:
        return
    assert msgspec.json.encode(value)


def nested(levels):
    return ("[" + '"]\\"[\\\\",' * 3) * levels + "1" + "]" * levels


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_depth_is_exact(opening):
    closing = "]" if opening == "[" else "}"
    for levels, deep in ((limits.JSON_DEPTH, False), (limits.JSON_DEPTH + 1, True), (200_000, True)):
        text = opening * levels + "1" + closing * levels
        if not deep:
            loads(text)
            continue
        for given_text in (text, text.encode()):
            with pytest.raises(Undecodable, match="nested deeper"):
                loads(given_text)


def test_depth_does_not_count_brackets_in_strings():
    loads(nested(limits.JSON_DEPTH))
    with pytest.raises(Undecodable, match="nested deeper"):
        loads(nested(limits.JSON_DEPTH + 1))
    wide = json.dumps([{"a": ["[" * 500]}] * 1000)
    assert len(loads(wide)) == 1000


def test_depth_check_is_quick():
    text = json.dumps([{"uuid": "0" * 32, "hosts": [1, 2]}] * 20_000).encode()
    started = time.perf_counter()
    check_depth(text)
    assert time.perf_counter() - started < 1.0
