import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissector.views.csvtext import csv_line
from dissector.views.escape import escape


def cells(*values: object) -> list[str]:
    text = csv_line(values).decode()
    (row,) = csv.reader(io.StringIO(text))
    return row


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-3, "-3"),
        (1.5, "1.5"),
        (1637000000.123456, "1637000000.123456"),
        ("a,b", "a,b"),
        ('say "x"', 'say "x"'),
        ("a\nb", r"a\nb"),
        ("\x1b[31m", r"\x1b[31m"),
        ("Zürich 東京", "Zürich 東京"),
        ({"a": [1, None]}, '{"a":[1,null]}'),
        ([], "[]"),
        ("=cmd()", "'=cmd()"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@x", "'@x"),
        ("a=1", "a=1"),
        ("\t=1", r"\t=1"),
        (" =1", "' =1"),
        ('"=1', "'\"=1"),
        ("＝1", "'＝1"),
        ("a;=1", "a;'=1"),
        ("a; +1;b|-1", "a;' +1;b|'-1"),
        ("a;b-1", "a;b-1"),
        ({"a": "-1"}, '{"a":"-1"}'),
    ],
)
def test_a_cell(value, expected):
    assert cells("first", value, "last") == ["first", expected, "last"]


@given(st.lists(st.text() | st.text("=+-@;| '\"a1"), min_size=2, max_size=5))
def test_any_text_is_one_row_and_no_formula(values):
    line = csv_line(values)
    assert line.count(b"\n") == 1
    row = cells(*values)
    assert [cell.replace("'", "") for cell in row] == [escape(value).replace("'", "") for value in values]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row)
    assert not any(part.startswith(("=", "+", "-", "@")) for cell in row for part in cell.split(";"))
