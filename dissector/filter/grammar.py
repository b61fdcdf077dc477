"""The grammar: from an expression's text to its parts. Imported when the first filter is used, for lark is slow to.

Source: Wireshark 4.0, wireshark-filter(4), and ``epan/dfilter/grammar.lemon`` and ``scanner.l`` where it is silent:
``&&`` binds closer than ``||``, ``!`` closer than both, comparisons closest; only lower-case words are operators.
"""

import re
from typing import Any as Anything
from typing import Final, cast

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedToken, v_args
from lark.exceptions import UnexpectedInput

from dissector.filter.nodes import (
    OPERATORS,
    All,
    Any,
    Compare,
    Expression,
    Literal,
    Member,
    Name,
    Not,
    Present,
    Range,
    Wrong,
)

_GRAMMAR: Final = r"""
?start: disjunction
?disjunction: conjunction (_OR conjunction)*
?conjunction: negation (_AND negation)*
?negation: _NOT negation                      -> negation
         | "(" disjunction ")"
         | name                               -> present
         | name OPERATOR _operand             -> compare
         | name MATCHES text                  -> compare
         | name _IN _set                      -> member
         | name _NOT _IN _set                 -> no_member
_operand: name | _literal
_literal: text | number | boolean | address
_set: "{" item ("," item)* "}"
item: _literal [".." _literal]
name: NAME
text: TEXT
number: FLOAT | INTEGER
boolean: BOOLEAN
address: ADDRESS

_OR.5: /\|\||or(?![\w.-])/
_AND.5: /&&|and(?![\w.-])/
_NOT.5: /!(?!=)|not(?![\w.-])/
_IN.5: /in(?![\w.-])/
OPERATOR.5: /===?|!==?|<=?|>=?|(?:eq|ne|lt|le|gt|ge|any_eq|any_ne|all_eq|all_ne|contains)(?![\w.-])/
MATCHES.5: /~|matches(?![\w.-])/
TEXT.6: /r?"(?:[^"\\]|\\.)*"/s
BOOLEAN.5: /(?:true|True|TRUE|false|False|FALSE)(?![\w-]|\.(?!\.))/
ADDRESS.4: /(?:\d+(?:\.\d+){3}|[0-9A-Fa-f]*:[0-9A-Fa-f]*:(?:[0-9A-Fa-f:]|\.(?!\.))*)(?:\/\d+)?(?!\w)/
FLOAT.3: /[+-]?(?:\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)(?!\w)/
INTEGER.2: /[+-]?(?:0[xX][0-9A-Fa-f]+|0[bB][01]+|\d+)(?!\w)/
NAME: /[^\W\d]\w*(?:\.(?:\w[\w-]*|"(?:[^"\\]|\\.)*"))*/s
%ignore /\s+/
"""

_ESCAPE: Final = re.compile(
    r"\\(?:x(?P<hex>[0-9A-Fa-f]{1,2})|(?P<octal>[0-7]{1,3})|u(?P<u>[0-9A-Fa-f]{4})|U(?P<U>[0-9A-Fa-f]{8})|(?P<char>.))",
    re.DOTALL,
)
_CHARACTERS: Final = {
    '"': '"', "\\": "\\", "'": "'", "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"
}  # fmt: skip


def unescape(quoted: str, start: int) -> str:
    r"""Give the text that a quoted one stands for; ``start`` is its index in the expression.

    In ``r"…"`` a backslash is nothing special. Else there are C's escapes; ``\xHH`` and ``\NNN`` are octets of
    UTF-8. Raises `Wrong` for others.
    """
    if quoted[0] == "r":
        return quoted[2:-1]
    inner, octets, at = quoted[1:-1], bytearray(), 0
    for found in _ESCAPE.finditer(inner):
        octets += inner[at : found.start()].encode()
        place = (start + 1 + found.start(), start + 1 + found.end())
        number = found["hex"] or found["u"] or found["U"]
        if number and not found["hex"]:
            code = int(number, 16)
            if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
                raise Wrong(f"{found[0]} is no Unicode character", *place)
            octets += chr(code).encode()
        elif number or found["octal"]:
            octet = int(number, 16) if number else int(found["octal"], 8)
            if octet > 0xFF:
                raise Wrong(f"{found[0]} is no octet", *place)
            octets.append(octet)
        elif found["char"] in _CHARACTERS:
            octets += _CHARACTERS[found["char"]].encode()
        else:
            raise Wrong(f'{found[0]} is no escape; for a backslash write \\\\, or the text as r"…"', *place)
        at = found.end()
    octets += inner[at:].encode()
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise Wrong("the text's octets are no UTF-8", start, start + len(quoted)) from None


def _number(token: Token) -> int | float:
    text = str(token)
    if token.type == "FLOAT":
        return float(text)
    digits = text.lstrip("+-").lower()
    base = {"0x": 16, "0b": 2}.get(digits[:2]) or (8 if digits[0] == "0" and len(digits) > 1 else 10)
    try:
        return int(text, base)
    except ValueError:
        raise Wrong(f"{text} is no number", token.start_pos or 0, token.end_pos or 0) from None


@v_args(inline=True)
class _Builder(Transformer[Token, Anything]):
    """Called by the parser for each rule as it is completed, from the inside out."""

    def name(self, token: Token) -> Name:
        return Name(str(token), *_place(token))

    def text(self, token: Token) -> Literal:
        start, end = _place(token)
        return Literal("text", unescape(str(token), start), str(token), start, end)

    def number(self, token: Token) -> Literal:
        return Literal("number", _number(token), str(token), *_place(token))

    def boolean(self, token: Token) -> Literal:
        return Literal("boolean", token[0] in "tT", str(token), *_place(token))

    def address(self, token: Token) -> Literal:
        return Literal("address", str(token), str(token), *_place(token))

    def item(self, low: Literal, high: Literal | None = None) -> Literal | Range:
        return low if high is None else Range(low, high)

    def present(self, name: Name) -> Expression:
        return Present(name)

    def compare(self, name: Name, operator: Token, operand: Name | Literal) -> Expression:
        return Compare(name, OPERATORS[operator], operand)

    def member(self, name: Name, *items: Literal | Range) -> Expression:
        return Member(name, items)

    def no_member(self, name: Name, *items: Literal | Range) -> Expression:
        return Not(Member(name, items))

    def negation(self, part: Expression) -> Expression:
        return part.part if isinstance(part, Not) else Not(part)

    def conjunction(self, *parts: Expression) -> Expression:
        return All(parts)

    def disjunction(self, *parts: Expression) -> Expression:
        return Any(parts)


def _place(token: Token) -> tuple[int, int]:
    return cast("int", token.start_pos), cast("int", token.end_pos)


_parser: Final = Lark(_GRAMMAR, parser="lalr", lexer="contextual", transformer=_Builder())


def parse(text: str) -> Expression:
    """Parse an expression; raises `Wrong` where it does not follow the grammar."""
    try:
        return cast("Expression", _parser.parse(text))
    except UnexpectedInput as error:
        raise _explained(text, error) from None


def _explained(text: str, error: UnexpectedInput) -> Wrong:
    start = end = len(text)
    found = "the filter ends"
    expected: set[str] = set()
    if isinstance(error, UnexpectedToken):
        expected = set(error.accepts or error.expected)
        if error.token.type != "$END":
            start, end = _place(error.token)
            found = f"{error.token} is"
    elif isinstance(error, UnexpectedCharacters):
        expected, start = set(error.allowed or ()), error.pos_in_stream or 0
        end = start + 1
        found = f"{error.char} is"
        if error.char == '"' or text[start : start + 2] == 'r"':
            return Wrong("the text has no closing quote", start, len(text))
    return Wrong(f"{found} where {_wanted(expected)} is expected", start, end)


def _wanted(expected: set[str]) -> str:
    """Say what may stand at a place, by the terminals that the grammar takes there."""
    for terminal, meaning in (
        ("OPERATOR", "an operator (==, !=, <, contains, matches, in, &&, ||)"),
        ("_OR", "&& or ||"),
        ("_NOT", "a field"),
        ("INTEGER", "a value"),
        ("TEXT", "a text in quotes"),
        ("COMMA", "a comma or }"),
        ("LBRACE", "a set { … }"),
        ("_IN", "in"),
        ("RPAR", "a closing )"),
        ("$END", "the end"),
    ):
        if terminal in expected:
            return meaning
    return "a value"
