import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissector.reading import Reading
from dissector.rpc.hot import hot_of
from dissector.rpc.window import Snapshot, Window
from dissector.views.escape import columns
from dissector.views.top import COLUMNS, KEYS, State, screen, text

from ..lab import truth
from ..rpc.story import Rpc, Story

STATE = State("eth0", 60.0)
NASTY = "\x1b]0;owned\x07\u202e\n東京" + "x" * 300


def of_capture(name: str) -> Snapshot:
    window = Window(60)
    for event in Reading([truth.captures()[name]]):
        window.feed(event, hot_of(event))
    return window.snapshot()


VERDICTS = of_capture("verdicts")


def lines(snapshot: Snapshot = VERDICTS, width: int = 80, height: int = 24, **more: object) -> list[str]:
    found = screen(snapshot, msgspec.structs.replace(STATE, **more), width, height)
    return ["".join(piece for piece, _ in line) for line in found]


def heads(shown: list[str]) -> list[str]:
    return next(line for line in shown if "req/s" in line).split()


def names(shown: list[str]) -> list[str]:
    at = shown.index(next(line for line in shown if "req/s" in line)) + 1
    end = shown.index("", at)
    return [line.split()[0] for line in shown[at:end]]


def test_a_screen():
    shown = lines()
    assert shown[0].startswith("osloshark top: eth0  20")
    assert "Failed 5  Timed out 3  Undelivered 0" in shown[1]
    assert "Late 10" in shown[2]
    assert heads(shown) == ["method", "req/s▼", "failed", "timeout", "p50", "p95", "max"]
    assert "2.3" in next(line for line in shown if line.startswith("echo "))
    assert any(line.startswith("Calls without reply, longest open first (") for line in shown)
    assert any("LATE echo" in line for line in shown)
    assert any("timed_out   get_host_uptime" in line for line in shown)
    assert shown[-1].startswith("q quit")


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"typed": "rpc.", "error": "no", "error_at": 3},
        {"is_help": True},
        {"note": "dropped"},
        {"filter": "rpc", "is_paused": True},
        {"scroll": 99},
    ],
)
@pytest.mark.parametrize("width", [1, 10, 40, 80, 81, 100, 300])
@pytest.mark.parametrize("height", [1, 2, 5, 10, 24, 60])
def test_it_fits_any_terminal(width, height, more):
    shown = lines(width=width, height=height, **more)
    assert len(shown) == height
    assert max(map(columns, shown)) <= width


def test_wide_terminals_show_more_columns():
    assert "wait" in lines(width=110)[3]
    assert "count" in heads(lines(width=100))
    assert "count" not in heads(lines(width=80))
    assert "count▼" in heads(lines(width=80, sort=2)), "what is sorted by is shown"


@pytest.mark.parametrize("sort", range(len(COLUMNS)))
@pytest.mark.parametrize("is_reversed", [False, True])
def test_sorting(sort, is_reversed):
    found = names(lines(height=60, sort=sort, is_reversed=is_reversed))
    groups = {group.key: group for group in VERDICTS.groups}
    assert sorted(found) == sorted(groups)
    if not sort:
        assert found == sorted(found, reverse=is_reversed)
        return
    values = [COLUMNS[sort].value(groups[name]) for name in found]
    known = [value for value in values if value is not None]
    assert known == sorted(known, reverse=not is_reversed)
    assert values[len(known) :] == [None] * (len(values) - len(known)), "what is not known stands last"


def test_scrolling_keeps_one_row():
    assert names(lines(scroll=1))[0] != names(lines())[0]
    assert "req/s▼" in heads(lines(scroll=10_000))
    assert len(set(names(lines())) & set(names(lines(scroll=10_000)))) == 1


def test_a_filter_that_is_typed_and_what_is_wrong():
    shown = lines(typed="rpc.x == ", error="a value is expected", error_at=9)
    assert shown[-1].startswith("/rpc.x == ")
    assert shown[-2] == " " * 10 + "^ a value is expected"
    assert "Filter: rpc.status" in "\n".join(lines(filter="rpc.status"))


def test_help_tells_all_keys():
    shown = "\n".join(lines(is_help=True, height=40))
    assert all(keys in shown for keys, _ in KEYS)


def test_drops():
    shown = text(VERDICTS, STATE).decode()
    assert "Kernel drops ?" in shown
    assert "Own drops" not in shown
    live = msgspec.structs.replace(STATE, is_live=True, kernel_drops=7, own_drops=1234)
    assert "Kernel drops 7  Own drops 1,234" in text(VERDICTS, live).decode()


def test_an_empty_window():
    assert "no packets yet" in lines(Window(60).snapshot())[0]
    assert text(Window(60).snapshot(), STATE).endswith(b"\n\n")


def test_as_text_nothing_is_cut():
    found = text(VERDICTS, STATE).decode()
    assert "Instance 3c5f1d7e-2b64-4a6f-9d83-6b2a1f0e5c42 could not be found." in found
    assert "Calls without reply, longest open first\n" in found
    assert not any(line != line.rstrip() for line in found.splitlines())


def nasty(evil: str) -> Snapshot:
    story, window = Story(), Window(60)
    failed = Rpc(story, "a", method=evil, namespace=evil, client=f"{evil}:7", key=f"{evil}.{evil}")
    failed.publish(0)
    failure = msgspec.json.encode({"class": evil, "module": evil, "message": evil, "tb": [evil]}).decode()
    content = failed.reply(failure=failure)
    failed.reply_publish(1, content)
    failed.reply_deliver(1, content)
    Rpc(story, "b", method=evil, client=f"{evil}:8", key=evil).publish(1)
    for event in story.events:
        window.feed(event, hot_of(event))
    return window.snapshot()


@settings(max_examples=60)
@given(evil=st.text(max_size=40), width=st.integers(1, 120), typed=st.none() | st.text(max_size=90))
def test_nothing_on_it_commands_a_terminal(evil, width, typed):
    for line in lines(nasty(evil), width=width, typed=typed, filter=evil, source=evil, note=evil, error=evil):
        assert line.isprintable()
        assert columns(line) <= width


def test_nothing_in_the_text_commands_a_terminal():
    shown = text(nasty(NASTY), msgspec.structs.replace(STATE, source=NASTY)).decode()
    assert all(line.isprintable() for line in shown.splitlines())
    assert r"\x1b]0;owned\x07\u202e\n東京" in shown


def test_a_small_screen_has_room_for_the_table():
    shown = lines(width=40, height=12)
    assert len(shown) == 12
    assert heads(shown)[0] == "method"
    assert len(names(shown)) >= 3


def test_a_long_name_pushes_no_number_away():
    record = msgspec.structs.replace(VERDICTS.groups[0], key="x" * 500)
    shown = text(msgspec.structs.replace(VERDICTS, groups=(record, *VERDICTS.groups[1:])), STATE).decode().splitlines()
    at = next(number for number, line in enumerate(shown) if "req/s" in line)
    assert max(map(len, shown[at : at + 5])) < 150
    assert "x…" in shown[at + 1]
