"""Compiled filters against a plain evaluation of the same expression, written down the long way."""

import ipaddress
import operator
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dissector import UsageError
from dissector.fields import FIELDS
from dissector.filter import compile_filter
from dissector.limits import FILTER_CHARS, FILTER_DEPTH

RECORD = {
    "frame.number": 80,
    "frame.numbers": (79, 80),
    "ip.src": "10.99.0.2",
    "ip.dst": "fd00::1",
    "tcp.srcport": 40182,
    "tcp.dstport": 5672,
    "amqp.channel": 1,
    "amqp.exchange": "",
    "amqp.routing_key": "q-plugin",
    "amqp.redelivered": False,
    "amqp.properties.headers": {},
    "oslo": object(),
    "oslo.kind": "call",
    "oslo.method": "report_state",
    "oslo.timeout_s": 60.0,
    "oslo.args": {
        "host": "dev20",
        "count": 5,
        "ratio": 0.5,
        "up": True,
        "none": None,
        "empty": [],
        "ports": [{"id": "a", "ip": "10.0.0.1"}, {"id": "b"}],
        "nested": [[1, 2], [3, [4]]],
        "nova_object.data": {"uuid": "u-1", 'a"b': 1, "x-y": "z"},
        "address": "192.0.2.7",
        "text": 'Hëllo "world"\n',
    },
    "event.settled": (),
}


def is_true(text: str, record: dict[str, Any] = RECORD) -> bool:
    return compile_filter(text).matches(record.get)


@pytest.mark.parametrize(
    "text",
    [
        "frame.number == 80",
        "frame.number eq 0x50",
        "frame.number == 0120",
        "frame.number == 0b1010000",
        "frame.number == +80",
        "frame.number != 81",
        "frame.number ne 81",
        "frame.number < 81 && frame.number lt 81",
        "frame.number <= 80 && frame.number le 80",
        "frame.number > 79 && frame.number gt 79",
        "frame.number >= 80 && frame.number ge 80",
        "frame.number in {1, 70..90}",
        "frame.number in{80}",
        "frame.number not in {1, 81 .. 90}",
        "frame.numbers == 79",
        "frame.numbers == 80",
        "frame.numbers !== 79",
        "frame.numbers any_ne 79",
        "!(frame.numbers != 79)",
        "frame.numbers === 79 || frame.numbers > 79",
        "!(frame.numbers === 79)",
        "ip.src == 10.99.0.2",
        "ip.src == 10.99.0.0/16",
        "ip.src == 10.99.77.77/16",
        "ip.src != 10.98.0.0/16",
        "ip.src in {10.0.0.1, 10.99.0.0/24}",
        "ip.src in {10.99.0.1..10.99.0.9}",
        "ip.src > 10.99.0.1",
        "!(ip.src > 10.99.0.0/24)",
        "ip.dst == fd00::1",
        "ip.dst == FD00:0::/16",
        "ip.dst in {::1, fd00::0..fd00::ffff}",
        "!(ip.dst == 10.0.0.0/0)",
        "ip.addr == 10.99.0.2 && ip.addr == fd00::1",
        "!(ip.addr != 10.99.0.2)",
        "ip.addr !== 10.99.0.2",
        "tcp.port == 5672 && tcp.port == 40182",
        "tcp.port != 80",
        "!(tcp.port != 5672)",
        "tcp.srcport > tcp.dstport",
        "tcp.port == tcp.srcport",
        "!(tcp.port all_eq tcp.srcport)",
        "amqp.redelivered == false",
        "amqp.redelivered == False && amqp.redelivered == FALSE && amqp.redelivered == 0",
        "amqp.redelivered != true && amqp.redelivered != 1",
        "amqp.redelivered",
        'amqp.exchange == ""',
        "amqp.exchange",
        'amqp.routing_key contains "plug"',
        '!(amqp.routing_key contains "PLUG")',
        'amqp.routing_key matches "^Q-.*IN$"',
        'amqp.routing_key ~ r"^q\\Wp"',
        'amqp.routing_key ~ "^q\\\\Wp"',
        'amqp.routing_key == "q\\x2dp\\154ugin"',
        'oslo.method in {"x", "report_state"}',
        'oslo.method in {"r".."s"}',
        'oslo.method < "s"',
        "oslo.timeout_s == 60",
        "oslo.timeout_s >= 59.5 and oslo.timeout_s < 6.1e1",
        "oslo",
        "!body",
        "not rpc.servers",
        # absent
        '!(oslo.namespace == "x")',
        '!(oslo.namespace != "x")',
        "!oslo.namespace",
        'oslo.namespace not in {"x"}',
        "!event.settled",
        "!(event.settled != 1)",
        # free paths
        'oslo.args.host == "dev20"',
        "oslo.args.count == 5",
        "oslo.args.count == 5.0",
        'oslo.args.count != "5"',
        "!(oslo.args.count == true)",
        "oslo.args.up == true",
        "!(oslo.args.up == 1)",
        "oslo.args.ratio in {0.1..0.9}",
        'oslo.args.host in {"x", 5, "dev20"}',
        "!oslo.args.none && !oslo.args.nothing && !(oslo.args.nothing != 1)",
        "oslo.args.empty",
        "!(oslo.args.empty != 1)",
        'oslo.args.ports.id == "b"',
        'oslo.args.ports.id != "c"',
        '!(oslo.args.ports.id != "b")',
        'oslo.args.ports contains "10.0"',
        "oslo.args.ports.ip == 10.0.0.0/8",
        "oslo.args.nested == 4",
        "oslo.args.nested != 5",
        'oslo.args."nova_object.data".uuid == "u-1"',
        'oslo.args."nova_object.data"."a\\"b" == 1',
        'oslo.args."nova_object.data".x-y == "z"',
        'oslo.args contains "dev20"',
        'oslo.args matches "UUID"',
        "oslo.args.address == 192.0.2.0/24",
        'oslo.args.text contains "\\"world\\"\\n"',
        'oslo.args.text ~ "hËllo"',
        'oslo.args.text contains "\\u00ebll" && oslo.args.text contains "\\xc3\\xab"',
        "oslo.args.count == amqp.channel || oslo.args.count > amqp.channel",
        "oslo.method contains oslo.method",
        'oslo.args.host contains r"dev"',
        "amqp.properties.headers",
        "!amqp.properties.headers.x-death.count",
        # precedence
        "oslo || oslo && body",
        "not body and oslo",
        "!body && !oslo || oslo",
        "!(body or oslo) or frame.number==80",
        "!!oslo and not not oslo",
        "frame.number == 1\nor frame.number == 80",
    ],
)
def test_true(text):
    assert is_true(text)
    assert not is_true(f"!({text})")


# --- against a plain evaluation ------------------------------------------------------------------------

TEXTS = st.sampled_from(["", "a", "ab", "B", 'q"\\', "é\n", "req-1", "10.0.0.1"])
NUMBERS = st.integers(-3, 9) | st.sampled_from([0.5, 2.0, 8.25])
ADDRESSES = st.sampled_from(["10.0.0.1", "10.0.0.2", "10.1.0.1", "192.0.2.1", "::1", "fd00::1", "fd00::2"])
SCALARS = st.none() | TEXTS | NUMBERS | st.booleans() | ADDRESSES
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
)

TYPES = {
    "amqp.exchange": TEXTS,
    "oslo.method": TEXTS,
    "frame.number": st.integers(-3, 9),
    "oslo.timeout_s": NUMBERS,
    "amqp.redelivered": st.booleans(),
    "ip.src": ADDRESSES,
    "ip.dst": ADDRESSES,
    "frame.numbers": st.lists(st.integers(-3, 9), min_size=1, max_size=3).map(tuple),
    "rpc.servers.name": st.lists(TEXTS, min_size=1, max_size=3).map(tuple),
    "oslo.args": st.dictionaries(st.sampled_from(["a", "b", "odd key."]), JSON),
}
RECORDS = st.fixed_dictionaries({}, optional=TYPES)
PATHS = {
    "oslo.args.a": ["a"],
    "oslo.args.b.a": ["b", "a"],
    'oslo.args."odd key.".b': ["odd key.", "b"],
    "oslo.args": [],
}
WORDS = {
    "eq": ["==", "eq", "any_eq"], "ne": ["!=", "ne", "all_ne"], "all_eq": ["===", "all_eq"],
    "any_ne": ["!==", "any_ne"], "lt": ["<", "lt"], "le": ["<=", "le"], "gt": [">", "gt"], "ge": [">=", "ge"],
}  # fmt: skip


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def literal_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return str(value)
    return quoted(value) if isinstance(value, str) else repr(value)


NETWORKS = st.builds(
    lambda address, cut: ipaddress.ip_network(f"{address}/{(32 if '.' in address else 128) - cut}", strict=False),
    ADDRESSES,
    st.sampled_from([0, 0, 8, 24]),
)
LITERALS = {
    "string": TEXTS, "integer": st.integers(-3, 9), "number": NUMBERS, "boolean": st.booleans(),
    "address": NETWORKS, "json": TEXTS | NUMBERS | st.booleans() | NETWORKS,
}  # fmt: skip


@st.composite
def comparisons(draw):
    name = draw(st.sampled_from([*TYPES, *PATHS, "ip.addr"]))
    base = "ip.src" if name == "ip.addr" else name
    kind = "json" if name.startswith("oslo.args") else FIELDS[base].type.removesuffix("[]")
    values = LITERALS[kind]
    shape = draw(st.sampled_from(["present", "compare", "compare", "in", "contains", "matches"]))
    if shape in ("contains", "matches") and kind in ("string", "json"):
        return (shape, name, draw(TEXTS))
    if shape == "in":
        return ("in", name, draw(st.lists(values, min_size=1, max_size=3)))
    if shape == "compare":
        value = draw(values)
        order = [] if isinstance(value, bool) else ["lt", "le", "gt", "ge"]
        return (draw(st.sampled_from(["eq", "ne", "all_eq", "any_ne", *order])), name, value)
    return ("present", name)


TREES = st.recursive(
    comparisons(),
    lambda inner: (
        st.tuples(st.just("not"), inner)
        | st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3))
    ),
    max_leaves=8,
)


@st.composite
def written(draw, tree) -> str:
    """The tree as someone may write it; parentheses only where they are needed, or by chance."""
    match tree:
        case ("present", name):
            return name
        case ("in", name, values):
            return f"{name} in {{{', '.join(map(literal_text, values))}}}"
        case ("contains", name, value):
            return f"{name} contains {literal_text(value)}"
        case ("matches", name, value):
            return f"{name} {draw(st.sampled_from(['~', 'matches']))} {quoted(escaped(value))}"
        case ("not", part):
            inner = draw(written(part))
            return draw(st.sampled_from(["!", "not "])) + (f"({inner})" if part[0] in ("and", "or") else inner)
        case ("and" | "or" as kind, parts):
            texts = [
                f"({text})" if draw(st.booleans()) or (kind == "and" and part[0] == "or") else text
                for part in parts
                for text in [draw(written(part))]
            ]
            return draw(st.sampled_from([" && ", " and "] if kind == "and" else [" || ", " or "])).join(texts)
        case (operator_, name, value):
            return f"{name} {draw(st.sampled_from(WORDS[operator_]))} {literal_text(value)}"


def escaped(text: str) -> str:
    """A regular expression that is nothing but the text."""
    return "".join(f"\\{char}" if char in '\\."' else char for char in text)


def found_values(name: str, record: dict[str, Any]) -> list[Any]:
    if name == "ip.addr":
        return [record[end] for end in ("ip.src", "ip.dst") if end in record]
    if name not in PATHS:
        value = record.get(name)
        return list(value) if isinstance(value, tuple) else [] if value is None else [value]
    values = [record["oslo.args"]] if "oslo.args" in record else []
    for key in PATHS[name]:
        values = [item[key] for item in flat(values) if isinstance(item, dict) and key in item]
    return [value for value in values if value is not None]


def flat(values: list[Any]) -> list[Any]:
    return [leaf for value in values for leaf in (flat(value) if isinstance(value, list) else [value])]


def json_text(value: Any) -> str | None:
    return msgspec.json.encode(value).decode() if isinstance(value, dict) else value if isinstance(value, str) else None


def holds(kind: str, value: Any, wanted: Any) -> bool:
    if kind == "contains":
        return json_text(value) is not None and wanted in json_text(value)
    if kind == "matches":
        return json_text(value) is not None and wanted.casefold() in json_text(value).casefold()
    if isinstance(wanted, ipaddress.IPv4Network | ipaddress.IPv6Network):
        try:
            address = ipaddress.ip_address(value) if isinstance(value, str) else None
        except ValueError:
            address = None
        if address is None or address.version != wanted.version:
            return False
        mine = ipaddress.ip_network(f"{address}/{wanted.prefixlen}", strict=False)
        return getattr(operator, kind)(mine.network_address, wanted.network_address)
    if isinstance(wanted, bool) or isinstance(value, bool):
        return isinstance(wanted, bool) and isinstance(value, bool) and getattr(operator, kind)(value, wanted)
    same = isinstance(value, str) == isinstance(wanted, str) and isinstance(value, str | int | float)
    return same and getattr(operator, kind)(value, wanted)


def plainly(tree: Any, record: dict[str, Any]) -> bool:
    match tree:
        case ("not", part):
            return not plainly(part, record)
        case ("and", parts):
            return all(plainly(part, record) for part in parts)
        case ("or", parts):
            return any(plainly(part, record) for part in parts)
        case ("present", name):
            return bool(found_values(name, record))
        case ("in", name, items):
            values = [value for value in flat(found_values(name, record)) if value is not None]
            return any(holds("eq", value, wanted) for value in values for wanted in items)
        case (kind, name, wanted):
            values = [value for value in flat(found_values(name, record)) if value is not None]
            if kind in ("ne", "any_ne"):
                verdicts = [not holds("eq", value, wanted) for value in values]
            else:
                verdicts = [holds("eq" if kind == "all_eq" else kind, value, wanted) for value in values]
            return bool(verdicts) and (all(verdicts) if kind in ("ne", "all_eq") else any(verdicts))


@settings(max_examples=600)
@given(st.data(), TREES, st.lists(RECORDS, min_size=1, max_size=4))
def test_random_expressions(data, tree, records):
    text = data.draw(written(tree))
    compiled = compile_filter(text)
    for record in records:
        looked_up = set()

        def lookup(name, record=record, looked_up=looked_up):
            looked_up.add(name)
            return record.get(name)

        assert compiled.matches(lookup) is plainly(tree, record), text
        assert looked_up <= compiled.fields


TOKENS = ["oslo.args.a", "ip.src", "==", "(", ")", "!", "&&", "or", "in", "{", "}", '"x"', "5", "true", ".."]


@settings(max_examples=400)
@given(st.text() | st.lists(st.sampled_from(TOKENS)).map(" ".join))
@example("\ud800")
@example("oslo.args." + "\x00")
@example("frame.number == " + "9" * 5000)
def test_any_text_compiles_or_is_told(text):
    try:
        compile_filter(text)
    except UsageError as error:
        reason, expression, caret = str(error).split("\n")
        assert reason
        assert reason.isprintable()
        assert expression.isprintable()
        assert caret.strip(" ~") == "^"


def test_fields_are_what_may_be_looked_up():
    text = 'ip.addr == 10.0.0.1 && (oslo.args.host == "x" || !oslo) && oslo.failure'
    assert compile_filter(text).fields == {"ip.src", "ip.dst", "oslo.args", "oslo", "oslo.failure"}
    assert compile_filter(text).text == text


def test_no_more_is_looked_up_than_decides():
    looked_up = []

    def lookup(name):
        looked_up.append(name)

    assert not compile_filter('oslo.args.host == "x" && oslo.method == "y"').matches(lookup)
    assert looked_up == ["oslo.method"], "what needs the whole message comes last"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('oslo.metod == "x"', "no field oslo.metod; nearest: oslo.method|^~~~~~~~~~"),
        ('ip && oslo.methd == "x"', "no field oslo.methd; nearest: oslo.method|      ^~~~~~~~~~"),
        ("nonsense", "no field nonsense; 'osloshark fields' lists them|^~~~~~~~"),
        ("oslo.method.x", "no field oslo.method.x; nearest: oslo.method|^~~~~~~~~~~~~"),
        ('amqp.channel == "x"', 'amqp.channel is an integer, and "x" is a text|                ^~~'),
        ('amqp.channel == "1"', 'amqp.channel is an integer, and "1" is a text; write 1|                ^~~'),
        ("amqp.channel == 1.5", "amqp.channel is an integer, and 1.5 is a number|                ^~~"),
        ("oslo.version == 1.2", 'oslo.version is a string, and 1.2 is a number; write "1.2"|                ^~~'),
        ('ip.src == "10.0.0.1"', 'ip.src is an address, and "10.0.0.1" is a text; write 10.0.0.1|          ^~~~~~~~~~'),
        ("ip.src == 10.0.0.1/33", "10.0.0.1/33 is no address|          ^~~~~~~~~~~"),
        ("ip.src in {10.0.0.0/8..10.0.0.9}", "a range goes from address to address|           ^~~~~~~~~~"),
        ('amqp.redelivered == "x"', 'amqp.redelivered is a boolean, and "x" is a text|                    ^~~'),
        ("amqp.redelivered < 1", "true and false have no order|                   ^"),
        ("oslo.args.a in {false..true}", "true and false have no order|                ^~~~~"),
        ('oslo.args.a in {1.."b"}', "both ends of a range are of one kind|                ^~~~~~"),
        ("oslo == 1", "oslo is a group of fields: it is there or not, and has no value|^~~~"),
        ('frame.number contains "1"', "frame.number is an integer; contains is for texts|^~~~~~~~~~~~"),
        ('frame.number ~ "1"', "frame.number is an integer; matches is for texts|^~~~~~~~~~~~"),
        ("oslo.method contains 5", 'contains takes a text, and 5 is a number; write "5"|                     ^'),
        ("oslo.method ~ 5", "5 is where a text in quotes is expected|              ^"),
        ('oslo.method ~ "["', "not a regular expression of RE2: missing ]: [|              ^~~"),
        ('oslo.method ~ "(?=x)"', "not a regular expression of RE2: invalid perl operator: (?=|              ^~~~~~~"),
        ("oslo.method == ping", 'no field ping; if it is a text, write "ping"|               ^~~~'),
        ("oslo.method == frame.number", "oslo.method is a string, frame.number an integer: they cannot be compared|"
         "               ^~~~~~~~~~~~"),
        ("ip.src < ip.dst", "ip.src and ip.dst can only be compared by == and !=|         ^~~~~~"),
        ("", "the filter is empty|^"),
        ("oslo.method ==", "the filter ends where a value is expected|              ^"),
        ("oslo &&", "the filter ends where a field is expected|       ^"),
        ("(oslo", "the filter ends where a closing ) is expected|     ^"),
        ("oslo)", ") is where the end is expected|    ^"),
        ('oslo.method == "x', "the text has no closing quote|               ^~"),
        ("oslo.method in {}", "} is where a value is expected|                ^"),
        ("frame.number in {1 2}", "2 is where a comma or } is expected|                   ^"),
        ("5 == frame.number", "5 is where a field is expected|^"),
        ("frame.number == 08", "08 is no number|                ^~"),
        ("oslo.method not ping", "ping is where in is expected|                ^~~~"),
        (
            'oslo.method == "\\d"',
            '\\d is no escape; for a backslash write \\\\, or the text as r"…"|                ^~',
        ),
        ('oslo.method == "\\777"', "\\777 is no octet|                ^~~~"),
        ('oslo.method == "\\ud800"', "\\ud800 is no Unicode character|                ^~~~~~"),
        ('oslo.method == "\\xff"', "the text's octets are no UTF-8|               ^~~~~~"),
        ("oslo EQ 5", "EQ is where an operator (==, !=, <, contains, matches, in, &&, ||) is expected|     ^~"),
    ],
)  # fmt: skip
def test_errors_point_at_the_place(text, told):
    with pytest.raises(UsageError) as raised:
        compile_filter(text)
    reason, caret = told.split("|", 1) if "||" not in told else told.rsplit("|", 1)
    assert str(raised.value) == f"{reason}\n    {text}\n    {caret}"


def test_a_long_expression_is_shown_around_the_error():
    with pytest.raises(UsageError) as raised:
        compile_filter(f'frame.number == "{"x" * 9000}"')
    assert len(str(raised.value).split("\n")[0]) < 200
    text = " || ".join(["oslo.method"] * 20 + ["oslo.metod"] + ["oslo.method"] * 20)
    with pytest.raises(UsageError) as raised:
        compile_filter(text)
    _, shown, caret = str(raised.value).split("\n")
    assert shown[caret.index("^") :].startswith("oslo.metod ")
    assert caret.count("~") == len("oslo.metod") - 1
    assert len(shown) < 130


def test_size_and_depth_are_bounded():
    assert compile_filter("(" * 5000 + "oslo" + ")" * 5000).matches(RECORD.get)
    assert compile_filter(" or ".join(["body"] * 5000 + ["oslo"])).matches(RECORD.get)
    assert compile_filter("!" * 5000 + "oslo").matches(RECORD.get)
    deep = "(body || !(" * (FILTER_DEPTH // 2 - 1) + "oslo" + "))" * (FILTER_DEPTH // 2 - 1)
    compile_filter(deep).matches(RECORD.get)
    with pytest.raises(UsageError, match="nested deeper than"):
        compile_filter(f"(body || !(body || !({deep})))")
    with pytest.raises(UsageError, match="longer than"):
        compile_filter("oslo " + " " * FILTER_CHARS)
