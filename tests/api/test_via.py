"""Captures read through tshark, from Python. On interfaces: ``tests/live/test_api.py``."""

import gc
import gzip
import os
import warnings
from pathlib import Path

import msgspec
import pytest

import dissector
from dissector.capture import open_capture

from ..capture.test_tshark import TLS, VERSION, children_of, fake, is_gone, program, without_keys
from ..outputs import run

needs_tshark = pytest.mark.tshark


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A capture without its keys, and these in a key log."""
    folder = tmp_path_factory.mktemp("apart")
    capture, keylog = folder / "tls.pcapng", folder / "keys"
    capture.write_bytes(without_keys(gzip.decompress(TLS[1].read_bytes())))
    with open_capture([TLS[1]]) as whole:
        list(whole)
        keylog.write_bytes(whole.take_keys())
    return capture, keylog


@needs_tshark
def test_messages_are_those_of_the_command(apart):
    capture, keylog = apart
    words = ["read", "-T", "jsonl", "--via", "tshark", "--keylog", str(keylog), str(capture)]
    expected = [msgspec.json.decode(line, type=dissector.MessageRecord) for line in run(words).output.splitlines()]
    assert len(expected) == 8
    messages = dissector.read(capture, via="tshark", keylog=keylog)
    assert list(messages) == expected
    assert messages.completeness.missing() == []


@needs_tshark
def test_all_else_takes_it_too(monkeypatch):
    monkeypatch.setattr("dissector.capture.tshark.find", program)
    (call, _) = dissector.calls(TLS[1], via="tshark")
    assert (call.rpc.method, call.rpc.status) == ("get_console_output", "ok")
    assert {one.vhost for one in dissector.topology(TLS[1], via="tshark").connections} == {"nova_cell1"}
    for ask in (dissector.stats, dissector.agents, dissector.callers, lambda *a, **k: dissector.trace(*a, "x", **k)):
        with pytest.raises(dissector.UsageError, match="key log /nowhere"):
            ask(TLS[1], via="tshark", keylog="/nowhere")


@needs_tshark
def test_without_the_right_keys_nothing_is_made_up(apart, tmp_path, monkeypatch):
    monkeypatch.setattr("dissector.capture.tshark.find", program)
    capture, keylog = apart
    wrong = tmp_path / "wrong"
    wrong.write_text("".join(f"{line.rpartition(' ')[0]} {'b1' * 48}\n" for line in keylog.read_text().splitlines()))
    for given in (None, wrong):
        messages = dissector.read(capture, via="tshark", keylog=given)
        assert list(messages) == []
        (missing,) = messages.completeness.missing()
        assert missing.endswith("bytes undecoded")


@needs_tshark
def test_two_at_once_and_neither_to_its_end(monkeypatch):
    """Each has its own tshark, which ends with it, closed or forgotten."""
    monkeypatch.setattr("dissector.capture.tshark.find", program)
    before = set(children_of(os.getpid()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one, two = (dissector.read(path, via="tshark") for path in TLS)
        assert [next(one).oslo.method, next(two).oslo.method] == ["get_console_output"] * 2
        children = set(children_of(os.getpid())) - before
        assert len(children) == 2
        one.close()
        del two
        gc.collect()
    assert all(is_gone(child) for child in children)


def test_a_tshark_that_fails_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", fake(tmp_path, VERSION + "echo 'tshark: no more' >&2; exit 3"))
    messages = dissector.read(TLS[0], via="tshark")
    assert list(messages) == []
    assert messages.completeness.is_damaged
    (notice,) = messages.completeness.notices
    assert notice == "tshark has ended (status 3): no more; packets after number 0 are not read"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"via": "wireshark"}, "via='wireshark': choose from tshark"),
        ({"keylog": "keys"}, 'a key log is for tshark, which decrypts: add --via tshark (in Python via="tshark")'),
        ({"via": "tshark", "keylog": "/nowhere"}, "key log /nowhere: No such file or directory"),
    ],
)
def test_what_does_not_go_together_is_a_usage_error(given, reason, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", fake(tmp_path, VERSION))
    for ask in (dissector.read, dissector.stats, dissector.live):
        with pytest.raises(dissector.UsageError) as raised:
            ask(TLS[0], **given)
        assert raised.value.reason == reason


def test_what_was_opened_is_closed_where_the_rest_fails(apart, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", fake(tmp_path, VERSION))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for ask in (dissector.read, dissector.live):
            with pytest.raises(dissector.UsageError):
                ask("nowhere", via="tshark", keylog=apart[1])
        gc.collect()


def test_without_tshark_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(dissector.UsageError, match="there is no tshark; install it"):
        dissector.calls(TLS[0], via="tshark")
