"""Who is to be become, and whether they may write; what is given up is looked at in ``tests/live``."""

import os
from pathlib import Path

import pytest

from dissector.capture.live import Account, account, can_create_in
from dissector.errors import UsageError

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@as_root
def test_root_becomes_somebody(monkeypatch):
    monkeypatch.delenv("SUDO_USER", raising=False)
    assert account(None).name == "nobody"
    assert account("daemon").uid == 1
    assert account("root").uid == 0
    monkeypatch.setenv("SUDO_USER", "daemon")
    assert account(None).name == "daemon"
    monkeypatch.setenv("SUDO_USER", "root")
    assert account(None).name == "nobody"
    with pytest.raises(UsageError, match="no such user"):
        account("nosuchuser")


def test_others_stay_who_they_are(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1)
    assert account(None) is None
    assert account("daemon") is None
    with pytest.raises(UsageError, match="only root can become another user"):
        account("nobody")


def test_who_may_make_files(tmp_path: Path):
    own = Account("me", os.getuid(), os.getgid())
    other = Account("other", 54321, 54321)
    tmp_path.chmod(0o777)
    assert can_create_in(tmp_path, own)
    for place, mode in ((tmp_path, 0o755), (tmp_path, 0o776), (tmp_path, 0o773)):
        place.chmod(mode)
        assert not can_create_in(place, other)
        assert can_create_in(place, own)
