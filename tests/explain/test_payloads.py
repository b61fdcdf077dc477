import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissector.amqp.spec import CLASSES
from dissector.explain.payloads import explain_header, explain_method
from dissector.explain.structs import METHODS, build_content_header, build_method
from dissector.explain.trace import parse_parts

METHODS_BY_KEY = {(klass.id, method.id): (klass, method) for klass in CLASSES for method in klass.methods}
SAMPLES = {
    "bit": True,
    "octet": 7,
    "short": 300,
    "long": 70_000,
    "longlong": 2**40,
    "timestamp": 1_700_000_000,
    "shortstr": "héllo",
    "longstr": b"octets",
    "table": [{"name": "a", "tag": b"S", "value": b"text"}, {"name": "password", "tag": b"S", "value": b"zQv7RxB"}],
}


def walk(node):
    yield node
    for part in node.parts:
        yield from walk(part)


@pytest.mark.parametrize("key", sorted(METHODS_BY_KEY))
def test_arguments_are_named_and_placed(key):
    klass, method = METHODS_BY_KEY[key]
    payload = build_method(*key, {argument.name: SAMPLES[argument.type] for argument in method.arguments})
    node, shown = explain_method(payload, show_secrets=klass.name != "connection")
    assert node.value == f"{klass.name}.{method.name}".replace("_", "-")
    names = [part.name for part in node.parts]
    assert names == ["class_id", "method_id", *(argument.name for argument in method.arguments)]
    at = 0
    for part, argument in zip(node.parts[2:], method.arguments, strict=True):
        if argument.type == "shortstr":
            assert payload[part.start + 1 : part.end].decode() == part.value == "héllo"
        elif argument.type == "bit":
            assert (part.value, part.end - part.start) == ("true", 1)
        assert part.start >= at or argument.type == "bit"
        at = part.start
    assert node.end == len(payload) == len(shown)
    assert (node.parts[-1].end if method.arguments else 4) == len(payload)


@pytest.mark.parametrize("key", [key for key, (_, method) in sorted(METHODS_BY_KEY.items()) if method.arguments])
def test_a_method_that_breaks_off_ends_where_its_bytes_do(key):
    _, method = METHODS_BY_KEY[key]
    payload = build_method(*key, {argument.name: SAMPLES[argument.type] for argument in method.arguments})
    for size in range(len(payload)):
        node, shown = explain_method(payload[:size], show_secrets=False)
        assert node.reason
        assert len(shown) == size
        assert all(part.start <= part.end <= size for part in walk(node))
        assert b"zQv7RxB" not in shown
        assert "zQv7RxB" not in repr(node)
        assert "octets" not in repr(node)


@settings(max_examples=300)
@given(st.sampled_from(sorted(METHODS_BY_KEY)), st.binary(max_size=60), st.booleans())
def test_any_bytes_are_explained(key, octets, show_secrets):
    for explain in (explain_method, explain_header):
        for payload in (octets, struct.pack(">HH", *key) + octets, struct.pack(">HHQ", 60, 0, 5) + octets):
            node, shown = explain(payload, show_secrets=show_secrets)
            assert len(shown) == len(payload)
            assert all(0 <= part.start <= part.end <= len(payload) for part in walk(node))


def test_secrets_in_tables_are_masked_in_tree_and_bytes():
    headers = [
        {"name": "auth_token", "tag": b"S", "value": b"zQv7RxB"},
        {"name": "pin_password", "tag": b"I", "value": 1234567},
        {"name": "inner", "tag": b"F", "value": [{"name": "host", "tag": b"S", "value": b"compute1"}]},
    ]
    payload = build_content_header(5, {"headers": headers, "content_type": "text/plain"})
    node, shown = explain_header(payload, show_secrets=False)
    values = {part.name: part.value for part in walk(node)}
    assert (values["auth_token"], values["pin_password"], values["host"]) == ("***", "***", "compute1")
    assert b"zQv7RxB" not in shown
    assert struct.pack(">I", 1234567) not in shown
    plain, same = explain_header(payload, show_secrets=True)
    assert same == payload
    assert {part.name: part.value for part in walk(plain)}["pin_password"] == "1234567"


def test_parts_that_break_off_are_told_as_far_as_they_go():
    payload = build_method(
        60, 40, {"ticket": 1, "exchange": "e", "routing_key": "key", "mandatory": True, "immediate": False}
    )
    parts, is_whole = parse_parts(METHODS[60, 40], payload[:-3])
    assert not is_whole
    assert [(part.name, part.is_whole) for part in parts][-2:] == [("exchange", True), ("routing_key", False)]
