"""What the plugin does at its limits: bundles with lower ones."""

import pytest

from dissector import limits
from dissector.interop import lua

from ..lab import truth
from .plugin import OWN_FRAMING, tshark

pytestmark = pytest.mark.tshark


@pytest.fixture
def limited(tmp_path, monkeypatch):
    """Gives a bundle with another value for a limit."""

    def bundle(name, value):
        monkeypatch.setattr(limits, name, value)
        path = tmp_path / "limited.lua"
        path.write_text(lua.render(), encoding="utf-8")
        return path

    return bundle


def messages(capture, script, *options):
    return tshark(truth.captures()[capture], "-Y", "oslo", *options, script=script).splitlines()


@pytest.mark.parametrize("name", ["PLUGIN_BODY_BYTES", "PLUGIN_UNFINISHED_BYTES"])
@pytest.mark.parametrize("options", [(), OWN_FRAMING], ids=["stock", "own"])
def test_large_bodies_are_left_out(limited, name, options):
    all_of_them = len(messages("big-bodies", lua.TARGET, *options))
    assert 0 < len(messages("big-bodies", limited(name, 100_000), *options)) < all_of_them


def test_of_many_messages_the_first_are_shown(limited):
    assert len(messages("demo", limited("PLUGIN_MESSAGES", 10))) == 10


def test_a_body_that_is_no_longer_kept_is_told(limited):
    output = tshark(truth.captures()["big-bodies"], "-2", "-V", "-O", "oslo", script=limited("PLUGIN_KEPT_BYTES", 1000))
    assert "The body is no longer kept" in output


def test_of_many_members_the_first_are_shown(limited):
    output = tshark(truth.captures()["demo"], "-V", "-O", "oslo", script=limited("PLUGIN_MEMBERS", 5))
    assert "… there is more than is shown" in output


def test_large_compressed_bodies_are_told(limited):
    output = tshark(truth.captures()["compressed-unicode"], "-V", script=limited("PLUGIN_COMPRESSED_BYTES", 10))
    assert "compression application/x-gzip: damaged, too large, or more" in output


def test_of_large_compressed_bodies_the_size_alone_is_checked(limited):
    output = messages("compressed-unicode", lua.TARGET)
    assert messages("compressed-unicode", limited("PLUGIN_CHECKED_BYTES", 0)) == output
    assert output


@pytest.mark.parametrize("name", ["PLUGIN_MEMO_ENTRIES", "PLUGIN_MEMO_BYTES"])
def test_what_is_remembered_does_not_show(limited, name):
    assert messages("demo", limited(name, 1)) == messages("demo", lua.TARGET)
