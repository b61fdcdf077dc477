import re

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from dissector.views.grid import Column, GridStyle, Row, grid

COLUMNS = (
    Column("name"),
    Column("count", is_number=True),
    Column("why", 1, most=12),
    Column("more", 2),
    Column("empty", 1),
)
WHY = "because of a reason that is long"
ROWS = [Row(("queue", "7", WHY, "more", "")), Row(("x" * 30, "1,000", "", "", ""))]


def shown(width=None, rows=ROWS, columns=COLUMNS, **style):
    return grid("Things (2)", columns, rows, GridStyle(width, **style)).decode()


def test_without_a_width_all_is_shown_and_nothing_folded():
    assert (
        shown()
        == f"""\
Things (2)
name                            count  why                               more
─────────────────────────────────────────────────────────────────────────────
queue                               7  {WHY}  more
{"x" * 30}  1,000

"""
    )


def test_an_empty_column_is_left_out_and_so_are_those_without_room():
    assert "empty" not in shown()
    assert "no room" not in shown(57)
    assert "(no room for: more; --wide shows all)" in shown(56)
    assert "(no room for: more; --wide shows all)" in shown(51)
    assert "(no room for: why, more; --wide shows all)" in shown(50)


def test_what_is_too_long_goes_on_in_the_next_line():
    text = shown(30)
    name = "".join(re.findall("x+", text))
    assert name == "x" * 30
    assert max(map(len, text.splitlines()[:-2])) <= 30


def test_titles_cells_and_heads_are_no_markup_and_no_commands():
    hostile = "[red]\x1b[31m:smile:\n\u202e"
    text = shown(rows=[Row((hostile, "", "", "", ""))])
    assert r"[red]\x1b[31m:smile:\n\u202e" in text
    assert grid(hostile, COLUMNS, [], GridStyle()).decode() == "[red]\\x1b[31m:smile:\\n\\u202e: none seen\n\n"


def test_ids_are_shortened_where_there_is_a_width():
    rows = [Row((f"reply_{'0123abcd' * 4}", "", "", "", ""))]
    assert "\nreply_0123abcd…\n" in shown(100, rows)
    assert f"reply_{'0123abcd' * 4}" in shown(None, rows)


def test_colours_only_where_asked_for(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    rows = [Row(("red", "1", "", "", ""), "red")]
    assert "\x1b" not in shown(80, rows)
    assert "\x1b[31m" in shown(80, rows, color=True)


@given(
    cells=st.lists(st.tuples(*[st.text(max_size=40)] * len(COLUMNS)), min_size=1, max_size=4),
    width=st.integers(30, 120),
)
def test_any_text_fits_and_is_printable(cells, width):
    lines = shown(width, [Row(one) for one in cells]).splitlines()
    assert all(line.isprintable() for line in lines)
    table = [line for line in lines if not line.startswith("(no room for: ")]
    assert max(map(cell_len, table)) <= width


def test_numbers_stand_to_the_right_and_wide_characters_take_two_columns():
    text = shown(rows=[Row(("日本", "1", "é", "x", "")), Row(("abc", "1,000", "why", "", ""))])
    _, head, _, first, second = text.splitlines()[:5]
    assert (head, second) == ("name  count  why  more", "abc   1,000  why")
    assert first == "日本      1  é    x"


def test_words_stay_whole_where_they_fit_and_every_line_has_the_colour():
    rows = [Row(("a", "1", "client 320 went away-without-a-word", "", ""), "red")]
    lines = shown(60, rows, color=True).splitlines()
    assert lines[0] == "\x1b[1mThings (2)\x1b[0m"
    parts = ["client 320", "went", "away-without", "-a-word"]
    assert lines[3:7] == [
        f"\x1b[31m{begin:<13}{part}\x1b[0m" for begin, part in zip(("a         1", "", "", ""), parts, strict=True)
    ]


@given(
    names=st.lists(st.text("ab-é日 ", min_size=1, max_size=60).map(str.strip), min_size=1, max_size=5),
    keys=st.lists(st.text("cd日", max_size=60), min_size=5, max_size=5),
    width=st.integers(8, 60),
)
def test_what_is_folded_is_whole_and_in_its_column(names, keys, width):
    rows = [Row((name or "-", key)) for name, key in zip(names, keys, strict=False)]
    lines = shown(width, rows, (Column("n"), Column("k"))).splitlines()[3:-1]
    assert max(map(cell_len, shown(width, rows, (Column("n"), Column("k"))).splitlines()[1:])) <= width
    for alphabet, wanted in (("ab-é", [row.cells[0] for row in rows]), ("cd", [row.cells[1] for row in rows])):
        found = [char for line in lines for char in line if char in alphabet]
        assert found == [char for text in wanted for char in text if char in alphabet]
