import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissector.views.erlang import Atom, pretty

SAMPLES = (Path(__file__).parent / "tracing" / "terms.txt").read_text().splitlines()


def term(literal):
    match literal:
        case str():
            return Atom(literal)
        case list():
            return [term(item) for item in literal]
        case tuple():
            return tuple(term(item) for item in literal)
    return literal


@pytest.mark.parametrize("number", range(len(SAMPLES)))
def test_as_erlang_itself_writes_it(number):
    before, literal, written = ast.literal_eval(SAMPLES[number])
    assert f"{before}{pretty(term(literal), len(before))}\n" == written


def test_the_samples_hold_every_way_of_wrapping():
    texts = [ast.literal_eval(line)[2] for line in SAMPLES]
    assert sum(text.count("\n") == 1 for text in texts) > 5
    assert any('<<"' in text and ",\n" in text for text in texts)
    assert any(",\n" + " " * 20 in text for text in texts)
    assert any("{table,\n" in text or "{array,\n" in text for text in texts)


values = st.recursive(
    st.binary() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.just(Atom("undefined")),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.tuples(st.just(Atom("array")), st.lists(inner)),
)


@given(values, st.integers(0, 100))
def test_wrapping_changes_nothing_but_spaces(value, column):
    """A line is broken only between elements, where a text cannot hold a line break of its own."""
    written = pretty(value, column)
    joined = "".join(line if number == 0 else line.lstrip(" ") for number, line in enumerate(written.split("\n")))
    assert joined == pretty(value, -(10**9))
