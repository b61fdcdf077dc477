import doctest
import subprocess
import sys
import types

import pytest

import dissector
from dissector import api

from .lab import truth


def test_gives_typed_messages():
    messages = list(dissector.read(truth.captures()["demo"]))
    assert len(messages) == sum(1 for _ in truth.load("demo")) + sum(m.amqp.leg == "return" for m in messages)
    assert {m.oslo.kind for m in messages} >= {"call", "cast", "fanout", "reply", "notification"}
    assert all(isinstance(m, dissector.MessageRecord) for m in messages)
    numbers = [m.frame.number for m in messages]
    assert numbers == sorted(numbers)


def test_secrets_are_masked_unless_asked_for():
    path = truth.captures()["demo"]
    masked = [m.oslo.context for m in dissector.read(path) if m.oslo.context]
    shown = [m.oslo.context for m in dissector.read(path, show_secrets=True) if m.oslo.context]
    tokens = {context["auth_token"] for context in shown} - {None}
    assert tokens
    assert {context["auth_token"] for context in masked} - {None} == {"***"}


def test_several_captures_are_one_run():
    paths = [truth.captures()["ipv6"], truth.captures()["demo"]]
    apart = sum(len(list(dissector.read(path))) for path in paths)
    together = list(dissector.read(paths))
    assert len(together) == apart
    assert max(m.frame.number for m in together) > 1500


def test_ports_choose_what_is_read():
    assert list(dissector.read(truth.captures()["demo"], ports=[5673])) == []


def test_what_is_no_capture_is_told(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("hello\n")
    with pytest.raises(dissector.UsageError, match=r"notes\.txt: not a pcap"):
        dissector.read(path)


def test_examples_in_docstrings_work(monkeypatch):
    monkeypatch.chdir(truth.PCAPS.parent)
    for module in (dissector, api):
        assert doctest.testmod(module).failed == 0


def test_importing_is_light():
    heavy = {"numpy", "scapy", "construct", "pyshark", "rich", "click"}
    code = "import dissector, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not heavy.intersection(loaded)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        dissector.nothing  # noqa: B018
    assert isinstance(dissector.read, types.FunctionType)
