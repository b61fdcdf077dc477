"""From an expression to one function that tests a message: its parts are checked and turned into closures once.

Meaning, as in Wireshark 4: a comparison is true where it holds for any value of the field; ``!=`` and ``===`` where
they hold for all of its values. A field that is absent makes every comparison false, ``!=`` too.
"""

from collections.abc import Callable
from typing import Any as Anything
from typing import Final, cast

import msgspec

from dissector.errors import UsageError
from dissector.filter.names import GROUP, GROUPS, JSON, Lookup, NoSuchField, Reference, leaves, resolve, values_of
from dissector.filter.nodes import All, Any, Compare, Expression, Literal, Member, Name, Not, Present, Range, Wrong
from dissector.filter.predicates import (
    Network,
    Predicate,
    contains,
    equal,
    holds_between,
    matches,
    network,
    ordered,
)
from dissector.filter.record import record_lookup
from dissector.limits import FILTER_CHARS, FILTER_DEPTH

Test = Callable[[Lookup], bool]

_KINDS: Final = {"string": "text", "integer": "number", "number": "number", "boolean": "boolean", "address": "address"}
"""What literals a field of a type is compared with."""
_A: Final = {
    "text": "a text", "number": "a number", "boolean": "a boolean", "address": "an address",
    "string": "a string", "integer": "an integer", JSON: "JSON",
}  # fmt: skip
_REASON_CHARS: Final = 200
_REASON_HALF: Final = 90
_WINDOW: Final = 60
"""Characters of an expression that are shown on either side of an error."""


class Filter(msgspec.Struct, frozen=True):
    """A compiled expression: a function that tells whether a record matches.

    >>> import dissector
    >>> fanout = dissector.filter('rpc.kind == "fanout"')
    >>> [call.rpc.method for call in dissector.calls("pcaps/demo.pcap") if fanout(call)]
    ['port_update']
    """

    text: str
    """The expression."""
    fields: frozenset[str]
    """The registry's names (of fields, or of groups of them) that it may look up."""
    matches: Test
    """Whether it is true, by a function that gives a field's value by name (None: absent)."""

    def __call__(self, record: msgspec.Struct) -> bool:
        """Tell whether a record matches: a message, an event or a call. Fields that it does not have are absent."""
        return self.matches(record_lookup(record))


def compile_filter(text: str) -> Filter:
    """Compile an expression of Wireshark's display filter grammar over `dissector.FIELDS`.

    Raises `dissector.UsageError` where it has no meaning. Its message is one line that names the fault, and two
    more: the expression, and a caret under the place.

    >>> import dissector
    >>> failed = dissector.filter('oslo.failure.class contains "Binding"')
    >>> [message.amqp.leg for message in dissector.read("pcaps/demo.pcap") if failed(message)]
    ['publish', 'deliver']
    >>> dissector.filter("oslo.methd")
    Traceback (most recent call last):
    dissector.errors.UsageError: no field oslo.methd; nearest: oslo.method
        oslo.methd
        ^~~~~~~~~~
    """
    try:
        if len(text) > FILTER_CHARS:
            raise Wrong(f"the filter is longer than {FILTER_CHARS:,} characters", FILTER_CHARS, len(text))
        if not text.strip():
            raise Wrong("the filter is empty", 0, 0)
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise Wrong("this is no UTF-8", error.start, error.end) from None
        # Making the parser takes a moment, and most runs have no filter.
        from dissector.filter.grammar import parse  # noqa: PLC0415

        compiler = _Compiler()
        test = compiler.test(parse(text), 0)
        return Filter(text, frozenset(compiler.names), test)
    except Wrong as error:
        raise UsageError(_printable(_short(str(error))), *_pointed(text, error.start, error.end).split("\n")) from None


def compile_part(part: Expression) -> Filter:
    """Compile a part of what `parse` gives of an expression that `compile_filter` takes; its text is empty."""
    compiler = _Compiler()
    test = compiler.test(part, 0)
    return Filter("", frozenset(compiler.names), test)


def _printable(text: str) -> str:
    """Put a blank in the place of what is not printable, so that columns stay as they are."""
    return "".join(char if char.isprintable() else " " for char in text)


def _short(reason: str) -> str:
    """Cut a reason that has a long part of the expression in it."""
    return reason if len(reason) <= _REASON_CHARS else f"{reason[:_REASON_HALF]}…{reason[-_REASON_HALF:]}"


def _pointed(text: str, start: int, end: int) -> str:
    """Show the part of an expression around an error, with a caret under it."""
    begin = max(0, start - _WINDOW)
    shown = _printable(text[begin : start + _WINDOW])
    before, after = "…" if begin else "", "…" if start + _WINDOW < len(text) else ""
    end = min(end, start + _WINDOW)
    return f"    {before}{shown}{after}\n    {' ' * (len(before) + start - begin)}^{'~' * (end - start - 1)}"


class _Compiler:
    """Turns the parts of one expression into tests."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def test(self, node: Expression, depth: int) -> Test:
        """Make the test of a part."""
        if depth > FILTER_DEPTH:
            raise Wrong(f"the filter is nested deeper than {FILTER_DEPTH} levels", 0, 0)
        match node:
            case Present():
                return self._present(node)
            case Compare(operand=Literal()):
                return self._compare(node, cast("Literal", node.operand))
            case Compare():
                return self._compare_fields(node, cast("Name", node.operand))
            case Member():
                return self._member(node)
            case Not():
                return _not(self.test(node.part, depth + 1))
            case All() | Any():
                # What needs a decode of the whole message goes last; the order changes nothing else.
                tests = [self.test(part, depth + 1) for part in sorted(node.parts, key=_cost)]
                return _all(tests) if isinstance(node, All) else _any(tests)

    def _resolve(self, name: Name) -> Reference:
        try:
            reference = resolve(name.text)
        except NoSuchField as error:
            raise Wrong(str(error), name.start, name.end) from None
        self.names.update(reference.names)
        return reference

    def _present(self, node: Present) -> Test:
        reference = self._resolve(node.name)
        if reference.several:
            values = values_of(reference)
            return lambda lookup: bool(values(lookup))
        (name,) = reference.names
        return lambda lookup: lookup(name) is not None

    def _compare(self, node: Compare, literal: Literal) -> Test:
        reference = self._comparable(node.name)
        operator = node.operator
        if operator in ("contains", "matches"):
            _check_text(reference, node.name, operator)
            if literal.kind != "text":
                raise _misfit(f"{operator} takes a text", literal)
            wanted = cast("str", literal.value)
            if operator == "contains":
                return _over(reference, contains(wanted))
            try:
                return _over(reference, matches(wanted))
            except ValueError as error:
                raise Wrong(f"not a regular expression of RE2: {error}", literal.start, literal.end) from None
        value = _converted(literal, reference)
        quantifier, _, relation = operator.rpartition("_")
        if relation == "eq":
            return _over(reference, equal(value), every=quantifier == "all")
        if relation == "ne":
            is_equal = equal(value)
            return _over(reference, lambda found: not is_equal(found), every=quantifier == "all")
        if isinstance(value, bool):
            raise Wrong("true and false have no order", literal.start, literal.end)
        return _over(reference, ordered(relation, value))

    def _compare_fields(self, node: Compare, operand: Name) -> Test:
        left = self._comparable(node.name)
        if "." not in operand.text and operand.text not in GROUPS:
            raise Wrong(f'no field {operand.text}; if it is a text, write "{operand.text}"', operand.start, operand.end)
        right = self._comparable(operand)
        quantifier, _, relation = node.operator.rpartition("_")
        if relation == "contains":
            _check_text(left, node.name, "contains")
            _check_text(right, operand, "contains")
        elif JSON not in (left.type, right.type) and _KINDS[left.type] != _KINDS[right.type]:
            both = f"{left.text} is {_a(left.type)}, {right.text} {_a(right.type)}"
            raise Wrong(f"{both}: they cannot be compared", operand.start, operand.end)
        elif relation not in ("eq", "ne") and {left.type, right.type} & {"boolean", "address"}:
            raise Wrong(f"{left.text} and {right.text} can only be compared by == and !=", operand.start, operand.end)
        lefts, rights = values_of(left), values_of(right)
        quantify = all if quantifier == "all" else any

        def test(lookup: Lookup) -> bool:
            ours, theirs = leaves(lefts(lookup)), leaves(rights(lookup))
            pairs = [holds_between(relation, mine, other) for mine in ours for other in theirs]
            return bool(pairs) and quantify(pairs)

        return test

    def _member(self, node: Member) -> Test:
        reference = self._comparable(node.name)
        texts, predicates = set(), []
        for item in node.items:
            if isinstance(item, Range):
                low, high = _bound(item.low, reference), _bound(item.high, reference)
                if isinstance(low, Network) and low.shift:
                    raise Wrong("a range goes from address to address", item.low.start, item.low.end)
                if _kind(low) != _kind(high):
                    raise Wrong("both ends of a range are of one kind", item.low.start, item.high.end)
                predicates.append(_between(ordered("ge", low), ordered("le", high)))
            else:
                value = _converted(item, reference)
                if isinstance(value, str):
                    texts.add(value)
                else:
                    predicates.append(equal(value))
        if texts:
            wanted = frozenset(texts)
            predicates.append(lambda value: value.__class__ is str and value in wanted)
        return _over(reference, predicates[0] if len(predicates) == 1 else _either(predicates))

    def _comparable(self, name: Name) -> Reference:
        reference = self._resolve(name)
        if reference.type == GROUP:
            raise Wrong(f"{name.text} is a group of fields: it is there or not, and has no value", name.start, name.end)
        return reference


def _cost(node: Expression) -> bool:
    """Tell whether a part may need more than what identifies a message: some JSON value."""
    match node:
        case Not():
            return _cost(node.part)
        case All() | Any():
            return any(map(_cost, node.parts))
        case _:
            try:
                return resolve(node.name.text).type == JSON
            except NoSuchField:
                return False


def _not(test: Test) -> Test:
    return lambda lookup: not test(lookup)


def _all(tests: list[Test]) -> Test:
    if len(tests) == 2:
        first, second = tests
        return lambda lookup: first(lookup) and second(lookup)

    def test(lookup: Lookup) -> bool:
        for part in tests:  # noqa: SIM110 - a generator would cost as much as a part
            if not part(lookup):
                return False
        return True

    return test


def _any(tests: list[Test]) -> Test:
    if len(tests) == 2:
        first, second = tests
        return lambda lookup: first(lookup) or second(lookup)

    def test(lookup: Lookup) -> bool:
        for part in tests:  # noqa: SIM110 - a generator would cost as much as a part
            if part(lookup):
                return True
        return False

    return test


def _over(reference: Reference, predicate: Predicate, *, every: bool = False) -> Test:
    """Make the test that a predicate holds for any, or for ``every``, value of a field; false where there is none."""
    if not reference.several and reference.type != JSON:
        (name,) = reference.names
        return lambda lookup: (value := lookup(name)) is not None and predicate(value)
    values = values_of(reference)
    if not every:
        return lambda lookup: any(map(predicate, leaves(values(lookup))))

    def test(lookup: Lookup) -> bool:
        found = leaves(values(lookup))
        return bool(found) and all(map(predicate, found))

    return test


def _between(at_least: Predicate, at_most: Predicate) -> Predicate:
    return lambda value: at_least(value) and at_most(value)


def _either(predicates: list[Predicate]) -> Predicate:
    return lambda value: any(predicate(value) for predicate in predicates)


def _converted(literal: Literal, reference: Reference) -> Anything:  # noqa: ANN401 - one of the literals' types
    """Give the value that a field is compared with; raises `Wrong` where their types do not fit."""
    if literal.kind == "address":
        parsed = network(cast("str", literal.value))
        if parsed is None:
            raise Wrong(f"{literal.source} is no address", literal.start, literal.end)
    if reference.type == JSON:
        return parsed if literal.kind == "address" else literal.value
    wanted = _KINDS[reference.type]
    if wanted == "boolean" and literal.kind == "number" and literal.source in ("0", "1"):
        return literal.source == "1"
    if literal.kind != wanted or (reference.type == "integer" and isinstance(literal.value, float)):
        raise _misfit(f"{reference.text} is {_a(reference.type)}", literal, wanted)
    return parsed if wanted == "address" else literal.value


def _bound(literal: Literal, reference: Reference) -> Anything:  # noqa: ANN401 - one of the literals' types
    value = _converted(literal, reference)
    if isinstance(value, bool):
        raise Wrong("true and false have no order", literal.start, literal.end)
    return value


def _kind(value: str | float | Network) -> str:
    return value.__class__.__name__ if isinstance(value, str) else str(getattr(value, "version", "number"))


def _check_text(reference: Reference, name: Name, operator: str) -> None:
    if reference.type not in ("string", JSON):
        raise Wrong(f"{name.text} is {_a(reference.type)}; {operator} is for texts", name.start, name.end)


def _misfit(said: str, literal: Literal, wanted: str = "text") -> Wrong:
    """Tell that a literal is not of the type that it should be."""
    if wanted == "text":
        remedy = f'; write "{literal.source}"'
    elif literal.kind == "text" and _unquoted(cast("str", literal.value), wanted):
        remedy = f"; write {literal.value}"
    else:
        remedy = ""
    return Wrong(f"{said}, and {literal.source} is {_A[literal.kind]}{remedy}", literal.start, literal.end)


def _unquoted(text: str, wanted: str) -> bool:
    """Tell whether a text would be what is wanted, were it not in quotes."""
    return (wanted == "number" and text.isdecimal()) or (wanted == "address" and network(text) is not None)


def _a(type_name: str) -> str:
    return _A.get(type_name, f"a {type_name}")
