"""Display filters: any text is compiled, and what compiles is asked of records."""

import re
from functools import cache
from random import Random

import msgspec

import dissector.filter.grammar  # noqa: F401 - imported late otherwise, and so not instrumented
from dissector.amqp import AmqpConnection, Message
from dissector.amqp._methods import BasicDeliver, BasicPublish, BasicReturn, Properties
from dissector.errors import UsageError
from dissector.fields import FIELDS
from dissector.filter import ALIASES, Filter, compile_filter, record_lookup
from dissector.filter.names import GROUPS
from dissector.filter.nodes import OPERATORS
from dissector.net import Connection, Endpoint
from dissector.views.lookup import lookup_of
from dissector.views.record import record

from ..target import Mutate, Target, spliced

_ARGS = {
    "host": "compute1", "n": 5, "big": 2**70, "f": 1.5, "no": None, "yes": True, "addr": "10.0.0.7", "six": "fd00::1",
    "nova_object.data": {"uuid": "a-b", "list": [1, "x", [None, {"k": "v"}], True]}, "é": "ü\u202e", "": "",
    "deep": [[[[]]]],
    "password": "x", "nan": float("nan"),
}  # fmt: skip


def _bodies():
    call = {"method": "build", "version": "1.2", "args": _ARGS, "_msg_id": "m", "_reply_q": "r", "_unique_id": "u"}
    failure = {"class": "E", "module": "m", "message": "no host", "tb": ["a\n", "b"]}
    answer = {"_msg_id": "m", "failure": msgspec.json.encode(failure).decode(), "ending": True, "_unique_id": "v"}
    notification = {
        "event_type": "x.y",
        "publisher_id": "p",
        "priority": "INFO",
        "payload": [1, {"a": "b"}],
        "_unique_id": "w",
    }
    inners = [msgspec.json.encode(message).decode() for message in (call, answer, notification)]
    return [msgspec.json.encode({"oslo.version": "2.0", "oslo.message": inner}) for inner in inners] + [
        b"\xff no JSON",
        b"[1]",
    ]


@cache
def _asked():
    """Messages, each with its fields looked up in both ways."""
    methods = (
        BasicPublish(0, "nova", "compute", True, False),
        BasicDeliver("tag", 1 << 63, True, "", "reply_1"),
        BasicReturn(312, "NO_ROUTE", "x", "y"),
        BasicPublish(0, "", "", False, False),
        BasicDeliver("", 0, False, "é", "\0"),
    )
    legs = ("publish", "deliver", "return", "publish", "deliver")
    headers = {"a": 1, "b": [b"\xff", None, {"c": True}], "d": "10.0.0.1"}
    names = Properties.__struct_fields__
    bare = Properties(*[msgspec.UNSET] * len(names))
    full = msgspec.structs.replace(
        bare, content_type="application/json", headers=headers, delivery_mode=2, message_id="x"
    )
    found = []
    for number, (body, method, leg) in enumerate(zip(_bodies(), methods, legs, strict=True)):
        ips = ("fd00::1", "10.0.0.1") if number % 2 else ("10.99.0.2", "10.99.0.1")
        tcp = Connection(number, Endpoint(ips[0], 40000), Endpoint(ips[1], 5672))
        connection = AmqpConnection(
            tcp, vhost="/", user=None if number else "nova", client_properties={"connection_name": "a:1:b"}
        )
        properties = bare if number == 3 else full
        message = Message(
            connection,
            number % 2 == 0,
            leg,
            number,
            (number,),
            10**18,
            1,
            method,
            properties,
            body,
            queue=None if number else "q",
        )
        found.append((message, lookup_of(message), record_lookup(record(message))))
    return found


def run(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    try:
        chosen = compile_filter(text)
    except UsageError as error:
        reason, shown = error.reason, error.shown
    else:
        _ask(chosen, text)
        return
    assert reason.isprintable()
    assert len(shown) == 2
    assert all(line.isprintable() for line in shown)
    assert shown[1].strip()[0] == "^"


def _ask(chosen: Filter, text: str) -> None:
    assert chosen.text == text
    assert chosen.fields <= FIELDS.keys() | GROUPS
    for _, quick, whole in _asked():
        answer = chosen.matches(whole)
        assert answer is True or answer is False
        assert chosen.matches(quick) is answer


# --- mutation -------------------------------------------------------------------------------------------------------

_NAMES = [
    *FIELDS,
    *ALIASES,
    *sorted(GROUPS),
    "oslo.args.host",
    'oslo.args."nova_object.data".list',
    "oslo.payload.a",
    "oslo.args.é",
    "amqp.properties.headers.b.c",
]
_LITERALS = re.findall(
    r"\S+",
    r"""
    "compute1" r"a\b" "\x41" "\u00e9" "\101" "" 5 -1 +0x1F 0b11 017 1.5 1e3 -2.5E-3 true FALSE 10.0.0.0/8 fd00::/16 ::1
    10.0.0.1 ::ffff:1.2.3.4 {1} {1..5} {10.0.0.0..10.0.0.9} {"a","b".."c"} {5,true} "(a|b)*" "[" 99999999999999999999
    """,
)
_WORDS = [
    *OPERATORS,
    "&&",
    "||",
    "and",
    "or",
    "!",
    "not",
    "in",
    "not in",
    "(",
    ")",
    "{",
    "}",
    "..",
    ",",
    " ",
    "\n",
    '"',
    "\\",
    "/",
]
_TOKEN = re.compile(r'r?"(?:[^"\\]|\\.)*"|[\w.:/+-]+|\s+|[=!<>&|~]+|.', re.DOTALL)


def _term(dice: Random) -> str:
    name = dice.choice(_NAMES)
    match dice.randrange(5):
        case 0:
            return name
        case 1:
            return f"{name} in {{{dice.choice(_LITERALS)}, {dice.choice(_LITERALS)}..{dice.choice(_LITERALS)}}}"
        case 2:
            return f"!({name} {dice.choice([*OPERATORS])} {dice.choice(_NAMES)})"
        case _:
            return f"{name} {dice.choice([*OPERATORS])} {dice.choice(_LITERALS)}"


def mutate(data: bytes, max_size: int, dice: Random, change: Mutate) -> bytes:
    chance = dice.random()
    if chance < 0.3:
        return change(data, max_size)
    tokens = _TOKEN.findall(data.decode(errors="replace"))
    if not tokens or chance < 0.4:
        terms = [_term(dice) for _ in range(1 + dice.randrange(3))]
        return f" {dice.choice(('&&', '||', 'and', 'or'))} ".join(terms).encode()
    if chance < 0.55:
        tokens = spliced(tokens, dice)
    else:
        new = dice.choice(dice.choice((_NAMES, _LITERALS, _WORDS))) if chance < 0.9 else _term(dice)
        tokens[(at := dice.randrange(len(tokens))) : at + dice.randrange(2)] = [new]
    return "".join(tokens).encode(errors="replace")


TARGET = Target(run, max_len=300, mutate=mutate, words=tuple(word.encode() for word in (*_WORDS[:-8], *_LITERALS)))
