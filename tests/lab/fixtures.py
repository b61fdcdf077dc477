"""The ``lab`` fixture: one laboratory for a whole test run, in which a test records scenarios of its choice.

``recording = lab.record("call", "fanout")`` gives ``recording.pcap`` and ``recording.truth``. Load it with
``pytest_plugins = ["tests.lab.fixtures"]`` in the outermost conftest.
"""

import os
import shutil
from collections.abc import Iterator

import pytest

from .session import Lab, laboratory

PROGRAMS = ("rabbitmq-server", "tcpdump", "ethtool", "ip", "openssl", "unshare", "nsenter", "setpriv")


def missing() -> list[str]:
    """What this machine lacks for a laboratory; empty when it can have one."""
    lacks = [program for program in PROGRAMS if shutil.which(program, path=f"{os.defpath}:/sbin:/usr/sbin") is None]
    return lacks if os.geteuid() == 0 else ["root", *lacks]


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A laboratory that is up; tests that use it are skipped where there cannot be one."""
    if lacks := missing():
        pytest.skip(f"the laboratory needs {', '.join(lacks)}")
    with laboratory(tmp_path_factory.mktemp("lab")) as running:
        yield running
