import os
import pty
import termios

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissector.cli.keys import Keyboard, keys_in


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("q/é", ["q", "/", "é"]),
        ("\x1b[A\x1bOB\x1b[5~x", ["up", "down", "page up", "x"]),
        ("\x1b", ["escape"]),
        ("\x1bq", ["escape", "q"]),
        ("\x1b[1;5Cq", ["q"]),
        ("\x1b[", []),
        ("\r\x7f\x15\x01", ["enter", "backspace", "clear"]),
    ],
)
def test_keys(data, expected):
    assert keys_in(data) == expected


@given(data=st.text(alphabet=st.sampled_from("\x1b[O;~Aq1\r\x00é"), max_size=40))
def test_whatever_a_terminal_sends(data):
    assert all(len(key) > 1 or key.isprintable() for key in keys_in(data))


@pytest.fixture
def terminal(monkeypatch):
    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield ours
    os.close(ours)


def test_a_terminal_is_as_it_was(terminal):
    keyboard = Keyboard()
    before = termios.tcgetattr(terminal)
    with keyboard:
        during = termios.tcgetattr(terminal)
        assert not during[3] & (termios.ICANON | termios.ECHO)
        assert during[3] & termios.ISIG
        assert keyboard.read() == []
        os.write(terminal, b"a\xc3")
        assert keyboard.read(5) == ["a"]
        os.write(terminal, b"\xa9\x1b[A")
        assert keyboard.read(5) == ["é", "up"]
        os.write(terminal, b"\x1b")
        assert keyboard.read(5) == ["escape"]
    assert termios.tcgetattr(terminal) == before


def test_a_terminal_that_is_gone(monkeypatch):
    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        with Keyboard() as keyboard:
            os.close(ours)
            assert keyboard.read(5) == ["quit"]
