import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissector.views.escape import escape


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
