import pytest

from dissector.fields import FIELDS
from dissector.filter import ALIASES, resolve, values_of
from dissector.filter.names import GROUP, GROUPS, NoSuchField, alias_field


@pytest.mark.parametrize("name", [*FIELDS, *ALIASES, *sorted(GROUPS)])
def test_every_name_resolves_to_names_of_the_registry(name):
    reference = resolve(name)
    assert set(reference.names) <= FIELDS.keys() | GROUPS
    assert (reference.type == GROUP) is (name in GROUPS)


def test_aliases_are_of_one_type():
    for name, (first, second) in ALIASES.items():
        assert FIELDS[first].type == FIELDS[second].type
        assert alias_field(name).type == FIELDS[first].type + "[]"


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("oslo.args.host", ("host",)),
        ("oslo.args.x-y.0.ü", ("x-y", "0", "ü")),
        ('oslo.args."a.b"."c\\"d".e', ("a.b", 'c"d', "e")),
        ('oslo.args.""', ("",)),
        ("event.arguments.queue", ("queue",)),
        ("amqp.properties.headers.x-death.count", ("x-death", "count")),
    ],
)
def test_paths(text, keys):
    assert resolve(text).keys == keys


def test_a_path_goes_into_lists():
    value = {"ports": [{"id": 1}, {"id": [2, 3]}, {"id": None}, 4, [{"id": 5}]]}
    assert values_of(resolve("oslo.args.ports.id"))({"oslo.args": value}.get) == [1, [2, 3], 5]
    assert values_of(resolve("oslo.args.ports.id.x"))({"oslo.args": value}.get) == []
    assert values_of(resolve("oslo.args.ports.id"))({}.get) == []


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("oslo.methd", "oslo.method"),
        ("amqp.exchang", "amqp.exchange"),
        ("ip.adr", "ip.addr"),
        ("frame.numbr", "frame.number"),
    ],
)
def test_the_nearest_name_comes_first(text, nearest):
    with pytest.raises(NoSuchField, match=f"no field {text}; nearest: {nearest}"):
        resolve(text)


def test_an_unknown_name_is_shown_safely():
    with pytest.raises(NoSuchField) as raised:
        resolve("x\x1b[0m" + "y" * 1000)
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 130
