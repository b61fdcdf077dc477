import click
import pytest

from dissector import limits
from dissector.cli.topscreen import Notes


def test_what_is_told_meanwhile_is_kept(monkeypatch):
    notes = Notes()
    assert notes.latest is None
    monkeypatch.setattr("sys.stderr", notes)
    click.echo("osloshark: one\nmore of it", err=True)
    click.echo("osloshark: two", err=True)
    assert list(notes.lines) == ["osloshark: one", "more of it", "osloshark: two"]
    assert notes.latest == "two"


def test_of_too_many_lines_the_last_are_kept():
    notes = Notes()
    for number in range(limits.TOP_NOTES + 5):
        notes.write(f"{number}\n")
    assert list(notes.lines) == [str(number) for number in range(5, limits.TOP_NOTES + 5)]


def test_bytes_are_refused():
    with pytest.raises(TypeError):
        Notes().write(b"x")
