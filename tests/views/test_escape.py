import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from dissector.views.escape import columns, cut, escape, pad


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("plain, ünïcode, 日本語 ✓", "plain, ünïcode, 日本語 ✓"),
        ("\x1b[2J\x1b]0;owned\x07", r"\x1b[2J\x1b]0;owned\x07"),
        ("two\nlines\r\ttab", r"two\nlines\r\ttab"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202eevil\u2066", r"\u202eevil\u2066"),
        ("\u2028\u2029\x7f\0", r"\u2028\u2029\x7f\x00"),
        ("\U000e0001", r"\U000e0001"),
        ("\ud800", r"\ud800"),
        ("\u200b\u2060\u00ad", r"\u200b\u2060\xad"),
        ("a\u3164b\u034f\ufe0f\U000e0101", r"a\u3164b\u034f\ufe0f\U000e0101"),
    ],
)
def test_what_is_not_printable_is_written_out(text, safe):
    assert escape(text) == safe


@given(st.text())
def test_the_result_is_always_printable_and_one_line(text):
    safe = escape(text)
    assert safe.isprintable()
    assert len(safe.splitlines()) <= 1
    assert escape(safe) == safe


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("東京", 4), ("e\u0301", 1), ("ｆ", 2), ("é", 1), ("👍", 2)])
def test_columns_are_those_of_a_terminal(text, width):
    assert columns(text) == cell_len(text) == width


@given(st.text(st.characters(categories=("L", "Nd", "P", "S"), max_codepoint=0xFFFF)), st.integers(2, 30))
def test_padded_and_cut_it_takes_so_many_columns(text, width):
    text = escape(text)
    taken = columns(cut(text, width))
    assert taken <= width
    assert cut(text, width) == text or (cut(text, width)[-1] == "…" and taken >= width - 1)
    assert columns(pad(cut(text, width), width)) == width
