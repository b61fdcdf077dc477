import json
import zlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dissector import limits
from dissector.explain.bodies import explain_body
from dissector.oslo import mask
from dissector.scrub.jsontree import body_secrets

from .test_message import members, plain

KEYS = st.one_of(st.sampled_from(["password", "auth_token", "host", "é\n", 'a"b\\', ""]), st.text(max_size=6))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text(max_size=12)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(KEYS, inner, max_size=4),
        st.dictionaries(KEYS, inner, min_size=1, max_size=3).map(json.dumps),
    ),
    max_leaves=12,
)


def walk(node):
    yield node
    for part in node.parts:
        yield from walk(part)


@settings(max_examples=300)
@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=4), st.booleans())
@example({"*": "**"}, False)
def test_every_key_and_value_is_where_it_is_said_to_be(value, ascii_only):
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    node = explain_body(body, None, show_secrets=True).node
    assert members(node) == plain(value)
    for part in walk(node):
        assert 0 <= part.start <= part.end <= len(body)
        text = body[part.start : part.end].decode()
        if part.key is not None:
            key = body[slice(*part.key)].decode()
            while key != part.name:
                before, key = key, json.loads(f'"{key}"', strict=False)
                assert before != key
            assert text.endswith(("]", "}", '"')) or part.value in text
        for inner in part.parts:
            assert part.start <= inner.start <= inner.end <= part.end


@settings(max_examples=200)
@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=4), st.booleans())
def test_what_is_masked_is_in_neither_tree_nor_bytes(value, ascii_only):
    value["admin_password"] = "Kan000zQv7RxB"
    value["wrapped"] = json.dumps({"auth_token": "Kan000zQv7RxB", "pin_password": 73001009})
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    explained = explain_body(body, None, show_secrets=False)
    assert len(explained.data) == len(body)
    assert b"zQv7RxB" not in explained.data
    assert b"73001009" not in explained.data
    shown = {part.name: part.value for part in walk(explained.node)}
    assert shown["admin_password"] == shown["auth_token"] == shown["pin_password"] == "***"
    assert "zQv7RxB" not in repr(explained.node)
    assert (explained.data == body) == (not body_secrets(body, None))


@settings(max_examples=300)
@given(
    st.binary(max_size=200), st.sampled_from([None, "gzip", "zlib", "no such", "password=Kan000zQv7RxB"]), st.booleans()
)
def test_any_bytes_are_explained(body, compression, show_secrets):
    explained = explain_body(body, compression, show_secrets=show_secrets)
    assert len(explained.data) == len(body)
    assert 0 <= explained.node.start <= explained.node.end
    if not show_secrets:
        assert "zQv7RxB" not in repr(explained)


@settings(max_examples=200)
@given(st.data())
def test_json_that_breaks_off_says_why(data):
    body = json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps({"method": "ping", "args": {}})}).encode()
    cut = body[: data.draw(st.integers(1, len(body) - 1))]
    node = explain_body(cut, None, show_secrets=False).node
    assert node.reason.startswith("not JSON")
    assert (node.start, node.end) == (0, len(cut))


def test_a_compressed_body_is_explained_as_it_was_before():
    value = {"host": "é", "auth_token": "Kan000zQv7RxB"}
    body = zlib.compress(json.dumps(value).encode())
    explained = explain_body(body, "gzip", show_secrets=False)
    assert explained.data == b"*" * len(body)
    assert json.loads(explained.decompressed) == mask(value)
    (host, token) = explained.node.parts
    assert explained.decompressed[slice(*host.key)] == b"host"
    assert token.value == "***"


def test_limits(monkeypatch):
    body = json.dumps({f"k{at}": [at] for at in range(50)}).encode()
    monkeypatch.setattr(limits, "EXPLAINED_NODES", 20)
    node = explain_body(body, None, show_secrets=True).node
    assert len(list(walk(node))) <= 22
    assert "not all are told" in node.reason
    assert node.end == len(body)
    monkeypatch.setattr(limits, "EXPLAINED_BODY_BYTES", 20)
    node = explain_body(body, None, show_secrets=True).node
    assert not node.parts
    assert "its parts are not told" in node.reason


@pytest.mark.parametrize("depth", [100, 127, 128, 129, 2000])
def test_deep_json(depth):
    body = (b"[" * depth) + (b"]" * depth)
    node = explain_body(body, None, show_secrets=True).node
    assert (node.reason is None) == (depth <= limits.JSON_DEPTH)
    text = '"x"'
    for _ in range(12):
        text = json.dumps([text])
    assert explain_body(text.encode(), None, show_secrets=True).node.parts
